"""The folder of a clip: where the clip comes from, whether it is whole, and how it is taken away."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from mirkit.errors import InfoError, MissingInput
from mirkit.features.types import Window
from mirkit.settings import ClipSettings
from mirkit.store import (
    FileDigest,
    Provenance,
    ProvenanceRecord,
    as_error,
    file_digest,
    printable,
    read_provenance,
    recorded_digests,
    restamp,
)
from mirkit.store.atomic import LOCK_NAME, TEMP_PREFIX
from mirkit.store.provenance_record import to_json
from mirkit.track import MIX, Track, is_sound
from mirkit.track.names import base_of, kind_in_folder, part_of

#: Entry of a clip's provenance that makes it one.
CUT = "cut"
_SIDECARS = ("INFO", "BEATS_GRID", "ONSETS", "PROVENANCE")


@dataclass(frozen=True)
class ClipSource:
    """What was cut out of which track.

    Attributes
    ----------
    source : str
        The track, as a path from the clip's folder: ``"../.."``, or ``"../../x.flac"`` for a loose file.
    set : str
        Name of the set of clips that it belongs to, "" for the plain one.
    rate : int
        Samples a second that the next three are counted in: those of the source's mix.
    first, last : int
        Samples of the source, ``[first, last)``.
    length : int
        Samples of the clip: more than the source gave where it was padded with silence.
    """

    source: str
    set: str
    rate: int
    first: int
    last: int
    length: int

    @classmethod
    def of(cls, provenance: Provenance) -> "ClipSource | None":
        """Read it from a clip's provenance; None for what is no clip."""
        entry = provenance.stages.get(CUT)
        if entry is None:
            return None
        told: Any = entry.parameters
        try:
            numbers = (int(told[name]) for name in ("rate", "first", "last", "length"))
            return cls(str(told["source"]), str(told["set"]), *numbers) if _is_source(told["source"]) else None
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def parameters(self) -> dict[str, Any]:
        """The same, as the provenance keeps it."""
        return asdict(self)

    @property
    def window(self) -> Window:
        """The stretch of the source, in seconds; the silence of a padded clip is not part of it."""
        return Window(self.first / self.rate, self.last / self.rate)


def folder_name(track: Track, name: str, number: int) -> str:
    """Name of the folder of a track's clip: ``<track>_<number>``, in a named set ``<track>_<set>_<number>``."""
    return f"{base_of(track.name)}_{f'{name}_' if name else ''}{number:03d}"


def source_path(track: Track) -> str:
    """A track, as a path from the folder of one of its clips."""
    return f"../../{track.loose}" if track.loose else "../.."


def _is_source(path: Any) -> bool:
    """Whether a path is one that ``source_path`` gives: a stranger's clip names no file outside its own track."""
    if not isinstance(path, str):
        return False
    loose = path.removeprefix("../../")
    return path == "../.." or (loose != path and loose not in ("", "..") and PurePath(loose).name == loose)


def clip_folders(track: Track, name: str | None = None) -> list[Path]:
    """Give the folders of a track's clips, of one set or of all, by name; also of those that a kill left half-made.

    What lies in ``crops`` and was not cut from this track by mirkit is not among them.
    """
    # Loose files of a folder share its crops: only what is called like clips of this one is opened.
    ours = tuple(f"{base_of(name)}_" for name in (track.loose, os.path.splitext(track.loose)[0])) if track.loose else ""
    try:
        folders = sorted(
            path
            for path in track.crops.iterdir()
            if path.name.startswith(ours) and path.is_dir() and not path.is_symlink()
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MissingInput(str(as_error(error, track.crops, "read"))) from error
    cuts = ((folder, cut_in(folder)) for folder in folders)
    source = source_path(track)
    return [folder for folder, cut in cuts if cut and cut.source == source and name in (None, cut.set)]


def replaced_clips(track: Track, settings: ClipSettings, entry: ProvenanceRecord | None) -> list[Path]:
    """Give the folders of a set's clips that were cut with other settings: cutting with these would delete them.

    Parameters
    ----------
    track : Track
    settings : ClipSettings
        How the set is to be cut now.
    entry : ProvenanceRecord or None
        What the track's provenance says of how it was cut; None where it says nothing.
    """
    if entry is None or entry.parameters == to_json(asdict(settings)):
        return []
    return clip_folders(track, settings.name)


def refusal(clips: int, tracks: int, before: Mapping[str, Any], settings: ClipSettings) -> str:
    """Say that clips are not deleted without being asked to, and what to do."""
    now: Any = to_json(asdict(settings))
    differ = [name for name in now if name in before and before[name] != now[name]]
    change = "; ".join(f"{name} {before[name]}, now {now[name]}" for name in differ) or "settings are not known"
    there = f"{clips} clip{'s' * (clips != 1)}" + (f" of {tracks} tracks" if tracks > 1 else "")
    was = "were" if clips != 1 else "was"
    again = f"another --name than {settings.name}" if settings.name else "--name"
    return (
        f"{there} {was} cut with other settings ({printable(change)}) and would be deleted; "
        f"keep them and give the new set {again}, or replace them with --overwrite"
    )


def is_cut(entry: ProvenanceRecord) -> bool:
    """Whether a stage's entry in the provenance of a clip was made by cutting it."""
    return bool(entry.origin)


def looks_whole(folder: Path, parts: Iterable[str]) -> bool:
    """Tell, from the names of its files alone, whether a clip has all that belongs to it."""
    try:
        names = set(os.listdir(folder))
    except OSError:
        return False
    clip = Track(folder)
    return {f"{part}.flac" for part in parts} <= names and all(clip.sidecar(kind).name in names for kind in _SIDECARS)


def clip_fault(clip: Track, cut: ClipSource, provenance: Provenance) -> str:
    """Say what is wrong with a clip's sound: half made, damaged, cut from an older source; "" when all is well.

    Content is read only where the size is that of before and the stamp is not.
    """
    entry = provenance.stages[CUT]
    redo = f'cut it again with: mirkit crop "{printable(os.path.normpath(clip.folder / cut.source))}"'
    if entry.failed:
        return f"half made; {redo}"
    if not _same(clip, provenance, entry.outputs):
        return f"its sound is not what was written; {redo}"
    try:
        source = Track.at(clip.folder / cut.source)
    except MissingInput:
        return ""  # moved away from its source: nothing to compare with
    try:
        told = read_provenance(source.provenance)
    except InfoError:
        told = Provenance()
    return "" if _same(source, told, entry.inputs) else f"its source has changed; {redo}"


def _same(track: Track, told: Provenance, wanted: Mapping[str, FileDigest]) -> bool:
    """Whether a track's sounds have the wanted content; ``told`` is its own provenance, which knows their stamps."""
    parts, known = track.parts, recorded_digests(told)
    if parts.keys() != wanted.keys() or any(path.stat().st_size != wanted[part].size for part, path in parts.items()):
        return False
    prints = {part: file_digest(path, wanted[part], *known.get(part, ())) for part, path in parts.items()}
    restamp(track.provenance, told, prints)
    return prints == dict(wanted)


def cut_in(folder: Path) -> ClipSource | None:
    """Where a clip's folder says that it was cut from; None for what is no clip, or cannot be read."""
    try:
        return ClipSource.of(read_provenance(Track(folder).provenance))
    except InfoError:
        return None


def clear(folder: Path) -> bool:
    """Remove a clip's files and its folder; tell whether nothing is left.

    What is not of a clip stays. The provenance goes last: until then the folder is known as a clip's.
    """
    if not folder.exists():
        return True
    provenance = Track(folder).provenance
    try:
        for path in sorted(folder.iterdir(), key=lambda path: path == provenance):
            if _is_of_clip(path.name, folder) or _is_litter(path.name):
                path.unlink()
        if any(folder.iterdir()):
            return False
        folder.rmdir()
    except OSError as error:
        raise as_error(error, folder, "remove") from error
    return True


def check_no_link(folder: Path) -> None:
    """Refuse to write where a link leads: a data set may come from a stranger, and its clips stay in it.

    Raises
    ------
    MissingInput
        It is a link.
    """
    if folder.is_symlink():
        raise MissingInput(f"{printable(folder)}: a link, and clips stay with their track; remove it")


def check_free(folder: Path, source: str) -> None:
    """Refuse to write a clip into a folder that the user made, or that holds a clip of another track.

    Parameters
    ----------
    folder : Path
    source : str
        The track that the clip is cut from (:func:`source_path`).

    Raises
    ------
    MissingInput
        It holds files of a track without a clip's provenance or a clip of another source, or is a link.
    """
    check_no_link(folder)
    cut = cut_in(folder)
    if cut is not None and cut.source != source and (folder / cut.source).exists():
        raise MissingInput(
            f"{printable(folder)}: a clip of {printable(Path(cut.source).name)}, so it stays; name the set with --name"
        )
    if cut is None and folder.exists() and any(_is_of_clip(path.name, folder) for path in folder.iterdir()):
        raise MissingInput(
            f"{printable(folder)}: not cut by mirkit, so it stays; move it away, or name the set with --name"
        )


def _is_of_clip(name: str, folder: Path) -> bool:
    return bool(kind_in_folder(name, folder.name)) or (is_sound(name) and part_of(name) == MIX)


def _is_litter(name: str) -> bool:
    return name.startswith((TEMP_PREFIX, LOCK_NAME))
