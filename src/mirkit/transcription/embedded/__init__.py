"""The embedded drum transcriber: no download, no deep-learning library.

Every 10 ms the levels of 36 bands are compared with spectral templates, whose course over 130 ms tells, through one
small hidden layer, which drums are struck. What the layers hold was fitted on drums rendered from General MIDI
soundfonts only (``benchmarks/fit_drums.py``), never on the recordings that it is measured on.
"""

import numpy as np
import numpy.typing as npt

from mirkit.features.signal import mono_of
from mirkit.features.stft import N_FFT, PowerStft
from mirkit.features.types import FloatArray
from mirkit.transcription.embedded.levels import BANDS, FRAME_RATE, HOP, Bands, above_floor
from mirkit.transcription.embedded.network import Network
from mirkit.transcription.embedded.weights import LOWEST
from mirkit.transcription.hits import Hits, Voice
from mirkit.transcription.peaks import parabolic, pick_peaks
from mirkit.transcription.strength import RANGES, stroke_levels

#: In the order of the network's outputs. Hi-hats and cymbals are one voice.
VOICES = (Voice("kick", 36), Voice("snare", 38), Voice("tom", 45), Voice("hi-hat", 42))
#: How far a peak stands above the 100 ms before it.
_THRESHOLD = 0.1
#: Frames of silence that come before the first.
_SILENCE = 16


class DrumMeter:
    """Strokes on a drum kit, of a signal at 44100 Hz that arrives in blocks. It holds 7 kB a second."""

    def __init__(self) -> None:
        self._stft = PowerStft(N_FFT, HOP)
        self._bands = Bands()
        self._levels: list[npt.NDArray[np.float16]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        self._levels += (self._bands.decibels(power) for power in self._stft.push(mono_of(block)))

    def finish(self) -> Hits:
        """Return the strokes."""
        self._levels += (self._bands.decibels(power) for power in self._stft.finish())
        levels = np.concatenate([np.zeros((0, BANDS), np.float16), *self._levels])
        return transcribe(levels, self._bands.hz)


def transcribe(decibels: FloatArray, hz: FloatArray) -> Hits:
    """Find the strokes in band levels, shape=(frames, 36) in dB, of bands about these frequencies."""
    if not len(decibels):
        nothing = tuple(np.zeros(0) for _ in VOICES)
        return Hits(VOICES, nothing, nothing)
    # Silence comes before, so that a stroke on the first sample is one.
    levels = np.pad(above_floor(decibels), ((_SILENCE, 0), (0, 0)))
    curves = Network.fitted()(levels).T.astype(np.float64)
    peaks = [pick_peaks(curve, _THRESHOLD, lowest) for curve, lowest in zip(curves, LOWEST, strict=True)]
    frames = (parabolic(curve, found) - _SILENCE for curve, found in zip(curves, peaks, strict=True))
    times = tuple(np.maximum(at / FRAME_RATE, 0) for at in frames)
    power = np.power(10, decibels.astype(np.float32) / 10)
    ranges = (RANGES[voice.name] for voice in VOICES)
    powers = (power[:, (hz >= low) & (hz < high)].sum(axis=1) for low, high in ranges)
    strokes = (np.maximum(found - _SILENCE, 0) for found in peaks)
    return Hits(VOICES, times, tuple(stroke_levels(*given) for given in zip(powers, strokes, strict=True)))
