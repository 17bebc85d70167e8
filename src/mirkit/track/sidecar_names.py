"""What belongs to a track beside its mix, and what it is called in a folder and beside a loose file.

In the folder ``N``: ``N.INFO``, ``drums.flac``, ``drums_adtof.mid``. Beside the loose ``x.flac``: ``x.INFO``,
``x_drums.flac``, ``x_adtof.mid``. A *role* is the part of the name that both share: ``INFO``, ``drums.flac``,
``drums_adtof.mid``.
"""

import os

from mirkit.catalog import STEMS
from mirkit.track.names import SIDECARS, base_of, is_sound, part_of

ADTOF_MIDI = "drums_adtof.mid"
DRUMS_MIDI = "drums.mid"

_ADTOF_BESIDE = "_adtof.mid"


def for_folder(role: str, folder: str) -> str:
    """Name of a companion in a track folder of this name."""
    return f"{base_of(folder)}.{role}" if role in SIDECARS else role


def for_loose_file(role: str, stem: str) -> str:
    """Name of a companion beside a loose file of this name (without its suffix)."""
    base = base_of(stem)
    if role in SIDECARS:
        return f"{base}.{role}"
    return base + _ADTOF_BESIDE if role == ADTOF_MIDI else f"{base}_{role}"


def kind_in_folder(name: str, folder: str) -> str:
    """Role of a file in a track folder, or "" for a file that is none of ours."""
    base, _, kind = name.partition(base_of(folder) + ".")
    if not base and kind in SIDECARS:
        return kind
    return name if name in (ADTOF_MIDI, DRUMS_MIDI) or (is_sound(name) and part_of(name) in STEMS) else ""


def kind_beside(name: str) -> tuple[str, str]:
    """Base and role of a file that may belong to a loose sound file of that base, or two empty strings."""
    for kind in SIDECARS:
        if name.endswith(f".{kind}"):
            return name.removesuffix(f".{kind}"), kind
    if name.endswith(_ADTOF_BESIDE):
        return name.removesuffix(_ADTOF_BESIDE), ADTOF_MIDI
    base, _, last = name.rpartition("_")
    stem, suffix = os.path.splitext(last)
    if base and (last == DRUMS_MIDI or (is_sound(name) and stem.lower() in STEMS)):
        return base, stem.lower() + suffix.lower()
    return "", ""
