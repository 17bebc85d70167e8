"""The beats that a network's activation supports best, at one metrical level, over gaps and false peaks."""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernel import kernel
from mirkit.features.types import FloatArray

#: Steps a second in which beats are placed: finer than the network's frames, so that tempi differ little.
RATE = 100.0
_MIN_BPM, _MAX_BPM = 30.0, 250.0
#: Intervals between beats, in steps.
_PERIODS = np.arange(int(RATE * 60 / _MAX_BPM), int(RATE * 60 / _MIN_BPM) + 1)

_WIDTH = 10  # steps: half of what belongs to one beat, at most
_MOST = 5.0  # logit beyond which a beat is sure
_SILENCE = 4.0  # what a second of beats without evidence costs, at any tempo
_STIFFNESS = 600.0  # of a change of tempo between neighboring beats: times the squared change of log2 tempo
_JUMP = 20.0  # of any change at all: a new section, a stop
_REACH = 8  # intervals on either side that are reached without a jump
_USUAL_BPM, _PULL = 115.0, 0.05  # settles what is equally well supported
_KNOWN_PULL, _HINT_SLACK, _RANGE_SLACK = 30.0, 0.1, 0.04  # per octave and beat; octaves
#: A section at another level of the same music: near these multiples of the main tempo.
_LEVELS = np.log2([1 / 3, 1 / 2, 2 / 3, 3 / 2, 2, 3])
_SAME_OCTAVES, _WIDE_OCTAVES = 0.1, 0.45
_MAIN_SHARE = 0.6


def decode(
    logits: FloatArray, bpm_range: tuple[float, float] | None = None, bpm_hint: float | None = None
) -> npt.NDArray[np.int64]:
    """Place beats, in steps of 10 ms.

    A semi-Markov Viterbi search: a state is a beat and the interval before it. A beat is worth its logit, but at least
    what a silent beat of that interval costs, which is the same per second at all tempi: so a gap is crossed at the
    tempo around it. Where most of the music is at one tempo and the rest at half, double or another simple multiple of
    it, the search is done again with that tempo alone: one metrical level for the whole piece.

    Parameters
    ----------
    logits : float array, shape=(steps,)
        Log-odds of a beat.
    bpm_range : (float, float), optional
        Tempi that may come out.
    bpm_hint : float, optional
        Tempo known beforehand.

    Returns
    -------
    int64 array, shape=(beats,)
        Ascending; empty when nothing is above even odds.
    """
    sure = np.flatnonzero(logits > 0)
    if len(sure) == 0:
        return np.zeros(0, np.int64)
    span = int(sure[0]) + _WIDTH, int(sure[-1]) - _WIDTH
    worth = np.minimum(logits, _MOST).astype(np.float32)
    tempi = np.log2(60 * RATE / _PERIODS)
    preference = -0.5 * _PULL * np.square(tempi - np.log2(_USUAL_BPM))
    if bpm_hint is not None:
        preference -= _KNOWN_PULL * np.maximum(np.abs(tempi - np.log2(bpm_hint)) - _HINT_SLACK, 0)
    if bpm_range is not None:
        low, high = np.log2(bpm_range)
        preference -= _KNOWN_PULL * np.maximum(np.maximum(low - tempi, tempi - high) - _RANGE_SLACK, 0)
    beats = _search(worth, preference, span)
    main = _main_level(beats)
    if main is not None:
        preference[np.abs(tempi - main) > _WIDE_OCTAVES] = -_KNOWN_PULL
        beats = _search(worth, preference, span)
    return beats


def _main_level(beats: npt.NDArray[np.int64]) -> float | None:
    """Log2 of the main tempo, when the piece leaves it for other levels of itself only; None else."""
    intervals = np.diff(beats)
    if len(intervals) < 4:
        return None
    tempi = np.log2(60 * RATE / intervals)
    order = np.argsort(tempi)
    middle = float(tempi[order][np.searchsorted(np.cumsum(intervals[order]), intervals.sum() / 2)])
    away = np.abs(tempi - middle) > _WIDE_OCTAVES
    if not away.any() or intervals[away].sum() > (1 - _MAIN_SHARE) * intervals.sum():
        return None
    nearest = np.abs(tempi[away, None] - middle - _LEVELS).min(axis=1)
    return middle if np.median(nearest) < _SAME_OCTAVES else None


def _search(worth: npt.NDArray[np.float32], preference: FloatArray, span: tuple[int, int]) -> npt.NDArray[np.int64]:
    silent = (-_SILENCE / RATE * _PERIODS).astype(np.float32)
    change = np.log2(_PERIODS[:, None] / _PERIODS[None, :])
    cost = (_STIFFNESS * np.square(change)).astype(np.float32)
    origin, frame, state = _forward(
        worth, _PERIODS, preference.astype(np.float32), silent, cost, np.float32(_JUMP), *span
    )
    beats = [frame]
    while origin[frame, state] != 255:
        state, frame = int(origin[frame, state]), frame - int(_PERIODS[state])
        beats.append(frame)
    return np.array(beats[::-1], np.int64)


@kernel()
def _forward(worth, periods, preference, silent, cost, jump, first, last):  # type: ignore[no-untyped-def]
    steps, states = len(worth), len(periods)
    size = periods[-1] + 1  # scores are kept as far back as an interval reaches
    score = np.full((size, states), np.float32(-1e30))
    top = np.full(size, np.float32(-1e30))
    top_state = np.zeros(size, np.uint8)
    origin = np.full((steps, states), 255, np.uint8)  # 255: the first beat
    end, end_frame, end_state = np.float32(-1e30), 0, 0
    for t in range(steps):
        row = t % size
        top[row] = np.float32(-1e30)
        for k in range(states):
            # The first beat comes no later than the first sure one, the last no earlier than the last.
            best = np.float32(0) if t <= first else np.float32(-1e30)
            where = 255
            s = t - periods[k]
            if s >= 0:
                r = s % size
                for j in range(max(0, k - _REACH), min(states, k + _REACH + 1)):
                    v = score[r, j] - cost[k, j]
                    if v > best:
                        best, where = v, j
                if top[r] - jump > best:
                    best, where = top[r] - jump, top_state[r]
            best += max(worth[t], silent[k]) + preference[k]
            score[row, k] = best
            origin[t, k] = where
            if best > top[row]:
                top[row], top_state[row] = best, k
        if t >= last and top[row] > end:
            end, end_frame, end_state = top[row], t, top_state[row]
    return origin, end_frame, end_state
