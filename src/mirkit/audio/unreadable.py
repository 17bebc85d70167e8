"""Why a file cannot be read as audio: empty, of another kind, encrypted, cut off, or damaged."""

import os
from pathlib import Path

#: Bytes at the start of a file that tell its kind.
_HEAD = 4096
#: First bytes -> what the file is instead of audio.
_OTHERS = {
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"\x89PNG": "a picture (PNG)",
    b"GIF8": "a picture (GIF)",
    b"BM": "a picture (BMP)",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"MThd": "a MIDI file",
    b"SQLite format 3": "a database (SQLite)",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\x00\x05\x16\x07": "a companion file of macOS",
}
#: First bytes -> format of audio. An ISO file (m4a, mp4) has ``ftyp`` at byte 4.
_AUDIO = {
    b"RIFF": "wav",
    b"RF64": "wav",
    b"riff": "w64",
    b"fLaC": "flac",
    b"ID3": "mp3",
    b"OggS": "ogg",
    b"FORM": "aiff",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"TTA1": "TTA",
    b"caff": "caf",
    b"DSD ": "dsf",
    b"\x1aE\xdf\xa3": "Matroska",
    b"0&\xb2u": "wma",
}
#: What to do about a damaged file.
GOOD_COPY = "replace it by a good copy, or remove it"
#: Largest index of an ISO file that is searched for marks of encryption.
_MOST_INDEX = 1 << 24


def why_unreadable(path: Path) -> str:
    """Return what a file is that FFmpeg cannot open as audio, and what to do about it, as one clause.

    Parameters
    ----------
    path : Path
        A regular file.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if why := not_audio(path):
        return why
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if kind := next((kind for mark, kind in _AUDIO.items() if head.startswith(mark)), ""):
        return f"the file is damaged or cut off: it begins as {kind}, but the rest cannot be read; {GOOD_COPY}"
    if head[4:8] == b"ftyp":
        if "moov" not in dict(_boxes(path)):
            return f"the file is cut off: it begins as m4a, but its index is missing; {GOOD_COPY}"
        return f"the file is damaged: it begins as m4a, but the rest cannot be read; {GOOD_COPY}"
    return f"this is not an audio file that mirkit can read, or its start is damaged; {GOOD_COPY}"


def not_audio(path: Path) -> str:
    """Return what a file is that is empty, encrypted or no audio at all, and what to do, as one clause; or ""."""
    with open(path, "rb") as file:
        head, size = file.read(_HEAD), os.fstat(file.fileno()).st_size
    if not size:
        return "the file is empty (0 bytes); copy or download it again, or remove it"
    if not head.strip(b"\0"):
        return f"the file begins with zeros only, as after an interrupted copy; {GOOD_COPY}"
    if is_encrypted(path):
        return ENCRYPTED
    other = _other_kind(head)
    return f"the file is not audio but {other}" if other else ""


#: The clause about a file whose audio is encrypted.
ENCRYPTED = "its audio is encrypted (DRM), so mirkit cannot read it; buy or rip it without, or remove it"


def is_encrypted(path: Path) -> bool:
    """Return whether an ISO file (m4a, mp4) declares that its audio is encrypted."""
    index = dict(_boxes(path)).get("moov")
    if index is None:
        return False
    with open(path, "rb") as file:
        file.seek(index)
        content = file.read(_MOST_INDEX)
    return b"sinf" in content and (b"drms" in content or b"enca" in content)


def _other_kind(head: bytes) -> str:
    """Return what a file is that is not audio, with what to do; "" if its start does not tell."""
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "):
        what = "a picture (WebP)" if head[8:12] == b"WEBP" else "a video (AVI)"
        return f"{what}; remove it, or give it its right suffix"
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text[:200].lower().startswith(("<!doctype html", "<html", "<head", "<body")):
        return "a web page, such as the error page of a download; download it again, or remove it"
    if text.startswith("version https://git-lfs"):
        return "a pointer of Git LFS to the real file; fetch that with: git lfs pull"
    if text.startswith("<?xml"):
        return "a text (XML); remove it, or give it its right suffix"
    for mark, what in _OTHERS.items():
        if head.startswith(mark):
            return f"{what}; remove it, or give it its right suffix"
    # A multi-byte character may be cut at the end of what was read.
    if text and "\ufffd" not in text[:-1] and all(letter.isprintable() or letter in "\t\r\n" for letter in text[:-1]):
        return "a text; remove it, or give it its right suffix"
    return ""


def _boxes(path: Path) -> list[tuple[str, int]]:
    """Return the names of the outermost boxes of an ISO file, with the offsets of their content."""
    found: list[tuple[str, int]] = []
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        at = 0
        while at + 8 <= end and len(found) < 1000:
            file.seek(at)
            header = file.read(16)
            size, start = int.from_bytes(header[:4], "big"), at + 8
            if not found and header[4:8] != b"ftyp":
                return []
            if size == 1:
                size, start = int.from_bytes(header[8:16], "big"), at + 16
            found.append((header[4:8].decode("latin-1"), start))
            if size < 8:  # 0: to the end of the file
                break
            at += size
    return found
