"""Names of track folders: from tags, which may hold anything, to names that every file system takes."""

import os
import re
import unicodedata
from typing import Protocol

from mirkit.track import SKIPPED_FOLDERS

#: Bytes of a folder's name in UTF-8; its sidecars add to it, and file systems allow 255.
LONGEST = 200
_LONGEST_PART = 60
_NAMELESS = "untitled"

_REPLACED = str.maketrans({"/": "-", "\\": "-", "|": "-", ":": "-", '"': "'", **dict.fromkeys("*?<>", "_")})
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
#: Joiners shape letters and emoji; every other character of their class (marks of direction, of byte order) is unseen.
_JOINERS = "\u200c\u200d"


class Tags(Protocol):
    """What is read of a file's tags."""

    @property
    def artist(self) -> str | None: ...  # noqa: D102
    @property
    def album(self) -> str | None: ...  # noqa: D102
    @property
    def title(self) -> str | None: ...  # noqa: D102


def folder_name(tags: Tags | None, stem: str) -> str:
    """Name a track's folder ``Artist - Album - Title``, from what exists of them.

    Parameters
    ----------
    tags : Tags or None
        Tags of the sound, if it has any.
    stem : str
        Name of the file without its suffix: stands for a missing title, or for the whole name where there are no tags.
    """
    artist, album, title = (
        (_clean(value or "") for value in (tags.artist, tags.album, tags.title)) if tags else ("",) * 3
    )
    if not (artist or album or title):
        return safe_name(stem)
    parts = [artist, album, title or _clean(stem)]
    if len(" - ".join(parts).encode()) > LONGEST:  # the title tells tracks apart: let it be the last to be cut
        parts[:2] = [_cut(part, _LONGEST_PART) for part in parts[:2]]
    return safe_name(" - ".join(part for part in parts if part))


def safe_name(text: str) -> str:
    """Turn any text into one name of a folder: no path, not hidden, not reserved, on Linux, macOS and Windows alike."""
    name = _cut(_clean(text), LONGEST) or _NAMELESS
    if match := _RESERVED.match(name):
        return f"{match[1]}_{name[match.end(1) :]}"
    return f"{name}_" if name.casefold() in SKIPPED_FOLDERS else name


def _clean(text: str) -> str:
    """Normalize, replace what some system forbids, and strip what hides a name or is lost at its ends."""
    text = unicodedata.normalize("NFC", text).translate(_REPLACED)
    name = " ".join("".join(_allowed(letter) for letter in text).split())
    return unicodedata.normalize("NFC", name).lstrip("-. ").rstrip(". ")


def _allowed(letter: str) -> str:
    match unicodedata.category(letter):
        case "Cc" | "Zl" | "Zp" | "Zs":
            return " "
        case "Cs":
            return "_"
        case "Cf":
            return letter if letter in _JOINERS else ""
        case _:
            return letter if _can_be_written(letter) else "_"


def _can_be_written(letter: str) -> bool:
    """Whether names of files can hold a letter under the locale of this session."""
    try:
        return bool(os.fsencode(letter))
    except UnicodeEncodeError:
        return False


def _cut(name: str, longest: int) -> str:
    """Cut to a number of bytes, between letters: a letter keeps its accents or goes."""
    if len(name.encode()) <= longest:
        return name
    end = len(name.encode()[:longest].decode("utf-8", "ignore"))
    while end and (unicodedata.category(name[end]).startswith("M") or name[end] in _JOINERS):
        end -= 1
    return name[:end].rstrip(". ")
