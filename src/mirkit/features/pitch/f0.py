"""Fundamental frequency (f0) of a sound with one voice, such as a bass or a singer, and the probability of voicing.

*Measured*: for each frame, the lags at which the signal repeats itself are candidates; each has the probability that it
is the first one whose difference function falls below a random threshold. A path through the candidates of all frames
gives f0. *Reading*: pitch is in cents of MIDI note numbers (A4 = 6900); 0 is no pitch. *Sources*: A. de Cheveigné and
H. Kawahara, "YIN, a fundamental frequency estimator for speech and music", JASA 111, 2002; M. Mauch and S. Dixon,
"pYIN: a fundamental frequency estimator using probabilistic threshold distributions", ICASSP 2014. Other than there,
the autocorrelation is interpolated, because the signal is decimated as far as its range allows, and a path may jump
from any pitch to any other.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import beta

from mirkit.features.harmony.constant_q import FACTOR, Decimator
from mirkit.features.kernels.kernel import kernel
from mirkit.features.stft import FLOOR_DBFS, HOP, SILENCE_DBFS
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Frames per second; frame ``i`` is centered on ``i / FRAME_RATE`` seconds.
FRAME_RATE = ANALYSIS_RATE / HOP


@dataclass(frozen=True)
class Voice:
    """What kind of voice is followed.

    Attributes
    ----------
    lowest, highest : float
        Range of f0 in MIDI note numbers.
    decimations : int
        How often the signal is decimated by four.
    seconds : float
        Length of the part of the signal that is compared with itself, beside the longest lag.
    repeat_db : float
        A pitch is played again at an onset only if the level has fallen by this much (dB) before: singers and bows
        swell within a note.
    """

    lowest: float
    highest: float
    decimations: int
    seconds: float
    repeat_db: float


#: Bass: from A0 (27.5 Hz), below the B0 of a bass with five strings, to G4 (392 Hz).
BASS = Voice(21.0, 67.0, 2, 0.070, 0.5)
#: Voice and melody instruments: from C2 (65 Hz) to C7 (2093 Hz).
LEAD = Voice(36.0, 96.0, 1, 0.035, 4.0)


@dataclass(frozen=True)
class F0Curve:
    """Fundamental frequency over time.

    Attributes
    ----------
    cents : uint16, shape=(frames,)
        Pitch in cents of MIDI note numbers, 6900 for A4; 0 where there is none.
    voicing : uint8, shape=(frames,)
        Probability that the frame is voiced; 255 is 1.
    level_db : float16, shape=(frames,)
        RMS level of the frame below the highest frequency that is used, dBFS.
    """

    cents: npt.NDArray[np.uint16]
    voicing: npt.NDArray[np.uint8]
    level_db: npt.NDArray[np.float16]

    @property
    def pitch(self) -> FloatArray:
        """Pitch as MIDI note numbers, NaN where there is none."""
        return np.where(self.cents, self.cents / 100, np.nan)


# Candidates per frame. The random threshold is of a mixture of beta distributions (shapes and weight): one with the
# mean 0.1, as for speech, and a wider one for attacks and short notes, whose dips are less deep.
_CANDIDATES = 8
_NARROW, _WIDE, _WIDE_WEIGHT = (2.0, 18.0), (2.0, 6.0), 0.6
# A frame is voiced with probability 0.5 if its deepest dip has this depth; the step is that of the logistic function.
_VOICED_DEPTH, _VOICED_STEP = 0.35, 0.07
# States of the path: a fifth of a semitone apart, and one without pitch.
_PER_SEMITONE = 5
_REACH = 4  # states that a pitch moves per frame without a jump
_JUMP = 2e-4
_TO_SILENCE, _FROM_SILENCE = 0.01, 0.01
_OVERSAMPLING = 4
_FRAMES_PER_BLOCK = 64
_SECTION, _AHEAD = 4096, 256  # frames whose path is decided at once, and frames that the decision looks ahead


class F0Extractor:
    """f0 of a mono signal at 44.1 kHz that arrives in blocks.

    Parameters
    ----------
    voice : Voice
        Range of pitches that is searched.
    """

    def __init__(self, voice: Voice = BASS) -> None:
        self.voice = voice
        factor = FACTOR**voice.decimations
        self._hop = HOP // factor
        rate = ANALYSIS_RATE / factor
        self._rate = rate
        self._shortest = rate / _hertz(voice.highest + 0.5)
        self._lags = int(np.ceil(rate / _hertz(voice.lowest - 0.5))) + 2
        self._width = int(rate * voice.seconds)
        self._frame = self._width + self._lags
        self._n_fft = scipy.fft.next_fast_len(self._frame + self._lags, real=True)
        self._decimators = [Decimator() for _ in range(voice.decimations)]
        self._rest = np.zeros(self._frame // 2, np.float32)
        self._path = _Path(voice)
        self._levels: list[npt.NDArray[np.float16]] = []

    def push(self, mono: FloatArray) -> None:
        """Take the next samples, float32, shape=(n,)."""
        for decimator in self._decimators:
            mono = decimator.push(mono)
        self._take(mono)

    def finish(self) -> F0Curve:
        """Return f0 of all samples pushed."""
        for i in range(len(self._decimators)):
            rest = self._decimators[i].finish()
            for decimator in self._decimators[i + 1 :]:
                rest = decimator.push(rest)
            self._take(rest)
        self._take(np.zeros(self._frame - self._frame // 2, np.float32))
        cents, voicing = self._path.finish()
        levels = np.concatenate([np.zeros(0, np.float16), *self._levels])
        return F0Curve(cents, voicing, levels)

    def _take(self, samples: FloatArray) -> None:
        signal = np.concatenate((self._rest, samples))
        count = max(0, 1 + (len(signal) - self._frame) // self._hop)
        if count:
            frames = sliding_window_view(signal, self._frame)[:: self._hop][:count]
            for i in range(0, count, _FRAMES_PER_BLOCK):
                self._measure(frames[i : i + _FRAMES_PER_BLOCK])
        self._rest = signal[count * self._hop :]

    def _measure(self, frames: FloatArray) -> None:
        whole = scipy.fft.rfft(frames, self._n_fft, axis=1)
        first = scipy.fft.rfft(frames[:, : self._width], self._n_fft, axis=1)
        cross = np.conj(first) * whole
        size = _OVERSAMPLING * self._n_fft
        alike = scipy.fft.irfft(cross, size, axis=1)[:, : _OVERSAMPLING * self._lags] * np.float32(_OVERSAMPLING)
        energy = np.zeros((len(frames), self._frame + 1))
        np.cumsum(np.square(frames, dtype=np.float64), axis=1, out=energy[:, 1:])
        lags = np.empty((len(frames), _CANDIDATES), np.float32)
        weights = np.zeros((len(frames), _CANDIDATES), np.float32)
        power = (energy[:, self._frame] / self._frame).astype(np.float64)
        levels = np.where(power > 0, 10 * np.log10(np.maximum(power, 1e-30)), FLOOR_DBFS)
        level = np.maximum(levels, FLOOR_DBFS).astype(np.float16)
        alike = np.ascontiguousarray(alike)
        shortest = self._shortest * _OVERSAMPLING
        _candidates(alike, energy, self._width, shortest, _below(), np.empty(alike.shape[1]), lags, weights)
        weights[level < SILENCE_DBFS] = 0
        pitch = 69 + 12 * np.log2(self._rate * _OVERSAMPLING / np.maximum(lags, 1) / 440)
        self._path.push(pitch.astype(np.float32), weights)
        self._levels.append(level)


@cache
def _below() -> FloatArray:
    """Probability that the random threshold is below 0, 0.001, ... 1."""
    x = np.linspace(0, 1, 1001)
    table: FloatArray = (1 - _WIDE_WEIGHT) * beta.cdf(x, *_NARROW) + _WIDE_WEIGHT * beta.cdf(x, *_WIDE)
    return table


def _hertz(note: float) -> float:
    return float(440.0 * 2.0 ** ((note - 69) / 12))


@kernel()
def _candidates(alike, energy, width, shortest, below, normal, lags, weights):  # type: ignore[no-untyped-def]
    # Lags are in steps of 1 / _OVERSAMPLING of a sample.
    steps = alike.shape[1]
    for f in range(len(alike)):
        start = energy[f, width]
        total = 0.0
        normal[0] = 1.0
        for i in range(1, steps):
            whole = i // _OVERSAMPLING
            part = (i - whole * _OVERSAMPLING) / _OVERSAMPLING
            a = energy[f, whole + width] - energy[f, whole]
            b = energy[f, whole + 1 + width] - energy[f, whole + 1]
            difference = max(start + a + part * (b - a) - 2 * alike[f, i], 0.0)
            total += difference
            normal[i] = difference * i / total if total > 0 else 1.0
        lowest, found = 1.0, 0
        best, deepest = -1, 1.0
        for i in range(max(1, int(shortest)), steps - 1):
            here = normal[i]
            if here < normal[i - 1] and here <= normal[i + 1] and here < lowest:
                share = below[int(1000 * lowest)] - below[int(1000 * here)]
                curve = normal[i - 1] - 2 * here + normal[i + 1]
                shift = 0.5 * (normal[i - 1] - normal[i + 1]) / curve if curve > 0 else 0.0
                if found == _CANDIDATES:  # the oldest one is the least periodic
                    for k in range(1, found):
                        lags[f, k - 1], weights[f, k - 1] = lags[f, k], weights[f, k]
                    found -= 1
                lags[f, found] = i + shift
                weights[f, found] = share
                best, deepest = found, here
                found += 1
                lowest = here
        if best >= 0:
            weights[f, best] += below[int(1000 * deepest)]
            voiced = 1 / (1 + math.exp((deepest - _VOICED_DEPTH) / _VOICED_STEP))
            for k in range(found):
                weights[f, k] *= voiced
        for k in range(found, _CANDIDATES):
            lags[f, k] = shortest


class _Path:
    """The most probable path through candidates, decided section by section."""

    def __init__(self, voice: Voice) -> None:
        self._lowest = voice.lowest - 0.5
        self._states = round((voice.highest - voice.lowest + 1) * _PER_SEMITONE) + 1
        self._score = np.zeros((4, self._states + 1))  # and room for three others
        self._pitch: list[FloatArray] = []
        self._weights: list[FloatArray] = []
        self._held = 0
        self._cents: list[npt.NDArray[np.uint16]] = []
        self._voicing: list[npt.NDArray[np.uint8]] = []
        steps = _REACH + 1 - np.abs(np.arange(-_REACH, _REACH + 1))
        self._moves = np.log(steps / steps.sum())

    def push(self, pitch: FloatArray, weights: FloatArray) -> None:
        """Take candidates, shape=(frames, candidates): MIDI note numbers and probabilities."""
        self._pitch.append(pitch)
        self._weights.append(weights)
        self._held += len(pitch)
        if self._held >= _SECTION + _AHEAD:
            self._decide(_SECTION)

    def finish(self) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """Return cents and voicing of all frames."""
        self._decide(self._held)
        return np.concatenate(self._cents), np.concatenate(self._voicing)

    def _decide(self, frames: int) -> None:
        pitch, weights = (
            np.concatenate(held) if held else np.zeros((0, _CANDIDATES), np.float32)
            for held in (self._pitch, self._weights)
        )
        seen = min(len(pitch), frames + _AHEAD)
        states = np.empty(seen, np.int16)
        came = np.empty((seen, self._states + 1), np.int16)
        _best_path(pitch[:seen], weights[:seen], self._lowest, self._score, self._moves, frames, came, states)
        self._cents.append(_cents_of(pitch[:frames], weights[:frames], states[:frames], self._lowest, self._states))
        voiced = np.minimum(weights[:frames].sum(axis=1), 1)
        self._voicing.append(np.rint(255 * voiced).astype(np.uint8))
        self._pitch, self._weights = [pitch[frames:]], [weights[frames:]]
        self._held -= frames


@kernel()
def _best_path(pitch, weights, lowest, score, moves, keep, came, path):  # type: ignore[no-untyped-def]
    # The last state is "no pitch". The first row of score is that of each state before the first frame, and is replaced
    # by that after ``keep`` frames.
    count, states = len(pitch), score.shape[1] - 1
    kept, now, before, seen = score[0], score[1], score[2], score[3]
    for s in range(states + 1):
        now[s] = kept[s]
    jump, to_silence, from_silence = math.log(_JUMP), math.log(_TO_SILENCE), math.log(_FROM_SILENCE)
    for t in range(count):
        for s in range(states):
            seen[s] = 1e-6
        total = 0.0
        for k in range(pitch.shape[1]):
            state = int((pitch[t, k] - lowest) * _PER_SEMITONE + 0.5)
            if weights[t, k] > 0 and 0 <= state < states:
                seen[state] += weights[t, k]
                total += weights[t, k]
        best = 0
        for s in range(states + 1):
            before[s] = now[s]
            if s < states and before[s] > before[best]:
                best = s
        start = before[best] + jump
        for s in range(states):
            high, origin = start, best
            if before[states] + from_silence > high:
                high, origin = before[states] + from_silence, states
            for m in range(max(0, s - _REACH), min(states, s + _REACH + 1)):
                value = before[m] + moves[s - m + _REACH]
                if value > high:
                    high, origin = value, m
            now[s] = high + math.log(seen[s])
            came[t, s] = origin
        high, origin = before[states], states
        if before[best] + to_silence > high:
            high, origin = before[best] + to_silence, best
        now[states] = high + math.log(max(1 - total, 1e-6))
        came[t, states] = origin
        end = 0
        for s in range(1, states + 1):
            if now[s] > now[end]:
                end = s
        top = now[end]
        for s in range(states + 1):
            now[s] -= top
            if t == keep - 1:
                kept[s] = now[s]
        path[t] = end
    for t in range(count - 1, 0, -1):
        path[t - 1] = came[t, path[t]]


def _cents_of(
    pitch: FloatArray, weights: FloatArray, path: npt.NDArray[np.int16], lowest: float, states: int
) -> npt.NDArray[np.uint16]:
    """Pitch of the candidate on the path, or the state's own where the path bridges a frame without one; else 0."""
    wide = pitch.astype(np.float64)
    away = np.abs(wide - lowest - (path / _PER_SEMITONE)[:, None])
    away[weights <= 0] = np.inf
    rows, nearest = np.arange(len(path)), away.argmin(axis=1)
    close = away[rows, nearest] < 0.75 / _PER_SEMITONE
    found = np.where(close, wide[rows, nearest], lowest + path / _PER_SEMITONE)
    return np.where(path < states, 100 * found + 0.5, 0).astype(np.uint16)
