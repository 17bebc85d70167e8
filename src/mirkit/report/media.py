"""Audio for the players of the pages: the track's own files, or copies in the report."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np

from mirkit.audio import encode, open_audio
from mirkit.catalog import STEMS
from mirkit.features.types import FloatArray
from mirkit.store import make_folder, remove_file, remove_orphans, stamp_of
from mirkit.track import MIX, Track

#: Bit rate of the copies (kbit/s): a track of three minutes with its stems takes 14 MB.
BITRATE = 128
_COPY = re.compile(rf"({'|'.join((MIX, *STEMS))})-[0-9a-f]{{8}}\.mp3")
#: The folder of a track's copies has the name of its page, which ends with a checksum.
_FOLDER = re.compile(r"(^|-)[0-9a-f]{8}$")
_BLOCK = 1 << 16


def links(track: Track, folder: Path) -> dict[str, str]:
    """Return links from a folder to a track's own files; the links stay valid if both are moved together.

    Returns
    -------
    dict
        Source (mix or stem) -> address.
    """
    return {source: address(path, folder) for source, path in track.sources.items()}


def copies(track: Track, page: Path) -> dict[str, str]:
    """Encode copies that are missing or out of date, and return links to them from the track's page.

    Returns
    -------
    dict
        Source (mix or stem) -> address.

    Raises
    ------
    AudioError
        A file cannot be read.
    InfoError
        The folder cannot be written.
    """
    folder = page.parent.parent / "audio" / page.stem
    remove_orphans(make_folder(folder))
    addresses = {}
    for source, path in track.sources.items():
        state = hashlib.sha256(f"{path.name} {stamp_of(path)}".encode()).hexdigest()[:8]
        copy = folder / f"{source}-{state}.mp3"
        if not copy.exists():
            audio = open_audio(path, hold_seconds=0)
            encode(
                copy, _stereo(audio.blocks(_BLOCK)), rate=audio.rate, channels=min(2, audio.channels), bitrate=BITRATE
            )
        addresses[source] = address(copy, page.parent)
    for other in folder.iterdir():
        if _COPY.fullmatch(other.name) and other.name not in {Path(name).name for name in addresses.values()}:
            remove_file(other)
    return addresses


def remove_others(out: Path, kept: set[str]) -> None:
    """Remove the copies of tracks that are no longer in the data set."""
    for folder in (out / "audio").glob("*"):
        if _FOLDER.search(folder.name) and folder.is_dir() and folder.name not in kept:
            for copy in folder.iterdir():
                if _COPY.fullmatch(copy.name):
                    remove_file(copy)
            with suppress(OSError):  # the user has put files there
                folder.rmdir()


def address(path: Path, folder: Path) -> str:
    """Return a link from ``folder`` to a file: relative, or absolute if the file is on another drive."""
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix().encode("utf-8", "surrogateescape"))
    except ValueError:  # Windows: another drive
        return path.as_uri()


def _stereo(blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    """Yield the first two channels, because MP3 has at most two."""
    for block in blocks:
        yield np.ascontiguousarray(block[:2])
