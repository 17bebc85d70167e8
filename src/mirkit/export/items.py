"""The items of an export: clips or whole tracks, with their features, metadata and texts."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path, PurePath
from typing import Any

from mirkit import __version__, engines
from mirkit.audio import probe
from mirkit.captions.lyrics import Line, Lyrics
from mirkit.catalog import CATEGORIES, NUMBERS, STAGES, TEXT_KEYS, TEXTS
from mirkit.dataset.find import DatasetItem, iter_tracks
from mirkit.dataset.library import Library
from mirkit.dataset.rights import RightsReader
from mirkit.dataset.seeds import seed_key
from mirkit.dataset.selection import nothing_found
from mirkit.dataset.unusable import why_unusable
from mirkit.errors import AudioError, InfoError, MissingInput, pasted, printable
from mirkit.export.item import CAPTION, Item
from mirkit.export.parallel import Progress, no_progress
from mirkit.staleness import changed_since
from mirkit.store import FileDigest, Provenance, as_number, file_digest, read_info, read_provenance, restamp
from mirkit.track import CROPS, MIX, Track, base_of, is_audio_name
from mirkit.track.clip import CUT, ClipSource, clip_fault
from mirkit.track.listing import Unread
from mirkit.track.user_texts import UserTextReader, UserTexts


@dataclass
class ExportItems:
    """All items of a data set.

    Attributes
    ----------
    items : list of Item
        Sorted by name.
    excluded : dict
        Name -> why the user excluded it.
    problems : list of str
        A line for each item that cannot be exported.
    unusable : dict
        Track or folder that cannot be read, or track that failed in the last run and has no values -> why.
    unmatched_rights : list of str
        A line for each row of ``rights.csv`` that fits none of the items.
    """

    items: list[Item] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    unmatched_rights: list[str] = field(default_factory=list)


def read_items(
    path: Path,
    *,
    crops: bool,
    clip_set: str = "",
    where: str = "",
    jobs: int = 1,
    progress: Progress = no_progress,
    pack: Callable[[Item], Item] | None = None,
) -> ExportItems:
    """Read every clip of one set, or every track.

    Parameters
    ----------
    path : Path
        A folder of tracks, a track, or a loose file.
    crops : bool
        Clips instead of tracks.
    clip_set : str
        Name of the set of clips, "" for the unnamed set.
    where : str
        Query, as the option ``--where`` has it: only the clips, or the tracks, that it finds.
    jobs : int
        Worker processes, 0 for one per core.
    progress : callable
        Reports progress.
    pack : callable, optional
        Makes each item smaller as soon as it has been read.

    Raises
    ------
    MissingInput
        There is no track, or no clip of the set.
    SettingsError
        The settings file is wrong.
    """
    result = ExportItems()
    rights = RightsReader(path)
    unread: list[Unread] = []
    members = []
    for member in iter_tracks(path, unread, crops=crops, where=where):
        if member.excluded:
            result.excluded[_slashes(member.name)] = member.excluded
        elif why := "" if crops else why_unusable(member.track):
            result.unusable[_slashes(member.name)] = why
        else:
            members.append(member)
    result.unusable |= {_slashes(os.path.relpath(one.path, path)): one.line for one in unread}
    jobs = jobs or engines.cores()

    def finished(one: _Read) -> _Read:
        """Add the rights, and pack the item."""
        if one.item is None:
            return one
        try:
            item = replace(one.item, rights=rights.read(one.item.track, _facts(one.item)))
        except (InfoError, MissingInput) as error:
            return _Read(None, one.problems, str(error))
        return _Read(pack(item) if pack else item, one.problems)

    with progress(len(members)) as advance:
        if crops:
            read = _read_clips(members, clip_set, jobs, finished, advance)
        else:
            read = _read_tracks(path, members, jobs, finished, advance)
    told: set[str] = set()  # clips of one track share its texts
    for one in read:
        result.problems += [line for line in one.problems if line not in told]
        told.update(one.problems)
        if one.item:
            result.items.append(one.item)
        elif one.refused:
            result.problems.append(one.refused)
    if where and not (result.items or result.problems or result.unusable):
        raise nothing_found(path, where)
    if not (result.items or result.problems or result.excluded or result.unusable):
        if not crops:
            raise MissingInput(f"{printable(path)}: there is no track in this folder")
        which = f"no clips of the set {clip_set!r}" if clip_set else "no clips"
        raise MissingInput(
            f"{printable(path)}: there are {which}; cut them with: mirkit crop {pasted(path)}, "
            "or export whole tracks with --from tracks"
        )
    result.unmatched_rights = rights.unmatched()
    result.items.sort(key=lambda item: item.name)
    return result


@dataclass(frozen=True)
class _Read:
    """An item, or None for what is none, a line for each problem, and why its rights cannot be read."""

    item: Item | None
    problems: tuple[str, ...] = ()
    refused: str = ""


def _read_clips(
    members: Sequence[DatasetItem],
    clip_set: str,
    jobs: int,
    finished: Callable[[_Read], _Read],
    advance: Callable[[str], None],
) -> list[_Read]:
    """Read clips on all cores."""
    read: dict[Track, _Read] = {}
    for done in engines.run_batches(partial(_read_several, clip_set=clip_set), members, jobs=jobs):
        one = done.result or _Read(None, (f"{printable(done.item.track.path)}: {done.error}",))
        read[done.item.track] = finished(one)
        advance(done.item.name)
    return [read[member.track] for member in members]


def _read_several(members: Sequence[DatasetItem], clip_set: str) -> list[_Read]:
    texts = UserTextReader()  # clips of one track share its texts
    return [_read_one(member, clip_set, texts) for member in members]


def _read_tracks(
    path: Path,
    members: Sequence[DatasetItem],
    jobs: int,
    finished: Callable[[_Read], _Read],
    advance: Callable[[str], None],
) -> list[_Read]:
    """Read whole tracks: those whose folders have not changed from the library, others on all cores."""
    read: dict[Track, _Read] = {}
    with Library.open(path) as library:
        answers = library.answers("item", [__version__, _STORED])
        named = {member.track: member for member in members}
        for track, stored in answers.each(list(named), jobs=jobs):
            if item := _decoded(stored, named[track]):
                read[track] = finished(_Read(item))
                advance(named[track].name)
        unknown = [member for member in members if member.track not in read]
        for done in engines.run_batches(partial(_read_several, clip_set=""), unknown, jobs=jobs):
            one = done.result or _Read(None, (f"{printable(done.item.track.path)}: {done.error}",))
            if one.item and not one.problems:
                answers.put(done.item.track, _encoded(one.item))
            read[done.item.track] = finished(one)
            advance(done.item.name)
        answers.save()
    return [read[member.track] for member in members]


def read_item(track: Track) -> Item | None:
    """Read one clip or track, without its rights.

    Parameters
    ----------
    track : Track

    Returns
    -------
    Item or None
        None where the track has not been measured, or a file is missing.
    """
    clip = ClipSource.of(read_provenance(track.provenance))
    sources = frozenset({clip.source if clip else ""})
    return _read_one(DatasetItem(track, track.path.name, sources, ""), clip.set if clip else "").item


def _read_one(member: DatasetItem, clip_set: str = "", texts: UserTextReader | None = None) -> _Read:
    """Read one item, without its rights, which also depend on files of the data set."""
    problems: list[str] = []
    try:
        item = _read(member, clip_set)
        if item:
            item = _with_user_texts(item, (texts or UserTextReader()).read(item.track, problems))
    except (InfoError, MissingInput, AudioError) as error:
        return _Read(None, (*problems, str(error)))
    return _Read(item, tuple(problems))


def _facts(item: Item) -> Provenance:
    """Return the metadata of an item as a provenance has them."""
    return Provenance(facts={name: {"value": value} for name, value in item.metadata.items()})


#: Reasons and methods, which most tracks have in common: text -> the object.
_common: dict[str, dict[str, Any]] = {}
_MOST_COMMON = 4096


def _shared(name: str, value: Any) -> Any:
    """Return a field whose parts are the same objects as those of other tracks: there may be 100,000."""
    if not isinstance(value, dict):
        return value
    if name in ("missing_reasons", "methods", "categories"):
        if len(_common) >= _MOST_COMMON:
            _common.clear()
        return _common.setdefault(repr(value), value)
    return {sys.intern(key): inner for key, inner in value.items()}


#: Version of the stored items; increased when the same files would give another item.
_STORED = 1
#: Fields that are stored as they are.
_PLAIN = (
    *("sample_rate", "seconds", "features", "missing_reasons", "metadata", "texts", "methods", "categories"),
    "source_sha256",
)


def _encoded(item: Item) -> dict[str, Any]:
    """Return the item of a whole track as JSON, without what follows from its path."""
    texts = item.user_texts
    lines = None if texts.lyrics is None else [astuple(line) for line in texts.lyrics.lines]
    user = {"lines": lines, "caption": texts.caption, "language": texts.language, "origin": texts.origin}
    stamp = [item.digest.size, item.digest.sha256, *item.digest.stamp[1:]]
    return {name: getattr(item, name) for name in _PLAIN} | {"digest": stamp, "user": user}


def _decoded(stored: Any, member: DatasetItem) -> Item | None:
    """Return the item of a track whose files are as they were; None if it is not known."""
    track, name = member.track, _slashes(member.name)
    if not isinstance(stored, dict):
        return None
    try:
        user = stored["user"]
        lyrics = None
        if user["lines"] is not None:
            parts = ((text, start, end, tuple(map(tuple, words))) for text, start, end, words in user["lines"])
            lyrics = Lyrics(tuple(Line(*part) for part in parts))
        plain = {key: _shared(key, stored[key]) for key in _PLAIN}
        item = Item(
            name=name,
            source=name,
            track=track,
            mix=track.mix,
            digest=FileDigest(*stored["digest"]),
            start=0.0,
            user_texts=UserTexts(lyrics, user["caption"], user["language"], user["origin"]),
            files=track,
            **plain,
        )
        return replace(item, seed_key=_seed_key(name, name, _facts(item)))
    except (KeyError, TypeError, ValueError, AttributeError, MissingInput):  # of a library that a stranger made
        return None


def _read(member: DatasetItem, clip_set: str) -> Item | None:
    """Read one item; None for a clip of another set, or of another track."""
    track, provenance = member.track, read_provenance(member.track.provenance)
    clip = ClipSource.of(provenance)
    if (clip.source if clip else "") not in member.sources or (clip and clip.set != clip_set):
        return None
    if clip:
        track = Track.at(track.path)
    if clip and (fault := clip_fault(track, clip, provenance)):
        raise MissingInput(f"{printable(track.path)}: {fault}")
    info = read_info(track.info)
    rows = [row for row in NUMBERS if clip or row.stage != "crop"]
    features = {row.name: value for row in rows if (value := as_number(info.get(row.name))) is not None}
    metadata: dict[str, Any] = {
        name: fact["value"] for name, fact in provenance.facts.items() if fact.get("value") is not None
    }
    if not features or "duration" not in metadata:
        raise MissingInput(
            f"{printable(track.path)}: it has not been measured; measure it with: mirkit extract {pasted(track.path)}"
        )
    if isinstance(channels := metadata.get("channels"), int) and channels > 2 and "downmix" not in metadata:
        again, path = ("crop", os.path.normpath(track.folder / clip.source)) if clip else ("extract", track.path)
        raise MissingInput(
            f"{printable(track.path)}: its numbers are those of {channels} channels, from before these were mixed "
            f"down; measure it again with: mirkit {again} {pasted(path)}"
        )
    name = _slashes(member.name)
    recorded = (provenance.stages[CUT].outputs if clip else _inputs(provenance)).get(MIX)
    original = provenance.stages[CUT].inputs.get(MIX) if clip else recorded
    digest = recorded if clip and recorded else file_digest(track.mix, recorded)  # that of a clip was compared above
    if not clip:
        restamp(track.provenance, provenance, {MIX: digest})
    if digest != recorded:
        raise MissingInput(
            f"{printable(track.path)}: its audio has changed since it was measured; measure it again with: "
            f"mirkit extract {pasted(track.path)}"
        )
    source = _source(name, clip) if clip else name
    whole = _track(os.path.normpath(track.folder / clip.source)) if clip else track
    return Item(
        name,
        source,
        whole,
        track.mix,
        digest,
        clip.rate if clip else int(metadata["sample_rate"]),
        clip.window.start if clip else 0.0,
        clip.window.duration if clip else _seconds(track.mix, metadata["duration"]),
        features,
        {key: why for entry in provenance.stages.values() for key, why in entry.reasons.items()},
        _with_genre(metadata, info),
        {key.removeprefix(TEXT_PREFIX): t for key in _TEXTS if isinstance(t := info.get(key), str) and t.strip()},
        {stage: entry.backend for stage, entry in provenance.stages.items() if entry.backend},
        _seed_key(name, source, provenance),
        categories=_categories(info),
        source_sha256=original.sha256 if original else "",
        files=track,
        older=changed_since(whole, provenance.stages[CUT].needs) if clip and whole.provenance.exists() else (),
    )


_GENRE = "genre"
#: Texts of an item; the genre is one of its tags.
_TEXTS = (*TEXT_KEYS, *(row.name for row in TEXTS if row.name != _GENRE))


def _with_genre(metadata: dict[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    """Add the genre of the stage ``tags``: what the user has written, else the tag of the file, else a model's."""
    genre = info.get(_GENRE)
    if not isinstance(genre, str) or not genre.strip():
        return metadata
    return metadata | {"tags": {**(metadata.get("tags") or {}), _GENRE: genre.strip()}}


def _categories(info: Mapping[str, Any]) -> dict[str, str]:
    return {row.name: info[row.name] for row in CATEGORIES if info.get(row.name) in row.categories}


def _with_user_texts(item: Item, found: UserTexts) -> Item:
    """Add the user's texts; a caption of the user's replaces the full one of a language model."""
    texts = dict(item.texts)
    if found.caption:
        texts.pop("full", None)
        texts = {CAPTION: found.caption} | texts
    return replace(item, texts=texts, user_texts=found)


def _seed_key(name: str, source: str, provenance: Provenance) -> str:
    """Seed of random draws: the same for a loose file and for the track folder that was made from it."""
    before, path = PurePath(seed_key(source, provenance)), PurePath(source)
    if before == path and not is_audio_name(path.name):  # a folder that the user made
        return name
    if name == source:
        return before.as_posix()
    clip = PurePath(name).name
    bases = (base_of(path.name), base_of(path.stem))
    number = next((clip.removeprefix(base) for base in bases if clip.startswith(f"{base}_")), clip)
    return (before.parent / CROPS / f"{before.name}{number}").as_posix()


@lru_cache(64)
def _track(path: str) -> Track:
    """Return the track at a path, also if its files have been removed."""
    try:
        return Track.at(path)
    except MissingInput:
        return Track(Path(path))


#: Prefix of the texts in ``.INFO``, which the names of an export leave out.
TEXT_PREFIX = "music_flamingo_"


def _seconds(mix: Path, measured: float) -> float:
    """Length of a track (s): from the file's header if it has one, because the metadata value is rounded."""
    duration = probe(mix).duration
    return duration if duration is not None and abs(duration - measured) < 0.01 else measured


def _inputs(provenance: Provenance) -> dict[str, FileDigest]:
    """Digests of the files that the stages of a track read."""
    inputs: dict[str, FileDigest] = {}
    for row in STAGES:
        if entry := provenance.stages.get(row.name):
            inputs |= entry.inputs
    return inputs


def _source(name: str, clip: ClipSource) -> str:
    return _slashes(os.path.normpath(os.path.join(name, clip.source)))


def _slashes(name: str) -> str:
    return name.replace(os.sep, "/")
