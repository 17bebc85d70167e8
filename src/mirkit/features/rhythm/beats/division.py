"""Division of the beat: whether it divides in three (6/8, 12/8), or in two and four, swung or not (2/4, 4/4)."""

import numpy as np

from mirkit.features.rhythm.beats.pulse import FineGrid

#: Largest distance (beats) of an onset from a place in the beat.
_NEAR = 1 / 20
#: Weights of the evidence (``division_evidence``), and a constant. Fitted by ``benchmarks/fit_division.py``.
_ODDS, _WEIGHTS = -1.59, (0.84, -4.36, 14.74, -11.60)
_FLOOR, _RARE = 0.04, 0.15


def share_with_onset(grid: FineGrid, beat: int, start: int, place: float) -> float:
    """Share of the beats with an onset at a place in the beat.

    Parameters
    ----------
    grid : FineGrid
    beat : int
        Fine positions per beat.
    start : int
        Fine position of a beat.
    place : float
        0 to 1.

    Returns
    -------
    float
        0 to 1.
    """
    phase = (grid.onsets - start) / beat - place
    whole = np.rint(phase)
    return len(np.unique(whole[np.abs(phase - whole) < _NEAR])) / max(1.0, (len(grid.frames) - 1) / beat)


def division_evidence(grid: FineGrid, beat: int, start: int) -> tuple[float, float, float, float]:
    """Collect the evidence that ``thirds_log_odds`` weighs.

    Parameters
    ----------
    grid : FineGrid
    beat : int
        Fine positions per beat.
    start : int
        Fine position of a beat.

    Returns
    -------
    (float, float, float, float)
        Logarithm of the share of beats with onsets at thirds over that with onsets at halves and quarters; of the share
        at the first third over that at the second; and both shares. The first is counted up to the second.
    """
    first, second, half, *quarters = (
        share_with_onset(grid, beat, start, place) for place in (1 / 3, 2 / 3, 1 / 2, 1 / 4, 3 / 4)
    )
    first = min(first, second)  # one third alone is no division in three
    played = np.log((first + second + _FLOOR) / (half + sum(quarters) + _FLOOR))
    return float(played), float(np.log((first + _RARE) / (second + _RARE))), first, second


def thirds_log_odds(grid: FineGrid, beat: int, start: int) -> float:
    """Estimate the log-odds that the beat divides in three.

    Both thirds of the beat have onsets, and halves and quarters have none. A shuffle or swing lacks the first third and
    divides in two.

    Parameters
    ----------
    grid : FineGrid
    beat : int
        Fine positions per beat.
    start : int
        Fine position of a beat.

    Returns
    -------
    float
        Positive if thirds are likelier than halves.
    """
    return float(_ODDS + np.dot(_WEIGHTS, division_evidence(grid, beat, start)))
