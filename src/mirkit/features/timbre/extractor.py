"""The timbre models on sound of any length that arrives in blocks."""

from dataclasses import fields

import numpy as np

from mirkit.features.timbre.normalize import channel_sum
from mirkit.features.timbre.reverberation import half_rate, reverberation
from mirkit.features.timbre.timbre import Timbre, timbre_of
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Value

#: Seconds of a section, and the longest sound that is measured in one piece.
SECTION_SECONDS = 300
WHOLE_SECONDS = 2 * SECTION_SECONDS


class TimbreExtractor:
    """Apply the timbre models to a sound that arrives in blocks at 44.1 kHz.

    Up to ten minutes are measured in one piece, exactly as upstream measures a file. Longer sounds (upstream needs
    14 GB for ten minutes) are cut into sections of five minutes, the last one of five to ten, each is measured as a
    sound of its own, and the value is the mean over the sections that have one, weighted by their length: memory stays
    the same, and time grows with the length.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        self._sums: list[FloatArray] = []
        self._halves: list[list[FloatArray]] = [[] for _ in range(min(channels, 2))]
        self._held = 0
        self._sections: list[tuple[int, Timbre]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, shape=(channels, n), float32."""
        # What the models hear of them is kept: the sum of the channels, and the first two at half the rate.
        self._sums.append(channel_sum(block))
        for half, samples in zip(self._halves, half_rate(block, self._held), strict=True):
            half.append(samples)
        self._held += block.shape[1]
        while self._held > WHOLE_SECONDS * ANALYSIS_RATE:
            self._measure(SECTION_SECONDS * ANALYSIS_RATE)

    def finish(self) -> Timbre:
        """Return the values of all samples pushed."""
        if self._held:
            self._measure(self._held)
        if not self._sections:
            return Timbre(*[TOO_SHORT] * 8)
        lengths, sections = zip(*self._sections, strict=True)
        return Timbre(*(_mean([getattr(s, f.name) for s in sections], lengths) for f in fields(Timbre)))

    def _measure(self, samples: int) -> None:
        """Measure and forget the first samples held (an even number of them, or all)."""
        sums = _take(self._sums, samples)
        halves = [np.concatenate(_take(half, -(-samples // 2))) for half in self._halves]
        silent = not any(block.any() for block in (*sums, *halves))
        reverberant = SILENT if silent else reverberation(halves, samples)
        del halves
        self._sections.append((samples, timbre_of(sums, reverberant)))
        self._held -= samples


def _take(blocks: list[FloatArray], samples: int) -> list[FloatArray]:
    """Remove the first samples from a list of blocks, and return them as blocks."""
    taken: list[FloatArray] = []
    while samples:
        block = blocks.pop(0)
        if len(block) > samples:
            blocks.insert(0, block[samples:])
        taken.append(block[:samples])
        samples -= len(taken[-1])
    return taken


def _mean(values: list[Value], lengths: tuple[int, ...]) -> Value:
    known = [(value, length) for value, length in zip(values, lengths, strict=True) if isinstance(value, float)]
    if not known:
        return values[0]
    total = sum(length for _, length in known)
    return sum(value * (length / total) for value, length in known)
