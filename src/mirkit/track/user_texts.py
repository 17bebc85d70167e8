"""Words and captions of the user's beside a track: ``.lrc``, ``.lyrics.txt``, ``.caption.txt``, json of ACE-Step, tags.

They are only read. A track folder ``N`` may hold them as ``N.lrc`` or ``full_mix.lrc``, and so on; beside a loose
``x.flac``, they are ``x.lrc`` or ``x.flac.lrc``.
"""

import codecs
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirkit.audio import read_tags
from mirkit.audio.text_encoding import decode_marked, encoding_of, is_marked, marked
from mirkit.captions.lyrics import Lyrics, parse_lyrics
from mirkit.errors import InfoError, printable
from mirkit.store import read_bounded
from mirkit.track.names import MIX, base_of
from mirkit.track.track import Track

#: Endings of the files, the most exact first; also the order in which words are taken from them.
TEXT_ROLES = ("lrc", "lyrics.txt", "caption.txt", "json")
#: Largest file that is read (bytes).
_MAX_BYTES = 2**20
#: Fields of the json of ACE-Step's data set builder; a file without ``caption`` and ``lyrics`` is another json.
_JSON_FIELDS = ("caption", "lyrics")
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class UserTexts:
    """What the user wrote about a track.

    Attributes
    ----------
    lyrics : Lyrics or None
    caption : str
        "" where there is none.
    language : str
        Code of the language of the lyrics that a json states, "" where none does.
    origin : dict
        ``lyrics``, ``caption``, ``language`` -> ``{"from": name of the file, "sha256": its digest}``.
    """

    lyrics: Lyrics | None = None
    caption: str = ""
    language: str = ""
    origin: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def text_beside(name: str) -> tuple[str, str]:
    """Return base and role of a file of the user's text, by its name, or two empty strings.

    Examples
    --------
    >>> text_beside("Song.lyrics.txt"), text_beside("Song.LRC"), text_beside("Song.txt")
    (('Song', 'lyrics.txt'), ('Song', 'lrc'), ('', ''))
    """
    for role in TEXT_ROLES:
        if name.lower().endswith(f".{role}") and not name.startswith("."):
            return name[: -len(role) - 1], role
    return "", ""


def for_text(role: str, name: str) -> str:
    """Return the name of the file with a role in a track folder, or beside a loose file, of this name."""
    return f"{base_of(name)}.{role}"


def is_song_json(path: Path) -> bool:
    """Whether a file is a json of ACE-Step's data set builder, about one song."""
    try:
        return _song(_read(path)) is not None
    except InfoError:
        return False


class UserTextReader:
    """Reads the user's texts of many tracks; each folder is listed once, and each track is read once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, dict[str, str]]] = {}
        self._known: dict[Path, UserTexts] = {}

    def read(self, track: Track, problems: list[str]) -> UserTexts:
        """Read the texts of a track.

        Parameters
        ----------
        track : Track
        problems : list of str
            Gets a line for each file that cannot be read.
        """
        if track.path not in self._known:
            self._known[track.path] = _texts(track, self._files(track), problems)
        return self._known[track.path]

    def _files(self, track: Track) -> dict[str, Path]:
        """Role -> the file of the track."""
        if track.folder not in self._folders:
            listed: dict[str, dict[str, str]] = {}
            try:
                names = sorted(os.listdir(track.folder))
            except OSError:
                names = []
            for name in names:
                base, role = text_beside(name)
                if role:
                    listed.setdefault(base, {}).setdefault(role, name)
            self._folders[track.folder] = listed
        found: dict[str, Path] = {}
        for base in _bases(track):
            for role, name in self._folders[track.folder].get(base, {}).items():
                found.setdefault(role, track.folder / name)
        return found


def _bases(track: Track) -> tuple[str, ...]:
    if track.loose:
        return (base_of(track.name), os.path.splitext(track.loose)[0], track.loose)
    return (base_of(track.name), track.name, MIX)


def _texts(track: Track, files: Mapping[str, Path], problems: list[str]) -> UserTexts:
    lyrics: Lyrics | None = None
    caption = language = ""
    origin: dict[str, dict[str, str]] = {}
    for role, data in _contents(files, problems):
        name = printable(files[role].name)
        try:
            text = _decoded(data, files[role])
        except InfoError as error:
            problems.append(str(error))
            continue
        of = {"from": name, "sha256": hashlib.sha256(data).hexdigest()}
        song = _song(data) if role == "json" else None
        words = str((song or {}).get("lyrics") or "") if role == "json" else text if "caption" not in role else ""
        if lyrics is None and (parsed := parse_lyrics(words)).lines:
            lyrics, origin["lyrics"] = parsed, of
            if song and _is_code(song.get("language")):
                language, origin["language"] = str(song["language"]).strip().lower(), of
        said = str((song or {}).get("caption") or "") if role == "json" else text if "caption" in role else ""
        if not caption and (one_line := " ".join(said.split())):
            caption, origin["caption"] = one_line, of
    if lyrics is None and track.mix.exists() and (tagged := read_tags(track.mix).lyrics):
        parsed = parse_lyrics(tagged)
        if parsed.lines:
            lyrics = parsed
            origin["lyrics"] = {"from": f"tags of {printable(track.mix.name)}"}
    return UserTexts(lyrics, caption, language, origin)


def _contents(files: Mapping[str, Path], problems: list[str]) -> Iterator[tuple[str, bytes]]:
    for role in TEXT_ROLES:
        if role in files:
            try:
                yield role, _read(files[role])
            except InfoError as error:
                problems.append(f"{error}")


def _read(path: Path) -> bytes:
    return read_bounded(path, _MAX_BYTES) or b""


def _decoded(data: bytes, path: Path) -> str:
    """Decode a text: by its byte order mark, as UTF-8, or in the code page that fits."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    text = marked(data)
    if is_marked(text):
        encoding = encoding_of([text]) or ""
        if not encoding:
            raise InfoError(f"{printable(path)}: the encoding of this text cannot be told; save it as UTF-8")
        text = decode_marked(text, encoding)
    return text


def _song(data: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return None
    known = isinstance(content, dict) and any(isinstance(content.get(name), str) for name in _JSON_FIELDS)
    return content if known else None


def _is_code(language: Any) -> bool:
    return isinstance(language, str) and language.strip().isalpha() and len(language.strip()) in (2, 3)
