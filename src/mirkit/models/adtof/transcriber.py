"""ADTOF, a neural drum transcriber: a stream of audio to hits of five instruments.

Zehren, Alunno & Bientinesi, "High-quality and reproducible automatic drum transcription from crowdsourced data",
Signals 4 (2023), its ``Frame_RNN`` as ADTOF-pytorch publishes it. The front end and the network are implemented here;
the weights are those of the authors.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mirkit.drums.drum_hits import RANGES, DrumInstrument, Hits, hit_levels
from mirkit.features.peaks import parabolic, pick_peaks
from mirkit.features.stft import triangles
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.models.adtof import BACKEND
from mirkit.models.backend import Weights
from mirkit.models.batching import BatchedNetwork, Compute, NetworkStream, torch_step
from mirkit.models.log_spectrogram import Frames, LogSpectrogram
from mirkit.models.safe_load import CheckpointMismatch, expecting, fill, load_tensors

HOP = 441
BANDS = 84
_N_FFT = 2048
_LOWEST, _HIGHEST, _PER_OCTAVE = 20.0, 20000.0, 12
#: In the order of the network's outputs.
INSTRUMENTS = (
    DrumInstrument("kick", 35),
    DrumInstrument("snare", 38),
    DrumInstrument("tom", 47),
    DrumInstrument("hi-hat", 42),
    DrumInstrument("cymbal", 49),
)
#: Prominence of the peaks, as published.
THRESHOLDS = (0.22, 0.24, 0.32, 0.22, 0.30)
#: Height of the peaks. Kicks and snares also activate toms; these thresholds are best on rendered drums
#: (benchmarks/drums.py).
LOWEST = (0.0, 0.0, 0.6, 0.0, 0.0)
#: Seconds by which the network's peaks precede the hits.
LEAD = 0.010
_FRAME_RATE = 44100 / HOP
# Window of the convolutions (20 s, which fits into the CPU cache) and of the recurrent layers (5 min, so that most
# songs are one window, as in the authors' code). The recurrent layers get 10 s of context on either side; more context
# changes their output by at most 0.02.
_ENCODED, _DECODED, _BORDER = 2000, 30000, 1000
_LARGEST = {"conv_filters": 1024, "gru_units": 1024}


class LogBands(LogSpectrogram):
    """The input of the network: logarithmic spectra in 84 bands, 100 per second, of a mono signal at 44100 Hz.

    Magnitudes (symmetric Hann window of 2048 samples, step 441, not scaled), averaged by 84 triangles whose corners lie
    a semitone apart from 20 Hz to 20 kHz (below 400 Hz on neighboring bins), then ``log10(1 + x)``. The network was
    trained on this output of madmom's ``LogarithmicFilterbank``.
    """

    def __init__(self) -> None:
        window = np.hanning(_N_FFT).astype(np.float32)
        super().__init__(window, filters(), HOP, lambda bands: np.log10(bands + np.float32(1)), block=256)


def filters() -> Frames:
    """Return the weights of the bands, shape=(84, 1024); each row sums to 1."""
    weights = triangles(np.arange(_N_FFT // 2), _bins())
    unit: Frames = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return unit


def centers() -> FloatArray:
    """Return the center frequencies of the bands in Hz, shape=(84,)."""
    return _bins()[1:-1] * (ANALYSIS_RATE / _N_FFT)


def _bins() -> FloatArray:
    """Return the bins nearest to the corners of the triangles, without duplicates, shape=(86,)."""
    count = int(np.floor(_PER_OCTAVE * np.log2(_HIGHEST / _LOWEST))) + 1
    hz = _LOWEST * 2 ** (np.arange(count) / _PER_OCTAVE)
    return np.unique(np.rint(hz * _N_FFT / ANALYSIS_RATE))


class Window(NamedTuple):
    """Frames, shape=(n, size), with the number of context frames at the beginning and at the end."""

    frames: Frames
    before: int
    after: int


class FrameBuffer:
    """Cuts a stream of frames into overlapping windows.

    Parameters
    ----------
    core, border : int
        Number of frames of a window that are used, and number of context frames on either side. There is no context
        beyond the ends of the stream.
    size : int
        Number of values per frame.
    """

    def __init__(self, core: int, border: int, size: int) -> None:
        self._core, self._border = core, border
        self._held = np.zeros((0, size), np.float32)
        self._before = 0

    def push(self, frames: Frames) -> Iterator[Window]:
        """Take the next frames, shape=(n, size); yield the windows that are complete."""
        self._held = np.concatenate((self._held, frames))
        while len(self._held) >= self._before + self._core + self._border:
            end = self._before + self._core
            yield Window(self._held[: end + self._border], self._before, self._border)
            self._held = self._held[end - self._border :]
            self._before = self._border

    def finish(self) -> Iterator[Window]:
        """Yield the remaining windows."""
        if len(self._held) > self._before:
            yield Window(self._held, self._before, 0)


def load(weights: Weights, device: str) -> "Transcriber":
    """Build the network of a checkpoint.

    Parameters
    ----------
    weights : Weights
        One file as ADTOF-pytorch publishes it: ``model_weights``, and ``model_info`` with the sizes.
    device : str
        PyTorch device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises
    ------
    WeightsError
        The file is not such a checkpoint.
    """
    from mirkit.models.adtof.network import FrameRnn

    path = weights.files[0]
    checkpoint = load_tensors(path)
    with expecting(path, "a checkpoint of ADTOF's Frame_RNN"):
        given, state = checkpoint["model_info"], checkpoint["model_weights"]
        if (given["n_bins"], given["output_classes"]) != (BANDS, len(INSTRUMENTS)):
            raise CheckpointMismatch(f"it needs {given['n_bins']} bands and has {given['output_classes']} outputs")
        filters, units = (_sizes(given, name) for name in _LARGEST)
        network = FrameRnn(BANDS, filters, units, len(INSTRUMENTS))
        fill(network, state)
    return Transcriber(network.eval().float().to(device), weights, device)


def _sizes(given: dict[str, Any], name: str) -> list[int]:
    sizes = list(given[name])
    if not sizes or len(sizes) > 16 or not all(type(size) is int and 0 < size <= _LARGEST[name] for size in sizes):
        raise CheckpointMismatch(f"{name} is {str(sizes)[:40]}")
    return sizes


class Transcriber:
    """A loaded network.

    Parameters
    ----------
    network : torch.nn.Module
        A ``FrameRnn``.
    weights : Weights
    device : str
    """

    def __init__(self, network: Any, weights: Weights, device: str) -> None:
        self.weights = weights
        self.reach, self.size = network.reach, network.size
        steps = {name: torch_step(getattr(network, name), device) for name in ("encode", "decode")}
        self.compute: Compute = BatchedNetwork("ADTOF", device, steps, BACKEND.batch_size)

    def stream(self) -> "AdtofStream":
        """Open a stream for one signal."""
        return AdtofStream(self)

    def run(self, step: str, window: Window) -> Frames:
        """Pass a window through one step of the network; return the output without its borders."""
        out: Frames = self.compute(step, window.frames[None])[0]
        return out[window.before : len(out) - window.after]


class AdtofStream(NetworkStream):
    """One signal that is passed through the network; the result is the drum hits."""

    def __init__(self, transcriber: Transcriber) -> None:
        super().__init__(ANALYSIS_RATE)
        self._transcriber, self._bands = transcriber, LogBands()
        self._to_encode = FrameBuffer(_ENCODED, transcriber.reach, BANDS)
        self._to_decode = FrameBuffer(_DECODED, _BORDER, transcriber.size)
        self._activations: list[Frames] = []
        self._powers: list[Frames] = []

    def _compute(self, mono: FloatArray, *, last: bool) -> None:
        for spectra in (self._bands.push(mono), self._bands.finish() if last else ()):
            for frames in spectra:
                self._powers.append(_powers(frames))
                self._encode(self._to_encode.push(frames))
        if last:
            self._encode(self._to_encode.finish())
            self._decode(self._to_decode.finish())

    def _encode(self, windows: Iterable[Window]) -> None:
        for window in windows:
            self._decode(self._to_decode.push(self._transcriber.run("encode", window)))

    def _decode(self, windows: Iterable[Window]) -> None:
        self._activations += [self._transcriber.run("decode", window) for window in windows]

    def _result(self) -> Hits:
        return _hits(np.concatenate(self._activations), np.concatenate(self._powers))


def _powers(spectra: Frames) -> Frames:
    """Return the power in the frequency range of each instrument, shape=(frames, 5)."""
    hz = centers()
    power = np.square(np.power(10, spectra) - 1)
    ranges = (RANGES[drum.name] for drum in INSTRUMENTS)
    return np.stack([power[:, (hz >= low) & (hz < high)].sum(axis=1) for low, high in ranges], axis=1)


def _hits(activations: Frames, powers: Frames) -> Hits:
    series = activations.T.astype(np.float64)
    peaks = [pick_peaks(*given) for given in zip(series, THRESHOLDS, LOWEST, strict=True)]
    times = (parabolic(one, found) / _FRAME_RATE + LEAD for one, found in zip(series, peaks, strict=True))
    levels = (hit_levels(power, found) for power, found in zip(powers.T, peaks, strict=True))
    return Hits(INSTRUMENTS, tuple(times), tuple(levels))
