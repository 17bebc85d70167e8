"""What an export is made of: clips, or whole tracks, with all that is known of each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from mirkit.audio import probe
from mirkit.catalog import FEATURES, STAGES, TEXT_KEYS, TRACK_KEYS
from mirkit.dataset.items import DatasetItem, iter_tracks
from mirkit.dataset.split import mark
from mirkit.errors import AudioError, InfoError, MissingInput
from mirkit.store import FileDigest, Provenance, file_digest, printable, read_info, read_provenance, restamp
from mirkit.track import MIX, Track
from mirkit.track.clip import CUT, ClipSource, clip_fault
from mirkit.track.names import CROPS, base_of, is_sound


@dataclass(frozen=True)
class Item:
    """A clip, or a whole track.

    Attributes
    ----------
    name : str
        Its path from the data set's folder, with forward slashes.
    source : str
        The same of the track that it was cut from; its own where it is one.
    track : Track
        The track that it was cut from; itself where it is one.
    mix : Path
        File of its sound.
    sound : FileDigest
        Content of that file.
    rate : int
        Samples a second of that file.
    start : float
        Seconds of the source before it.
    seconds : float
        Its length, without the silence that a clip was padded with.
    numbers : dict
        Key -> number; what is not known is not in it.
    reasons : dict
        Key -> why it is not known.
    facts : dict
        Name -> value, of those that are known.
    texts : dict
        Name -> text.
    methods : dict
        Stage -> method that made its numbers.
    mark : str
        What seeds draw by: its name, as it was before the track was organized.
    """

    name: str
    source: str
    track: Track
    mix: Path
    sound: FileDigest
    rate: int
    start: float
    seconds: float
    numbers: Mapping[str, float]
    reasons: Mapping[str, str]
    facts: Mapping[str, Any]
    texts: Mapping[str, str]
    methods: Mapping[str, str]
    mark: str = ""


@dataclass
class Gathered:
    """All items of a data set.

    Attributes
    ----------
    items : list of Item
        By name.
    excluded : dict
        Name -> why it is left out.
    problems : list of str
        A line for each that cannot be exported.
    """

    items: list[Item] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def gather(path: Path, *, crops: bool, clip_set: str = "") -> Gathered:
    """Read what is known of every clip of one set, or of every track.

    Raises
    ------
    MissingInput
        There is none.
    SettingsError
        The settings file is wrong.
    """
    found = Gathered()
    for member in iter_tracks(path, found.problems, crops=crops):
        if member.excluded:
            found.excluded[_slashes(member.name)] = member.excluded
            continue
        try:
            item = _read(member, clip_set)
        except (InfoError, MissingInput, AudioError) as error:
            found.problems.append(str(error))
            continue
        if item:
            found.items.append(item)
    if not (found.items or found.problems or found.excluded):
        which = f"no clips of the set {clip_set!r}" if clip_set else "no clips"
        mend = f'cut them with: mirkit crop "{printable(path)}", or export whole tracks with --from tracks'
        raise MissingInput(f"{printable(path)}: {which}; {mend}" if crops else f"{printable(path)}: no track in it")
    found.items.sort(key=lambda item: item.name)
    return found


def _read(member: DatasetItem, clip_set: str) -> Item | None:
    """Read one; None for a clip of another set, or of another track."""
    track, provenance = member.track, read_provenance(member.track.provenance)
    cut = ClipSource.of(provenance)
    if (cut.source if cut else "") not in member.sources or (cut and cut.set != clip_set):
        return None
    if cut:
        track = Track.at(track.path)
    if cut and (fault := clip_fault(track, cut, provenance)):
        raise MissingInput(f"{printable(track.path)}: {fault}")
    info = read_info(track.info)
    keys = _CLIP_KEYS if cut else TRACK_KEYS
    numbers = {key: value for key in keys if (value := _number(info.get(key))) is not None}
    facts: dict[str, Any] = {n: fact["value"] for n, fact in provenance.facts.items() if fact.get("value") is not None}
    if not numbers or "duration" not in facts:
        raise MissingInput(
            f'{printable(track.path)}: not measured; measure it with: mirkit extract "{printable(track.path)}"'
        )
    name = _slashes(member.name)
    known = (provenance.stages[CUT].outputs if cut else _inputs(provenance)).get(MIX)
    sound = file_digest(track.mix, known)
    restamp(track.provenance, provenance, {MIX: sound})
    if not cut and sound != known:
        raise MissingInput(
            f'{printable(track.path)}: its audio has changed; measure it with: mirkit extract "{printable(track.path)}"'
        )
    source = _source(name, cut) if cut else name
    return Item(
        name,
        source,
        _track(os.path.normpath(track.folder / cut.source)) if cut else track,
        track.mix,
        sound,
        cut.rate if cut else int(facts["sample_rate"]),
        cut.window.start if cut else 0.0,
        cut.window.duration if cut else _seconds(track.mix, facts["duration"]),
        numbers,
        {key: why for entry in provenance.stages.values() for key, why in entry.reasons.items()},
        facts,
        {key.removeprefix(_TEXTS): t for key in TEXT_KEYS if isinstance(t := info.get(key), str) and t.strip()},
        {stage: entry.backend for stage, entry in provenance.stages.items() if entry.backend},
        _mark(name, source, provenance),
    )


def _mark(name: str, source: str, provenance: Provenance) -> str:
    """What seeds draw a track or clip by: the same for a loose file and for the track folder that it became."""
    before, path = PurePath(mark(source, provenance)), PurePath(source)
    if before == path and not is_sound(path.name):  # a folder that the user made
        return name
    if name == source:
        return before.as_posix()
    clip = PurePath(name).name
    bases = (base_of(path.name), base_of(path.stem))
    number = next((clip.removeprefix(base) for base in bases if clip.startswith(f"{base}_")), clip)
    return (before.parent / CROPS / f"{before.name}{number}").as_posix()


@lru_cache(64)
def _track(path: str) -> Track:
    """The track at a path; one that is not there any more still has its name."""
    try:
        return Track.at(path)
    except MissingInput:
        return Track(Path(path))


_CLIP_KEYS = tuple(row.name for row in FEATURES)
_TEXTS = "music_flamingo_"


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _seconds(mix: Path, measured: float) -> float:
    """Length of a track to the sample, where its header tells it: the fact is rounded."""
    told = probe(mix).duration
    return told if told is not None and abs(told - measured) < 0.01 else measured


def _inputs(provenance: Provenance) -> dict[str, FileDigest]:
    """What the stages of a track were measured on."""
    found: dict[str, FileDigest] = {}
    for row in STAGES:
        if entry := provenance.stages.get(row.name):
            found |= entry.inputs
    return found


def _source(name: str, cut: ClipSource) -> str:
    return _slashes(os.path.normpath(os.path.join(name, cut.source)))


def _slashes(name: str) -> str:
    return name.replace(os.sep, "/")
