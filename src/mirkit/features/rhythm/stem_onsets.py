"""Which instruments begin at each onset of a mix: bass, drums, or another pitched instrument.

*Measured*: levels of 15 bands, the height of the spectral peaks and the flux of low notes around each onset of the mix;
a small network judges which of the three play it. *Reading*: the embedded separation leaves the drums' attacks in the
bass and in ``other``, so that onsets of those stems say little; the mix says more. The network was fitted on rendered
music (``benchmarks/fit_stem_onsets.py``, docs/how_good/onsets.md).
"""

import base64
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.low_flux import AMPLITUDE, COLUMNS, DEVIATION, ENERGY, PHASE, RANGES, RISE, LowFlux
from mirkit.features.rhythm.onset_envelope import DB_STEP, FRAME_RATE
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.stem_onsets_weights import SHAPES, WEIGHTS
from mirkit.features.stft import N_FFT
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Order of the network's outputs.
STEMS = ("bass", "drums", "other")
_EDGES = (20, 65, 108, 172, 258, 388, 560, 800, 1150, 1650, 2400, 3500, 5000, 7500, 11000, 16000)
_PEAK_EDGES = (172, 388, 800, 1650, 3500, 7500)
#: Frames around an onset at which the network sees levels, heights of peaks, low flux and low energy.
_AT_LEVELS, _AT_PEAKS = (-4, -2, 0, 1, 2, 4, 8, 13), (-3, 3, 8)
_AT_FLUX, _AT_ENERGY = (-4, 0, 4, 8, 13), (-4, 2, 8, 13, 18)
_RANGE_DB = 80.0
_LOUD_PERCENTILE = 95
#: Least reference of a range of low notes, as a share of the larger reference.
_LEAST_REFERENCE = 0.02
_LEAST_ENERGY = 1e-6
_FARTHEST_SECONDS = 1.0
#: Least probability, chosen on the pieces of the fit, each judged by a network that had not seen it.
_LEAST_PROBABILITY = 0.25

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StemOnsets:
    """Onsets of a mix, and which instruments play them.

    Attributes
    ----------
    times, strengths : float64, shape=(n,)
        As in :class:`~mirkit.features.rhythm.onsets.Onsets`.
    probabilities : float32, shape=(n, 3)
        That bass, drums, or another instrument begins there.
    """

    times: FloatArray
    strengths: FloatArray
    probabilities: FloatArray

    def of(self, stem: str) -> Onsets:
        """Return the onsets that a stem plays.

        Parameters
        ----------
        stem : str
            One of ``STEMS``.
        """
        played = self.probabilities[:, STEMS.index(stem)] >= _LEAST_PROBABILITY
        return Onsets(self.times[played], self.strengths[played])


class StemOnsetExtractor:
    """Judge the onsets of a mono signal that arrives in blocks, as power frames (2048/512) and as samples."""

    def __init__(self) -> None:
        self._flux: LowFlux | None = None
        self._low: list[Matrix] = []
        self._levels: list[npt.NDArray[np.int16]] = []  # steps of DB_STEP, whose size does not depend on the level

    def push_frames(self, power: FloatArray) -> None:
        """Take power spectra of the shared ``PowerStft(2048, 512)``, shape=(frames, 1025)."""
        bins, peaks = _bins(_EDGES), _bins(_PEAK_EDGES)
        levels = np.add.reduceat(power[:, : bins[-1]], bins[:-1], axis=1)
        highest = np.maximum.reduceat(power[:, : peaks[-1]], peaks[:-1], axis=1)
        mean = np.add.reduceat(power[:, : peaks[-1]], peaks[:-1], axis=1) / np.diff(peaks)
        both = np.concatenate((levels, highest / np.maximum(mean, np.float32(1e-30))), axis=1)
        self._levels.append(np.rint(10 / DB_STEP * np.log10(np.maximum(both, np.float32(1e-30)))).astype(np.int16))

    def push_samples(self, mono: FloatArray) -> None:
        """Take the next samples, shape=(n,), float32."""
        self._flux = self._flux or LowFlux()
        self._low.append(self._flux.push(mono))

    def push_flux(self, flux: npt.NDArray[np.float32]) -> None:
        """Take, instead of samples, what a ``LowFlux`` has measured of them."""
        self._low.append(flux)

    def finish(self, onsets: Onsets) -> StemOnsets:
        """Judge the onsets of the signal."""
        inputs = self.inputs(onsets.times)
        hidden, out = _layers()
        inner = np.tanh(np.einsum("ij,jk->ik", inputs, hidden[:-1]) + hidden[-1])
        odds = np.einsum("ij,jk->ik", inner, out[:-1]) + out[-1]
        return StemOnsets(onsets.times, onsets.strengths, (1 / (1 + np.exp(-odds))).astype(np.float32))

    def inputs(self, times: FloatArray) -> Matrix:
        """Return what the network sees of the onsets at these times, shape=(n, inputs)."""
        none = np.zeros((1, len(_EDGES) + len(_PEAK_EDGES) - 2), np.int16)
        levels = np.concatenate(self._levels or [none]) * np.float32(DB_STEP)
        rest = (self._flux.finish(),) if self._flux else ()
        low = np.concatenate((*self._low, *rest, np.zeros((1, RANGES, COLUMNS), np.float32)))
        levels, peaks = np.split(levels, [len(_EDGES) - 1], axis=1)
        floor = levels.max() - _RANGE_DB
        peaks = np.where(_loudest_within(levels) > floor, peaks, _peaks_of_noise())
        levels = np.maximum(levels, floor)
        loud = np.percentile(levels, _LOUD_PERCENTILE, axis=0)
        amplitude = np.percentile(low[:, :, AMPLITUDE], _LOUD_PERCENTILE, axis=0)
        scale = np.maximum(amplitude, _LEAST_REFERENCE * amplitude.max()) + 1e-12
        relative = [low[:, :, column] / scale for column in (AMPLITUDE, RISE, DEVIATION)]
        flux = np.concatenate((*relative, low[:, :, PHASE]), axis=1)
        energy = low[:, :, ENERGY] / (low[:, :, ENERGY].max() + 1e-20)
        energy = 10 * np.log10(energy + _LEAST_ENERGY)
        energy -= np.percentile(energy, _LOUD_PERCENTILE, axis=0)
        frames = np.rint(times * FRAME_RATE).astype(np.int64)

        def at(series: FloatArray, offset: int) -> FloatArray:
            values: FloatArray = series[np.clip(frames + offset, 0, len(series) - 1)]
            return values

        gaps = np.diff(times, prepend=-np.inf, append=np.inf)
        gaps = np.minimum(np.stack((gaps[:-1], gaps[1:]), axis=1), _FARTHEST_SECONDS)
        columns = (
            *((at(levels, offset) - loud) / 15 for offset in _AT_LEVELS),
            np.tile((loud - loud.max()) / 30, (len(times), 1)),
            *(at(peaks, offset) / 10 for offset in _AT_PEAKS),
            *(at(flux, offset) for offset in _AT_FLUX),
            *(at(energy, offset) / 15 for offset in _AT_ENERGY),
            2 * gaps,
        )
        return np.concatenate(columns, axis=1).astype(np.float32)


def _loudest_within(levels: Matrix) -> Matrix:
    """Highest level of the bands within each of the ranges in which peaks are measured."""
    first = [_EDGES.index(edge) for edge in _PEAK_EDGES]
    loudest: Matrix = np.maximum.reduceat(levels[:, : first[-1]], first[:-1], axis=1)
    return loudest


def _peaks_of_noise() -> FloatArray:
    """Height of the highest peak of noise over the mean, in dB: what a range below the floor counts as."""
    height: FloatArray = 10 * np.log10(np.log(np.diff(_bins(_PEAK_EDGES))) + np.euler_gamma)
    return height


def _bins(edges: tuple[int, ...]) -> npt.NDArray[np.int64]:
    hertz = np.arange(N_FFT // 2 + 1) * (ANALYSIS_RATE / N_FFT)
    return np.searchsorted(hertz, edges)


@cache
def _layers() -> list[Matrix]:
    """Weights of the hidden layer and of the output; the last row of each is the bias."""
    numbers = np.frombuffer(base64.b85decode(WEIGHTS), np.float16).astype(np.float32)
    ends = np.cumsum([rows * columns for rows, columns in SHAPES])
    return [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), SHAPES, strict=True)]
