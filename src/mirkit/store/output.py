"""Output files of commands, and the rule by which a file may be overwritten.

A new file may be written anywhere. An existing file is overwritten if its content shows that it is an earlier output of
the same command, or with ``--overwrite``. An audio file, a file of a track, a link and anything that is not a regular
file are never overwritten.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mirkit.errors import InfoError, SettingsError, printable, system_errors
from mirkit.store.atomic import atomic_file, make_folder, remove_orphans
from mirkit.store.sidecars import AUDIO_SUFFIXES, MIDI_ENDINGS, SIDECARS, loads, open_regular

#: Returns whether a file is an earlier output of the command that is about to write it.
Recognize = Callable[[Path], bool]

#: First key of JSON that a command writes; its value names the command.
MADE_BY = "made_by"
_HEAD_BYTES = 4096
_MAX_JSON_BYTES = 2**30
#: First bytes of audio files.
_AUDIO_STARTS = (
    b"fLaC",
    b"OggS",
    b"ID3",
    b"RF64",
    b"BW64",
    b"MAC ",
    b"APETAGEX",  # mp3 files with a tag in front
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
#: First four bytes, and the bytes at offset 8 of the audio formats among these containers.
_AUDIO_FORMS = {b"RIFF": (b"WAVE",), b"RIFX": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
_DATA_SET_FILES = ("mirkit.toml", ".mirkit-organize.jsonl")


@dataclass(frozen=True)
class Output:
    """A file to write.

    Attributes
    ----------
    path : Path
    is_ours : callable
        Returns whether an existing file is an earlier output of the same command.
    overwrite : bool
        Whether any other file may be overwritten, too.
    theirs : str
        What is said of a file that may not be overwritten.
    """

    path: Path
    is_ours: Recognize
    overwrite: bool = False
    theirs: str = "this command did not write it"

    def check(self) -> None:
        """Check that the file may be written.

        Raises
        ------
        SettingsError
            It may not be overwritten.
        InfoError
            The existing file cannot be read.
        """
        with system_errors(self.path, "read"):
            reason = protection_reason(self.path)
            if reason is None or (not reason and (self.overwrite or self.is_ours(self.path))):
                return
        if reason:
            raise SettingsError(f"{printable(self.path)}: {reason}, and is not overwritten; name another file")
        raise SettingsError(
            f"{printable(self.path)}: the file exists already, and {self.theirs}; name another file, or add --overwrite"
        )

    @contextmanager
    def whole(self) -> Iterator[Path]:
        """Yield a temporary path, which replaces the file at the end of the block if the file may be written.

        Raises
        ------
        SettingsError, InfoError
            As :meth:`check`, or the system refused.
        """
        folder = make_folder(self.path.parent)
        with suppress(InfoError):  # temporary files of killed commands
            remove_orphans(folder)
        with atomic_file(self.path) as temp:
            yield temp
            self.check()

    def write(self, data: bytes) -> None:
        """Write the whole content, see :meth:`whole`."""
        with self.whole() as temp, open(temp, "xb") as file:
            file.write(data)


def protection_reason(path: Path) -> str | None:
    """Return why the file at a path is never overwritten.

    Returns
    -------
    str or None
        ``""`` if an earlier output may be overwritten; None if there is no file, or an empty one.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return "it is a link"
    if stat.S_ISDIR(status.st_mode):
        return "it is a folder"
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if path.name.lower().endswith(AUDIO_SUFFIXES) or is_audio_data(head(path)):
        return "it is an audio file"
    if _is_of_track(path):
        return "it belongs to a track"
    if path.name.lower() in _DATA_SET_FILES:
        return "it belongs to a data set"
    return "" if status.st_size else None


def is_audio_data(start: bytes) -> bool:
    """Return whether the first bytes of a file are those of audio, of any common container or stream."""
    if start.startswith(_AUDIO_STARTS) or start[8:12] in _AUDIO_FORMS.get(start[:4], ()) or start[4:8] == b"ftyp":
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
    with open_regular(path, follow=True) as file:
        return file.read(_HEAD_BYTES)


def made_by(command: str) -> Recognize:
    """Recognize JSON output of a command, see :data:`MADE_BY`."""

    def is_ours(path: Path) -> bool:
        try:
            with open_regular(path, follow=True) as file:
                content = loads(file.read(_MAX_JSON_BYTES))
        except (ValueError, RecursionError):
            return False
        return isinstance(content, dict) and content.get(MADE_BY) == command

    return is_ours


def begins_with(start: bytes) -> Recognize:
    """Recognize a file by its first bytes."""
    return lambda path: head(path).startswith(start)


def _is_of_track(path: Path) -> bool:
    """Whether the name is that of a sidecar, or of a MIDI file in a track folder or beside a loose audio file."""
    name = path.name.lower()
    if name.endswith(tuple(f".{kind.lower()}" for kind in SIDECARS)):
        return True
    ending = next((ending for ending in MIDI_ENDINGS if name.endswith(ending)), "")
    if not ending:
        return False
    base = name.removesuffix(ending).removesuffix("_")
    bases = {"full_mix", base} if name in ("drums.mid", "drums_adtof.mid") else {base}
    start, _, checksum = base.rpartition("~")  # the form of a shortened name
    others = [other.lower() for other in os.listdir(path.parent) if other.lower().endswith(AUDIO_SUFFIXES)]
    return any(
        other in bases
        or os.path.splitext(other)[0] in bases
        or (len(checksum) == 8 and start and other.startswith(start))
        for other in others
    )
