"""Keys and pitches as musicians write them, with the signs of the trade."""

from mirkit.captions.vocabulary import key_name
from mirkit.catalog import MODES, PITCH_CLASSES

#: The twelve pitch classes by their common names.
PITCHES = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def key_spelling(tonic: str, mode: str) -> str:
    """Name a key of an ``.INFO``.

    Examples
    --------
    >>> key_spelling("A#", "minor"), key_spelling("F#", "major")
    ('B♭ minor', 'F♯ major')
    """
    name, _, rest = key_name(tonic, mode).partition(" ")
    return f"{name[0]}{name[1:].replace('b', '♭').replace('#', '♯')} {rest}"


def key_spellings() -> dict[str, str]:
    """Return the names of all keys: ``A# minor`` -> ``B♭ minor``."""
    return {f"{tonic} {mode}": key_spelling(tonic, mode) for mode in MODES for tonic in PITCH_CLASSES}


def note_name(pitch: float) -> str:
    """Name of the nearest note, with middle C as C4."""
    octave, pitch_class = divmod(round(pitch), 12)
    return f"{PITCHES[pitch_class]}{octave - 1}"
