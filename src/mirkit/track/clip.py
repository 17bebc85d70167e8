"""The folder of a clip: its source, whether it is complete, and removing it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from mirkit.errors import MissingInput, as_error, counted, pasted, printable, system_errors
from mirkit.features.types import Window
from mirkit.settings import ClipSettings
from mirkit.store import (
    LOCK_NAME,
    TEMP_PREFIX,
    FileDigest,
    Provenance,
    ProvenanceRecord,
    file_digest,
    read_provenance,
    readable_provenance,
    recorded_digests,
    restamp,
    to_json,
)
from mirkit.store.midi import is_our_midi
from mirkit.track import MIX, Track, is_audio_name
from mirkit.track.names import MIDI_NAMES, base_of, kind_in_folder, source_of
from mirkit.track.renaming import move_aside

#: Entry in the provenance that identifies a folder as a clip.
CUT = "cut"
_SIDECARS = ("INFO", "BEATS_GRID", "ONSETS", "CHORDS", "PROVENANCE")


@dataclass(frozen=True)
class ClipSource:
    """The track and the samples from which a clip was cut.

    Attributes
    ----------
    source : str
        Path of the track, relative to the folder of the clip: ``"../.."``, or ``"../../x.flac"`` for a loose file.
    set : str
        Name of the set of clips; ``""`` for the default one.
    rate : int
        Sample rate of the mix of the source, for the next three.
    first, last : int
        Range of samples of the source, ``[first, last)``.
    length : int
        Samples of the clip; more than ``last - first`` if it was padded with silence.
    """

    source: str
    set: str
    rate: int
    first: int
    last: int
    length: int

    @classmethod
    def of(cls, provenance: Provenance) -> "ClipSource | None":
        """Read the source from the provenance of a clip; None if it is not a clip."""
        entry = provenance.stages.get(CUT)
        if entry is None:
            return None
        parameters: Any = entry.parameters
        try:
            numbers = (int(parameters[name]) for name in ("rate", "first", "last", "length"))
            return (
                cls(str(parameters["source"]), str(parameters["set"]), *numbers)
                if _is_source(parameters["source"])
                else None
            )
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields, as stored in the provenance."""
        return asdict(self)

    @property
    def window(self) -> Window:
        """The window of the source, without the silence of a padded clip."""
        return Window(self.first / self.rate, self.last / self.rate)


def folder_name(track: Track, name: str, number: int) -> str:
    """Return the name of the folder of a clip: ``<track>_<number>``, in a named set ``<track>_<set>_<number>``."""
    return f"{base_of(track.name)}_{f'{name}_' if name else ''}{number:03d}"


def source_path(track: Track) -> str:
    """Return the path of a track, relative to the folder of one of its clips."""
    return f"../../{track.loose}" if track.loose else "../.."


def _is_source(path: Any) -> bool:
    """Return whether :func:`source_path` can return a path, so that a clip cannot name a file outside its track."""
    if not isinstance(path, str):
        return False
    loose = path.removeprefix("../../")
    return path == "../.." or (loose != path and loose not in ("", "..") and PurePath(loose).name == loose)


def clip_folders(track: Track, name: str | None = None) -> list[Path]:
    """Return the folders of a track's clips, of one set or of all sets, sorted by name, including incomplete ones.

    Folders in ``crops`` that mirkit did not cut from this track are not included.
    """
    # Loose files of a folder share its `crops`: only folders with names of clips of this file are read.
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
    """Return the folders of a set's clips that were cut with other settings and that cutting now would delete.

    Parameters
    ----------
    track : Track
    settings : ClipSettings
        Settings with which the set would be cut now.
    entry : ProvenanceRecord or None
        Record of the last cut in the provenance of the track, if there is one.
    """
    if entry is None or entry.parameters == to_json(asdict(settings)):
        return []
    return clip_folders(track, settings.name)


def refusal(clips: int, tracks: int, before: Mapping[str, Any], settings: ClipSettings) -> str:
    """Return the message that clips are not deleted without ``--overwrite``."""
    now: Any = to_json(asdict(settings))
    differ = [name for name in now if name in before and before[name] != now[name]]
    change = "; ".join(f"{name} {before[name]}, now {now[name]}" for name in differ) or "settings are not known"
    subject = counted(clips, "clip") + (f" of {tracks} tracks" if tracks > 1 else "")
    was = "were" if clips != 1 else "was"
    other = "another name" if settings.name else "a name"
    return (
        f"{subject} {was} cut with other settings ({printable(change)}) and would be deleted; "
        f"keep them and give the new set {other} with --set, or replace them with --overwrite"
    )


def looks_whole(folder: Path, sources: Iterable[str]) -> bool:
    """Return whether a clip has all of its files, by their names alone."""
    try:
        names = set(os.listdir(folder))
    except OSError:
        return False
    clip = Track(folder)
    return {f"{source}.flac" for source in sources} <= names and all(
        clip.path_of(kind).name in names for kind in _SIDECARS
    )


def clip_fault(clip: Track, cut: ClipSource, provenance: Provenance) -> str:
    """Return what is wrong with the audio of a clip: incomplete, damaged, or cut from an older source; else ``""``.

    Content is read only if the size is as recorded and the stamp is not.
    """
    entry = provenance.stages[CUT]
    redo = f"cut it again with: mirkit crop {pasted(os.path.normpath(clip.folder / cut.source))}"
    if entry.failed:
        return f"the clip is incomplete; {redo}"
    if not _same(clip, provenance, entry.outputs):
        return f"its audio has been altered; {redo}"
    try:
        source = Track.at(clip.folder / cut.source)
    except MissingInput:
        return ""  # moved away from its source
    return "" if _same(source, _provenance_of(source), entry.inputs) else f"its source has changed; {redo}"


def _provenance_of(source: Track) -> Provenance:
    """Read the provenance of a track once for all of its clips."""
    try:
        found = source.provenance.stat()
    except OSError:
        return readable_provenance(source.provenance)
    return _read_once(source.provenance, (found.st_mtime_ns, found.st_size, found.st_ino))


@lru_cache(64)
def _read_once(path: Path, _stamp: tuple[int, int, int]) -> Provenance:
    return readable_provenance(path)


def _same(track: Track, provenance: Provenance, expected: Mapping[str, FileDigest]) -> bool:
    """Return whether the audio files of a track have the expected content; its provenance has their stamps."""
    paths, known = track.sources, recorded_digests(provenance)
    if paths.keys() != expected.keys() or any(
        path.stat().st_size != expected[name].size for name, path in paths.items()
    ):
        return False
    digests = {name: file_digest(path, expected[name], *known.get(name, ())) for name, path in paths.items()}
    restamp(track.provenance, provenance, digests)
    return digests == dict(expected)


def cut_in(folder: Path) -> ClipSource | None:
    """Return the source of the clip in a folder; None if it is not a clip or cannot be read."""
    return ClipSource.of(readable_provenance(Track(folder).provenance))


def clear(folder: Path) -> bool:
    """Remove the files and the folder of a clip; return whether nothing is left.

    Other files are kept. Audio and MIDI files of the user's own are renamed, see :func:`set_aside`. The provenance is
    removed last, because it identifies the folder as that of a clip.
    """
    if not folder.exists():
        return True
    set_aside(folder)
    provenance = Track(folder).provenance
    with system_errors(folder, "remove"):
        for path in sorted(folder.iterdir(), key=lambda path: path == provenance):
            if _is_of_clip(path.name, folder) or path.name.startswith((TEMP_PREFIX, LOCK_NAME)):
                path.unlink()
        if any(folder.iterdir()):
            return False
        folder.rmdir()
    return True


def set_aside(folder: Path) -> list[Path]:
    """Rename the audio and MIDI files in a clip that mirkit did not write; return their new paths.

    Raises
    ------
    InfoError
        A file cannot be read or renamed.
    """
    provenance = Track(folder).provenance
    with system_errors(folder, "read"):
        names = [name for name in sorted(os.listdir(folder)) if _is_of_clip(name, folder)]
        entry = read_provenance(provenance).stages.get(CUT)
        # The files of an interrupted cut are those of the source.
        written = {f"{source}.flac" for source in (*entry.inputs, *entry.outputs)} if entry else set()
        own = [
            folder / name
            for name in names
            if (is_audio_name(name) and name not in written) or (name in MIDI_NAMES and not is_our_midi(folder / name))
        ]
    return list(move_aside(own).values())


def check_no_link(folder: Path) -> None:
    """Refuse to write to the target of a link, which may be outside the data set.

    Raises
    ------
    MissingInput
        The folder is a link.
    """
    if folder.is_symlink():
        raise MissingInput(
            f"{printable(folder)}: the folder is a link, but clips must stay with their track; remove the link"
        )


def check_free(folder: Path, source: str) -> None:
    """Refuse to write a clip into a folder of the user's own, or into one with a clip of another track.

    Parameters
    ----------
    folder : Path
    source : str
        Path of the track of the clip, see :func:`source_path`.

    Raises
    ------
    MissingInput
        The folder contains files of a track without the provenance of a clip, or a clip of another track, or is a link.
    """
    check_no_link(folder)
    cut = cut_in(folder)
    if cut is not None and cut.source != source and (folder / cut.source).exists():
        raise MissingInput(
            f"{printable(folder)}: the folder holds a clip of {printable(Path(cut.source).name)}; "
            "name this set with --name"
        )
    if cut is None and folder.exists() and any(_is_of_clip(path.name, folder) for path in folder.iterdir()):
        raise MissingInput(
            f"{printable(folder)}: mirkit did not make this folder; move it elsewhere, or name this set with --name"
        )


def _is_of_clip(name: str, folder: Path) -> bool:
    return bool(kind_in_folder(name, folder.name)) or (is_audio_name(name) and source_of(name) == MIX)
