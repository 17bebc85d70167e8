"""The pulse: some metrical level of the piece, followed through changes of tempo and gaps, and a fine grid over it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, median_filter, uniform_filter1d

from mirkit.features.rhythm.beats.decoder import PERIODS, decode_beats
from mirkit.features.rhythm.onset_envelope import FRAME_RATE, PROFILE_STEP
from mirkit.features.rhythm.onset_extractor import OnsetCurve
from mirkit.features.types import FloatArray

#: Fine positions per pulse: holds its halves, thirds, quarters and sixths.
PARTS = 12
#: Rows of ``FineGrid.curves``: the bands of ``Pulses.hits``, growth of everything, change of harmony.
KICK, BASS, MIDDLE, SNARE, HATS, ALL, HARMONY = range(7)

_CENTER_BPM, _OCTAVES, _PULL = 115.0, 0.5, 0.6  # gentle: the level is settled later, on more evidence
_STIFFNESS = 3000.0
_MEAN_SECONDS, _SPREAD_SECONDS, _LEAST_SPREAD = 3.0, 6.0, 0.3
_BLUR = 1.2  # frames
_LOWEST_PARTIAL, _PARTIAL_BANDS = 3, 9  # mel bands: from 120 Hz on, against their surroundings of 280 Hz
_FAINT_PARTIALS_DB = 3.0  # spectra without peaks higher than this have no harmony to change
_LEAST_MEAN = np.array([1e-6] * HARMONY + [0.1])  # less change of harmony than this is no change
_LOUDEST = 12.0  # a hit counts at most this many times the mean
_AT_ONCE = 4096  # positions


@dataclass(frozen=True)
class FineGrid:
    """Evidence at ``PARTS`` positions per pulse, from the first pulse to the last.

    Attributes
    ----------
    frames : float64, shape=(positions,)
        Where each position is, in frames.
    curves : float64, shape=(positions, 7)
        Hits in kick, bass, middle, snare and hat bands, growth of all bands, and change of harmony, each over its mean.
    period : float
        Median pulse period in seconds.
    onset_rate : float
        Onsets per second.
    """

    frames: FloatArray
    curves: FloatArray
    period: float
    onset_rate: float


def beat_salience(curve: OnsetCurve) -> npt.NDArray[np.float32]:
    """Growth of all bands over its local mean and spread, shape=(frames,)."""
    total = gaussian_filter1d(curve.growth, 1.0)
    mean = uniform_filter1d(total, round(FRAME_RATE * _MEAN_SECONDS))
    power = uniform_filter1d(np.square(total - mean), round(FRAME_RATE * _SPREAD_SECONDS))
    out: npt.NDArray[np.float32] = (total - mean) / (np.sqrt(np.maximum(power, 0)) + np.float32(_LEAST_SPREAD))
    return out


def find_pulse(worth: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Frames of the pulse that the activation supports best, carried on to both ends; empty when there is none."""
    octaves = np.log2(60 * FRAME_RATE / PERIODS / _CENTER_BPM)
    preference = -0.5 * _PULL * np.square(octaves / _OCTAVES)
    pulse = decode_beats(worth, preference.astype(np.float32), _STIFFNESS)
    if len(pulse) < 3:
        return pulse[:0]
    first, last = pulse[1] - pulse[0], pulse[-1] - pulse[-2]
    before = np.arange(pulse[0] - first, -first, -first)[::-1]
    after = np.arange(pulse[-1] + last, len(worth) + last, last)
    return np.concatenate((before, pulse, after))


def fine_grid(pulse: npt.NDArray[np.int64], mix: OnsetCurve, drums: OnsetCurve | None, onset_rate: float) -> FineGrid:
    """Gather the evidence along a pulse; drums, where given, add to the bands of the mix."""
    frames = np.interp(np.arange((len(pulse) - 1) * PARTS + 1) / PARTS, np.arange(len(pulse)), pulse)
    period = float(np.median(np.diff(pulse)))
    rows = _growth(mix, frames)
    if drums is not None:
        rows = rows + _growth(drums, frames)
    curves = np.concatenate((rows, _harmonic_change(mix, frames, period)[:, None]), axis=1)
    curves /= np.maximum(curves.mean(axis=0), _LEAST_MEAN)
    return FineGrid(frames, np.minimum(curves, _LOUDEST), period / FRAME_RATE, onset_rate)


def _growth(curve: OnsetCurve, frames: FloatArray) -> FloatArray:
    rows = np.concatenate((curve.hits.T.astype(np.float32), curve.growth[None]))
    rows = gaussian_filter1d(rows, _BLUR, axis=1)
    at = np.arange(rows.shape[1])
    sampled: FloatArray = np.stack([np.interp(frames, at, row) for row in rows], axis=1)
    sampled /= sampled.mean(axis=0) + 1e-9
    return sampled


def _harmonic_change(curve: OnsetCurve, frames: FloatArray, period: float) -> FloatArray:
    """How much the partials of the pulse before and after each position differ: 0 alike, 1 nothing shared."""
    sustained = median_filter(curve.profile[:, _LOWEST_PARTIAL:].astype(np.float32), (5, 1))  # drums are over in 230 ms
    partials = np.subtract(sustained, uniform_filter1d(sustained, _PARTIAL_BANDS, axis=1), out=sustained)
    sums = np.zeros((1 + len(partials), partials.shape[1]))
    np.cumsum(partials, axis=0, out=sums[1:])
    reach = max(3, round(period / PROFILE_STEP))
    at = np.clip(np.rint(frames / PROFILE_STEP).astype(np.int64), 0, len(partials))
    # So many at once that hours of sound need no more memory than minutes.
    return np.concatenate([_change(sums, at[i : i + _AT_ONCE], reach) for i in range(0, len(at), _AT_ONCE)])


def _change(sums: FloatArray, at: npt.NDArray[np.int64], reach: int) -> FloatArray:
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach, len(sums) - 1)
    before = (sums[at] - sums[low]) / np.maximum(at - low, 1)[:, None]
    after = (sums[high] - sums[at]) / np.maximum(high - at, 1)[:, None]
    size = np.square(before).mean(axis=1) + np.square(after).mean(axis=1)
    change: FloatArray = np.square(after - before).mean(axis=1) / (size + 2 * _FAINT_PARTIALS_DB**2)
    change[(at - low < 2) | (high - at < 2)] = 0
    return change
