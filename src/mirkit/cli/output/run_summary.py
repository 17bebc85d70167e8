"""What a user reads. Results go to standard output, failures and notes to standard error."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `mirkit doctor` must work where a package is missing
    from mirkit.dataset.verify import TrackReport
    from mirkit.organize import MoveReport
    from mirkit.pipeline import TrackOutcome

if TYPE_CHECKING:
    from mirkit.windows import Slices, WindowFeatures


def note(text: str) -> None:
    """A line that is no result."""
    from mirkit.store import printable

    print(printable(text), file=sys.stderr)


def failure(text: str) -> None:
    """A line that says what failed."""
    note(f"FAILED {text}")


def unmeasured(count: int, tracks: int, path: str) -> str:
    """How many tracks wait to be measured, and the command: no failure, but not everything either."""
    return f'{count} of {tracks} tracks have not been measured; measure them with: mirkit extract "{path}"'


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their widest cell."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for i, row in enumerate(cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if i == 0:
            print("  ".join("-" * width for width in widths))


def outcome(outcome: TrackOutcome, *, verbose: bool, quiet: bool) -> None:
    """One track: its failures; its notes unless quiet; a line for success when verbose."""
    from mirkit.store import printable

    for where, why in outcome.failures.items():
        failed_line(outcome.track, where, why)
    if not quiet:
        for text in outcome.notes:
            note(f"note   {outcome.track}: {text}")
        if verbose and outcome.ok:
            seconds = sum(outcome.seconds.values())
            print(f"done   {printable(outcome.track)}: {', '.join(outcome.done) or 'nothing to do'} ({seconds:.1f} s)")


def failed_line(track: str, where: str, why: str) -> None:
    """What failed on a track: a stage, or with ``track`` all of it."""
    failure(f"{track}: {why}" if where == "track" else f"{track}: {where}: {why}")


@dataclass
class RunSummary:
    """What is kept of the outcomes of a run: counts and names, for there may be 100,000; all of them for ``--json``."""

    idle: int
    keep_all: bool
    sound: float = 0.0
    clips: int = 0
    _entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ok: dict[str, bool] = field(default_factory=dict)

    @property
    def tracks(self) -> list[dict[str, Any]]:
        """The outcomes, one entry a track, where all of them are kept."""
        return list(self._entries.values())

    @property
    def done(self) -> int:
        """Number of tracks of which nothing failed."""
        return sum(self._ok.values())

    @property
    def failed(self) -> list[str]:
        """Tracks of which something failed."""
        return [track for track, ok in self._ok.items() if not ok]

    def add(self, outcome: TrackOutcome) -> None:
        """Add an outcome; a track that is measured and then described has two."""
        self._ok[outcome.track] = self._ok.get(outcome.track, True) and outcome.ok
        self.sound += outcome.duration
        self.clips += outcome.clips
        if self.keep_all:
            entry = asdict(outcome) | {"ok": outcome.ok}
            before = self._entries.get(outcome.track)
            self._entries[outcome.track] = _merged(before, entry) if before else entry


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two outcomes of a track as one entry."""
    joined = {name: (*first[name], *second[name]) for name in ("done", "skipped", "notes")}
    joined |= {name: first[name] | second[name] for name in ("failures", "seconds")}
    joined |= {name: max(first[name], second[name]) for name in ("duration", "clips")}
    return second | joined | {"ok": first["ok"] and second["ok"]}


def summary(tally: RunSummary, seconds: float, *, quiet: bool) -> None:
    """Counts, time, speed, and the failed tracks once more."""
    if not quiet:
        speed = f", {tally.sound / seconds:.0f} x real time" if tally.sound and seconds else ""
        cut = f", {tally.clips} clips" if tally.clips else ""
        print(f"{tally.done} done, {tally.idle} skipped, {len(tally.failed)} failed in {clock(seconds)}{speed}{cut}")
    tried = tally.done + len(tally.failed)
    if tally.failed and tried > 1:
        names = ", ".join(tally.failed)
        note(f"{len(tally.failed)} of {tried} tracks failed (the same command tries them again): {names}")


def next_steps(path: Path) -> None:
    """What is worth doing after a run."""
    from mirkit.store import printable

    print(f'next     mirkit verify "{printable(path)}"; mirkit report "{printable(path)}"')


def as_json(tally: RunSummary, seconds: float) -> dict[str, Any]:
    """The outcome of a run for machines."""
    counts = {"done": tally.done, "skipped": tally.idle, "failed": len(tally.failed), "seconds": round(seconds, 2)}
    return {"tracks": tally.tracks, "summary": counts}


def organized(report: MoveReport, arguments: Namespace) -> None:
    """Which file went where."""
    for line in report.failures:
        failure(line)
    if arguments.json:
        moves = [{"from": str(move.source), "to": str(move.target)} for move in report.moves]
        told: dict[str, Any] = {"moves": moves, "failures": report.failures, "dry_run": arguments.dry_run}
        if arguments.undo:
            told |= {name: list(map(str, getattr(report, name))) for name in ("notes", "results", "brought")}
        print(json.dumps(told, indent=2))
        return
    if arguments.quiet:
        return
    for line in report.notes:
        note(f"note   {line}")
    for move in report.moves:
        source, target = (move.target, move.source) if arguments.undo else (move.source, move.target)
        print(f"{_below(source, move.root)} -> {_below(target, move.root)}")
    verb = "would be " if arguments.dry_run else ""
    what = "taken back" if arguments.undo else "copied" if arguments.copy else "moved"
    print(f"{len(report.moves)} files {verb}{what}, {len(report.failures)} failed")
    if arguments.undo:
        from mirkit.cli.show_undo import left

        left(report, Path(arguments.path))


def _below(path: Path, root: Path) -> str:
    from mirkit.store import printable

    return printable(path.relative_to(root) if path.is_relative_to(root) else path)


def verified(reports: Sequence[TrackReport], mixed: dict[str, dict[str, int]], *, missing: bool, quiet: bool) -> None:
    """A line for each track that is not perfect, then the whole."""
    from mirkit.dataset.verify import stages_of
    from mirkit.store import printable

    for report in reports:
        name = printable(report.name)
        if report.excluded:
            if not quiet:
                print(f"EXCLUDED {name}: {printable(report.excluded)}")
        elif report.problem:
            failure(f"{report.name}: {report.problem}")
        elif not quiet:
            parts = [f"{report.values} values", f"{len(report.nulls)} null", f"{len(report.missing)} missing"]
            parts += [f"{stage} failed: {printable(why)}" for stage, why in report.failed.items()]
            if report.stale:
                parts.append(f"other sound than measured: {', '.join(report.stale)}")
            if report.altered:
                parts.append(f"other content than recorded: {printable(', '.join(report.altered))}")
            if report.out_of_range:
                parts.append(f"out of range: {', '.join(f'{k} = {v:g}' for k, v in report.out_of_range.items())}")
            print(f"{'ok     ' if report.complete else 'MISSING'} {name}: {', '.join(parts)}")
            for field, compared in report.texts.items():
                for conflict in compared.conflicts:
                    print(f"        {printable(field)} says {conflict.description}")
        if missing and report.missing:
            print(f"        missing: {', '.join(report.missing)}")
            print(f"        written by: {', '.join(stages_of(report.missing))}")
    if quiet:
        return
    reasons = Counter(why for report in reports for why in report.nulls.values())
    for why, count in reasons.most_common(12):
        print(f"null    {count} x {printable(why)}")
    for stage, counts in mixed.items():
        told = ", ".join(f"{printable(method)} in {count}" for method, count in counts.items())
        print(f"mixed   {printable(stage)}: {told}; values of different methods are not comparable")
    for why, count in Counter(why for report in reports for why in report.absent.values()).most_common(12):
        print(f"absent  {count} x {printable(why)}")
    _contradictions(reports)
    excluded = sum(bool(report.excluded) for report in reports)
    incomplete = sum(not report.complete for report in reports)
    outside = sum(bool(report.out_of_range) for report in reports)
    complete = len(reports) - incomplete - excluded
    left_out = f", {excluded} excluded" if excluded else ""
    print(f"{len(reports)} tracks: {complete} complete, {incomplete} incomplete, {outside} out of range{left_out}")


def _contradictions(reports: Sequence[TrackReport]) -> None:
    """How often texts contradict what is measured."""
    from mirkit.dataset.facts import contradictions

    found = contradictions(report.texts for report in reports)
    if found.rate is not None:
        kinds = ", ".join(f"{kind} {count}" for kind, count in found.kinds.items())
        told = f" ({kinds}; in {found.tracks} tracks)" if kinds else ""
        share = f"{sum(found.kinds.values())} of {found.claims} claims that can be checked are contradicted"
        print(f"texts   {found.texts} texts: {share}, {100 * found.rate:.0f} %{told}")


def verify_json(reports: Sequence[TrackReport], mixed: dict[str, dict[str, int]]) -> dict[str, Any]:
    """The same for machines."""
    from mirkit.dataset.facts import contradictions

    found = contradictions(report.texts for report in reports)
    tracks = [asdict(report) | {"complete": report.complete} for report in reports]
    return {"tracks": tracks, "mixed_methods": mixed, "contradictions": asdict(found) | {"rate": found.rate}}


def window(found: WindowFeatures, arguments: Namespace) -> None:
    """The values of a window, and why there are none."""
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
        return
    for name, value in found.values.items():
        print(f"{name:<32} {found.reasons[name] if value is None else f'{value:.6g}'}")


def slices(found: Slices, arguments: Namespace) -> None:
    """The values of equal slices: a line a key."""
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
        return
    print(f"{len(found.edges) - 1} slices of {found.edges[1] - found.edges[0]:.3f} s from {found.edges[0]:g} s on")
    for name, values in found.values.items():
        told = " ".join("-" if value is None else f"{value:.4g}" for value in values)
        wide = f"  (over {found.widened[name]:g} s)" if name in found.widened else ""
        why = "" if any(value is not None for value in values) else f"  {found.reasons[name][0]}"
        print(f"{name:<32} {told}{wide}{why}")


def health(report: dict[str, Any]) -> None:
    """What ``mirkit doctor`` prints."""
    print(f"mirkit {report['mirkit']}, Python {report['python']}, {report['cores']} cores, {report['platform']}")
    print(f"free disk {report['free_disk_bytes'] / 1e9:.0f} GB here")
    for name, version in report["packages"].items():
        print(f"  {name:<12} {version or 'MISSING: pip install ' + name}")
    for name, version in report["optional"].items():
        print(f"  {name:<12} {version or 'not installed'}")
    if report["problem"]:
        print(f"FAILED {report['problem']}", file=sys.stderr)  # not by `note`, which needs NumPy
    for line in report["left out"]:
        print(f"note {line}", file=sys.stderr)
    print("methods")
    for job, state in report["methods"].items():
        print(f"  {job:<15} {state['used'] or 'none'}")
        for name, why in state["not used"].items():
            print(f"  {'':<15} not {name}: {why}")


def clock(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def comparison(rows: Sequence[Any]) -> None:
    """The demo set: truth beside measurement."""
    table(
        ("track", "what", "truth", "measured", ""),
        [(row.track, row.what, row.truth, row.measured, "ok" if row.agrees else "differs") for row in rows],
    )
