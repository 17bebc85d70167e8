"""Notes of a MIDI file, in seconds."""

from pathlib import Path

from mirkit.errors import InfoError
from mirkit.store import printable

#: A page shows no more notes than this.
_MOST = 20_000


def notes(path: Path) -> list[tuple[float, int, int]]:
    """Read when each note begins, which it is, and how loud: seconds, 0 to 127, 1 to 127.

    Raises
    ------
    InfoError
        It is no MIDI file.
    """
    import mido

    found: list[tuple[float, int, int]] = []
    now = 0.0
    try:
        for message in mido.MidiFile(path):
            now += message.time
            if message.type == "note_on" and message.velocity:
                found.append((round(now, 4), message.note, message.velocity))
    except (OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError, mido.KeySignatureError) as error:
        raise InfoError(f"{printable(path)}: no MIDI file that can be read; remove it to have it made again") from error
    return found[:_MOST]
