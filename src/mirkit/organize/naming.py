"""Names of track folders, made from tags and valid on every file system."""

import os
import re
import unicodedata

from mirkit.audio import Tags
from mirkit.track import SKIPPED_FOLDERS

#: Longest name of a folder in bytes of UTF-8: sidecars add to it, and file systems allow 255.
LONGEST = 200
_LONGEST_PART = 60
_NAMELESS = "untitled"

_REPLACED = str.maketrans({"/": "-", "\\": "-", "|": "-", ":": "-", '"': "'", **dict.fromkeys("*?<>", "_")})
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
#: Joiners change the shape of characters and emoji; all other format characters are invisible and removed.
_JOINERS = "\u200c\u200d"


def folder_name(tags: Tags | None, stem: str) -> str:
    """Return the name of a track's folder, ``Artist - Album - Title``, from the tags that exist.

    Parameters
    ----------
    tags : Tags or None
        Tags of the file, if it has any.
    stem : str
        Name of the file without its suffix, used for a missing title, or for the whole name if there are no tags.

    Returns
    -------
    str
    """
    artist, album, title = (
        (_clean(value or "") for value in (tags.artist, tags.album, tags.title)) if tags else ("",) * 3
    )
    if not (artist or album or title):
        return safe_name(stem)
    parts = [artist, album, title or _clean(stem)]
    if len(" - ".join(parts).encode()) > LONGEST:  # the title distinguishes tracks, so it is shortened last
        parts[:2] = [_cut(part, _LONGEST_PART) for part in parts[:2]]
    return safe_name(" - ".join(part for part in parts if part))


def safe_name(text: str) -> str:
    """Turn a text into the name of a folder that is valid, not hidden and not reserved on Linux, macOS and Windows."""
    name = _cut(_clean(text), LONGEST) or _NAMELESS
    if match := _RESERVED.match(name):
        return f"{match[1]}_{name[match.end(1) :]}"
    return f"{name}_" if name.casefold() in SKIPPED_FOLDERS else name


def _clean(text: str) -> str:
    """Normalize, replace forbidden characters, and strip characters that hide a name or are lost at its ends."""
    text = unicodedata.normalize("NFC", text).translate(_REPLACED)
    name = " ".join("".join(_allowed(character) for character in text).split())
    return unicodedata.normalize("NFC", name).lstrip("-. ").rstrip(". ")


def _allowed(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp" | "Zs":
            return " "
        case "Cs":
            return "_"
        case "Cf":
            return character if character in _JOINERS else ""
        case _:
            return character if _can_be_written(character) else "_"


def _can_be_written(character: str) -> bool:
    """Return whether file names can contain a character under the locale of this session."""
    try:
        return bool(os.fsencode(character))
    except UnicodeEncodeError:
        return False


def _cut(name: str, longest: int) -> str:
    """Shorten to a number of bytes, without separating a character from its accents."""
    if len(name.encode()) <= longest:
        return name
    end = len(name.encode()[:longest].decode("utf-8", "ignore"))
    while end and (unicodedata.category(name[end]).startswith("M") or name[end] in _JOINERS):
        end -= 1
    return name[:end].rstrip(". ")
