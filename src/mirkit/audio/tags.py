"""The tags of an audio file: read through FFmpeg and cleaned. A file without readable tags has none."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mirkit.audio.container import mp4_tempo, open_local
from mirkit.errors import AudioError

#: Longest text of a tag; longer ones are cut, because a tag may hold megabytes.
LONGEST = 500


@dataclass(frozen=True)
class Tags:
    """Tags of a file; None for those that are absent or unusable.

    Texts are single lines of printable characters, at most 500 long. They come from untrusted files: escape them in
    paths and pages.

    Parameters
    ----------
    artist, title, album, albumartist, genre, key : str or None
        ``key`` is the musical key as written, for example ``"Am"`` or ``"8A"``.
    year : int or None
    track : int or None
        Track number.
    bpm : float or None
        Tempo, between 1 and 1000.
    """

    artist: str | None = None
    title: str | None = None
    album: str | None = None
    albumartist: str | None = None
    genre: str | None = None
    year: int | None = None
    track: int | None = None
    bpm: float | None = None
    key: str | None = None


# FFmpeg maps the usual fields of each format to common names; other fields keep the file's spelling
_NAMES = {
    "artist": ("artist",),
    "title": ("title",),
    "album": ("album",),
    "albumartist": ("album_artist", "albumartist", "album artist"),
    "genre": ("genre",),
    "year": ("date", "year", "tdrc", "tyer", "originaldate", "originalyear"),
    "track": ("track", "tracknumber"),
    "bpm": ("bpm", "tbpm", "tmpo", "tempo"),
    "key": ("initialkey", "initial_key", "tkey", "key"),
}


def read_tags(path: str | os.PathLike[str]) -> Tags:
    """Read a file's tags (ID3, APE, Vorbis comments, mp4, RIFF INFO). A file that cannot be opened has none."""
    try:
        with open_local(Path(path)) as container:
            metadata = [container.metadata, *(stream.metadata for stream in container.streams.audio)]
            sources = [{name: _replaced(value) for name, value in source.items()} for source in metadata]
            if "mp4" in container.format.name:  # FFmpeg reads only one byte of this tag, and the wrong one
                sources.append({"tmpo": str(mp4_tempo(Path(path)) or "")})
            return _tags(sources)
    except AudioError:
        return Tags()


def _tags(sources: Iterable[Mapping[str, str]]) -> Tags:
    raw: dict[str, str] = {}
    for source in sources:
        for name, value in source.items():
            raw.setdefault(name.lower(), value)
    values = {field: next((raw[n] for n in names if raw.get(n, "").strip()), "") for field, names in _NAMES.items()}
    return Tags(
        artist=_text(values["artist"]),
        title=_text(values["title"]),
        album=_text(values["album"]),
        albumartist=_text(values["albumartist"]),
        genre=_text(values["genre"]),
        year=_whole(values["year"], r"(?<!\d)(\d{4})(?!\d)", 1000, 2999),
        track=_whole(values["track"], r"^\s*(\d{1,4})(?!\d)", 1, 9999),
        bpm=_tempo(values["bpm"]),
        key=_text(values["key"]),
    )


def _replaced(value: str) -> str:
    """Replace surrogates, which PyAV returns for bytes that are not UTF-8, by the replacement character."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _text(raw: str) -> str | None:
    """Clean a text to one line: without control and format characters and lone surrogates, with single spaces."""
    kept = (" " if c.isspace() else c for c in raw[: 4 * LONGEST] if c.isspace() or _printable(c))
    text = " ".join("".join(kept).split())
    return unicodedata.normalize("NFC", text)[:LONGEST].rstrip() or None


def _printable(character: str) -> bool:
    # category Cf has joiners, which emoji and some scripts need, and marks that change the direction of text
    category = unicodedata.category(character)
    return category not in ("Cc", "Cs", "Cn", "Co", "Cf") or character in "\u200c\u200d"


def _whole(raw: str, pattern: str, low: int, high: int) -> int | None:
    match = re.search(pattern, raw[:100], re.ASCII)
    return int(match[1]) if match and low <= int(match[1]) <= high else None


def _tempo(raw: str) -> float | None:
    match = re.search(r"\d+(?:[.,]\d+)?", raw[:100], re.ASCII)
    value = float(match[0].replace(",", ".")) if match else 0.0
    return value if 1 <= value <= 1000 else None
