"""Files that are written where the user says: one rule for all commands of what may be overwritten.

A new file may be written anywhere. A file that is there already is overwritten if it is an earlier output of the same
command, which is seen from its content, or with ``--overwrite``. A sound file, a file that belongs to a track, a link
and whatever is no regular file are never overwritten.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mirkit.errors import InfoError, SettingsError
from mirkit.store.atomic import atomic_file, make_folder, remove_orphans
from mirkit.store.json_files import loads, open_plain
from mirkit.store.names import MIDI_ENDINGS, SIDECARS, SOUND_SUFFIXES
from mirkit.store.os_errors import as_error, printable

#: Tells whether a file is an earlier output of the command that is about to write it.
Recognize = Callable[[Path], bool]

#: First key of JSON that a command writes: by its value it is recognized.
MADE_BY = "made_by"
_HEAD_BYTES = 4096
_MAX_JSON_BYTES = 2**30
#: What files of sound begin with, whatever they are called.
_SOUND_STARTS = (
    b"fLaC",
    b"OggS",
    b"ID3",
    b"RF64",
    b"BW64",
    b"MAC ",
    b"wvPk",
    b"TTA1",
    b"MPCK",
    b"MP+",
    b"caff",
    b".snd",
    b"DSD ",
    b"FRM8",
    b"#!AMR",
    b"riff\x2e\x91\xcf\x11",  # Sony Wave64
    b"\x0b\x77",  # AC-3
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # WMA
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
)
#: Four letters at the start, and those at byte 8 that tell sound from other files of the form.
_SOUND_FORMS = {b"RIFF": (b"WAVE",), b"RIFX": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
_DATA_SET_FILES = ("mirkit.toml", ".mirkit-organize.jsonl")


@dataclass(frozen=True)
class Output:
    """A file to be written, and by what an earlier one is recognized.

    Attributes
    ----------
    path : Path
    is_ours : callable
        Tells whether an existing file is an earlier output of the same command.
    overwrite : bool
        Whether the user said that another file may be overwritten.
    """

    path: Path
    is_ours: Recognize
    overwrite: bool = False

    def check(self) -> None:
        """Decide whether the file may be written.

        Raises
        ------
        SettingsError
            It may not.
        InfoError
            The system does not let us look.
        """
        try:
            why = why_kept(self.path)
            if why is None or (not why and (self.overwrite or self.is_ours(self.path))):
                return
        except OSError as error:
            raise as_error(error, self.path, "read") from error
        if why:
            raise SettingsError(f"{printable(self.path)}: {why}, and is not overwritten; name another file")
        raise SettingsError(
            f"{printable(self.path)}: there is such a file already, not written by this command; "
            "name another file, or add --overwrite"
        )

    @contextmanager
    def whole(self) -> Iterator[Path]:
        """Give a temporary path to write to; on leaving it becomes the file, if that may be written.

        Raises
        ------
        SettingsError, InfoError
            As ``check``, or the system refuses.
        """
        folder = make_folder(self.path.parent)
        with suppress(InfoError):  # what killed commands left here
            remove_orphans(folder)
        with atomic_file(self.path) as temp:
            yield temp
            self.check()

    def write(self, data: bytes) -> None:
        """Write the whole content; see ``whole``."""
        with self.whole() as temp, open(temp, "xb") as file:
            file.write(data)


def why_kept(path: Path) -> str | None:
    """Say why what is at a path is never overwritten.

    Returns
    -------
    str or None
        "" where it may be, if it is an earlier output or the user says so; None where there is nothing to be lost.

    Raises
    ------
    OSError
        The system does not let us look.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return "it is a link"
    if stat.S_ISDIR(found.st_mode):
        return "it is a folder"
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file"
    if path.name.lower().endswith(SOUND_SUFFIXES) or is_sound_data(head(path)):
        return "it is a sound file"
    if _is_of_track(path):
        return "it belongs to a track"
    if path.name.lower() in _DATA_SET_FILES:
        return "it belongs to a data set"
    return "" if found.st_size else None


def is_sound_data(start: bytes) -> bool:
    """Tell from its first bytes whether a file is sound: all common containers and streams."""
    if start.startswith(_SOUND_STARTS) or start[8:12] in _SOUND_FORMS.get(start[:4], ()) or start[4:8] == b"ftyp":
        return True
    frame = start.lstrip(b"\0")[:4]  # mp3 files may begin with silence that an editor left
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return False
    version, layer = frame[1] >> 3 & 3, frame[1] >> 1 & 3
    if layer == 0:
        return frame[1] & 0xF6 == 0xF0  # AAC in ADTS
    # Layers II and III: layer I would also be the byte order mark of a text in UTF-16.
    return layer in (1, 2) and version != 1 and frame[2] >> 4 != 15 and frame[2] >> 2 & 3 != 3


def head(path: Path) -> bytes:
    """Read the first bytes of a file."""
    with open_plain(path, follow=True) as file:
        return file.read(_HEAD_BYTES)


def made_by(command: str) -> Recognize:
    """Recognize JSON by its entry ``made_by``: see :data:`MADE_BY`."""

    def is_ours(path: Path) -> bool:
        try:
            with open_plain(path, follow=True) as file:
                found = loads(file.read(_MAX_JSON_BYTES))
        except (ValueError, RecursionError):
            return False
        return isinstance(found, dict) and found.get(MADE_BY) == command

    return is_ours


def begins_with(start: bytes) -> Recognize:
    """Recognize a file by its first bytes."""
    return lambda path: head(path).startswith(start)


def _is_of_track(path: Path) -> bool:
    """Whether it is a sidecar by its name, or a MIDI file in a track folder or beside a loose sound."""
    name = path.name.lower()
    if name.endswith(tuple(f".{kind.lower()}" for kind in SIDECARS)):
        return True
    ending = next((ending for ending in MIDI_ENDINGS if name.endswith(ending)), "")
    if not ending:
        return False
    base = name.removesuffix(ending).removesuffix("_")
    bases = {"full_mix", base} if name in ("drums.mid", "drums_adtof.mid") else {base}
    start, _, checksum = base.rpartition("~")  # of a name that was too long
    others = [other.lower() for other in os.listdir(path.parent) if other.lower().endswith(SOUND_SUFFIXES)]
    return any(
        other in bases
        or os.path.splitext(other)[0] in bases
        or (len(checksum) == 8 and start and other.startswith(start))
        for other in others
    )
