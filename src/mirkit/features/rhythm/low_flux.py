"""Changes of notes: spectral flux, phase and energy of 25 to 250 and 250 to 1100 Hz, for onsets that few bands show.

A window of 46 ms holds two periods of the lowest bass note, and neighboring mel bands are up to an octave apart there.
The spectra here have windows of 93 ms and bins 11 Hz apart, of the signal at 1/16 of its rate. Rises are measured in
amplitude and not in dB, because noise in a narrow band falls by many dB again and again, and then rises as much.
"""

import math

import numpy as np
import numpy.typing as npt
import scipy.fft

from mirkit.features.decimation import decimate, phases
from mirkit.features.framing import frames_of
from mirkit.features.kernels.kernel import kernel
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
_FALL = np.float32(0.5)
_STEADY = np.float32(0.9)  # a bin with less than this share of its amplitude falls
_TINY = np.float32(1e-20)
_BINS = np.array(_EDGES, np.int64) - _EDGES[0]
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
        self._phases = phases(_FACTOR, _TAPS)
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
        low = decimate(samples, _FILTER, self._phases)
        self._samples = samples[len(low) * _FACTOR :].copy()
        low = np.concatenate((self._low, low))
        frames = max(0, 1 + (len(low) - _WINDOW) // _STEP)
        self._low = low[frames * _STEP :].copy()
        if frames:
            views = frames_of(low, _WINDOW, _STEP, frames)
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
        out = np.empty((count, RANGES, COLUMNS), np.float32)
        amplitude, unit = np.empty(spectra.shape, np.float32), np.empty(spectra.shape, np.complex64)
        _changes(spectra.view(np.float32), amplitude, unit.view(np.float32), _BINS, out)
        self._spectra = spectra[count:].copy()
        return out


# Reassociated sums (fastmath), so that they are vectorized.
@kernel(fastmath={"reassoc", "contract", "nsz"})
def _changes(spectra, amplitude, unit, bins, out):  # type: ignore[no-untyped-def]
    # Complex numbers are pairs. Frame t of the result is frame t + _HISTORY of the spectra.
    frames, width = amplitude.shape
    for t in range(frames):
        for b in range(width):
            re, im = spectra[t, 2 * b], spectra[t, 2 * b + 1]
            level = np.sqrt(re * re + im * im)
            amplitude[t, b] = level
            level += _TINY
            unit[t, 2 * b], unit[t, 2 * b + 1] = re / level, im / level
    zero, tiny = np.float32(0), _TINY
    for t in range(len(out)):
        here, before, later = t + _HISTORY, t + _HISTORY - _PHASE, t + _HISTORY + _AHEAD
        earlier = later - _RISE
        for r in range(len(bins) - 1):
            grown = up = down = total = apart = turned = energy = zero
            for b in range(bins[r], bins[r + 1]):
                old = amplitude[earlier, b]
                change = amplitude[later, b] - old
                up += change if change > zero else zero
                down += zero if change > zero else -change
                # In the middle range, relative to the largest of three neighbors.
                beside = amplitude[earlier, b - r]
                old = beside if beside > old else old
                beside = amplitude[earlier, b + r if b + r < width else b]
                old = beside if beside > old else old
                grown += amplitude[later, b] - old if amplitude[later, b] > old else zero
                now, then = amplitude[here, b], amplitude[before, b]
                re, im, vr, vi = unit[before, 2 * b], unit[before, 2 * b + 1], unit[t, 2 * b], unit[t, 2 * b + 1]
                sr, si = re * re - im * im, re * im + re * im
                tr, ti = sr * vr + si * vi, si * vr - sr * vi
                re, im = spectra[here, 2 * b] - then * tr, spectra[here, 2 * b + 1] - then * ti
                away = np.sqrt(re * re + im * im)
                away = away if away < now else now
                apart += zero if now < _STEADY * then else away
                re, im = unit[here, 2 * b] - tr, unit[here, 2 * b + 1] - ti
                turned += now * now * np.sqrt(re * re + im * im)
                total += now
                energy += now * now
            row = out[t, r]
            grown -= _FALL * (down - up) if down > up else zero
            row[RISE] = grown if grown > zero else zero
            row[AMPLITUDE], row[DEVIATION], row[ENERGY] = total, apart, energy
            row[PHASE] = turned / (energy + energy + tiny)


def _low_pass() -> FloatArray:
    """Windowed sinc of unit gain."""
    n = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(2 * _CUTOFF_HZ / ANALYSIS_RATE * n) * np.hamming(_TAPS)
    unit: FloatArray = (taps / taps.sum()).astype(np.float32)
    return unit


_FILTER = _low_pass()
_HANN = hann(_WINDOW) * np.float32(2 / hann(_WINDOW).sum())
