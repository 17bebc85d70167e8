"""``reverberation``, 29.8 to 86.0: probability, times 100, that a listener calls the sound reverberant.

*Measured*: a blind estimate of the reverberation time (T. Jan and W. Wang, "Blind reverberation time estimation based
on Laplace distribution", EUSIPCO 2012; H. Löllmann et al., IWAENC 2010), by the logistic regression of D5.8.
"""

import math

import numpy as np

from mirkit.features.kernels.kernel import kernel, kernel_part
from mirkit.features.timbre.normalize import score
from mirkit.features.types import FloatArray, Value

# Candidate reverberation times (s), and initial estimate.
_TIMES = 0.2 + 0.1 * np.arange(10)
_SHORTEST = 0.2
_INITIAL = 0.3
_SMOOTHING = 0.995
# The analysis runs on every second sample, in frames of seven parts that begin every 92 samples.
_RATE = 22050
_PART = 643
_PARTS = 7
_HOP = 92
_FEWEST, _MOST = 3, 4
_HISTORY = 735
_TOGETHER = 64


def reverberation(halves: list[FloatArray], length: int) -> Value:
    """Probability, times 100, that a sound is reverberant (D5.8): blind estimate of the reverberation time RT60.

    Jan & Wang (EUSIPCO 2012), after Loellmann et al. (IWAENC 2010): if three or four consecutive parts of 29 ms decay
    in variance, maximum and minimum, the most likely decay of a Laplace distribution is one vote for one of ten
    reverberation times. The most frequent time of the last 735 votes is smoothed, and the estimate is its mean over the
    frames with votes. Times reach from 0.2 to 1.1 s, so values from 29.8 to 86.0. As in upstream, frames that decay in
    all seven parts are not used. The estimate is ill-conditioned: rounding to 16 bits can change it by ten points.

    Parameters
    ----------
    halves : list of float32 arrays, shape=(ceil(length / 2),)
        ``half_rate`` of the sound, not normalized. The mean over the channels is taken.
    length : int
        Number of samples of the sound.

    Returns
    -------
    Value
        29.8 to 86.0.
    """
    time = np.mean([_reverberation_time(half, length) for half in halves])
    return score(100 / (1 + math.exp(1.45082989 - 2.97126461 * time)))


def half_rate(samples: FloatArray, before: int = 0) -> list[FloatArray]:
    """Every second sample of the first two channels of a block; ``before``: how many samples came before it.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n)
    before : int
        Samples of the signal before this block.

    Returns
    -------
    list of float32 arrays
        One per channel.
    """
    return [channel[before % 2 :: 2].copy() for channel in samples[:2]]


def _reverberation_time(half: FloatArray, length: int) -> float:
    span = _PART * _PARTS
    if length <= 2 * span:
        return _SHORTEST
    frames = (length - 2 * span) // (2 * _HOP) + 1
    votes = np.full(frames, -1, np.int64)
    _vote(half, *_decays(), np.zeros(len(_TIMES)), np.empty((2, _TOGETHER), np.float32), votes)
    return float(_smooth(votes, _TIMES, np.zeros(len(_TIMES)), np.zeros(_HISTORY, np.int64)))


def _decays() -> tuple[FloatArray, FloatArray]:
    """Decay per sample for each reverberation time, and its reciprocal to the power of the number of samples."""
    decay = np.exp(-3 * np.log(10.0) / (_TIMES * _RATE))
    return decay, decay ** -np.arange(_MOST * _PART, dtype=float)[:, None]


@kernel()
def _vote(x, decay, growth, scale, work, votes):  # type: ignore[no-untyped-def]
    for frame in range(len(votes)):
        start = frame * _HOP
        before = x[start : start + _PART]
        low, high = _range(before, work)
        falling = 0
        while falling < _PARTS - 2:
            # One sample longer than the first part, as in upstream.
            begin = start + (falling + 1) * _PART
            now = x[begin : begin + _PART + 1]
            lowest, highest = _range(now, work)
            if not (high > highest and low < lowest and _variance(before) > _variance(now)):
                break
            before, low, high = now, lowest, highest
            falling += 1
        if _FEWEST <= falling <= _MOST:
            votes[frame] = _likeliest(x[start : start + falling * _PART], growth, decay, scale)


@kernel_part()
def _range(x, work):  # type: ignore[no-untyped-def]
    # First the extremes of every 64th sample, so that 64 of them are computed as vectors.
    low, high = work[0], work[1]
    for j in range(_TOGETHER):
        low[j] = high[j] = x[j]
    whole = len(x) // _TOGETHER * _TOGETHER
    for i in range(_TOGETHER, whole, _TOGETHER):
        for j in range(_TOGETHER):
            sample, lowest, highest = x[i + j], low[j], high[j]
            low[j] = sample if sample < lowest else lowest
            high[j] = sample if sample > highest else highest
    lowest, highest = low[0], high[0]
    for j in range(_TOGETHER):
        lowest, highest = min(lowest, low[j]), max(highest, high[j])
    for i in range(whole, len(x)):
        lowest, highest = min(lowest, x[i]), max(highest, x[i])
    return lowest, highest


# Reassociated sums (fastmath), so that they are vectorized.
@kernel_part(fastmath={"reassoc", "contract", "nsz"})
def _variance(x):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(x)):
        total += x[i]
    mean = total / len(x)
    square = 0.0
    for i in range(len(x)):
        square += (x[i] - mean) ** 2
    return square / len(x)


@kernel_part()
def _likeliest(x, growth, decay, scale):  # type: ignore[no-untyped-def]
    # Log-likelihood without the terms that all times share; scale is the sum of samples with the decay compensated.
    n = len(x)
    for t in range(len(decay)):
        scale[t] = 0
    for i in range(n):
        sample = abs(x[i])
        for t in range(len(decay)):
            scale[t] += growth[i, t] * sample
    best, most = 0, -math.inf
    for t in range(len(decay)):
        likelihood = -n * math.log(scale[t]) - n * (n - 1) / 2 * math.log(decay[t])
        if likelihood > most:
            best, most = t, likelihood
    return best


@kernel()
def _smooth(votes, times, counts, history):  # type: ignore[no-untyped-def]
    seen = 0
    raw = smoothed = _INITIAL
    total = 0.0
    for i in range(len(votes)):
        vote = votes[i]
        if vote >= 0:
            counts[vote] += 1
            if seen > _HISTORY:
                # As in upstream, removal starts one vote late, so that the first vote is never removed.
                counts[history[seen % _HISTORY]] -= 1
            history[seen % _HISTORY] = vote
            seen += 1
            most = 0
            for t in range(len(counts)):
                if counts[t] > counts[most]:
                    most = t
            raw = times[most]
        smoothed = _SMOOTHING * smoothed + (1 - _SMOOTHING) * raw
        if vote >= 0:
            total += smoothed
    return total / seen if seen else _SHORTEST
