"""Chord symbols: Harte's syntax, such as ``A:min7/b3``, and the short form that musicians write, such as ``Am7/C``.

Source: C. Harte, M. Sandler, S. Abdallah and E. Gómez, "Symbolic representation of musical chords: a proposed syntax
for text annotations", ISMIR 2005.
"""

import re

from mirkit.catalog import PITCH_CLASSES

#: No chord.
NONE = "N"
#: A chord that has no symbol.
OTHER = "X"

_QUALITIES = {
    "": "", "maj": "", "min": "m", "dim": "dim", "aug": "aug", "maj7": "maj7", "min7": "m7", "7": "7", "dim7": "dim7",
    "hdim7": "m7b5", "minmaj7": "m(maj7)", "maj6": "6", "min6": "m6", "9": "9", "maj9": "maj9", "min9": "m9",
    "11": "11", "min11": "m11", "13": "13", "maj13": "maj13", "min13": "m13", "sus2": "sus2", "sus4": "sus4", "1": "1",
    "5": "5",
}  # fmt: skip
#: Names of the short form for sharps that musicians rarely write, with a major third and without one.
_USUAL = {"C#": ("Db", "C#"), "D#": ("Eb", "Eb"), "G#": ("Ab", "G#"), "A#": ("Bb", "Bb")}
_INTERVAL = r"[b#]*(?:1[0-3]|[1-9])"
_SYMBOL = re.compile(
    rf"(?P<root>[A-G][b#]*)(?::(?P<quality>[a-z]*\d*)(?P<degrees>\(\*?{_INTERVAL}(?:,\*?{_INTERVAL})*\))?)?"
    rf"(?:/(?P<bass>{_INTERVAL}))?"
)
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_DEGREE = (0, 0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19, 21)
_MINOR, _SEVENTH = ("min", "hdim", "dim"), ("7", "9", "11", "13")


def _parse(symbol: str) -> re.Match[str] | None:
    match = _SYMBOL.fullmatch(symbol)
    return match if match and (match["quality"] or "") in _QUALITIES else None


def is_symbol(symbol: str) -> bool:
    """Whether a text is a chord in Harte's syntax, with one of its shorthands; ``N`` is no chord, ``X`` any other.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    bool
    """
    return symbol in (NONE, OTHER) or _parse(symbol) is not None


def short_form(symbol: str) -> str:
    """Return a chord as musicians write it: ``A:min`` is ``Am``, ``C:maj/3`` is ``C/E``, ``N`` is ``N.C.``.

    ``A#`` and ``D#`` are written as ``Bb`` and ``Eb``; ``C#`` and ``G#`` with a major third are ``Db`` and ``Ab``.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    str

    Examples
    --------
    >>> [short_form(symbol) for symbol in ("A:min", "G:7", "C:maj/3", "F#:hdim7", "A#:maj7", "N", "X")]
    ['Am', 'G7', 'C/E', 'F#m7b5', 'Bbmaj7', 'N.C.', '?']
    """
    match = _parse(symbol)
    if match is None:
        return "N.C." if symbol == NONE else "?"
    is_minor = third_of(symbol) != "major"
    root = _USUAL.get(match["root"], (match["root"],) * 2)[is_minor]
    bass = ""
    if match["bass"]:
        name = PITCH_CLASSES[(_pitch(match["root"]) + _semitones(match["bass"])) % 12]
        bass = f"/{_USUAL.get(name, (name, name))[is_minor]}"
    return f"{root}{_QUALITIES[match['quality'] or '']}{match['degrees'] or ''}{bass}"


def third_of(symbol: str) -> str:
    """Return ``major`` or ``minor`` by the third of a chord, ``none`` for no chord, ``other`` without a known third.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    str
    """
    match = _parse(symbol)
    if match is None:
        return "none" if symbol == NONE else "other"
    quality = match["quality"] or "maj"
    if quality in ("sus2", "sus4", "1", "5") or (match["degrees"] and not match["quality"]):
        return "other"
    return "minor" if quality.startswith(_MINOR) else "major"


def has_seventh(symbol: str) -> bool:
    """Whether a chord has a seventh, as ``7``, ``maj7``, ``min7`` and the chords above them have.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    bool
    """
    match = _parse(symbol)
    quality = (match["quality"] or "") if match else ""
    return quality.endswith(_SEVENTH) or bool(match and re.search(r"[(,]b?7\b", match["degrees"] or ""))


def _semitones(interval: str) -> int:
    return _DEGREE[int(interval.lstrip("b#"))] + interval.count("#") - interval.count("b")


def _pitch(root: str) -> int:
    return _NATURAL[root[0]] + root.count("#") - root.count("b")
