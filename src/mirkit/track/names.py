"""Names of the files of a track.

A track folder ``N`` contains ``N.INFO``, ``drums.flac`` and ``drums_adtof.mid``. Beside a loose file ``x.flac`` are
``x.INFO``, ``x_drums.flac`` and ``x_adtof.mid``. The *role* of a file is the part of its name that both have in common:
``INFO``, ``drums.flac``, ``drums_adtof.mid``.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from mirkit.catalog import STEMS
from mirkit.errors import counted
from mirkit.store.sidecars import AUDIO_SUFFIXES, SIDECARS

__all__ = [
    "ADTOF_MIDI",
    "AUDIO_SUFFIXES",
    "CROPS",
    "CUT_FROM",
    "DRUMS_MIDI",
    "EXPORT_SUMMARY",
    "MIDI_NAMES",
    "MIX",
    "NOTES_MIDI",
    "ORIGINAL_NAME",
    "REST",
    "SIDECARS",
    "SKIPPED_FOLDERS",
    "SOURCES",
    "STEM_MARK",
    "VIDEO_SUFFIXES",
    "base_of",
    "for_folder",
    "for_loose_file",
    "is_audio_name",
    "is_placeholder_name",
    "is_unread_audio_name",
    "kind_beside",
    "kind_in_folder",
    "left_out_line",
    "mixes_in",
    "rest_of",
    "source_of",
    "unclear_parts",
]

#: Name of the mix in a track folder, without its suffix.
MIX = "full_mix"
SOURCES = (MIX, *STEMS)

#: What a mix is called beside its stems in other data sets; MUSDB says ``mixture``.
_MIX_NAMES = ("mixture", "mix", "full mix", "full-mix", "fullmix")
#: Further parts of a song in such folders, which mirkit does not use.
_OTHER_PARTS = ("accompaniment", "linear_mixture", "guitar", "piano", "instrumental")
_MIN_STEMS = 3

#: Names of audio-separator and UVR: ``Song_(Vocals)_model.flac``, ``1_Song_(Vocals).wav``. Without a model or a number,
#: such a name may be that of a song: its instrumental version.
_SEPARATED = re.compile(r"(?:(?P<base>.+)_\((?P<part>[^()]+)\)_(?P<model>.+)|\d+_(?P<base1>.+)_\((?P<part1>[^()]+)\))")
_PARTS = {
    **{stem: stem for stem in STEMS},
    **{f"no {stem}": f"no_{stem}" for stem in STEMS},
    "instrumental": "no_vocals",
    **dict.fromkeys(("drum-bass", "guitar", "piano", "crowd", "reverb", "no reverb", "noise", "no noise"), ""),
}

#: Suffixes of audio files that may hold a moving picture.
VIDEO_SUFFIXES = (".mp4", ".webm")
#: Suffixes of sound that mirkit does not read -> reason, where it is not the format.
_UNREAD = {
    ".m4p": "protected",
    ".aax": "protected",
    **dict.fromkeys((".mkv", ".mov", ".m4v", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".mts", ".3gp", ".ogv"), "video"),
    **dict.fromkeys((".mpc", ".mpp", ".dff", ".ofr", ".shn", ".la", ".ra", ".rm", ".amr", ".au", ".snd", ".voc"), ""),
    **dict.fromkeys((".dts", ".thd", ".spx", ".xm", ".it", ".s3m", ".mod", ".iso", ".sfz", ".rx2", ".rex"), ""),
}

_CLOUD_SUFFIXES = (".icloud", ".nextcloud", ".owncloud")

# In 100,000 folders most files have the same names.
cache = lru_cache(maxsize=4096)

#: Folder of the clips cut from a track.
CROPS = "crops"

#: Folders that are not searched for tracks: a working directory, clips, and a report with copies of audio files.
SKIPPED_FOLDERS = ("separated", CROPS, "mirkit-report")

#: File by which the folder of an export is known, whose audio files are copies of tracks and clips.
EXPORT_SUMMARY = "mirkit_export.json"

#: Metadata in a track's provenance: the name of its audio file before it was organized.
ORIGINAL_NAME = "original_name"
#: Metadata in a track's provenance: the name of the album file beside its folder from which it was cut.
CUT_FROM = "cut_from"

#: Artist tag of stems that mirkit made, which identifies them if the provenance could not be written.
STEM_MARK = "mirkit"

#: Beginning of the name of a mix without a stem: ``no_vocals.flac``. Beside a loose ``x.flac`` it is
#: ``x_no-vocals.flac``, because ``x_no_vocals.flac`` is the vocals of ``x_no.flac``.
REST = "no_"
_REST_BESIDE = "no-"

ADTOF_MIDI = "drums_adtof.mid"
DRUMS_MIDI = "drums.mid"
#: Pitched stem -> MIDI file of its notes.
NOTES_MIDI = {"bass": "bass.mid", "other": "other.mid", "vocals": "vocals.mid"}
MIDI_NAMES = (ADTOF_MIDI, DRUMS_MIDI, *NOTES_MIDI.values())

_ADTOF_BESIDE = "_adtof.mid"

#: Longest base in bytes, so that every name made of it has at most the 255 bytes of common file systems.
_LONGEST_BASE = 220


@cache
def is_audio_name(name: str) -> bool:
    """Return whether a name is that of an audio file. Hidden ones are not: macOS puts ``._x.mp3`` beside ``x.mp3``."""
    return not name.startswith(".") and name.lower().endswith(AUDIO_SUFFIXES)


@cache
def is_placeholder_name(name: str) -> bool:
    """Return whether a name is that of an audio file whose content is still in the cloud.

    iCloud leaves ``.x.mp3.icloud``, Nextcloud and ownCloud ``x.mp3.nextcloud`` and ``x.mp3.owncloud``.
    """
    bare, suffix = os.path.splitext(name)
    return suffix in _CLOUD_SUFFIXES and is_audio_name(bare.removeprefix("."))


@cache
def is_unread_audio_name(name: str) -> bool:
    """Return whether a name is that of sound in a format that mirkit does not read."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in _UNREAD


def left_out_line(suffixes: Mapping[str, int], videos: int, placeholders: int = 0, one_shots: int = 0) -> str:
    """Describe the sound files that are not used, in one sentence; ``""`` if there are none.

    Parameters
    ----------
    suffixes : mapping
        Suffix, in lower case -> number of files in a format that is not read.
    videos : int
        Number of files with a moving picture.
    placeholders : int
        Number of files whose content is still in the cloud.
    one_shots : int
        Number of samples that are too short for a track.
    """
    kinds = [
        f"{count} {suffix}" + (f" ({_UNREAD[suffix]})" if _UNREAD[suffix] else "")
        for suffix, count in sorted(suffixes.items())
    ]
    parts = [f"files that mirkit does not read: {', '.join(kinds)}"] if kinds else []
    if placeholders:
        files = "placeholder of a file that is" if placeholders == 1 else "placeholders of files that are"
        parts.append(f"{placeholders} {files} still in the cloud: download them first")
    if one_shots:
        parts.append(f"{counted(one_shots, 'sample')} of less than 4 s; to use them: mirkit run --samples")
    if videos:
        parts.append(
            f"{counted(videos, 'file')} with a moving picture; to use the sound: mirkit organize --video-sound"
        )
    return f"left out {'; and '.join(parts)}" if parts else ""


@cache
def source_of(name: str) -> str:
    """Return ``full_mix`` or the stem that an audio file in a track folder is, or ``""``."""
    stem = os.path.splitext(name)[0].lower()
    return stem if stem in SOURCES else ""


def mixes_in(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the mix among the audio files of a folder; more than one if it is not clear which it is.

    It is ``full_mix``, or ``mixture`` and the like in a folder of stems: one with nothing but parts of a song, or with
    three stems or more.

    Examples
    --------
    >>> mixes_in(["mixture.wav", "vocals.wav", "accompaniment.wav"]), mixes_in(["mix.mp3", "other.mp3", "Intro.mp3"])
    (('mixture.wav',), ())
    """
    names = tuple(names)
    if mixes := tuple(name for name in names if source_of(name) == MIX):
        return mixes
    words = {name: os.path.splitext(name)[0].lower() for name in names}
    mixes = tuple(name for name in names if words[name] in _MIX_NAMES)
    stems = {word for word in words.values() if word in STEMS}
    known = all(word in (*STEMS, *_MIX_NAMES, *_OTHER_PARTS) or rest_of(name) for name, word in words.items())
    return mixes if len(stems) >= (1 if known else _MIN_STEMS) else ()


@cache
def rest_of(name: str) -> str:
    """Return ``no_vocals`` and the like for the file of a mix without a stem in a track folder, or ``""``."""
    stem = os.path.splitext(name)[0].lower()
    return stem if is_audio_name(name) and stem.removeprefix(REST) in STEMS and stem.startswith(REST) else ""


def base_of(name: str) -> str:
    """Return the base of the sidecar names of a track: its name, shortened if it is too long."""
    data = os.fsencode(name)
    if len(data) <= _LONGEST_BASE:
        return name
    cut = data[: _LONGEST_BASE - 9].decode("utf-8", "ignore")
    return f"{cut}~{hashlib.sha256(data).hexdigest()[:8]}"


def for_folder(role: str, folder: str) -> str:
    """Return the name of the file with a role in a track folder of this name."""
    return f"{base_of(folder)}.{role}" if role in SIDECARS else role


def for_loose_file(role: str, stem: str) -> str:
    """Return the name of the file with a role beside a loose file of this name (without its suffix)."""
    base = base_of(stem)
    if role in SIDECARS:
        return f"{base}.{role}"
    if rest_of(role):
        return f"{base}_{_REST_BESIDE}{role.removeprefix(REST)}"
    return base + _ADTOF_BESIDE if role == ADTOF_MIDI else f"{base}_{role}"


def kind_in_folder(name: str, folder: str) -> str:
    """Return the role of a file in a track folder, or ``""`` for any other file."""
    base, _, kind = name.partition(base_of(folder) + ".")
    if not base and kind in SIDECARS:
        return kind
    is_stem = is_audio_name(name) and source_of(name) in STEMS
    return name if name in MIDI_NAMES or is_stem or rest_of(name) else ""


def unclear_parts(names: Iterable[str]) -> dict[str, str]:
    """Return files of audio-separator or UVR that are not used, because another file is the same part of the song.

    Parameters
    ----------
    names : iterable of str
        All files of a folder.

    Returns
    -------
    dict
        Name -> base of the song.
    """
    same: dict[tuple[str, str], list[str]] = {}
    for name in names:
        base, role = kind_beside(name)
        if is_audio_name(role):
            same.setdefault((base, os.path.splitext(role)[0]), []).append(name)
    groups = (group for group in same.values() if len(group) > 1)
    return {name: kind_beside(name)[0] for group in groups for name in group if _separated(name)}


@cache
def _separated(name: str) -> tuple[str, str] | None:
    """Return base and role of a file that audio-separator or UVR wrote; None for any other file."""
    bare, suffix = os.path.splitext(name)
    match = _SEPARATED.fullmatch(bare)
    base, part = (match["base"] or match["base1"], match["part"] or match["part1"]) if match else ("", "")
    role = _PARTS.get(part.lower().replace("_", " "))
    return None if role is None else (base, (role or part.lower()) + suffix.lower())


def kind_beside(name: str) -> tuple[str, str]:
    """Return base and role of a file that may belong to a loose audio file of that base, or two empty strings."""
    for kind in SIDECARS:
        if name.endswith(f".{kind}"):
            return name.removesuffix(f".{kind}"), kind
    if name.endswith(_ADTOF_BESIDE):
        return name.removesuffix(_ADTOF_BESIDE), ADTOF_MIDI
    if is_audio_name(name) and (separated := _separated(name)):
        return separated
    base, _, last = name.rpartition("_")
    stem, suffix = os.path.splitext(last)
    if base and (last in MIDI_NAMES or (is_audio_name(name) and stem.lower() in STEMS)):
        return base, stem.lower() + suffix.lower()
    if base and last.lower().startswith(_REST_BESIDE):
        role = REST + last.lower().removeprefix(_REST_BESIDE)
        return (base, role) if rest_of(role) else ("", "")
    return "", ""
