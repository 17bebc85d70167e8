"""Print a plan, the outcome of a run, and its state."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli.output import about, clock, failure, from_here, next_step, note, quoted, table
from mirkit.errors import counted, megabytes, printable

if TYPE_CHECKING:
    from mirkit.dataset.status import RunStatus, Status
    from mirkit.pipeline import RunPlan, TrackOutcome
    from mirkit.pipeline.captioning.plan import CaptionPlan


def plan(plan: RunPlan, workers: int, url: str = "", *, verbose: bool = False) -> None:
    """Print tracks, methods, up-to-date results, time and disk space; ``url`` is that of a remote data set."""
    captions = plan.captions
    methods = ", ".join(f"{task} {name or 'none'}" for task, name in plan.backends.items())
    print(f"tracks   {len(plan.tracks)} in {from_here(printable(url or plan.root))}")
    if methods:
        print(f"methods  {methods}")
    if captions is not None:
        _model(captions)
    if plan.better and not verbose:
        print("         built-in methods; mirkit doctor names better ones, and what they need")
    better = plan.better if verbose else ()
    for notice in dict.fromkeys((*better, *plan.notices, *(captions.notices if captions else ()))):
        print(f"         {from_here(printable(notice))}")
    if captions is None or plan.backends:
        _tracks(plan, workers, url)
    if captions is not None:
        _captions(captions)


def _tracks(plan: RunPlan, workers: int, url: str) -> None:
    """Print the tracks that workers will process."""
    from mirkit.models.weights import urls

    idle = len(plan.tracks) - len(plan.waiting)
    for model in plan.downloads if plan.todo else ():
        hosts = ", ".join(dict.fromkeys(urls(file)[0].split("/")[2] for file in model.files))
        print(f"download {model.title}: {megabytes(model.size)} from {hosts}, license: {model.license}")
    sound = "" if url else f", {plan.minutes:.0f} min of audio"
    print(f"to do    {counted(len(plan.todo), 'track')}{sound}; {idle} up to date")
    for line in _own(plan):
        print(line)
    for why, count in _reasons(plan).most_common(8):
        print(f"         {counted(count, 'track')}: {printable(why)}")
    if plan.todo and url:  # the duration is known only after the download
        print(f"needs    {counted(workers, 'worker')}")
    elif plan.todo:
        print(f"needs    {_needed(plan, workers)}")


def _needed(plan: RunPlan, workers: int) -> str:
    """Describe the estimated time and disk space of the stages of a plan."""
    from mirkit.pipeline import stage_seconds

    once = plan.estimate.compiling
    parts = [f"{about(stage_seconds(plan, workers))} with {counted(workers, 'worker')}"]
    if once >= 1:
        parts.append(f"of which {about(once).removeprefix('about ')} once for compiling")
    if plan.stem_bytes:
        parts.append(f"{plan.stem_bytes / 1e6:.0f} MB of stems")
    basis = {
        "default": "; this machine has not been measured yet",
        "other": "; this work has not been measured on this machine yet",
    }
    busy = "; other programs are busy, so it may take longer" if _is_busy() else ""
    return ", ".join(parts) + basis.get(plan.estimate.basis, "") + busy


def _is_busy() -> bool:
    """Return whether other programs use this machine's processors."""
    from mirkit.engines import cores

    return hasattr(os, "getloadavg") and os.getloadavg()[0] > cores()


def _model(captions: CaptionPlan) -> None:
    """Print the model that writes captions, and the host that the audio is sent to."""
    captioner = captions.captioner
    print(f"model    {captioner.model} by {captioner.backend} (license: {captioner.license})")
    if captioner.address and captions.todo:
        key = ", with the key in MIRKIT_TEXTS_KEY" if os.environ.get("MIRKIT_TEXTS_KEY") else ""
        print(f"server   the audio of {counted(len(captions.todo), 'track')} will be sent to {captioner.address}{key}")


def _captions(captions: CaptionPlan) -> None:
    """Print the number of captions that the model will write, and the estimated time."""
    audio = f", {captions.audio_seconds / 60:.1f} min of audio to encode" if captions.prompts else ""
    print(
        f"to do    {counted(captions.prompts, 'caption')} for "
        f"{counted(len(captions.todo), 'track')}{audio}; {captions.stored} exist already"
    )
    for why, count in captions.reasons.most_common():
        print(f"         {counted(count, 'caption')}: {why}")
    if captions.prompts:
        parallel = captions.captioner.parallel
        tracks = "one track" if parallel == 1 else f"{parallel} tracks"
        expected = f"{about(captions.seconds)}: " if captions.seconds is not None else ""
        work = f"{captions.tokens} tokens to read, at most {captions.max_new_tokens} to write, {tracks} at a time"
        print(f"needs    {expected}{work}")


def _own(plan: RunPlan) -> list[str]:
    """Return lines on the user's own stems and MIDI files: whether a stage keeps or replaces them."""
    kinds = {"separate": ("stems", "--replace-stems"), "drums": ("drum MIDI", "--replace-midi")}
    lines = []
    for stage, (what, option) in kinds.items():
        if count := plan.own.get(stage):
            own = f"your own {what} in {counted(count, 'track')}"
            if stage in plan.replaces:
                lines.append(f"replaced {own}: the files are renamed to NAME.replaced-1, and new ones are made")
            else:
                lines.append(f"kept     {own}; to rename them and make new ones, add {option}")
    return lines


def _reasons(plan: RunPlan) -> Counter[str]:
    """Count the tracks for each reason and its stages."""
    counts: Counter[str] = Counter()
    for stages in plan.todo.values():
        by_reason: dict[str, list[str]] = {}
        for name, reason in stages.items():
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            listed = ", ".join(names) if len(names) <= 4 else f"{len(names)} stages"
            counts[f"{listed}: {reason}"] += 1
    return counts


def plan_json(plan: RunPlan, workers: int) -> dict[str, Any]:
    """The same as a JSON object."""
    from mirkit.pipeline import stage_seconds

    return {
        "root": str(plan.root),
        "tracks": len(plan.tracks),
        "methods": plan.backends,
        "notices": list(dict.fromkeys((*plan.better, *plan.notices))),
        "fetch": [model.name for model in plan.downloads] if plan.todo else [],
        "todo": plan.todo,
        "unreadable": plan.unreadable,
        "own": {"stems": plan.own.get("separate", 0), "midi": plan.own.get("drums", 0)},
        "minutes": plan.minutes,
        "seconds": stage_seconds(plan, workers) if plan.todo else 0.0,
        "seconds_of_compiling": plan.estimate.compiling if plan.todo else 0.0,
        "seconds_measured_here": plan.estimate.basis == "measured",
        "stem_bytes": plan.stem_bytes,
    } | ({"captions": _captions_as_json(plan.captions)} if plan.captions else {})


def _captions_as_json(captions: CaptionPlan) -> dict[str, Any]:
    return {
        "model": captions.captioner.model,
        "backend": captions.captioner.backend,
        "tracks": len(captions.todo),
        "prompts": captions.prompts,
        "stored": captions.stored,
        "reasons": dict(captions.reasons),
        "seconds": captions.seconds,
    }


#: A note that concerns many tracks is printed for this many of them; ``--verbose`` prints all.
_SAME = 3


def outcome(outcome: TrackOutcome, tally: RunSummary, *, verbose: bool, quiet: bool) -> None:
    """Print the outcome of one track: failures; notes unless quiet; with --verbose a line for success."""
    for where, why in outcome.failures.items():
        failed_line(outcome.track, where, why)
    if not quiet:
        for text in outcome.notes:
            tally.notes[text] += 1
            if verbose or tally.notes[text] <= _SAME:
                note(f"note   {outcome.track}: {text}")
        if verbose and outcome.ok:
            seconds = sum(outcome.seconds.values())
            print(f"done   {printable(outcome.track)}: {', '.join(outcome.done) or 'nothing to do'} ({seconds:.1f} s)")


def failed_line(track: str, where: str, why: str) -> None:
    """Return the line for a failed stage, or for the whole track if ``where`` is ``track``."""
    failure(f"{track}: {why}" if where == "track" else f"{track}: {where}: {why}")


@dataclass
class RunSummary:
    """Counts of a run, of its notes, and the names of the failed tracks.

    All outcomes are kept only for ``--json``, to save memory.
    """

    idle: int
    keep_all: bool
    sound: float = 0.0
    clips: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    _entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ok: dict[str, bool] = field(default_factory=dict)

    @property
    def tracks(self) -> list[dict[str, Any]]:
        """The outcomes, one entry per track, if they are kept."""
        return list(self._entries.values())

    @property
    def done(self) -> int:
        """Number of tracks without a failure."""
        return sum(self._ok.values())

    @property
    def failed(self) -> list[str]:
        """Tracks with a failure."""
        return [track for track, ok in self._ok.items() if not ok]

    def add(self, outcome: TrackOutcome) -> None:
        """Add an outcome; a track that is measured and then captioned has two."""
        self._ok[outcome.track] = self._ok.get(outcome.track, True) and outcome.ok
        self.sound += outcome.duration
        self.clips += outcome.clips
        if self.keep_all:
            entry = asdict(outcome) | {"ok": outcome.ok}
            before = self._entries.get(outcome.track)
            self._entries[outcome.track] = _merged(before, entry) if before else entry


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Merge two outcomes of a track into one entry."""
    joined = {name: (*first[name], *second[name]) for name in ("done", "skipped", "notes")}
    joined |= {name: first[name] | second[name] for name in ("failures", "seconds")}
    joined |= {name: max(first[name], second[name]) for name in ("duration", "clips")}
    return second | joined | {"ok": first["ok"] and second["ok"]}


def summary(tally: RunSummary, seconds: float, *, quiet: bool, verbose: bool = False, logged_in: str = "") -> None:
    """Print notes that were not repeated, counts, time and speed, then the names of the failed tracks.

    ``logged_in`` is the path of the data set as the user gave it, if the run has a log.
    """
    if not quiet:
        for text, count in tally.notes.items() if not verbose else ():
            if count > _SAME:
                note(f"note   {counted(count - _SAME, 'more track')}: {text}")
        speed = f", {_factor(tally.sound / seconds)} x real time" if tally.sound and seconds else ""
        cut = f", {tally.clips} clips" if tally.clips else ""
        print(f"{tally.done} done, {tally.idle} skipped, {len(tally.failed)} failed in {clock(seconds)}{speed}{cut}")
    tried = tally.done + len(tally.failed)
    if tally.failed and tried > 1:
        more = len(tally.failed) - _LISTED
        names = ", ".join(tally.failed[:_LISTED]) + (f" and {more} more" if more > 0 else "")
        note(f"{len(tally.failed)} of {tried} tracks failed; the same command tries them again: {names}")
    if tally.failed and logged_in and not quiet:
        note(f"what failed, and why: mirkit status {quoted(logged_in)}")


def _factor(speed: float) -> str:
    return f"{speed:.0f}" if speed >= 1 else f"{speed:.1g}"


def next_after(command: str, path: Path, *, done: int) -> None:
    """Print the command that a user would run next on a data set or a track.

    Parameters
    ----------
    command : str
        The command that has ended.
    path : Path
        What it worked on.
    done : int
        Number of tracks with results.
    """
    if not done:
        return
    if command == "separate":
        next_step("extract", path=path)
    elif command == "crop":
        next_step("export", "sat", "-o", quoted(f"{path.resolve().name}-sat"), path=path)
    else:
        look(path)


def look(path: Path) -> None:
    """Print the command that shows the results of a data set or a track."""
    from mirkit.track import is_track

    next_step("report" if path.is_dir() and not is_track(path) else "show", path=path)


def summary_json(tally: RunSummary, seconds: float) -> dict[str, Any]:
    """The outcome of a run as a JSON object."""
    counts = {"done": tally.done, "skipped": tally.idle, "failed": len(tally.failed), "seconds": round(seconds, 2)}
    return {"tracks": tally.tracks, "summary": counts}


def comparison(rows: Sequence[Any]) -> None:
    """Print a table of the true and the measured values of the demo set."""
    table(
        ("track", "what", "truth", "measured", ""),
        [(row.track, row.what, row.truth, row.measured, _VERDICTS[row.agrees]) for row in rows],
    )
    for track in dict.fromkeys(row.track for row in rows if row.agrees is None):
        print(f"{track}: all sounds fade in, so no time of an onset is right or wrong")


#: What a row of the table says of a measurement that agrees, does not agree, or is not compared.
_VERDICTS = {True: "ok", False: "differs", None: "not compared"}


#: At most this many reasons and tracks are listed; ``--verbose`` and ``--json`` list all.
_LISTED = 20


def status(state: Status, *, verbose: bool) -> None:
    """Print the runs of a data set, then the failures."""
    for run in state.runs:
        _run(run)
    _failures(state, len(state.failures) if verbose else _LISTED)


def _run(run: RunStatus) -> None:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
    workers = counted(run.workers, "worker")
    print(f"run      {began}, {printable(run.state)}, {clock(run.seconds)}, {workers}, mirkit {printable(run.mirkit)}")
    ended = run.done + run.failed
    print(
        f"tracks   {run.done} of {run.todo} done, {run.failed} failed; {run.tracks - run.todo} were up to date before"
    )
    if ended and run.seconds:
        sound = f", {_factor(run.sound / run.seconds)} x real time" if run.sound else ""
        print(f"speed    {60 * ended / run.seconds:.1f} tracks/min{sound}")
    if run.stages:
        whole = sum(run.stages.values()) or 1.0
        print("time     " + ", ".join(f"{name} {s / whole:.0%}" for name, s in list(run.stages.items())[:4]))
    if run.left is not None:
        left = f"for {about(run.left)}" if run.left > 0 or ended == run.todo else "longer than estimated"
        print(f"to do    {counted(run.todo - ended, 'track')}, {left}")
    elif ended < run.todo:
        print(f"to do    {counted(run.todo - ended, 'track')}; to continue, run the same command again")
    print(f"log      {printable(run.log)}")


def _failures(state: Status, listed: int) -> None:
    reasons = Counter(reason for failures in state.failures.values() for reason in set(failures.values()))
    for reason, count in reasons.most_common(listed) if len(state.failures) > listed else ():
        print(f"         {counted(count, 'track')}: {printable(reason)}")
    for track, failures in list(state.failures.items())[:listed]:
        for where, reason in failures.items():
            failed_line(track, where, reason)
    if len(state.failures) > listed:
        print(f"         and {len(state.failures) - listed} more; --verbose lists all")
