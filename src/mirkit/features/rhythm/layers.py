"""Onsets of a mix or of a drums stem in three registers: low (kick, bass), middle (snare, chords, voice), high (hats).

*Measured*: levels of 15 bands around each rise of the sound, relative to the loud moments of the music nearby; a small
network judges in which registers something begins. Bands alone do not tell: the click of a kick drum reaches the bands
of the snare, and the body of a snare those of the kick. The network was fitted on rendered music
(``benchmarks/fit_layers.py``, docs/how_good/syncopation.md).
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from mirkit.features.peaks import vertex_offset
from mirkit.features.rhythm.layers_weights import SHAPES, WEIGHTS
from mirkit.features.rhythm.onset_envelope import FRAME_RATE
from mirkit.features.rhythm.onsets import SAME_NOTE_SECONDS, nearest_distances
from mirkit.features.stft import N_FFT
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Upper edges of the bands (Hz), from 20 Hz on.
_EDGES = (65, 108, 172, 258, 388, 560, 800, 1150, 1650, 2400, 3500, 5000, 7500, 11000, 16000)
BANDS = len(_EDGES)
#: Levels further below the loudest band of the signal than this hardly count (dB).
_RANGE_DB = 60.0
#: A band whose reference is lower, on that scale, is empty, and its fluctuations are no growth.
_EMPTY_DB = 10 * np.log10(2)
#: A rise is a peak of the mean growth of all bands (dB per two hops) within this many frames.
_LEAST_RISE_DB, _PEAK_REACH = 0.4, 3
#: The reference of a band: this percentile of its levels after the rises within this time.
_LOUD_PERCENTILE, _REACH_SECONDS = 98, 8.0
#: Frames around a rise whose levels the network sees.
_BEFORE, _AFTER = (-3, -1), (1, 3)
#: Bands of the low, the middle and the high register, for the ranks of a rise among all rises of the signal.
_REGISTERS = (slice(0, 2), slice(4, 10), slice(12, 15))
_RANKS = 6
INPUTS = (2 + len(_BEFORE) + len(_AFTER)) * BANDS + _RANKS
_DB_PER_UNIT = 15.0
# Decision for each register (low, middle, high), chosen on rendered grooves (docs/how_good/syncopation.md).
_LEAST_ODDS = (-2.5, 0.0, -2.0)
_LEAST_GROWTH = (0.15, 0.03, 0.03)
#: What a loud rise of the other register usually adds to this one: a low percentile of the ratios. A rise must exceed
#: this by a factor (low, middle), unless the network is certain.
_LOUD, _MIN_LOUD, _LEAK_PERCENTILE, _MOST_LEAK = 0.5, 4, 30, 0.7
_OVER_LEAK, _CERTAIN_ODDS = (1.0, 1.2), 2.0

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layers:
    """Times of the onsets of three registers, in seconds, ascending.

    Attributes
    ----------
    low : array
        Kick and bass.
    middle : array
        Snare, chords, voice.
    high : array
        Hi-hats and cymbals.
    """

    low: FloatArray
    middle: FloatArray
    high: FloatArray

    def merged(self, *, low: Sequence[FloatArray] = (), middle: Sequence[FloatArray] = ()) -> "Layers":
        """Return these layers with the onsets of other signals added to the low and the middle one."""
        return Layers(
            np.sort(np.concatenate((self.low, *low))), np.sort(np.concatenate((self.middle, *middle))), self.high
        )

    def near(self, times: FloatArray) -> "Layers":
        """Return the onsets of each layer that are within 45 ms of one of the times.

        Parameters
        ----------
        times : array
            Seconds, ascending.
        """
        layers = self.low, self.middle, self.high
        return Layers(*(layer[nearest_distances(layer, times) <= SAME_NOTE_SECONDS] for layer in layers))


class LayerExtractor:
    """Onsets by register of a signal that arrives as power frames.

    Examples
    --------
    A low drum every half second, the first one after a quarter:

    >>> from mirkit.features.stft import PowerStft
    >>> since = (np.arange(8 * 44100) / 44100 + 0.25) % 0.5
    >>> hiss = np.random.default_rng(0).normal(0, 1e-4, len(since))
    >>> audio = np.exp(-20 * since) * np.sin(2 * np.pi * 55 * since) + hiss
    >>> stft, extractor = PowerStft(), LayerExtractor()
    >>> for power in (*stft.push(audio.astype(np.float32)), *stft.finish()):
    ...     extractor.push_frames(power.copy())
    >>> layers = extractor.finish()
    >>> bool(abs(layers.low[:3] - (0.25, 0.75, 1.25)).max() < 0.02), len(layers.low), len(layers.high)
    (True, 16, 0)
    """

    def __init__(self) -> None:
        self._levels: list[npt.NDArray[np.float16]] = []

    def push_frames(self, power: FloatArray) -> None:
        """Take power spectra of the shared ``PowerStft(2048, 512)``, shape=(frames, 1025)."""
        bins = _band_bins()
        bands = np.add.reduceat(power[:, : bins[-1]], bins[:-1], axis=1)
        self._levels.append((10 * np.log10(np.maximum(bands, np.float32(1e-30)))).astype(np.float16))

    def finish(self) -> Layers:
        """Judge every rise of the signal."""
        return layers_of(rises_of(np.concatenate(self._levels) if self._levels else np.zeros((0, BANDS), np.float16)))


@dataclass(frozen=True)
class Rises:
    """The moments at which a signal gets louder.

    Attributes
    ----------
    times : float64, shape=(rises,)
        Seconds.
    inputs : float32, shape=(rises, INPUTS)
        What the network sees.
    registers : float32, shape=(rises, 3)
        Growth of the amplitude in each register, 1 at the loudest rises.
    """

    times: FloatArray
    inputs: Matrix
    registers: Matrix


def rises_of(levels: npt.NDArray[np.float16]) -> Rises:
    """Find the rises of a signal.

    Parameters
    ----------
    levels : float16, shape=(frames, 15)
        Levels of the bands in dB.

    Returns
    -------
    Rises
        None for a signal of less than 70 ms, for silence and for steady sound.
    """
    none = Rises(np.zeros(0), np.zeros((0, INPUTS), np.float32), np.zeros((0, 3), np.float32))
    if len(levels) < 2 * _PEAK_REACH:
        return none
    floor = np.float32(levels.max()) - np.float32(_RANGE_DB)
    soft = 10 * np.log10(1 + np.power(10, (levels.astype(np.float32) - floor) / 10))
    growth = np.zeros(len(soft), np.float32)
    growth[1:-1] = np.maximum(soft[2:] - soft[:-2], 0).mean(axis=1)
    top = maximum_filter1d(growth, 2 * _PEAK_REACH + 1, mode="nearest")
    rises = np.flatnonzero((growth == top) & (growth > _LEAST_RISE_DB))
    rises = rises[np.diff(rises, prepend=-_PEAK_REACH - 1) > 1]
    if not len(rises):
        return none
    at = {offset: soft[np.clip(rises + offset, 0, len(soft) - 1)] for offset in (*_BEFORE, *_AFTER)}
    reference = _references(rises / FRAME_RATE, np.maximum(at[1], at[3]))
    grown = np.maximum(at[1], at[3]) - np.minimum(at[-1], at[-3])
    rows = [grown, *(at[offset] - reference for offset in (*_BEFORE, *_AFTER))]
    # Growth of the amplitude relative to loud moments: a hit differs from the trace of another hit more than in dB.
    after, before = np.maximum(at[1], at[3]) - reference, np.minimum(at[-1], at[-3]) - reference
    amplitude = np.minimum(np.maximum(10 ** (after / 20) - 10 ** (before / 20), 0), 2)
    amplitude[reference < _EMPTY_DB] = 0
    registers = np.stack([amplitude[:, bands].mean(axis=1) for bands in _REGISTERS], axis=1)
    inputs = np.concatenate(
        (np.concatenate(rows, axis=1) / _DB_PER_UNIT, np.sqrt(amplitude), _ranks(registers)), axis=1
    )
    times = np.maximum((rises + vertex_offset(growth, rises)) / FRAME_RATE, 0)
    loud = np.maximum(np.percentile(registers, _LOUD_PERCENTILE, axis=0), 1e-9)
    return Rises(times, inputs.astype(np.float32), (registers / loud).astype(np.float32))


def layers_of(rises: Rises) -> Layers:
    """Judge in which registers something begins at each rise.

    Parameters
    ----------
    rises : Rises
        Of the whole signal: a rise is judged relative to the others.

    Returns
    -------
    Layers
        Times in seconds; a rise is in none, one or several of the layers.
    """
    if not len(rises.times):
        return Layers(np.zeros(0), np.zeros(0), np.zeros(0))
    odds, grown = _network(rises.inputs), rises.registers
    begins = (odds >= _LEAST_ODDS) & (grown >= _LEAST_GROWTH)
    for register, other, excess in ((0, 1, _OVER_LEAK[0]), (1, 0, _OVER_LEAK[1])):
        loud = grown[:, other] > _LOUD
        if np.count_nonzero(loud) >= _MIN_LOUD:
            share = np.percentile(grown[loud, register] / grown[loud, other], _LEAK_PERCENTILE)
            exceeds = grown[:, register] > excess * min(float(share), _MOST_LEAK) * grown[:, other]
            begins[:, register] &= exceeds | (odds[:, register] > _CERTAIN_ODDS)
    return Layers(*(rises.times[column] for column in begins.T))


def _ranks(registers: Matrix) -> Matrix:
    """Rank (0-1) of each rise among all: its growth in three registers, and the ratios of these."""
    low, middle, high = (registers + 0.02).T
    columns = (low, middle, high, low / middle, high / middle, low / high)
    return np.stack([np.argsort(np.argsort(c)) for c in columns], axis=1).astype(np.float32) / np.float32(len(low))


def _references(times: FloatArray, loud: Matrix) -> Matrix:
    """Level of each band at the loud rises within some seconds of each rise; computed every second."""
    seconds = np.arange(0, times[-1] + 1)
    first, last = (np.searchsorted(times, seconds + sign * _REACH_SECONDS) for sign in (-1, 1))
    whole = np.percentile(loud, _LOUD_PERCENTILE, axis=0)
    near = [
        np.percentile(loud[a:b], _LOUD_PERCENTILE, axis=0) if b > a else whole for a, b in zip(first, last, strict=True)
    ]
    found: Matrix = np.stack(near)[np.minimum(np.rint(times).astype(np.int64), len(near) - 1)].astype(np.float32)
    return found


@cache
def _band_bins() -> npt.NDArray[np.int64]:
    return np.rint(np.array((20, *_EDGES)) * N_FFT / ANALYSIS_RATE).astype(np.int64)


def _network(inputs: Matrix) -> Matrix:
    """Log odds of an onset in each register, shape=(rises, 3)."""
    (hidden, bias), (outputs, last) = _weights()
    inner = np.maximum(np.einsum("ij,jk->ik", inputs, hidden) + bias, 0)
    odds: Matrix = np.einsum("ij,jk->ik", inner, outputs) + last
    return odds


@cache
def _weights() -> list[tuple[Matrix, Matrix]]:
    return unpacked(WEIGHTS, SHAPES)


def packed(layers: Sequence[tuple[Matrix, Matrix]]) -> str:
    """Encode weights as text: per column, with its bias last, a scale (float32) and one byte per number.

    Parameters
    ----------
    layers : sequence of (weights, bias)
        float32, shape=(inputs, outputs) and shape=(outputs,).

    Returns
    -------
    str
        In base 85.
    """
    parts = []
    for weights, bias in layers:
        both = np.concatenate((weights, bias[None]))
        scale = np.abs(both).max(axis=0) / 127
        parts += [scale.astype("<f4").tobytes(), np.rint(both / scale).astype(np.int8).tobytes()]
    return base64.b85encode(b"".join(parts)).decode()


def unpacked(text: str, shapes: tuple[tuple[int, int], ...]) -> list[tuple[Matrix, Matrix]]:
    """Undo :func:`packed`.

    Parameters
    ----------
    text : str
        In base 85.
    shapes : tuple of (inputs, outputs)
        Of each layer.

    Returns
    -------
    list of (weights, bias)
        float32; each number differs by at most half a step of its column's scale.

    Raises
    ------
    ValueError
        If the text is shorter than the shapes ask for.

    Examples
    --------
    >>> weights, bias = unpacked(packed([(np.eye(2), np.array([0.5, -0.5]))]), ((2, 2),))[0]
    >>> bool(abs(weights - np.eye(2)).max() < 0.004), bool(abs(bias - (0.5, -0.5)).max() < 0.004)
    (True, True)
    """
    data, at, layers = base64.b85decode(text), 0, []
    for inputs, outputs in shapes:
        scale = np.frombuffer(data, "<f4", outputs, at)
        numbers = np.frombuffer(data, np.int8, (inputs + 1) * outputs, at + 4 * outputs)
        at += 4 * outputs + len(numbers)
        both = numbers.reshape(inputs + 1, outputs) * scale
        layers.append((both[:-1].astype(np.float32), both[-1].astype(np.float32)))
    return layers
