"""True peak, peak to loudness ratio and stereo width: ``true_peak``, ``plr``, ``stereo_width``.

*Measured*: the highest level between the samples (``true_peak``, dBTP); by how much it is above the loudness (``plr``,
LU); the share of the level that differs between left and right (``stereo_width``). *Reading*: a mastered song peaks at
-1 to 1 dBTP; a ``plr`` of 8 is heavily compressed, 20 is dynamic. The width is 0 for mono, 0.15 to 0.35 for most mixes,
0.5 for two sides that have nothing in common, 1 for opposite phases. *Sources*: ITU-R BS.1770-4 annex 2; EBU R 128 s1.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.loudness import LoudnessCurve, loudness
from mirkit.features.true_peak import Oversampler
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Unknown, Value, Window

#: Samples per step of the series (10 ms).
HOP = ANALYSIS_RATE // 100
_STEPS_PER_SECOND = 100
_TIMES = 4
#: Interpolated samples that come before the signal.
_EARLY = 48
#: Below this level (dBFS) there is silence.
_SILENCE_DB = -90.0


@dataclass(frozen=True)
class LevelCurve:
    """Peak and energy of a signal over time, in steps of 10 ms.

    Attributes
    ----------
    peak : float32 array, shape=(steps,)
        Highest level of all channels, between the samples too; full scale is 1.
    mid, side : float32 array, shape=(steps,)
        Mean square of half the sum and of half the difference of left and right; the last step may be shorter.
    """

    peak: FloatArray
    mid: FloatArray
    side: FloatArray


@dataclass(frozen=True)
class LevelFeatures:
    """The values of a window, named as in ``.INFO``.

    Attributes
    ----------
    true_peak : float or Unknown
        dBTP.
    plr : float or Unknown
        ``true_peak`` - ``lufs``, LU.
    stereo_width : float or Unknown
        0 to 1.
    """

    true_peak: Value
    plr: Value
    stereo_width: Value


class LevelExtractor:
    """Measure peak and stereo energy of a signal that arrives in blocks at 44.1 kHz.

    Parameters
    ----------
    channels : int
        One or two.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._oversampler = Oversampler()
        self._skip = _EARLY
        self._samples = 0
        self._rest = np.zeros((3, 0), np.float32)
        self._between = np.zeros(0, np.float32)
        self._peaks: list[FloatArray] = []
        self._energies: list[FloatArray] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, shape=(channels, n), float32."""
        self._samples += block.shape[1]
        left, right = block[0], block[-1]
        mid, side = 0.5 * (left + right), 0.5 * (left - right)
        rows = np.stack((np.abs(block).max(axis=0), np.square(mid), np.square(side)))
        self._rest = np.concatenate((self._rest, rows), axis=1)
        count = self._rest.shape[1] // HOP
        self._store(self._rest[:, : count * HOP].reshape(3, count, HOP))
        self._rest = self._rest[:, count * HOP :]
        self._take(self._oversampler.push(block))

    def finish(self) -> LevelCurve:
        """Return the series of all samples pushed."""
        if self._rest.shape[1]:
            self._store(self._rest[:, None, :])
        self._take(self._oversampler.finish())
        if len(self._between):
            self._peaks.append(self._between.max(keepdims=True))
        steps = -(-self._samples // HOP)
        energies = np.concatenate([np.zeros((3, 0), np.float32), *self._energies], axis=1)
        between = np.concatenate([np.zeros(0, np.float32), *self._peaks])[:steps]
        return LevelCurve(np.maximum(energies[0], between), energies[1], energies[2])

    def _store(self, steps: FloatArray) -> None:
        """Keep peak and mean squares of whole steps, shape=(3, steps, samples)."""
        peak = steps[0].max(axis=1, initial=0.0)
        self._energies.append(np.stack((peak, *steps[1:].mean(axis=2))).astype(np.float32))

    def _take(self, between: FloatArray) -> None:
        level = np.abs(between).max(axis=0)
        dropped = min(self._skip, len(level))
        self._skip -= dropped
        level = np.concatenate((self._between, level[dropped:]))
        count = len(level) // (HOP * _TIMES)
        self._peaks.append(level[: count * HOP * _TIMES].reshape(count, HOP * _TIMES).max(axis=1))
        self._between = level[count * HOP * _TIMES :]


def level(curve: LevelCurve, energies: LoudnessCurve, window: Window) -> LevelFeatures:
    """True peak, peak to loudness ratio and stereo width of a window.

    Steps of 10 ms that the window touches count as a whole.

    Parameters
    ----------
    curve : LevelCurve
        Of the source.
    energies : LoudnessCurve
        Of the same source.
    window : Window
        Seconds from the beginning of the series.

    Returns
    -------
    LevelFeatures
        ``too short`` without a step, ``silent`` below -90 dBFS; ``plr`` is unknown where the loudness is.

    Examples
    --------
    A tone on the left alone has as much level in the middle as at the sides:

    >>> times = np.arange(2 * ANALYSIS_RATE) / ANALYSIS_RATE
    >>> tone = (0.5 * np.sin(2 * np.pi * 997 * times)).astype(np.float32)
    >>> extractor = LevelExtractor(2)
    >>> extractor.push(np.stack((tone, 0 * tone)))
    >>> found = level(extractor.finish(), LoudnessCurve(np.zeros(0, np.float32)), Window(0, 2))
    >>> round(found.true_peak, 1), round(found.stereo_width, 3), found.plr.reason
    (-6.0, 0.5, 'too short')
    """
    first = math.floor(window.start * _STEPS_PER_SECOND + 1e-6)
    last = math.ceil(window.end * _STEPS_PER_SECOND - 1e-6)
    peaks = curve.peak[first:last]
    if not len(peaks):
        return LevelFeatures(TOO_SHORT, TOO_SHORT, TOO_SHORT)
    highest = float(peaks.max())
    peak: Value = SILENT if highest < 10 ** (_SILENCE_DB / 20) else 20 * math.log10(highest)
    lufs = loudness(energies, window).lufs
    ratio: Value = lufs if isinstance(lufs, Unknown) else peak if isinstance(peak, Unknown) else peak - lufs
    return LevelFeatures(peak, ratio, _width(curve.mid[first:last], curve.side[first:last]))


def _width(mid: FloatArray, side: FloatArray) -> Value:
    energies: npt.NDArray[np.float64] = np.array([mid.mean(dtype=np.float64), side.mean(dtype=np.float64)])
    middle, sides = np.sqrt(energies)
    if math.hypot(middle, sides) < 10 ** (_SILENCE_DB / 20):
        return SILENT
    return float(sides / (middle + sides))
