"""The chords of a track as a list, and what is counted of it in a window.

*Measured*: how often the chord changes, and the shares of major, minor and seventh chords and of no chord.
*Reading*: 8 to 40 changes a minute are usual; most pop songs have no chord for less than a tenth of their length.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise

from mirkit.features.harmony.chord_symbols import NONE, has_seventh, short_form, third_of
from mirkit.features.types import TOO_SHORT, FloatArray, InfoValue, Unknown, Value, Window

NO_CHORD = Unknown("no chord sounds")
#: Least part of a chord that counts in a window, and of a bar that is written (s, share).
_LEAST, _LEAST_BAR = 0.1, 0.5
#: Least share of a bar that a chord needs to be written in it.
_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Chord:
    """A chord.

    Attributes
    ----------
    start, end : float
        Seconds.
    symbol : str
        In Harte's syntax, such as ``A:min``; ``N`` is no chord.
    confidence : float or None
        Probability that the symbol is right; None for a chord that the user has entered without one.
    """

    start: float
    end: float
    symbol: str
    confidence: float | None = None


Chords = tuple[Chord, ...]


@dataclass(frozen=True)
class ChordFeatures:
    """What is counted in a window.

    Attributes
    ----------
    chord_change_rate : Value
        Changes from one chord to another per minute; those to and from no chord do not count.
    chord_major_share, chord_minor_share : Value
        Share of the time with a chord that has a major or a minor third, sevenths included.
    chord_seventh_share : Value
        Share of the time with a chord that has a seventh.
    chord_none_share : Value
        Share of the time without a chord.
    chord_confidence : Value
        Mean confidence, by time.
    chords : str or Unknown
        The chords bar by bar, such as ``| Am | F | C G | G |``.
    """

    chord_change_rate: Value
    chord_major_share: Value
    chord_minor_share: Value
    chord_seventh_share: Value
    chord_none_share: Value
    chord_confidence: Value
    chords: InfoValue


def chord_features(chords: Chords, downbeats: FloatArray, window: Window) -> ChordFeatures:
    """Count what chords a window has.

    Parameters
    ----------
    chords : tuple of Chord
        Of the track; time between them is without a chord.
    downbeats : array
        Seconds; empty where they are not known.
    window : Window

    Returns
    -------
    ChordFeatures
        ``too short`` in a window of less than 0.1 s; where no chord sounds, rate, confidence and text are unknown.

    Examples
    --------
    Four bars of two seconds:

    >>> import numpy as np
    >>> chords = (Chord(0, 4, "A:min", 0.9), Chord(4, 6, "F:maj7", 0.8), Chord(6, 8, "N", 0.9))
    >>> found = chord_features(chords, np.array([0.0, 2.0, 4.0, 6.0]), Window(0, 8))
    >>> found.chords, found.chord_change_rate, found.chord_minor_share, found.chord_seventh_share
    ('| Am | Am | Fmaj7 | N.C. |', 7.5, 0.5, 0.25)
    """
    if window.duration < _LEAST:
        return ChordFeatures(*[TOO_SHORT] * 7)
    inside = within(chords, window)
    time = dict.fromkeys(("major", "minor", "other", "none"), 0.0)
    sevenths = sure = known = 0.0
    for chord in inside:
        length = chord.end - chord.start
        time[third_of(chord.symbol)] += length
        sevenths += length * has_seventh(chord.symbol)
        if chord.confidence is not None and chord.symbol != NONE:
            sure, known = sure + length * chord.confidence, known + length
    total = window.duration
    sounding = time["major"] + time["minor"] + time["other"]
    changes = sum(a.symbol != b.symbol and NONE not in (a.symbol, b.symbol) for a, b in pairwise(inside))
    return ChordFeatures(
        60 * changes / total if sounding else NO_CHORD,
        time["major"] / total,
        time["minor"] / total,
        sevenths / total,
        1 - sounding / total if sounding else 1.0,
        sure / known if known else NO_CHORD,
        bar_text(inside, downbeats - window.start, total) if sounding else NO_CHORD,
    )


def within(chords: Chords, window: Window) -> Chords:
    """Return the chords of a window, in seconds from its start.

    Of a chord that the window cuts to less than 0.1 s, the time goes to its neighbor.

    Parameters
    ----------
    chords : tuple of Chord
    window : Window

    Returns
    -------
    tuple of Chord

    Examples
    --------
    >>> within((Chord(0, 4, "A:min"), Chord(4, 6, "F:maj")), Window(3, 5))
    (Chord(start=0, end=1, symbol='A:min', confidence=None), Chord(start=1, end=2, symbol='F:maj', confidence=None))
    """
    inside = [chord for chord in chords if chord.start < window.end and chord.end > window.start]
    if len(inside) > 1 and inside[0].end - window.start < min(_LEAST, inside[0].end - inside[0].start):
        inside[:2] = [replace(inside[1], start=window.start if inside[1].start == inside[0].end else inside[1].start)]
    if len(inside) > 1 and window.end - inside[-1].start < min(_LEAST, inside[-1].end - inside[-1].start):
        inside[-2:] = [replace(inside[-2], end=window.end if inside[-2].end == inside[-1].start else inside[-2].end)]
    return tuple(
        replace(
            chord, start=max(chord.start, window.start) - window.start, end=min(chord.end, window.end) - window.start
        )
        for chord in inside
    )


def bar_text(chords: Chords, downbeats: FloatArray, duration: float) -> str:
    """Write chords bar by bar, or one after the other where the bars are not known.

    Parameters
    ----------
    chords : tuple of Chord
    downbeats : array
        Seconds; the last bar is as long as the one before it.
    duration : float
        Seconds. A bar of which less than half lies between 0 and the duration is left out.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> chords = (Chord(0, 2, "A:min"), Chord(2, 4, "F:maj"), Chord(4, 5, "C:maj"), Chord(5, 6, "G:7"))
    >>> bar_text(chords, np.array([0.0, 2.0, 4.0]), 6.0)
    '| Am | F | C G7 |'
    >>> bar_text(chords, np.array([]), 6.0)
    'Am F C G7'
    """
    if len(downbeats) < 2:
        named = [short_form(chord.symbol) for chord in chords]
        return " ".join(name for i, name in enumerate(named) if i == 0 or name != named[i - 1])
    edges = [*map(float, downbeats), 2 * float(downbeats[-1]) - float(downbeats[-2])]
    starts = [chord.start for chord in chords]
    bars = []
    for start, end in pairwise(edges):
        if min(end, duration) - max(start, 0.0) < _LEAST_BAR * (end - start):
            continue
        first = max(0, bisect_right(starts, start) - 1)
        names: list[str] = []
        for chord in chords[first:]:
            if chord.start >= end:
                break
            if min(chord.end, end) - max(chord.start, start) >= _LEAST_SHARE * (end - start):
                name = short_form(chord.symbol)
                names += [name] if not names or names[-1] != name else []
        bars.append(" ".join(names) or short_form(NONE))
    return f"| {' | '.join(bars)} |" if bars else " ".join(short_form(chord.symbol) for chord in chords)
