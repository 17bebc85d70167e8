"""What the names of files mean."""

import hashlib
import os
from functools import lru_cache

from mirkit.catalog import STEMS
from mirkit.store.layout import AUDIO_SUFFIXES, SIDECARS

__all__ = [
    "AUDIO_SUFFIXES",
    "CROPS",
    "MIX",
    "ORIGINAL_NAME",
    "PARTS",
    "SIDECARS",
    "SKIPPED_FOLDERS",
    "STEM_MARK",
    "base_of",
    "is_sound",
    "part_of",
]

MIX = "full_mix"
PARTS = (MIX, *STEMS)

# In 100,000 folders most files are called the same.
cache = lru_cache(maxsize=4096)

#: Folder of the clips cut from a track.
CROPS = "crops"

#: Folders in which no tracks are looked for: a working directory, parts of tracks, and a report with copies of sounds.
SKIPPED_FOLDERS = ("separated", CROPS, "mirkit-report")

#: Fact of a track's provenance: the name that its sound file had before it was organized.
ORIGINAL_NAME = "original_name"

#: Artist's tag of the stems that mirkit makes: they are known by it where the provenance could not be written.
STEM_MARK = "mirkit"

#: Bytes that a base may have, so that every name made of it fits into the 255 of common file systems.
_LONGEST_BASE = 220


@cache
def is_sound(name: str) -> bool:
    """Tell whether a file of this name is sound. Hidden files are not: macOS leaves ``._x.mp3`` beside ``x.mp3``."""
    return not name.startswith(".") and name.lower().endswith(AUDIO_SUFFIXES)


@cache
def part_of(name: str) -> str:
    """Give the part that a sound in a track folder is, ``full_mix`` or a stem, or ""."""
    stem = os.path.splitext(name)[0].lower()
    return stem if stem in PARTS else ""


def base_of(name: str) -> str:
    """Give what sidecars of a track called ``name`` begin with: the name, cut where it is too long to add to."""
    data = os.fsencode(name)
    if len(data) <= _LONGEST_BASE:
        return name
    cut = data[: _LONGEST_BASE - 9].decode("utf-8", "ignore")
    return f"{cut}~{hashlib.sha256(data).hexdigest()[:8]}"
