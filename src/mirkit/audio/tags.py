"""The tags of an audio file, cleaned. A file without readable tags has none."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirkit.audio.tag_containers import read_raw_tags
from mirkit.audio.text_encoding import decode_marked, encoding_of, is_marked
from mirkit.errors import AudioError

#: Longest text of a tag; longer ones are cut, because a tag may hold megabytes.
LONGEST = 500
_LONGEST_LYRICS = 50_000
_MOST_VALUES = 32


@dataclass(frozen=True)
class Tags:
    """Tags of a file; None, or an empty tuple, for those that are absent or unusable.

    Texts are single lines of printable characters, at most 500 long. They come from untrusted files: escape them in
    paths and pages.

    Parameters
    ----------
    artist, title, album, albumartist, genre, key : str or None
        The first value of each. ``key`` is the musical key as written, for example ``"Am"`` or ``"8A"``.
    year : int or None
    track : int or None
        Track number.
    bpm : float or None
        Tempo, between 1 and 1000.
    artists, genres : tuple of str
        All values, where the file has several.
    copyright, license, source, ai_training : str or None
        Statements of rights, and where the file is from, as written. ``ai_training`` is ``"no"`` where the file
        reserves the rights of text and data mining (TDMRep).
    lyrics : str or None
        Words of the song, of several lines, possibly with times as in ``.lrc`` files.
    encoding : str or None
        Encoding of texts that do not state theirs (Python's name), found from all of them together; ``"unknown"``
        where it cannot be told, and such texts are left out.
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
    artists: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    copyright: str | None = None
    license: str | None = None
    source: str | None = None
    ai_training: str | None = None
    lyrics: str | None = None
    encoding: str | None = None


# The usual fields of all formats, as tinytag, FFmpeg and APE tags name them.
_NAMES = {
    "artist": ("artist",),
    "title": ("title",),
    "album": ("album",),
    "albumartist": ("album_artist", "albumartist", "album artist"),
    "genre": ("genre",),
    "year": ("date", "year", "_year", "tdrc", "tyer", "originaldate", "originalyear"),
    "track": ("track", "tracknumber"),
    "bpm": ("bpm", "tbpm", "tmpo", "tempo"),
    "key": ("initialkey", "initial_key", "tkey", "key"),
    "copyright": ("copyright", "tcop"),
    "license": ("license", "wcop", "copyright url"),
    "source": ("source", "source_url", "purl", "woas", "woaf"),
    "ai_training": ("ai_training", "ai-training", "ai training"),
    "reserved": ("tdm-reservation", "tdm_reservation"),
    "lyrics": ("lyrics", "unsyncedlyrics", "unsynced lyrics", "lyrics-xxx", "lyrics-eng"),
}


def read_tags(path: str | os.PathLike[str]) -> Tags:
    """Read a file's tags (ID3, APE, Vorbis comments, MP4, ASF, RIFF INFO, AIFF, Matroska).

    Values are those that the file states: FFmpeg, which takes "8-bit" for the genre number 8, reads only the tags of
    formats that nothing else knows. A file that cannot be read has no tags.
    """
    try:
        return tags_of(read_raw_tags(Path(path)))
    except (OSError, ValueError, AudioError):  # ValueError: a NUL in the name
        return Tags()


def tags_of(raw: Mapping[str, Sequence[str]]) -> Tags:
    """Clean the texts of a file's tags: name of a field, in any case -> its values."""
    fields = {name.lower(): values for name, values in raw.items()}
    found = {field: _first_with_text(fields, names) for field, names in _NAMES.items()}
    texts, encoding = _decoded(found)
    lists = {field: _cleaned(values) for field, values in texts.items()}
    one = {field: next(iter(values), "") for field, values in texts.items()}
    return Tags(
        **{field: next(iter(lists[field]), None) for field in ("artist", "title", "album", "albumartist", "genre")},
        year=_whole(one["year"], r"(?<!\d)(\d{4})(?!\d)", 1000, 2999),
        track=_whole(one["track"], r"^\s*(\d{1,4})(?!\d)", 1, 9999),
        bpm=_tempo(one["bpm"]),
        key=next(iter(lists["key"]), None),
        artists=lists["artist"] if len(lists["artist"]) > 1 else (),
        genres=lists["genre"] if len(lists["genre"]) > 1 else (),
        copyright=next(iter(lists["copyright"]), None),
        license=next(iter(lists["license"]), None),
        source=next(iter(lists["source"]), None),
        ai_training="no" if one["reserved"].strip() == "1" else next(iter(lists["ai_training"]), None),
        lyrics="\n".join(filter(None, map(_text, one["lyrics"][:_LONGEST_LYRICS].splitlines()))) or None,
        encoding=encoding,
    )


def _first_with_text(fields: Mapping[str, Sequence[str]], names: Sequence[str]) -> Sequence[str]:
    return next((fields[name] for name in names if any(value.strip() for value in fields.get(name, ()))), ())


def _decoded(found: Mapping[str, Sequence[str]]) -> tuple[dict[str, list[str]], str | None]:
    """Decode the texts whose encoding is not stated, all with the same one; leave out what cannot be decoded."""
    texts = {field: [value[: 4 * _LONGEST_LYRICS] for value in values] for field, values in found.items()}
    unknown = [value for values in texts.values() for value in values if is_marked(value)]
    encoding = encoding_of(unknown) if unknown else None
    if encoding:
        texts = {field: [decode_marked(value, encoding) for value in values] for field, values in texts.items()}
    kept = {field: [value for value in values if not _is_damaged(value)] for field, values in texts.items()}
    return kept, encoding if kept == texts else "unknown"


def _is_damaged(text: str) -> bool:
    """Whether a text has bytes that could not be decoded, here or by the reader of the format."""
    return is_marked(text) or "\N{REPLACEMENT CHARACTER}" in text


def _cleaned(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for value in values[:_MOST_VALUES] if (text := _text(value))))


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
