"""Where the pages' players find the sound: the track's own files, or copies in the report."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np

from mirkit.audio import encode, open_audio
from mirkit.features.types import FloatArray
from mirkit.store import make_folder, remove_file, remove_orphans
from mirkit.store.stamp import stamp_of
from mirkit.track import Track

#: Of the copies, in kbit/s: a track of three minutes with its stems takes 14 MB.
BITRATE = 128
_COPY = re.compile(r"(full_mix|drums|bass|other|vocals)-[0-9a-f]{8}\.mp3")
#: Folders of copies are called as the pages: both names end with a checksum.
_FOLDER = re.compile(r"(^|-)[0-9a-f]{8}$")
_BLOCK = 1 << 16


def links(track: Track, folder: Path) -> dict[str, str]:
    """Addresses of a track's own files, as seen from a folder: they hold while both are moved together."""
    return {part: address(path, folder) for part, path in track.parts.items()}


def copies(track: Track, page: Path) -> dict[str, str]:
    """Encode what has not been, and give the addresses as seen from the track's page.

    Raises
    ------
    AudioError
        A file cannot be read.
    InfoError
        The folder cannot be written to.
    """
    folder = page.parent.parent / "audio" / page.stem
    remove_orphans(make_folder(folder))
    found = {}
    for part, path in track.parts.items():
        state = hashlib.sha256(f"{path.name} {stamp_of(path)}".encode()).hexdigest()[:8]
        copy = folder / f"{part}-{state}.mp3"
        if not copy.exists():
            audio = open_audio(path, hold_seconds=0)
            encode(
                copy, _stereo(audio.blocks(_BLOCK)), rate=audio.rate, channels=min(2, audio.channels), bitrate=BITRATE
            )
        found[part] = address(copy, page.parent)
    for other in folder.iterdir():
        if _COPY.fullmatch(other.name) and other.name not in {Path(name).name for name in found.values()}:
            remove_file(other)
    return found


def remove_others(out: Path, kept: set[str]) -> None:
    """Take away the copies of tracks that are gone."""
    for folder in (out / "audio").glob("*"):
        if _FOLDER.search(folder.name) and folder.is_dir() and folder.name not in kept:
            for copy in folder.iterdir():
                if _COPY.fullmatch(copy.name):
                    remove_file(copy)
            with suppress(OSError):  # there is more in it
                folder.rmdir()


def address(path: Path, folder: Path) -> str:
    """A file as a link in a page of ``folder``: relative, or from the root where it lies on another drive."""
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix().encode("utf-8", "surrogateescape"))
    except ValueError:  # Windows: another drive
        return path.as_uri()


def _stereo(blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    """The first two channels, for that is what mp3 has."""
    for block in blocks:
        yield np.ascontiguousarray(block[:2])
