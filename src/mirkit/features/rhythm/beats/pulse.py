"""The pulse: one metrical level of the piece, tracked through changes of tempo and gaps, and a fine grid on it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, median_filter, uniform_filter1d

from mirkit.features.kernels.kernel import kernel
from mirkit.features.rhythm.onset_envelope import FRAME_RATE, PROFILE_STEP
from mirkit.features.rhythm.onsets import LEAD_SECONDS, OnsetCurve
from mirkit.features.types import FloatArray

MIN_BPM, MAX_BPM = 40.0, 240.0
#: Beat intervals of the decoder, in frames.
PERIODS = np.arange(int(FRAME_RATE * 60 / MAX_BPM), int(np.ceil(FRAME_RATE * 60 / MIN_BPM)) + 1)
_FIRST = -128  # stands for the first beat, in place of a change of interval


def decode_beats(
    activation: npt.NDArray[np.float32], preference: npt.NDArray[np.float32], stiffness: float
) -> npt.NDArray[np.int64]:
    """Find the best beat frames.

    A semi-Markov Viterbi search: a state is (frame of a beat, interval before it). The score of a beat is its
    activation times its interval, so that tempi are compared per second of audio; a change of interval costs
    ``stiffness`` times the squared change of log2 tempo.

    Parameters
    ----------
    activation : float32, shape=(frames,)
        Score of a beat at each frame, with a mean of about zero.
    preference : float32, shape=(len(PERIODS),)
        Score of each interval, per second.
    stiffness : float

    Returns
    -------
    int64 array, shape=(beats,)
        Frames, ascending.
    """
    frames = len(activation)
    if frames <= PERIODS[0]:
        return np.zeros(0, np.int64)
    states = len(PERIODS)
    octaves = np.log2(PERIODS / PERIODS[0])
    reach = min(12, max(0, int((stiffness * octaves**2 < 20).sum()) - 1))
    near = np.clip(np.arange(states)[:, None] + np.arange(-reach, reach + 1), 0, states - 1)
    cost = (np.float32(stiffness) * np.log2(PERIODS[:, None] / PERIODS[near]) ** 2).astype(np.float32)
    # Scores of the longest interval, and back pointers of all frames, which take one byte per state because hours of
    # audio have a million frames.
    score = np.zeros((int(PERIODS[-1]) + 1, states), np.float32)
    origin = np.full((frames, states), _FIRST, np.int8)
    _forward(activation, PERIODS, preference, cost, score, origin)
    # The last beat is the best one within the longest interval before the end.
    tail = np.arange(max(0, frames - int(PERIODS[-1])), frames)
    t, k = np.unravel_index(int(score[tail % len(score)].argmax()), (len(tail), len(PERIODS)))
    frame, state = int(tail[t]), int(k)
    beats = [frame]
    while (change := int(origin[frame, state])) != _FIRST:
        frame -= int(PERIODS[state])
        state += change
        beats.append(frame)
    first = beats[-1] - int(PERIODS[state])
    if first >= 0:
        beats.append(first)
    return np.array(beats[::-1], np.int64)


@kernel()
def _forward(activation, periods, preference, cost, score, origin):  # type: ignore[no-untyped-def]
    # score is a ring buffer for the longest interval.
    frames, states = origin.shape
    recent, reach = len(score), cost.shape[1] // 2
    for t in range(frames):
        a = activation[t]
        for k in range(states):
            p = periods[k]
            worth = (a + preference[k]) * p
            s = t - p
            if s < 0:
                score[t % recent, k] = worth * (np.float32(t) / p)
                continue
            best = np.float32(-1e30)
            where = -1
            for j in range(max(0, k - reach), min(states, k + reach + 1)):
                v = score[s % recent, j] - cost[k, j - k + reach]
                if v > best:
                    best = v
                    where = j
            score[t % recent, k] = best + worth
            origin[t, k] = where - k


#: Fine positions per pulse, a multiple of 2, 3, 4 and 6.
PARTS = 12
#: Rows of ``FineGrid.curves``: the bands of ``Pulses.hits``, growth of all bands, change of harmony.
KICK, BASS, MIDDLE, SNARE, HATS, ALL, HARMONY = range(7)

# Settings of the pulse search, chosen on the tuning half of the rendered corpus (docs/how_good/rhythm.md), where the
# pulse is a right metrical level, or a simple ratio away from one, for 99 % of the pieces.
#: Preferred tempo, the standard deviation around it in octaves, and its weight. 115 BPM is near the middle of the tempi
#: of popular music. The weight is small, because the metrical level is decided later, on more evidence.
_CENTER_BPM, _OCTAVES, _PULL = 115.0, 0.5, 0.6
#: Cost of a change of interval: times the squared change of log2 tempo. At 120 BPM a change by one frame (2.3 %) costs
#: 3.3, where a clear beat is worth about 60 (its salience times its interval in frames): the pulse follows a
#: tempo that changes, and noise moves it little.
_STIFFNESS = 3000.0
#: The same for a pulse that may move freely around a tempo: standard deviation in octaves and cost of a change.
_FREE_OCTAVES, _FREE = 0.25, 100.0
_LEAST_PREFERENCE = -3.0  # of intervals that are far away
#: Windows (s) of the local mean (some beats) and spread (some bars) by which the growth is normalized, and least spread
#: (dB per hop), so that noise is not amplified to beats.
_MEAN_SECONDS, _SPREAD_SECONDS, _LEAST_SPREAD = 3.0, 6.0, 0.3
#: Smoothing of the evidence at fine positions in frames: 14 ms, the deviation of musicians from a regular grid.
_BLUR = 1.2
_LOWEST_PARTIAL, _PARTIAL_BANDS = 3, 9  # mel bands: from 120 Hz on, against their surroundings of 280 Hz
_FAINT_PARTIALS_DB = 3.0  # least height of spectral peaks that count as harmony
_LEAST_MEAN = np.array([1e-6] * HARMONY + [0.1])  # the last value is the least mean change of harmony
_LOUDEST = 12.0  # a hit counts at most this many times the mean, so that a few accents do not decide the meter
_AT_ONCE = 4096  # positions


@dataclass(frozen=True)
class FineGrid:
    """Evidence at ``PARTS`` positions per pulse, from the first pulse to the last.

    Attributes
    ----------
    frames : float64, shape=(positions,)
        Time of each position, in frames.
    curves : float64, shape=(positions, 7)
        Hits in kick, bass, middle, snare and hat bands, growth of all bands, and change of harmony, each over its mean.
    period : float
        Median pulse period in seconds.
    onset_rate : float
        Onsets per second.
    onsets : float64, shape=(n,)
        Onsets of the mix, in fine positions.
    """

    frames: FloatArray
    curves: FloatArray
    period: float
    onset_rate: float
    onsets: FloatArray


def beat_salience(curve: OnsetCurve) -> npt.NDArray[np.float32]:
    """Growth of all bands over its local mean and spread.

    Parameters
    ----------
    curve : OnsetCurve

    Returns
    -------
    float32 array, shape=(frames,)
        About 0 on average, and some units high at hits, whatever the level of the music.
    """
    total = gaussian_filter1d(curve.growth, 1.0)
    mean = uniform_filter1d(total, round(FRAME_RATE * _MEAN_SECONDS))
    power = uniform_filter1d(np.square(total - mean), round(FRAME_RATE * _SPREAD_SECONDS))
    out: npt.NDArray[np.float32] = (total - mean) / (np.sqrt(np.maximum(power, 0)) + np.float32(_LEAST_SPREAD))
    return out


def find_pulse(salience: npt.NDArray[np.float32], bpm: float | None = None) -> npt.NDArray[np.int64]:
    """Find the pulse that the salience supports best, continued to both ends.

    Parameters
    ----------
    salience : float32 array, shape=(frames,)
        Result of :func:`beat_salience`.
    bpm : float, optional
        Tempo around which the pulse may move freely, as of music that is played without a steady tempo.

    Returns
    -------
    int64 array, shape=(n,)
        Frames, ascending; none if there is no pulse.
    """
    center, width, stiffness = (_CENTER_BPM, _OCTAVES, _STIFFNESS) if bpm is None else (bpm, _FREE_OCTAVES, _FREE)
    octaves = np.log2(60 * FRAME_RATE / PERIODS / center)
    preference = np.maximum(-0.5 * _PULL * np.square(octaves / width), _LEAST_PREFERENCE)
    pulse = decode_beats(salience, preference.astype(np.float32), stiffness)
    if len(pulse) < 3:
        return pulse[:0]
    first, last = pulse[1] - pulse[0], pulse[-1] - pulse[-2]
    before = np.arange(pulse[0] - first, -first, -first)[::-1]
    after = np.arange(pulse[-1] + last, len(salience) + last, last)
    return np.concatenate((before, pulse, after))


def fine_grid(pulse: npt.NDArray[np.int64], mix: OnsetCurve, drums: OnsetCurve | None, onset_rate: float) -> FineGrid:
    """Collect the evidence along a pulse; the drums stem, if given, is added to the bands of the mix.

    Parameters
    ----------
    pulse : int64 array, shape=(n,)
        Frames of the pulse.
    mix : OnsetCurve
    drums : OnsetCurve or None
    onset_rate : float
        Onsets per second.

    Returns
    -------
    FineGrid
    """
    frames = np.interp(np.arange((len(pulse) - 1) * PARTS + 1) / PARTS, np.arange(len(pulse)), pulse)
    period = float(np.median(np.diff(pulse)))
    rows = _growth(mix, frames)
    if drums is not None:
        rows = rows + _growth(drums, frames)
    curves = np.concatenate((rows, _harmonic_change(mix, frames, period)[:, None]), axis=1)
    curves /= np.maximum(curves.mean(axis=0), _LEAST_MEAN)
    times = (mix.onsets.times - LEAD_SECONDS) * FRAME_RATE
    inside = times[(times >= frames[0]) & (times <= frames[-1])]
    onsets = np.interp(inside, frames, np.arange(len(frames)))
    return FineGrid(frames, np.minimum(curves, _LOUDEST), period / FRAME_RATE, onset_rate, onsets)


def _growth(curve: OnsetCurve, frames: FloatArray) -> FloatArray:
    rows = np.concatenate((curve.hits.T.astype(np.float32), curve.growth[None]))
    rows = gaussian_filter1d(rows, _BLUR, axis=1)
    at = np.arange(rows.shape[1])
    sampled: FloatArray = np.stack([np.interp(frames, at, row) for row in rows], axis=1)
    sampled /= sampled.mean(axis=0) + 1e-9
    return sampled


def _harmonic_change(curve: OnsetCurve, frames: FloatArray, period: float) -> FloatArray:
    """Difference between the partials of the pulse before and after each position: 0 equal, 1 nothing in common."""
    sustained = median_filter(curve.profile[:, _LOWEST_PARTIAL:].astype(np.float32), (5, 1))  # drums are over in 230 ms
    partials = np.subtract(sustained, uniform_filter1d(sustained, _PARTIAL_BANDS, axis=1), out=sustained)
    sums = np.zeros((1 + len(partials), partials.shape[1]))
    np.cumsum(partials, axis=0, out=sums[1:])
    reach = max(3, round(period / PROFILE_STEP))
    at = np.clip(np.rint(frames / PROFILE_STEP).astype(np.int64), 0, len(partials))
    # In parts, so that the memory does not depend on the duration.
    return np.concatenate([_change(sums, at[i : i + _AT_ONCE], reach) for i in range(0, len(at), _AT_ONCE)])


def _change(sums: FloatArray, at: npt.NDArray[np.int64], reach: int) -> FloatArray:
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach, len(sums) - 1)
    before = (sums[at] - sums[low]) / np.maximum(at - low, 1)[:, None]
    after = (sums[high] - sums[at]) / np.maximum(high - at, 1)[:, None]
    size = np.square(before).mean(axis=1) + np.square(after).mean(axis=1)
    change: FloatArray = np.square(after - before).mean(axis=1) / (size + 2 * _FAINT_PARTIALS_DB**2)
    change[(at - low < 2) | (high - at < 2)] = 0
    return change
