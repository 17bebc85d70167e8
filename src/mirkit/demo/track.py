"""A piece of the demo set: its sound, and everything that is known about it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mirkit.demo.instruments import RATE
from mirkit.demo.studio import STEMS, Stereo
from mirkit.features.types import FloatArray


@dataclass(frozen=True)
class DemoGrid:
    """Bars of equal length.

    ``bars`` whole bars from ``start`` (s) on, and the first beat of one more, where the last chord rings out.
    """

    bpm: float
    meter: int
    start: float
    bars: int

    def time(self, bar: float, beat: float = 0.0) -> float:
        """Seconds at a bar and beat, both counted from 0; fractions are allowed."""
        return self.start + (bar * self.meter + beat) * 60.0 / self.bpm

    @property
    def beats(self) -> FloatArray:
        """Beat times in seconds."""
        return self.start + np.arange(self.bars * self.meter + 1) * 60.0 / self.bpm

    @property
    def downbeats(self) -> FloatArray:
        """Times of the first beats of the bars, in seconds."""
        return self.beats[:: self.meter]


@dataclass(frozen=True)
class Truth:
    """What is known of a piece because it was made so.

    Attributes
    ----------
    bpm, meter
        Tempo in 1/min and beats per bar; None where there is no pulse.
    key, mode
        ``"C"`` ... ``"B"``; ``"major"`` or ``"minor"``.
    beats, downbeats : array
        Times in seconds; empty where there is no pulse.
    onsets : mapping of stem to array
        Times of every attack of the stem, in seconds, each once, ascending. What fades in has none.
    drums : mapping of instrument to array
        The onsets of the drums, by ``kick``, ``snare``, ``hat``, ``cymbal``.
    """

    bpm: float | None
    meter: int | None
    key: str
    mode: str
    beats: FloatArray
    downbeats: FloatArray
    onsets: Mapping[str, FloatArray]
    drums: Mapping[str, FloatArray]


@dataclass(frozen=True)
class DemoTrack:
    """One synthesized piece.

    ``stems`` maps drums, bass, other and vocals to ``float32, shape=(2, n)`` at 44.1 kHz; a stem that the piece
    lacks is silent.
    """

    artist: str
    album: str
    title: str
    genre: str
    stems: Mapping[str, Stereo]
    truth: Truth
    rate: int = RATE

    @property
    def samples(self) -> Stereo:
        """The mix: the sum of the stems, ``float32, shape=(2, n)``."""
        total = self.stems[STEMS[0]].copy()
        for stem in STEMS[1:]:
            total += self.stems[stem]
        return total

    @property
    def name(self) -> str:
        """Artist and title, as the file is called."""
        return f"{self.artist} - {self.title}"
