"""Input of the embedded transcriber: levels of 36 bands, 100 times per second."""

import numpy as np
import numpy.typing as npt

from mirkit.features.stft import N_FFT
from mirkit.features.types import ANALYSIS_RATE, FloatArray

BANDS = 36
HOP = 441
FRAME_RATE = ANALYSIS_RATE / HOP
_LOWEST, _HIGHEST = 32.0, 16000.0
_SILENCE = 1e-12
#: Soft floor of the levels, in dB below the loudest band of the track, and size of one unit in dB.
_RANGE, _UNIT = 60.0, 20.0
#: Lowest floor (dB), which is above the noise of 16-bit files.
_NOISE = -60.0


class Bands:
    """Mean power in bands whose corners are spaced evenly in pitch from 32 Hz to 16 kHz, neighbors overlapping.

    A band that is narrower than a bin of the transform is the bin nearest to its center. The sums are computed by NumPy
    instead of a BLAS, so that the result does not depend on the number of threads.
    """

    def __init__(self) -> None:
        corners = np.geomspace(_LOWEST, _HIGHEST, BANDS + 2)
        hz = np.arange(N_FFT // 2 + 1) * (ANALYSIS_RATE / N_FFT)
        self.hz = corners[1:-1]
        self._runs: list[tuple[slice, FloatArray]] = []
        for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
            weights = np.maximum(0, np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)))
            if weights.sum() < 0.5:
                weights = (np.arange(len(hz)) == round(middle * N_FFT / ANALYSIS_RATE)).astype(np.float64)
            inside = np.flatnonzero(weights)
            run = slice(inside[0], inside[-1] + 1)
            self._runs.append((run, (weights[run] / weights.sum()).astype(np.float32)))

    def decibels(self, power: FloatArray) -> npt.NDArray[np.float16]:
        """Convert power spectra, shape=(frames, 1025), to band levels in dB, shape=(frames, 36)."""
        means = np.stack([np.einsum("ij,j->i", power[:, run], weights) for run, weights in self._runs], axis=1)
        return (10 * np.log10(means + np.float32(_SILENCE))).astype(np.float16)


def above_floor(decibels: FloatArray, loudest: float) -> npt.NDArray[np.float32]:
    """Levels over a soft floor 60 dB below the loudest of the track, in units of 20 dB, shape=(frames, 36)."""
    floor = max(loudest - _RANGE, _NOISE)
    levels = decibels.astype(np.float32) - np.float32(floor)
    above: npt.NDArray[np.float32] = np.log10(1 + np.power(10, levels / 10)) * np.float32(10 / _UNIT)
    return above
