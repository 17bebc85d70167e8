"""Clips of a track onto disk: each in a folder of its own, which is a track."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mirkit import __version__
from mirkit.audio import probe
from mirkit.catalog import FEATURES, stage
from mirkit.clips.audio import Pieces, Sound
from mirkit.clips.features import Source, clip_features
from mirkit.clips.plan import ClipInput, ClipPlan, plan_clips
from mirkit.errors import MissingInput
from mirkit.features.types import Unknown
from mirkit.stages import entry_name
from mirkit.staleness import is_clip_audio_current, is_clip_current
from mirkit.store import (
    FileDigest,
    ProvenanceRecord,
    Settings,
    file_digest,
    make_folder,
    remove_orphans,
    update_info,
    update_provenance,
    write_grid,
    write_onsets,
)
from mirkit.store.json_files import JsonValue
from mirkit.track import MIX, Track
from mirkit.track.clip import (
    CUT,
    ClipSource,
    check_free,
    check_no_link,
    clear,
    clip_folders,
    cut_in,
    folder_name,
    refusal,
    replaced_clips,
    source_path,
)

_ORDER = tuple(row.name for row in FEATURES)


@dataclass(frozen=True)
class CropResult:
    """The clips of a track, as they are now.

    Attributes
    ----------
    names : tuple of str
        Folders of the set in ``crops``.
    made : int
        How many of them were cut or measured now; the others were whole.
    aligned : str
        What they begin on.
    notes : tuple of str
        What a user should know.
    """

    names: tuple[str, ...]
    made: int
    aligned: str
    notes: tuple[str, ...]


def crop(
    source: Source, settings: Settings, *, overwrite: bool = False, begin: Callable[[], None] = lambda: None
) -> CropResult:
    """Cut a track into clips; those that are whole and still true stay.

    Parameters
    ----------
    source : Source
    settings : Settings
    overwrite : bool
        Cut all of them again, and delete those of the set that were cut with other settings.
    begin : callable
        Called before the first file is written or removed, when nothing stands against it.

    Raises
    ------
    MissingInput
        A folder of the user's own stands where a clip would go, or clips of other settings would be deleted.
    AudioError
        The sound cannot be read or written.
    InfoError
        The system refuses.
    """
    track = source.opened.track
    plan, rate = _plan(source, settings)
    check_no_link(track.crops)
    if not plan.clips and not track.crops.exists():
        return CropResult((), 0, plan.aligned, (plan.why_none,))
    own, name = source_path(track), settings.crop.name
    cuts = {
        folder_name(track, name, i): ClipSource(own, name, rate, clip.first, clip.last, clip.length)
        for i, clip in enumerate(plan.clips, 1)
    }
    if not overwrite:
        _check_kept(source, settings, cuts)
    parts = track.parts
    todo: dict[str, ClipSource] = cuts
    same: set[str] = set()
    if not overwrite:
        is_current = partial(is_clip_current, digests=source.prints, needs=source.needs)
        todo = {clip: cut for clip, cut in cuts.items() if not is_current(track.crops / clip, cut)}
        same = {clip for clip, cut in todo.items() if is_clip_audio_current(track.crops / clip, cut, source.prints)}
    for folder in sorted(todo.keys() - same):
        check_free(track.crops / folder, own)
    begin()
    make_folder(track.crops)
    for path in clip_folders(track, name):
        remove_orphans(path)  # what a killed run left, a lock it may be
    sound = Sound(parts if todo.keys() - same else {MIX: parts[MIX]})
    pieces = sound.pieces(list(todo.values()))
    clipped = sum(
        _make(source, track.crops / folder, cut, sound, next(pieces), settings, write=folder not in same)
        for folder, cut in todo.items()
    )
    stale = [folder for folder in clip_folders(track, name) if folder.name not in cuts]
    kept = [folder.name for folder in stale if not clear(folder)]
    return CropResult(tuple(cuts), len(todo), plan.aligned, tuple(_notes(plan, settings, clipped, kept)))


def _check_kept(source: Source, settings: Settings, cuts: Mapping[str, ClipSource]) -> None:
    """Refuse to delete clips of other settings. Where those are not known, only the very same clips are cut again."""
    track, entry = source.opened.track, source.stages.get(entry_name(stage("crop"), settings))
    if entry:
        lost, before = replaced_clips(track, settings.crop, entry), entry.parameters
    else:
        there = clip_folders(track, settings.crop.name)
        lost, before = [folder for folder in there if cut_in(folder) != cuts.get(folder.name)], {}
    if lost:
        raise MissingInput(refusal(len(lost), 1, before, settings.crop))


def _notes(plan: ClipPlan, settings: Settings, clipped: int, kept: list[str]) -> Iterator[str]:
    if not plan.clips:
        yield plan.why_none
    elif plan.aligned != settings.crop.align:
        begin = {"beat": "on beats", "free": "anywhere"}[plan.aligned]
        yield f"no {settings.crop.align}s are known: its clips begin {begin}"
    if clipped:
        yield f"{clipped} samples of its clips lie above full scale and were limited"
    for name in kept:
        yield f"crops/{name}: a clip of other settings; files in it that are not ours stay"


def _plan(source: Source, settings: Settings) -> tuple[ClipPlan, int]:
    opened = source.opened
    info = probe(opened.track.mix)
    exact = info.duration is not None and abs(info.duration - opened.duration) < 0.001
    seconds = info.duration if exact and info.duration else opened.duration
    beats = opened.beats
    loudness = opened.curve(MIX, "loudness")
    material = ClipInput(info.sample_rate, round(seconds * info.sample_rate), beats.times, beats.downbeats, loudness)
    return plan_clips(material, settings.crop), info.sample_rate


def _make(
    source: Source, folder: Path, cut: ClipSource, sound: Sound, pieces: Pieces, settings: Settings, *, write: bool
) -> int:
    """Write one clip, its provenance last; give the number of samples that did not fit."""
    started, clip, clipped = time.perf_counter(), Track(folder), 0
    if write:
        clear(folder)
        make_folder(folder)
        # Said beforehand: what a kill leaves here is known as ours.
        update_provenance(clip.provenance, [_entry(source, cut, {}, failed="interrupted")])
        for part, piece in pieces.items():
            clipped += sound.write(folder / f"{part}.flac", part, piece, cut).clipped
    clip = Track.at(folder)
    prints = {part: file_digest(path) for part, path in clip.parts.items()}
    numbers = clip_features(source, cut, pieces[MIX], prints, settings)
    write_grid(clip.grid, numbers.grid)
    write_onsets(clip.onsets, numbers.onsets)
    values = {key: None if isinstance(value, Unknown) else value for key, value in numbers.values.items()}
    update_info(clip.info, values, order=_ORDER)
    entry = _entry(source, cut, prints, seconds=round(time.perf_counter() - started, 3))
    update_provenance(clip.provenance, [entry, *numbers.entries], facts=numbers.facts)
    return clipped


def _entry(source: Source, cut: ClipSource, outputs: Mapping[str, FileDigest], **more: object) -> ProvenanceRecord:
    details: dict[str, JsonValue] = {
        "source": source.opened.track.path.name,
        "start": cut.window.start,
        "end": cut.window.end,
    }
    return ProvenanceRecord(
        CUT,
        __version__,
        stage("crop").version,
        parameters=cut.parameters,
        inputs=source.prints,
        outputs=outputs,
        needs=source.needs,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        details=details,
        **more,  # type: ignore[arg-type]
    )
