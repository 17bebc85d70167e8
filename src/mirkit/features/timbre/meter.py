"""The timbre models on sound of any length that arrives in blocks."""

from dataclasses import fields

import numpy as np
import numpy.typing as npt

from mirkit.features.timbre.timbre import Timbre, timbre
from mirkit.features.types import ANALYSIS_RATE, TOO_SHORT, FloatArray, Value

#: Seconds of a section, and the longest sound that is measured in one piece.
SECTION_SECONDS = 300
WHOLE_SECONDS = 2 * SECTION_SECONDS


class TimbreMeter:
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
        self._channels = channels
        self._blocks: list[npt.NDArray[np.float32]] = []
        self._held = 0
        self._sections: list[tuple[int, Timbre]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, shape=(channels, n), float32. They are copied."""
        # More than three channels are never heard.
        self._blocks.append(np.array(block[:3], np.float32))
        self._held += block.shape[1]
        while self._held > WHOLE_SECONDS * ANALYSIS_RATE:
            held = np.concatenate(self._blocks, axis=1)
            section = SECTION_SECONDS * ANALYSIS_RATE
            self._blocks = [held[:, section:].copy()]
            self._held -= section
            self._measure(held[:, :section])

    def finish(self) -> Timbre:
        """Return the values of all samples pushed."""
        if self._held:
            held = np.concatenate(self._blocks, axis=1)
            self._blocks = []
            self._measure(held)
        if not self._sections:
            return Timbre(*[TOO_SHORT] * 8)
        lengths, sections = zip(*self._sections, strict=True)
        return Timbre(*(_mean([getattr(s, f.name) for s in sections], lengths) for f in fields(Timbre)))

    def _measure(self, samples: FloatArray) -> None:
        self._sections.append((samples.shape[1], timbre(samples)))


def _mean(values: list[Value], lengths: tuple[int, ...]) -> Value:
    known = [(value, length) for value, length in zip(values, lengths, strict=True) if isinstance(value, float)]
    if not known:
        return values[0]
    return sum(value * length for value, length in known) / sum(length for _, length in known)
