"""Dynamic programming over beats: the sequence of beat times that an activation supports best."""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernel import kernel
from mirkit.features.rhythm.onset_envelope import FRAME_RATE

MIN_BPM, MAX_BPM = 40.0, 240.0
#: Beat intervals that the decoder knows, in frames.
PERIODS = np.arange(int(FRAME_RATE * 60 / MAX_BPM), int(np.ceil(FRAME_RATE * 60 / MIN_BPM)) + 1)
_FIRST = -128  # change of interval that marks the first beat


def decode_beats(
    activation: npt.NDArray[np.float32], preference: npt.NDArray[np.float32], stiffness: float
) -> npt.NDArray[np.int64]:
    """Find the best beat frames.

    A semi-Markov Viterbi search: a state is (frame of a beat, interval before it). A beat is worth its activation times
    its interval, so that tempi compare per second of sound; a change of interval costs ``stiffness`` times the squared
    change of log2 tempo.

    Parameters
    ----------
    activation : float32, shape=(frames,)
        Worth of a beat at each frame, about zero mean.
    preference : float32, shape=(len(PERIODS),)
        Worth of each interval, per second.
    stiffness : float

    Returns
    -------
    int64 array, shape=(beats,)
        Frames, ascending.
    """
    frames = len(activation)
    if frames <= PERIODS[0]:
        return np.zeros(0, np.int64)
    score, origin = _forward(activation, PERIODS, preference, np.float32(stiffness))
    # The last beat is the best one within the last longest interval.
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
def _forward(activation, periods, preference, stiffness):  # type: ignore[no-untyped-def]
    # Scores of as many frames as the longest interval looks back, by turns; where each came from, of all frames: a byte
    # a state, as hours of sound have a million frames.
    frames, states = len(activation), len(periods)
    recent = periods[-1] + 1
    score = np.zeros((recent, states), np.float32)
    origin = np.full((frames, states), _FIRST, np.int8)
    reach = 0
    while reach + 1 < states and stiffness * np.log2(periods[reach + 1] / periods[0]) ** 2 < 20:
        reach += 1
    reach = min(reach, 12)
    cost = np.empty((states, 2 * reach + 1), np.float32)
    for k in range(states):
        for d in range(-reach, reach + 1):
            j = min(max(k + d, 0), states - 1)
            cost[k, d + reach] = stiffness * np.log2(periods[k] / periods[j]) ** 2
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
    return score, origin
