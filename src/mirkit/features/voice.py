"""Whether somebody sings or speaks in a mix: the log-odds of a voice over time, and the decision for a track or window.

*Measured*: levels of 80 mel bands from 100 Hz to 8 kHz, 43 times per second, relative to their mean over 3 s (so that
neither the tone of the recording nor held chords matter) and to their neighbors in frequency (so that partials stand
out). A small convolutional network, which was fitted on mixes of recorded voices and on music without a voice
(``benchmarks/fit_voice.py``), judges 0.28 s at a time. *Reading*: docs/how_good/voice.md says how often it is right,
and where it is not.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from mirkit.catalog import INSTRUMENTAL, VOCALS
from mirkit.features.kernels.convolution import convolve
from mirkit.features.stft import HOP, MelBank, frames_in
from mirkit.features.types import ANALYSIS_RATE, TOO_SHORT, FloatArray, Unknown, Window
from mirkit.features.voice_weights import SHAPES, WEIGHTS

BANDS, _LOWEST_HZ, _HIGHEST_HZ = 80, 100.0, 8000.0
#: Spectra per frame of the network, and frames per value of the curve.
_SPECTRA, _FRAMES = 2, 12
#: Values of the curve per second.
RATE = ANALYSIS_RATE / (HOP * _SPECTRA * _FRAMES)
#: Levels further below the loudest band of the signal than this count as this (dB).
_RANGE_DB = 75.0
#: Frames and bands over which levels are averaged for comparison, and decibels per unit of the two inputs.
_MEAN_FRAMES, _MEAN_BANDS = 129, 11
_DB_PER_UNIT, _MOST_UNITS = np.array((10, 8), np.float32), np.array((2.5, 2), np.float32)
#: Frames and bands of which the largest output of each layer is kept.
_POOLS = ((2, 2), (2, 3), (3, 2))
#: Values that are computed at once, and values on either side of them that the network sees.
_BLOCK, _AROUND = 100, 8

#: Least probability of an answer, and the most that is claimed: 1 is for what the user has set.
SURE, _MOST_SURE = 0.9, 0.99
#: Share of the values that count as evidence.
_HIGHEST_SHARE = 0.2
#: Slope of the log-odds of vocals over the evidence, and the evidence at even odds (docs/how_good/voice.md).
_SLOPE, _EVEN = 4.5, 1.4
#: The shortest music about which something is said (s).
LEAST_SECONDS = 5.0
NOT_CLEAR = Unknown("neither vocals nor instrumental is sure")

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class VoiceCurve:
    """Log-odds of a voice.

    Attributes
    ----------
    log_odds : float16, shape=(n,)
        Value ``i`` is that of the 0.28 s from ``i / RATE`` seconds on.
    """

    log_odds: npt.NDArray[np.float16]


class VoiceExtractor:
    """Log-odds of a voice in a signal that arrives as power frames."""

    def __init__(self) -> None:
        self._levels: list[npt.NDArray[np.float16]] = []
        self._skip = 0  # frames until the next one that is used

    def push_frames(self, power: FloatArray) -> None:
        """Take power spectra of the shared ``PowerStft(2048, 512)``, shape=(frames, 1025)."""
        used = power[self._skip :: _SPECTRA]
        self._skip = (self._skip - len(power)) % _SPECTRA
        if len(used):
            bands = _bank().apply(used)
            self._levels.append((10 * np.log10(np.maximum(bands, np.float32(1e-10)))).astype(np.float16))

    @property
    def levels(self) -> npt.NDArray[np.float16]:
        """Levels of the bands so far in dB, shape=(frames, 80)."""
        return np.concatenate(self._levels) if self._levels else np.zeros((0, BANDS), np.float16)

    def finish(self) -> VoiceCurve:
        """Judge the whole signal."""
        return VoiceCurve(log_odds(self.levels).astype(np.float16))


@dataclass(frozen=True)
class Decision:
    """Whether there is a voice.

    Attributes
    ----------
    voice : str or Unknown
        ``vocals`` or ``instrumental``.
    confidence : float or Unknown
        Probability of that, at least 0.9.
    """

    voice: str | Unknown
    confidence: float | Unknown


def decide(curve: VoiceCurve, window: Window) -> Decision:
    """Decide whether there is a voice in a window of a track.

    Parameters
    ----------
    curve : VoiceCurve
        Of the mix of the whole track.
    window : Window

    Returns
    -------
    Decision
        A window of a track without a voice has none either. In another track a window may have vocals; that it has
        none is too often wrong there to be said (docs/how_good/voice.md).

    Examples
    --------
    >>> decide(VoiceCurve(np.full(100, 3.0, np.float16)), Window(0, 27)).voice
    'vocals'
    >>> decide(VoiceCurve(np.full(100, -3.0, np.float16)), Window(0, 27)).voice
    'instrumental'
    """
    whole = _decided(curve.log_odds)
    if whole.voice == INSTRUMENTAL:
        return whole
    own = _decided(curve.log_odds[frames_in(window, RATE, len(curve.log_odds))])
    return Decision(NOT_CLEAR, NOT_CLEAR) if own.voice == INSTRUMENTAL else own


def _decided(odds: npt.NDArray[np.float16]) -> Decision:
    if len(odds) < LEAST_SECONDS * RATE:
        return Decision(TOO_SHORT, TOO_SHORT)
    evidence = evidence_of(odds)
    probability = float(1 / (1 + np.exp(-_SLOPE * (evidence - _EVEN))))
    if probability >= SURE:
        return Decision(VOCALS, min(round(probability, 3), _MOST_SURE))
    if probability <= 1 - SURE:
        return Decision(INSTRUMENTAL, min(round(1 - probability, 3), _MOST_SURE))
    return Decision(NOT_CLEAR, NOT_CLEAR)


def evidence_of(odds: npt.NDArray[np.float16]) -> float:
    """Return the mean of the highest fifth of some log-odds: a voice need not sing all the time.

    Parameters
    ----------
    odds : float16, shape=(n,)
        At least one value.

    Returns
    -------
    float
    """
    highest = np.sort(odds.astype(np.float64))[-max(1, round(_HIGHEST_SHARE * len(odds))) :]
    return float(highest.mean())


def log_odds(levels: npt.NDArray[np.float16]) -> Matrix:
    """Judge a signal.

    Parameters
    ----------
    levels : float16, shape=(frames, 80)
        Levels of the bands in dB.

    Returns
    -------
    float32 array, shape=(frames // 12,)
        Log-odds of a voice.
    """
    count, judged = len(levels) // _FRAMES, []
    floor = float(levels.max(initial=-np.inf)) - _RANGE_DB
    for start in range(0, count, _BLOCK):
        first = max(0, start - _AROUND)
        end = min(start + _BLOCK, count)
        last = len(levels) if end + _AROUND >= count else (end + _AROUND) * _FRAMES
        found = _judged(inputs_of(np.maximum(levels[first * _FRAMES : last].astype(np.float32), floor)))
        judged.append(found[start - first : end - first])
    return np.concatenate(judged) if judged else np.zeros(0, np.float32)


def inputs_of(levels: Matrix) -> Matrix:
    """Return the levels relative to their surroundings in time and in frequency.

    Parameters
    ----------
    levels : float32 array, shape=(frames, 80)
        Levels of the bands in dB.

    Returns
    -------
    float32 array, shape=(frames, 80, 2)
    """
    levels = np.maximum(levels, levels.max(initial=-np.inf) - np.float32(_RANGE_DB))
    over_time = uniform_filter1d(levels, _MEAN_FRAMES, axis=0, mode="nearest")
    over_bands = uniform_filter1d(levels, _MEAN_BANDS, axis=1, mode="nearest")
    relative = np.stack((levels - over_time, levels - over_bands), axis=-1) / _DB_PER_UNIT
    inputs: Matrix = np.clip(relative, -_MOST_UNITS, _MOST_UNITS)
    return inputs


def _judged(values: Matrix) -> Matrix:
    *convolutions, (hidden, hidden_bias), (last, last_bias) = _layers()
    for (weights, bias), pool in zip(convolutions, _POOLS, strict=True):
        values = convolve(values, weights, bias, pool)
    rows = np.pad(values.reshape(len(values), -1), ((1, 1), (0, 0)))
    # Not a BLAS product, so that the result does not depend on the number of threads.
    around = sum(np.einsum("ij,kj->ik", rows[i : i + len(values)], hidden[i]) for i in range(3))
    seen = np.maximum(around + hidden_bias, np.float32(0))
    judged: Matrix = np.einsum("ij,j->i", seen, last[:, 0]) + last_bias[0]
    return judged


#: Weights and bias of a layer.
Layer = tuple[Matrix, Matrix]
#: Shape of the weights of a layer; the last dimension is that of its outputs.
Shape = tuple[int, ...]


@cache
def _bank() -> MelBank:
    return MelBank(BANDS, lowest=_LOWEST_HZ, highest=_HIGHEST_HZ)


@cache
def _layers() -> tuple[Layer, ...]:
    layers = unpacked(WEIGHTS, SHAPES)
    hidden, bias = layers[-2]
    return *layers[:-2], (np.ascontiguousarray(hidden.transpose(0, 2, 1)), bias), layers[-1]


def packed(layers: Sequence[Layer]) -> str:
    """Encode layers as text: per output, with its bias last, a scale (float32) and one byte per number.

    Parameters
    ----------
    layers : sequence of (float32 array, float32 array)
        Weights, whose last dimension is that of the outputs, and bias.

    Returns
    -------
    str
        Base 85.
    """
    parts = []
    for weights, bias in layers:
        both = np.concatenate((weights.reshape(-1, len(bias)), bias[None]))
        scale = np.maximum(np.abs(both).max(axis=0) / 127, np.float32(1e-12))
        parts += [scale.astype("<f4").tobytes(), np.rint(both / scale).astype(np.int8).tobytes()]
    return base64.b85encode(b"".join(parts)).decode()


def unpacked(text: str, shapes: Sequence[Shape]) -> tuple[Layer, ...]:
    """Undo :func:`packed`.

    Parameters
    ----------
    text : str
    shapes : sequence of tuple of int
        Of the weights of each layer.

    Returns
    -------
    tuple of (float32 array, float32 array)
        Weights and bias of each layer.
    """
    data, at, layers = base64.b85decode(text), 0, []
    for shape in shapes:
        outputs = shape[-1]
        rows = int(np.prod(shape[:-1])) + 1
        scale = np.frombuffer(data, "<f4", outputs, at)
        numbers = np.frombuffer(data, np.int8, rows * outputs, at + 4 * outputs)
        at += 4 * outputs + len(numbers)
        both = (numbers.reshape(rows, outputs) * scale).astype(np.float32)
        layers.append((both[:-1].reshape(shape), both[-1]))
    return tuple(layers)
