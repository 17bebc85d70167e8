"""The plan of a run, made before it starts: tracks, backends, stages, time and disk space."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit import engines, models
from mirkit.audio import probe
from mirkit.catalog import STEMS, TASKS, stage, with_needs
from mirkit.dataset.find import reason
from mirkit.dataset.library import Library
from mirkit.dataset.selection import only_matching
from mirkit.errors import MirkitError, MissingExtra, MissingInput, SettingsError, counted, pasted, printable
from mirkit.models import registry
from mirkit.models.backend import Backend, Model
from mirkit.pipeline import time_estimate
from mirkit.pipeline.outstanding import outstanding
from mirkit.stages import entry_name
from mirkit.store import Settings, read_provenance, read_settings, with_values
from mirkit.track import SKIPPED_FOLDERS, Track
from mirkit.track.clip import refusal, replaced_clips
from mirkit.track.listing import Unread

if TYPE_CHECKING:  # imported only if captions are requested
    from mirkit.pipeline.captioning.plan import CaptionPlan

#: Bytes of a FLAC stem per second of stereo sound.
_STEM_BYTES_PER_SECOND = 60_000
_PROBED = 40
#: The stage of captions.
CAPTIONS = "describe"
#: Largest number of excluded tracks that are listed by name.
_NAMED = 3

#: Receives backends with their missing weights; returns whether the user agrees to download all of them.
Agree = Callable[[Sequence[tuple[Backend, Model]]], bool]


@dataclass(frozen=True)
class RunRequest:
    """The request of a command.

    Attributes
    ----------
    path : Path
        A track, or with ``batch`` a folder of tracks.
    stages : tuple of str
    batch : bool
    fixed : dict
        Task -> backend that the command's name or an option names.
    overrides : dict
        ``section.key`` of the settings -> value from the command line.
    overwrite, debug : bool
    replaces : frozenset of str
        Stages, among ``separate`` and ``drums``, that may replace the user's own files.
    jobs : int
        Number of worker processes; 0 for one per core.
    time_limit : float or None
        Time limit per track in seconds.
    memory : int or None
        Memory limit of all workers together in bytes.
    address : str or None
        Address of the Ray cluster that runs the stages; None for this machine.
    url : str
        URL of a data set on object storage; ``path`` is then its mirror, made by ``remote.listing.mirror``.
    captions : tuple of str
        Names of the captions for ``describe``; empty for all.
    where : str
        Query, as the option ``--where`` has it: only the tracks that it finds.
    samples : bool
        Whether to process also the one-shots of a sample pack, see ``find_all``.
    """

    path: Path
    stages: tuple[str, ...]
    batch: bool = False
    fixed: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    replaces: frozenset[str] = frozenset()
    jobs: int = 0
    time_limit: float | None = None
    memory: int | None = None
    debug: bool = False
    address: str | None = None
    url: str = ""
    captions: tuple[str, ...] = ()
    where: str = ""
    samples: bool = True

    @property
    def track_stages(self) -> tuple[str, ...]:
        """Stages that workers run for each track: all except captions, which one model writes for all tracks."""
        return tuple(name for name in self.stages if name != CAPTIONS)


@dataclass(frozen=True)
class RunPlan:
    """The plan of a run.

    Attributes
    ----------
    root : Path
        The data set.
    tracks : tuple of Track
        The tracks in order, without those in ``[exclude]``.
    settings : Settings
        The settings, with the chosen ``backends``.
    backends : dict
        Task -> backend; "" if there is none.
    fresh : dict
        The entries of ``backends`` that ``auto`` chose in this plan.
    downloads : tuple of Model
        Models whose weights have to be downloaded.
    todo : dict
        Folder or file of a track -> stage -> reason. Tracks that are up to date have no entry.
    unreadable : dict
        Track -> reason why it cannot be processed. It is tried nevertheless, and fails with this message.
    own : dict
        ``"separate"`` or ``"drums"`` -> number of tracks with stale stems or MIDI files that are the user's own.
    replaces : frozenset of str
        The keys of ``own`` whose files are renamed to make room.
    minutes : float
        Estimated duration of the tracks with stages that must run.
    estimate : TimeEstimate
        Estimated time.
    stem_bytes : int
        Estimated disk space that stems will take.
    notices : tuple of str
    better : tuple of str
        Why better methods than the chosen ones are not used, a line for each.
    captions : CaptionPlan or None
        Plan of the captions; None if no captions were requested.
    unread : tuple of str
        A line for each folder, and each stem, that cannot be read.
    """

    root: Path
    tracks: tuple[Track, ...]
    settings: Settings
    backends: dict[str, str]
    fresh: dict[str, str]
    downloads: tuple[Model, ...]
    todo: dict[str, dict[str, str]]
    unreadable: dict[str, str]
    own: dict[str, int]
    replaces: frozenset[str]
    minutes: float
    estimate: time_estimate.TimeEstimate
    stem_bytes: int
    notices: tuple[str, ...]
    better: tuple[str, ...]
    captions: "CaptionPlan | None" = None
    unread: tuple[str, ...] = ()

    @property
    def waiting(self) -> list[Track]:
        """Tracks with stages that workers must run."""
        return [track for track in self.tracks if str(track.path) in self.todo or str(track.path) in self.unreadable]

    @property
    def idle(self) -> int:
        """Number of tracks with nothing to do."""
        busy = {*self.waiting, *(self.captions.todo if self.captions else ())}
        return len(self.tracks) - len(busy)


def make_plan(request: RunRequest, agree: Agree | None = None) -> RunPlan:
    """Find the tracks, choose the backends, and find the stages that are missing or stale.

    Parameters
    ----------
    request : RunRequest
    agree : callable, optional
        Asks the user, at most once, whether to download weights for which ``auto`` needs consent. By default they are
        not downloaded.

    Raises
    ------
    MissingInput
        There is no track at the path.
    MissingExtra
        A named backend, or the only one for a task, cannot be used on this machine.
    SettingsError
        The settings file or an option is not valid, or clips that were cut with other settings would be deleted.
    """
    with library_of(request) as library:
        return _make_plan(request, agree, library)


def _make_plan(request: RunRequest, agree: Agree | None, library: Library) -> RunPlan:
    notices: list[str] = []
    unread: list[Unread] = []
    tracks, root = library.find_tracks(unread, notices, samples=request.samples), library.root
    lines = tuple(one.line for one in unread)
    if not tracks:
        raise MissingInput("; ".join((f"{printable(request.path)}: {_why_empty(request.path)}", *lines, *notices)))
    settings = with_values(read_settings(root), request.overrides, "command line")
    models.check_names(settings, request.fixed)
    if settings.separation.problem:
        raise SettingsError(settings.separation.problem)
    agreed = _agreed(request, settings, tracks, agree) if agree else {}
    backends, fresh, better = _backends(request, root, settings, agreed)
    settings = replace(settings, backends=replace(settings.backends, **backends))
    left_out = {track: why for track in tracks if (why := reason(track, root, settings.exclude))}
    included = tuple(track for track in only_matching(tracks, library, request.where) if track not in left_out)
    if left_out:
        notices.append(f"mirkit.toml excludes {counted(len(left_out), 'track')}")
        notices += [f"{track.name}: {why}" for track, why in left_out.items() if len(left_out) <= _NAMED]
    stages = request.track_stages
    found = outstanding(
        included if stages else (),
        library,
        stages,
        backends,
        settings,
        overwrite=request.overwrite,
        replaces=request.replaces,
        many=request.batch and bool(stages),
        jobs=request.jobs or settings.run.jobs or engines.cores(),
    )
    todo = found.todo
    if found.newer:
        subject = "the results of 1 track were" if found.newer == 1 else f"the results of {found.newer} tracks were"
        notices.append(f"{subject} computed by a newer version of mirkit and are kept")
    if found.blocked:
        more = f" (and {len(found.blocked) - 1} more)" if len(found.blocked) > 1 else ""
        notices.append(f"{found.blocked[0]}, so this track will fail; move the file elsewhere{more}")
    if "crop" in request.stages:
        notices += _replaced(
            request, settings, [track for track in included if "crop" in todo.get(str(track.path), {})]
        )
    minutes = _minutes([track for track in included if str(track.path) in todo])
    separated = sum("separate" in stages for stages in todo.values()) / max(1, len(todo))
    if separated and (slow := time_estimate.slow_warning(backends, settings)):
        notices.append(slow)
    files = 2 if settings.separation.two_stems else len(STEMS)
    stem_bytes = int(minutes * 60 * separated * files * _STEM_BYTES_PER_SECOND)
    if stem_bytes > (free := shutil.disk_usage(root).free):
        notices.append(
            f"the stems need about {stem_bytes / 1e6:.0f} MB, but only {free / 1e6:.0f} MB of the disk are free"
        )
    return RunPlan(
        root,
        included,
        settings,
        backends,
        fresh,
        tuple(model for task, name in backends.items() if (model := models.to_fetch(task, name, settings))),
        todo,
        found.unreadable,
        found.own,
        request.replaces,
        minutes,
        time_estimate.estimate(todo, minutes, backends, settings),
        stem_bytes,
        tuple(notices),
        tuple(better),
        _captions(request, included, settings) if CAPTIONS in request.stages else None,
        lines,
    )


def _why_empty(path: Path) -> str:
    if path.resolve().name in SKIPPED_FOLDERS:
        return "folders of this name hold copies of tracks and are skipped; give the folder another name"
    return "the folder holds no track and no audio file"


def _captions(request: RunRequest, tracks: Sequence[Track], settings: Settings) -> "CaptionPlan":
    from mirkit.pipeline.captioning.plan import plan_captions

    backend = request.fixed.get("texts", settings.backends.texts)
    settings = replace(settings, backends=replace(settings.backends, texts=backend))
    return plan_captions(tracks, settings, request.captions, overwrite=request.overwrite)


def _replaced(request: RunRequest, settings: Settings, tracks: list[Track]) -> list[str]:
    """Return messages about clips, cut with other settings, that a run would delete.

    Raises
    ------
    SettingsError
        There are some, and ``overwrite`` is not set.
    """
    clips, of, before = 0, 0, None
    for track in tracks:
        with suppress(MirkitError):  # processing the track reports the error
            entry = read_provenance(track.provenance).stages.get(entry_name(stage("crop"), settings))
            if found := replaced_clips(track, settings.crop, entry):
                clips, of, before = clips + len(found), of + 1, before or entry
    if before is None:
        return []
    if not request.overwrite:
        raise SettingsError(f"crop: {refusal(clips, of, before.parameters, settings.crop)}")
    subject = f"{counted(clips, 'clip')} of {counted(of, 'track')}"
    return [f"{subject}, cut with other settings, {'are' if clips != 1 else 'is'} replaced"]


def library_of(request: RunRequest) -> Library:
    """Open the library of the data set of a request.

    Raises
    ------
    MissingInput
        There is no such file or folder, or it is no track and the request is for one.
    """
    if not os.path.lexists(request.path):
        raise MissingInput(f"{request.path}: there is no such file or folder")
    if not request.batch:
        Track.at(request.path)
    return Library.open(request.path)


def _choices(request: RunRequest, settings: Settings) -> dict[str, str]:
    """Return the named backend, or ``auto``, for each task of the requested stages."""
    tasks = {stage(name).task for name in with_needs(request.track_stages)}
    return {task: request.fixed.get(task, getattr(settings.backends, task)) for task in TASKS if task in tasks}


def _agreed(request: RunRequest, settings: Settings, tracks: list[Track], agree: Agree) -> dict[str, str]:
    """Return task -> backend whose weights the user agrees to download; asks only if ``auto`` would use them."""
    offers = []
    for task, choice in _choices(request, settings).items():
        if choice != "auto" or (task == "stems" and all(map(_has_stems, tracks))):
            continue
        for row in models.backends_of(task):
            if model := models.offer(row, settings):
                offers.append((row, model))
            elif row.explicit_only or models.unavailable(row, settings):
                continue
            break
    return {row.task: row.name for row, _ in offers} if offers and agree(offers) else {}


def _has_stems(track: Track) -> bool:
    try:
        return len(track.stems) == len(STEMS)
    except MissingInput:  # processing it reports the error
        return True


def _backends(
    request: RunRequest, root: Path, settings: Settings, agreed: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Choose a backend per task; return all of them, those chosen by ``auto``, and why better ones are not used."""
    written = read_settings(root, own=False).backends
    resolved, fresh, better = {}, {}, []
    for task, choice in _choices(request, settings).items():
        name = agreed.get(task) or models.resolve(task, choice, settings)
        if choice != "auto" and (why := models.unavailable(registry.backend(task, name), settings, named=True)):
            raise MissingExtra(f"{why}; {_remedy(task, root, asked=task in request.fixed)}")
        if choice == "auto" or (task not in request.fixed and getattr(written, task) == "auto"):
            # Also if the user's settings chose it, so that a later run of the data set uses the same.
            fresh[task] = name
        if choice == "auto":
            for row in models.backends_of(task):
                if row.name == name:  # those after it have a lower rank
                    break
                if not row.explicit_only:
                    better.append(models.unavailable(row, settings, brief=True))
        resolved[task] = name
    blocked = [name for name in request.track_stages if stage(name).task and not resolved[stage(name).task]]
    if blocked and len(blocked) == len(request.track_stages):
        task = stage(blocked[0]).task
        raise MissingExtra("; ".join(models.unavailable(row, settings) for row in models.backends_of(task)))
    return resolved, fresh, better


def _remedy(task: str, root: Path, *, asked: bool) -> str:
    if not asked:
        return (
            f"mirkit.toml asks for it; change that with: mirkit init {pasted(root)} --backend {task}=embedded --force"
        )
    embedded = {"stems": "use --model embedded", "drums": "use mirkit drums --backend drums=embedded"}
    return f"{embedded[task]}, which needs no model" if task in embedded else "see: mirkit doctor"


def _minutes(tracks: list[Track]) -> float:
    """Return the total duration in minutes, estimated from the file sizes and the durations of some tracks."""
    sizes, probed_bytes, probed_seconds = 0, 0, 0.0
    step = max(1, len(tracks) // _PROBED)
    for i, track in enumerate(tracks):
        try:
            size = track.mix.stat().st_size
            sizes += size
            if i % step == 0 and (seconds := probe(track.mix).duration):  # some headers contain no duration
                probed_seconds += seconds
                probed_bytes += size
        except (MirkitError, OSError):
            continue  # processing it will fail and take no time
    return probed_seconds / 60 * sizes / probed_bytes if probed_bytes else 0.0
