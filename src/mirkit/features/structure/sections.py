"""Sections of a piece: where they begin and end, which are alike, and what some of them are for.

*Measured*: boundaries at downbeats (``boundaries``), letters for sections that are alike (``likeness``), and functions
by fixed rules on what sounds (``functions``). *Reading*: A B A C is a form; the letters say nothing about verse or
chorus. docs/how_good/sections.md tells how often they are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from mirkit.features.loudness import ABSOLUTE_GATE_LUFS, to_energy
from mirkit.features.structure.bars import Bars, Matrix, Sources, bars_of, grid_of, without_silent_ends
from mirkit.features.structure.boundaries import divide, evidence
from mirkit.features.structure.form import Form, Section
from mirkit.features.structure.functions import functions_of
from mirkit.features.structure.likeness import comparison, letters, spans
from mirkit.features.structure.weights import BOUNDARY, LENGTHS, LIKENESS
from mirkit.features.types import SILENT, TOO_SHORT, Unknown, Window

#: Constant and weights.
Logistic = tuple[float, Sequence[float]]

#: Log odds, without the weight of the lengths, below which there is no boundary between two parts of the same letter.
_LEAST_BETWEEN_ALIKE = 0.0
#: A piece with fewer steps than this has no form.
LEAST_BARS = 8


def form(sources: Sources) -> Form | Unknown:
    """Find the sections of a piece.

    Parameters
    ----------
    sources : Sources

    Returns
    -------
    Form or Unknown
        ``silent``; ``too short`` if fewer than eight bars sound (steps of 2 s without beats).
    """
    if not (sources.loudness.energy > to_energy(ABSOLUTE_GATE_LUFS)).any():
        return SILENT if len(sources.loudness.energy) else TOO_SHORT
    grid = grid_of(sources.beats, sources.duration)
    if len(grid.edges) <= LEAST_BARS:
        return TOO_SHORT
    bars = bars_of(sources, grid)
    if len((sounding := without_silent_ends(grid, bars, sources.onsets)).edges) < len(grid.edges):
        grid, bars = sounding, bars_of(sources, sounding)
        if len(grid.edges) <= LEAST_BARS:
            return TOO_SHORT
    stems = bool(sources.stems)
    named = divide_and_name(bars, evidence(bars), BOUNDARY[stems], LIKENESS[stems], np.array(LENGTHS))
    parts, names = named.parts, named.letters
    windows = [Window(float(grid.edges[first]), float(grid.edges[last])) for first, last in parts]
    functions = functions_of(sources, windows, names)
    probability = np.concatenate(([1.0], named.probability, [1.0]))
    inside = float(expit(named.odds.max(initial=-np.inf))) if len(parts) == 1 else 0.0
    sections = [
        Section(window.start, window.end, name, function, min(*probability[[first, last]].tolist(), 1.0 - inside))
        for (first, last), window, name, function in zip(parts, windows, names, functions, strict=True)
    ]
    return Form(tuple(sections), grid.kind)


@dataclass(frozen=True)
class NamedParts:
    """The parts of a piece.

    Attributes
    ----------
    parts : list of (int, int)
        First bar, and the bar after the last one.
    letters : list of str
    probability : float64 array, shape=(bars - 1,)
        Probability of a boundary before each bar but the first.
    odds : float64 array, shape=(bars - 1,)
        Log odds of a boundary there by what sounds alone, without the weight of lengths.
    """

    parts: list[tuple[int, int]]
    letters: list[str]
    probability: Matrix
    odds: Matrix


def divide_and_name(bars: Bars, inputs: Matrix, boundary: Logistic, likeness: Logistic, lengths: Matrix) -> NamedParts:
    """Divide a piece into parts, name them, and join neighbors that nothing but their length separates.

    Parameters
    ----------
    bars : Bars
    inputs : array
        ``evidence`` of the bars.
    boundary, likeness : (float, sequence of float)
        Constant and weights of the log odds of a boundary, and of two parts being alike.
    lengths : array
        Log weight of a part of 1, 2, ... bars.

    Returns
    -------
    NamedParts
    """
    odds = boundary[0] + inputs @ np.array(boundary[1])
    found = divide(odds, lengths)
    parts = spans(found.marks, len(bars.decibel))
    alike = np.zeros((len(parts), len(parts)))
    for i, one in enumerate(parts):
        for j in range(i):
            alike[i, j] = alike[j, i] = likeness[0] + float(comparison(bars, parts[j], one) @ np.array(likeness[1]))
    joined: list[tuple[int, int]] = []
    names: list[str] = []
    for part, name in zip(parts, letters(alike), strict=True):
        if names and names[-1] == name and odds[part[0] - 1] < _LEAST_BETWEEN_ALIKE:
            joined[-1] = (joined[-1][0], part[1])
        else:
            joined.append(part)
            names.append(name)
    return NamedParts(joined, names, found.probability, odds)
