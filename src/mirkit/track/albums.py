"""Albums in one audio file, which a cue sheet beside it divides into tracks."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit.audio.cue_sheet import CueTrack, read_cue_sheet
from mirkit.errors import AudioError, printable
from mirkit.store.provenance import readable_provenance
from mirkit.track.names import CUT_FROM
from mirkit.track.track import Track

#: Letters of a title that are compared with names of folders.
_COMPARED = 20


@dataclass(frozen=True)
class Album:
    """An audio file with several tracks.

    Attributes
    ----------
    path : Path
        The audio file.
    sheet : Path
        The cue sheet.
    tracks : tuple of CueTrack
        In the order of their beginnings.
    """

    path: Path
    sheet: Path
    tracks: tuple[CueTrack, ...]


def cut_from(folder: Path) -> str:
    """Return the name of the album file from which ``organize --cue`` cut a track folder, or ""."""
    name: Any = readable_provenance(Track(folder).provenance).facts.get(CUT_FROM, {}).get("value")
    return name if isinstance(name, str) else ""


def uncut(album: Album, folders: Iterable[str]) -> int:
    """Return how many tracks of an album are not in folders of their own.

    Parameters
    ----------
    album : Album
    folders : iterable of str
        Names of the folders beside the album.
    """
    titles = [(_letters(track.title) or _letters(album.path.stem))[:_COMPARED] for track in album.tracks]
    beside = (name for name in folders if any(title in _letters(name) for title in titles))  # there may be thousands
    return max(0, len(album.tracks) - sum(cut_from(album.path.parent / name) == album.path.name for name in beside))


def _letters(name: str) -> str:
    """Return the letters and digits of a name, which names of folders keep."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", name).casefold()))


def albums_in(
    folder: Path,
    cue_sheets: Iterable[str],
    audio_files: Sequence[str],
    problems: list[str],
    *,
    alone: list[str] | None = None,
) -> list[Album]:
    """Find the audio files in a folder that hold more than one track.

    Parameters
    ----------
    folder : Path
    cue_sheets, audio_files : iterable of str
        Names of files in the folder.
    problems : list of str
        Receives a line for each cue sheet that cannot be read.
    alone : list of str, optional
        Receives a line for each cue sheet that divides a file which is not there.

    Returns
    -------
    list of Album
        Sorted by name. If several sheets divide a file, the first one counts.
    """
    albums: dict[str, Album] = {}
    for sheet in sorted(cue_sheets):
        try:
            tracks = read_cue_sheet(folder / sheet)
        except AudioError as error:
            problems.append(str(error))
            continue
        by_file: dict[str, list[CueTrack]] = {}
        for track in tracks:
            by_file.setdefault(track.file, []).append(track)
        for name, inner in by_file.items():
            audio = _named(name, sheet if len(by_file) == 1 else "", audio_files)
            starts = [track.start for track in inner]
            if not audio and len(inner) > 1 and alone is not None:
                alone.append(
                    f"{printable(folder / sheet)}: the audio file {printable(name)}, which this cue sheet divides, is "
                    "not in its folder; put it there, or remove the sheet"
                )
            if audio and audio not in albums and len(inner) > 1 and starts == sorted(set(starts)):
                albums[audio] = Album(folder / audio, folder / sheet, tuple(inner))
    return [albums[name] for name in sorted(albums)]


def _named(name: str, sheet: str, audio_files: Sequence[str]) -> str:
    """Return the audio file that a sheet means: by its name, by its name before it was encoded, or by the sheet's."""
    for wanted in (name, *(os.path.splitext(each)[0] for each in (name, sheet) if each)):
        same = [
            audio
            for audio in audio_files
            if wanted.casefold() in (audio.casefold(), os.path.splitext(audio)[0].casefold())
        ]
        if len(same) == 1 or (same and wanted in same):
            return wanted if wanted in same else same[0]
    return ""
