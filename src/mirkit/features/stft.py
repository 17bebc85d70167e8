"""The short-time power spectrum that most features share: its frames, those that are active, and its mel bands."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from mirkit.features.framing import frames_of
from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Window

N_FFT = 2048
HOP = 512
#: Number of frames at each end that extend into the padding: the discontinuity there spreads over their spectrum.
EDGE_FRAMES = N_FFT // (2 * HOP)
#: Frames per transform call: a block of this many frames fits in the processor's cache.
FRAMES_PER_BLOCK = 64


def hann(n: int) -> FloatArray:
    """Periodic Hann window.

    Parameters
    ----------
    n : int
        Length in samples.

    Returns
    -------
    float32 array, shape=(n,)
    """
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


class PowerStft:
    """Power spectra of a mono signal that arrives in blocks.

    Frame ``i`` is centered on sample ``i * hop`` (the signal is extended by ``n_fft / 2`` zeros at both ends, as
    librosa's ``center=True, pad_mode="constant"``), so a signal of ``n`` samples has ``1 + n // hop`` frames.

    Parameters
    ----------
    n_fft, hop : int
        Frame length and step in samples.
    """

    def __init__(self, n_fft: int = N_FFT, hop: int = HOP) -> None:
        self.n_fft, self.hop = n_fft, hop
        self._window = hann(n_fft)
        self._rest = np.zeros(n_fft // 2, np.float32)
        self._work = np.empty((FRAMES_PER_BLOCK, n_fft), np.float32)

    def push(self, mono: FloatArray) -> Iterator[FloatArray]:
        """Take the next samples, shape=(n,); yield power spectra, shape=(frames, 1 + n_fft // 2), float32.

        A yielded array is overwritten by the next one: copy it to keep it.
        """
        signal = np.concatenate((self._rest, mono))
        count = max(0, 1 + (len(signal) - self.n_fft) // self.hop)
        if count:
            yield from self._spectra(frames_of(signal, self.n_fft, self.hop, count))
        self._rest = signal[count * self.hop :]

    def finish(self) -> Iterator[FloatArray]:
        """Yield the last frames, padded with zeros."""
        yield from self.push(np.zeros(self.n_fft // 2, np.float32))

    def _spectra(self, frames: FloatArray) -> Iterator[FloatArray]:
        for i in range(0, len(frames), FRAMES_PER_BLOCK):
            chunk = frames[i : i + FRAMES_PER_BLOCK]
            work = self._work[: len(chunk)]
            np.multiply(chunk, self._window, out=work)
            z = scipy.fft.rfft(work, axis=1)
            parts = z.view(np.float32)
            np.square(parts, out=parts)
            yield parts[:, ::2] + parts[:, 1::2]


#: A frame is active if it is at most this many dB below the loudest frame
ACTIVE_RANGE_DB = 60.0
#: and above this level (RMS, dB relative to full scale; a full-scale sine has -3.01).
SILENCE_DBFS = -70.0
#: Level that stands for a frame of zeros.
FLOOR_DBFS = -200.0


def activity_mask(level_db: FloatArray, loudest_db: float) -> npt.NDArray[np.bool_]:
    """Find the frames that are neither silent nor more than 60 dB below the loudest frame of the source.

    Parameters
    ----------
    level_db : array, shape=(frames,)
        RMS level of each frame in dBFS.
    loudest_db : float
        Level of the loudest frame of the whole track, also if ``level_db`` is only a window of it.

    Returns
    -------
    bool array, shape=(frames,)
    """
    return level_db > max(loudest_db - ACTIVE_RANGE_DB, SILENCE_DBFS)


def frames_in(window: Window, per_second: float, count: int) -> slice:
    """Frames ``i`` of ``count`` whose time ``i / per_second`` lies in ``[start, end)``.

    Parameters
    ----------
    window : Window
        Seconds.
    per_second : float
        Frames per second.
    count : int
        Number of frames.

    Returns
    -------
    slice
        Within 0 to ``count``.
    """
    # A bound that equals the time of a frame, except for rounding errors, counts as that time.
    first, last = (math.ceil(t * per_second - 1e-6) for t in (window.start, window.end))
    return slice(min(first, count), min(last, count))


# Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


class MelBank:
    """Triangular mel filters of unit area, from 0 Hz to the Nyquist frequency unless other bounds are given.

    The weights are those of ``librosa.filters.mel`` (``htk=False, norm="slaney"``). A filter is zero outside a short
    range of bins, and only this range is stored. The product needs two multiplications per bin and no BLAS; its result
    does not depend on the number of threads or the grouping of frames.

    Parameters
    ----------
    n_mels : int
        Number of bands.
    n_fft : int
        Frame length of the spectra in samples.
    rate : int
        Sampling rate in Hz.
    lowest : float
        Lower edge of the first filter in Hz.
    highest : float, optional
        Upper edge of the last filter in Hz.

    Attributes
    ----------
    first : int64 array, shape=(n_mels,)
        First bin of each filter.
    offsets : int64 array, shape=(n_mels + 1,)
        Filter ``m`` has the weights ``weights[offsets[m]:offsets[m + 1]]``.
    weights : float32 array
        The weights of all filters, one after the other, in 1/Hz.
    """

    def __init__(
        self,
        n_mels: int,
        n_fft: int = N_FFT,
        rate: int = ANALYSIS_RATE,
        lowest: float = 0.0,
        highest: float | None = None,
    ) -> None:
        self.n_mels = n_mels
        self.n_bins = 1 + n_fft // 2
        edges = mel_to_hz(np.linspace(hz_to_mel(lowest), hz_to_mel(highest or rate / 2), n_mels + 2))
        area = 2 / (edges[2:, None] - edges[:-2, None])
        dense = (triangles(np.fft.rfftfreq(n_fft, 1 / rate), edges) * area).astype(np.float32)
        runs = [np.flatnonzero(row) for row in dense]
        self.first = np.array([run[0] if len(run) else 0 for run in runs], np.int64)
        self.offsets = np.concatenate(([0], np.cumsum([len(run) for run in runs]))).astype(np.int64)
        self.weights = np.concatenate([row[run] for row, run in zip(dense, runs, strict=True)])

    def apply(self, power: FloatArray) -> npt.NDArray[np.float32]:
        """Compute band powers from power spectra.

        Parameters
        ----------
        power : float32 array, shape=(frames, n_bins)
            Power spectra, for instance from ``PowerStft``.

        Returns
        -------
        float32 array, shape=(frames, n_mels)
            Band powers; a new array.
        """
        if power.ndim != 2 or power.shape[1] != self.n_bins:
            raise ValueError(f"power spectra of shape {power.shape}, expected (frames, {self.n_bins})")
        out = np.empty((len(power), self.n_mels), np.float32)
        _banded_product(np.ascontiguousarray(power, np.float32), self.first, self.offsets, self.weights, out)
        return out


@cache
def mel_bank(n_mels: int) -> MelBank:
    """Return the filters of the shared spectra.

    Parameters
    ----------
    n_mels : int
        Number of bands.

    Returns
    -------
    MelBank
        The same object each time.
    """
    return MelBank(n_mels)


def hz_to_mel(hz: float) -> float:
    """Convert a frequency to Slaney's mel scale.

    Parameters
    ----------
    hz : float
        Frequency in Hz.

    Returns
    -------
    float
    """
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def mel_to_hz(mel: FloatArray) -> FloatArray:
    """Convert values of Slaney's mel scale to frequencies.

    Parameters
    ----------
    mel : array

    Returns
    -------
    array
        Frequencies in Hz; the same shape.
    """
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL)))


def triangles(points: npt.NDArray[Any], corners: FloatArray) -> npt.NDArray[np.float64]:
    """Sample overlapping triangles of height 1.

    Parameters
    ----------
    points : array, shape=(n,)
        Where they are sampled.
    corners : array, shape=(m + 2,)
        Triangle ``i`` rises from ``corners[i]`` to its peak at ``corners[i + 1]`` and falls to ``corners[i + 2]``.

    Returns
    -------
    float64 array, shape=(m, n)
    """
    low, center, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (points - low) / (center - low), (high - points) / (high - center)
    heights: npt.NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return heights


@kernel()
def _banded_product(power, first, offsets, weights, out):  # type: ignore[no-untyped-def]
    # Four frames at once: four independent sums hide the latency of the additions, and keep their own order.
    frames, bands = out.shape
    i = 0
    while i + 4 <= frames:
        p0, p1, p2, p3 = power[i], power[i + 1], power[i + 2], power[i + 3]
        for m in range(bands):
            a0 = a1 = a2 = a3 = np.float32(0)
            shift = first[m] - offsets[m]
            for j in range(offsets[m], offsets[m + 1]):
                w = weights[j]
                a0 += w * p0[j + shift]
                a1 += w * p1[j + shift]
                a2 += w * p2[j + shift]
                a3 += w * p3[j + shift]
            out[i, m], out[i + 1, m], out[i + 2, m], out[i + 3, m] = a0, a1, a2, a3
        i += 4
    for k in range(i, frames):
        for m in range(bands):
            a0 = np.float32(0)
            for j in range(offsets[m], offsets[m + 1]):
                a0 += weights[j] * power[k, first[m] + j - offsets[m]]
            out[k, m] = a0
