"""Changes of notes: spectral flux, phase and energy of 25 to 250 and 250 to 1100 Hz, for onsets that few bands show.

A window of 46 ms holds two periods of the lowest bass note, and neighboring mel bands are up to an octave apart there.
The spectra here have windows of 93 ms and bins 11 Hz apart, of the signal at 1/16 of its rate. Rises are measured in
amplitude and not in dB, because noise in a narrow band falls by many dB again and again, and then rises as much.
"""

import itertools
import math

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d

from mirkit.features.stft import HOP, hann
from mirkit.features.types import ANALYSIS_RATE, FloatArray

_FACTOR = 16  # of decimation
_TAPS = 97
_CUTOFF_HZ = 1250.0
_WINDOW = 256
_STEP = HOP // _FACTOR
_HERTZ = ANALYSIS_RATE / _FACTOR / _WINDOW
#: First bin of each range and the end of the last. A bass plays in the low range, most voices, violins and guitars in
#: the middle range.
_EDGES = tuple(math.ceil(hertz / _HERTZ) for hertz in (25, 250, 1100))
RANGES = len(_EDGES) - 1
#: Frames between the spectra whose amplitudes are compared (35 ms), and whose phases are extrapolated (23 ms).
_RISE, _PHASE = 3, 2
_AHEAD = 1  # frames: a rise belongs to the frame in its middle
_HISTORY = 2 * _PHASE
#: Share of a fall, beyond the rise, that is taken off the rise: a note that is cut spreads over neighboring bins.
_FALL = 0.5
_STEADY = 0.9  # a bin with less than this share of its amplitude falls
_TINY = np.float32(1e-20)
#: Columns of the result.
RISE, AMPLITUDE, DEVIATION, PHASE, ENERGY = range(5)
COLUMNS = 5


class LowFlux:
    """Measure changes of the bins below 1100 Hz of a mono signal that arrives in blocks.

    Examples
    --------
    The second of two tones begins after half a second, without a pause:

    >>> times = np.arange(44100) / 44100
    >>> tones = np.where(times < 0.5, np.sin(2 * np.pi * 55 * times), np.sin(2 * np.pi * 82 * times))
    >>> flux = LowFlux()
    >>> series = np.concatenate((flux.push(tones.astype(np.float32)), flux.finish()))
    >>> abs(int(series[10:80, 0, RISE].argmax()) + 10 - 0.5 * 44100 / 512) < 2
    True
    """

    def __init__(self) -> None:
        self._samples = np.zeros(_TAPS // 2, np.float32)
        self._low = np.zeros(_WINDOW // 2, np.float32)
        self._spectra = np.zeros((_HISTORY, _EDGES[-1] - _EDGES[0]), np.complex64)

    def push(self, mono: FloatArray) -> npt.NDArray[np.float32]:
        """Take the next samples, shape=(n,), float32, and measure the frames that they complete.

        Returns
        -------
        float32 array, shape=(frames, 2, 5)
            For the low and the middle range. Frame ``i`` is centered on sample ``512 i``. ``RISE``: sum of the
            increases of amplitude over 35 ms, in the middle range relative to the largest of three neighboring bins
            (vibrato is no onset).
            ``AMPLITUDE``: sum of the amplitudes. ``DEVIATION``: sum of the differences between the bins and their
            extrapolation from two earlier frames, for bins that do not fall: small for tones, large for noise.
            ``PHASE``: deviation of the phases alone, 0 to 1, weighted by power. ``ENERGY``: sum of the squares.
        """
        samples = np.concatenate((self._samples, mono))
        count = max(0, 1 + (len(samples) - _TAPS) // _FACTOR)
        views = sliding_window_view(samples, _TAPS)[::_FACTOR][:count] if count else np.zeros((0, _TAPS), np.float32)
        self._samples = samples[count * _FACTOR :].copy()
        low = np.concatenate((self._low, (views * _FILTER).sum(axis=1)))
        frames = max(0, 1 + (len(low) - _WINDOW) // _STEP)
        self._low = low[frames * _STEP :].copy()
        if frames:
            views = sliding_window_view(low, _WINDOW)[::_STEP][:frames]
            spectra = scipy.fft.rfft(views * _HANN, axis=1)[:, _EDGES[0] : _EDGES[-1]]
            self._spectra = np.concatenate((self._spectra, spectra))
        return self._measured()

    def finish(self) -> npt.NDArray[np.float32]:
        """Measure the last frames."""
        return self.push(np.zeros(_TAPS // 2 + (_WINDOW // 2 + (_AHEAD + 1) * _STEP) * _FACTOR, np.float32))

    def _measured(self) -> npt.NDArray[np.float32]:
        """Measure the frames that have all neighbors, and release those that no other frame needs."""
        spectra = self._spectra
        count = max(0, len(spectra) - _HISTORY - _AHEAD)
        edges = np.array(_EDGES) - _EDGES[0]
        middle = edges[1]

        def sums(bins: FloatArray) -> FloatArray:
            return np.stack([bins[:, a:b].sum(axis=1) for a, b in itertools.pairwise(edges)], axis=1)

        amplitude = np.abs(spectra)
        earlier = amplitude[_HISTORY + _AHEAD - _RISE : len(amplitude) - _RISE].copy()
        change = amplitude[_HISTORY + _AHEAD :] - earlier
        earlier[:, middle:] = maximum_filter1d(earlier, 3, axis=1)[:, middle:]
        rise = sums(np.maximum(amplitude[_HISTORY + _AHEAD :] - earlier, 0))
        rise -= _FALL * np.maximum(sums(np.maximum(-change, 0)) - sums(np.maximum(change, 0)), 0)
        here, before = (slice(_HISTORY - lag, _HISTORY - lag + count) for lag in (0, _PHASE))
        unit = spectra / (amplitude + _TINY)
        turned = unit[before] ** 2 * unit[:count].conj()
        now, then = amplitude[here], amplitude[before]
        deviation = np.minimum(np.abs(spectra[here] - then * turned), now)
        deviation[now < _STEADY * then] = 0
        energy = sums(now**2)
        phase = sums(now**2 * np.abs(unit[here] - turned)) / (2 * energy + _TINY)
        self._spectra = spectra[count:].copy()
        columns = np.maximum(rise, 0), sums(now), sums(deviation), phase, energy
        return np.stack(columns, axis=2).astype(np.float32)


def _low_pass() -> FloatArray:
    """Windowed sinc of unit gain."""
    n = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(2 * _CUTOFF_HZ / ANALYSIS_RATE * n) * np.hamming(_TAPS)
    unit: FloatArray = (taps / taps.sum()).astype(np.float32)
    return unit


_FILTER = _low_pass()
_HANN = hann(_WINDOW) * np.float32(2 / hann(_WINDOW).sum())
