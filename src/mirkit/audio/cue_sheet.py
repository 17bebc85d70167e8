"""Cue sheets: a text that divides an album in one audio file into its tracks."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mirkit.audio.text_encoding import decode_marked, encoding_of, is_marked, marked
from mirkit.errors import AudioError, printable

#: Parts of a second in which a cue sheet counts.
FRAMES_PER_SECOND = 75
_MAX_BYTES = 2**20
_LINE = re.compile(r"\s*(?P<command>[A-Za-z]+)\s+(?P<rest>.*?)\s*$")
_TIME = re.compile(r"(\d{1,4}):([0-5]?\d):(\d{1,2})$")


@dataclass(frozen=True)
class CueTrack:
    """A track of an album.

    Attributes
    ----------
    file : str
        Name of the audio file, without its folder.
    number : int
    start : int
        Beginning in the file, in 75ths of a second.
    title, artist, album, genre, year : str
        "" where the sheet does not state it.
    """

    file: str
    number: int
    start: int
    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: str = ""


def read_cue_sheet(path: Path) -> list[CueTrack]:
    """Read the audio tracks of a cue sheet, in any of the encodings in which they are found.

    Raises
    ------
    AudioError
        The file cannot be read, is no cue sheet, or its encoding cannot be told.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise AudioError(f"{printable(path)}: the cue sheet cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise AudioError(f"{printable(path)}: the file is too large for a cue sheet")
    text = data.decode("utf-16", "replace") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else marked(data)
    text = text.removeprefix("\ufeff")
    if is_marked(text):
        encoding = encoding_of([text])
        if encoding is None:
            raise AudioError(f"{printable(path)}: the encoding of this cue sheet cannot be told; save it as UTF-8")
        text = decode_marked(text, encoding)
    tracks = parse_cue_sheet(text)
    if not tracks:
        raise AudioError(f"{printable(path)}: this cue sheet names no track of audio with a beginning")
    return tracks


def parse_cue_sheet(text: str) -> list[CueTrack]:
    r"""Return the audio tracks of a cue sheet in order; a track begins at its INDEX 01.

    Examples
    --------
    >>> sheet = 'FILE "a.wav" WAVE\n TRACK 01 AUDIO\n  TITLE "One"\n  INDEX 01 00:02:00'
    >>> [(track.file, track.number, track.title, track.start) for track in parse_cue_sheet(sheet)]
    [('a.wav', 1, 'One', 150)]
    """
    tracks: list[CueTrack] = []
    album = {"album": "", "artist": "", "genre": "", "year": ""}
    file = ""
    track: CueTrack | None = None
    for line in text.splitlines():
        if not (match := _LINE.match(line)):
            continue
        command, rest = match["command"].upper(), match["rest"]
        if command == "REM":
            command, _, rest = rest.partition(" ")
            command = {"GENRE": "GENRE", "DATE": "DATE"}.get(command.upper(), "")
        if command == "FILE":
            name = re.sub(r"\s+\w+$", "", rest) if rest.startswith('"') or " " in rest else rest
            file, track = re.split(r"[/\\]", _unquoted(name))[-1], None
        elif command == "TRACK":
            number = re.match(r"(\d{1,3})\s+AUDIO$", rest, re.IGNORECASE)
            track = CueTrack(file, int(number[1]), -1) if number and file else None
        elif command == "INDEX" and track and track.start < 0 and re.match(r"0*1\s", rest):
            if time := _TIME.search(rest):
                minutes, seconds, frames = map(int, time.groups())
                tracks.append(track := replace(track, start=(minutes * 60 + seconds) * FRAMES_PER_SECOND + frames))
        elif command in ("TITLE", "PERFORMER", "GENRE", "DATE"):
            field = {"TITLE": "title", "PERFORMER": "artist", "GENRE": "genre", "DATE": "year"}[command]
            if track is None:
                album["album" if field == "title" else field] = _unquoted(rest)
                continue
            fields: dict[str, Any] = {field: _unquoted(rest)}
            known, track = track, replace(track, **fields)
            if known.start >= 0:  # after the INDEX
                tracks[-1] = track
    return [
        replace(
            each,
            artist=each.artist or album["artist"],
            album=album["album"],
            genre=each.genre or album["genre"],
            year=each.year or album["year"],
        )
        for each in tracks
    ]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text.strip('"')
