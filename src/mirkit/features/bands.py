"""Energy in four frequency bands, ``rms_energy_bass``, ``_body``, ``_mid`` and ``_air``.

*Measured*: the RMS level of the signal in 20-120, 120-600, 600-2500 and 2500-22000 Hz, in dBFS; the energies of the
bands add up to that of the signal. *Reading*: a full-scale sine has -3.01 in its band. A gain moves all four alike, so
differences between bands describe the tone. *Source*: Parseval's theorem on frames under a sine window (Princen and
Bradley, IEEE Trans. ASSP 34, 1986).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft

from mirkit.features.framing import frames_of
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Value, Window

#: Band edges in Hz: bass, body, mid, air.
EDGES = (20.0, 120.0, 600.0, 2500.0, 22000.0)
#: Samples per value: 186 ms.
HOP = 8192
_FRAME = 2 * HOP
#: Frames per transform call: several at once use the processor's vector units.
_FRAMES_PER_BLOCK = 8
_BIN_HZ = ANALYSIS_RATE / _FRAME
#: A band below this RMS level holds only quantization noise (16-bit dither has -96 dBFS in total).
_SILENCE_DBFS = -90.0


@dataclass(frozen=True)
class BandCurve:
    """Energy of the four bands over time.

    Attributes
    ----------
    energy : float32 array, shape=(hops, 4)
        Sum of squares of the samples, mean of the channels. Row ``i`` covers the samples from ``(i - 0.5) * HOP`` to
        ``(i + 0.5) * HOP`` that are within the signal.
    samples : int
        Length of the signal.
    """

    energy: FloatArray
    samples: int

    @cached_property
    def cumulated(self) -> tuple[FloatArray, FloatArray]:
        """Ends of the rows (samples), and energy of each band up to there, shape=(4, hops + 1); both begin with 0."""
        ends = np.minimum(np.append(0, (np.arange(len(self.energy)) + 0.5) * HOP), self.samples)
        return ends, np.cumsum(np.pad(self.energy.astype(np.float64), ((1, 0), (0, 0))), axis=0).T.copy()


@dataclass(frozen=True)
class BandFeatures:
    """RMS level of each of the four bands in a window.

    Attributes
    ----------
    rms_energy_bass : Value
        20-120 Hz, dBFS.
    rms_energy_body : Value
        120-600 Hz, dBFS.
    rms_energy_mid : Value
        600-2500 Hz, dBFS.
    rms_energy_air : Value
        2500-22000 Hz, dBFS.
    """

    rms_energy_bass: Value
    rms_energy_body: Value
    rms_energy_mid: Value
    rms_energy_air: Value


class BandExtractor:
    """Measure the band energies of a signal that arrives in blocks at 44.1 kHz.

    Frames of 16384 samples that overlap by half are weighted by a sine window. Its square and its shifted square add up
    to one, so by Parseval the power of all frames and bins is the energy of the signal: nothing is counted twice or
    lost. The power of a bin that contains a band edge is divided between the two bands.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        self._window = np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME).astype(np.float32)
        self._rest = np.zeros((channels, HOP), np.float32)
        self._energies: list[npt.NDArray[np.float64]] = []
        self._samples = 0

    def push(self, block: FloatArray) -> None:
        """Take the next samples, shape=(channels, n), float32."""
        self._samples += block.shape[1]
        self._take(block)

    def finish(self) -> BandCurve:
        """Return the series of all samples pushed."""
        self._take(np.zeros((len(self._rest), HOP + (-self._samples) % HOP), np.float32))
        return BandCurve(np.concatenate(self._energies).astype(np.float32), self._samples)

    def _take(self, block: FloatArray) -> None:
        signal = np.concatenate((self._rest, block), axis=1)
        count = max(0, signal.shape[1] // HOP - 1)
        if count:
            self._energies.append(np.mean([self._measure(channel, count) for channel in signal], axis=0))
        self._rest = signal[:, count * HOP :].copy()

    def _measure(self, channel: FloatArray, count: int) -> npt.NDArray[np.float64]:
        """Band energies of the first ``count`` frames, shape=(count, 4)."""
        frames = frames_of(channel, _FRAME, HOP, count)
        energies = np.empty((count, len(EDGES) - 1))
        for i in range(0, count, _FRAMES_PER_BLOCK):
            parts = scipy.fft.rfft(frames[i : i + _FRAMES_PER_BLOCK] * self._window, axis=1).view(np.float32)
            np.square(parts, out=parts)
            for band, (low, high) in enumerate(pairwise(EDGES)):
                energies[i : i + len(parts), band] = _between(parts, low, high)
        return energies * (2 / _FRAME)


def bands(curve: BandCurve, window: Window) -> BandFeatures:
    """RMS level of each band over a whole window, silence included.

    If a bound of the window is within a row of the series, a proportional part of the row's energy is used, as if the
    energy were constant over its 186 ms. For music and windows of 10 s, the result is within 0.3 dB of that of an
    excerpt.

    Parameters
    ----------
    curve : BandCurve
        Of the source.
    window : Window
        Seconds from the beginning of the series.

    Returns
    -------
    BandFeatures
        ``silent`` below -90 dBFS; ``too short`` where the window holds no sample.

    Examples
    --------
    >>> times = np.arange(3 * ANALYSIS_RATE) / ANALYSIS_RATE
    >>> extractor = BandExtractor(channels=1)
    >>> extractor.push(0.5 * np.sin(2 * np.pi * 1000 * times)[None].astype(np.float32))
    >>> features = bands(extractor.finish(), Window(0, 3))
    >>> round(features.rms_energy_mid, 1)  # 6.02 dB for the amplitude, 3.01 dB from peak to RMS
    -9.0
    >>> features.rms_energy_bass < -40
    True
    """
    start, end = (min(t * ANALYSIS_RATE, curve.samples) for t in (window.start, window.end))
    if end <= start:
        return BandFeatures(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT)
    ends, sums = curve.cumulated
    energy = [np.diff(np.interp((start, end), ends, band))[0] for band in sums]
    with np.errstate(divide="ignore"):
        levels = 10 * np.log10(np.array(energy) / (end - start))
    return BandFeatures(*(float(level) if level >= _SILENCE_DBFS else SILENT for level in levels))


def _between(squares: FloatArray, low: float, high: float) -> FloatArray:
    """Power per frame from ``low`` to ``high`` Hz; ``squares`` holds both parts of each bin, shape=(frames, 2 bins)."""
    # Bin k stands for (k - 0.5) to (k + 0.5) bin widths.
    first, last = low / _BIN_HZ + 0.5, high / _BIN_HZ + 0.5
    k, m = int(first), int(last)
    whole = squares[:, 2 * (k + 1) : 2 * m].sum(axis=1)
    at_low, at_high = (squares[:, 2 * cut : 2 * cut + 2].sum(axis=1) for cut in (k, m))
    power: FloatArray = whole + (k + 1 - first) * at_low + (last - m) * at_high
    return power
