"""ADTOF, a neural drum transcriber: a stream of audio to hits of five instruments.

Zehren, Alunno & Bientinesi, "High-quality and reproducible automatic drum transcription from crowdsourced data",
Signals 4 (2023), its ``Frame_RNN`` as ADTOF-pytorch publishes it. The front end and the network are implemented here;
the weights are those of the authors.
"""

from typing import Any

import numpy as np

from mirkit.drums.drum_hits import RANGES, DrumInstrument, Hits, hit_levels
from mirkit.errors import ModelError, WeightsError, printable
from mirkit.features.extraction import mono_of
from mirkit.features.peaks import parabolic, pick_peaks
from mirkit.features.types import FloatArray
from mirkit.models.adtof import BACKEND
from mirkit.models.adtof.log_bands import BANDS, HOP, LogBands, centers
from mirkit.models.adtof.windows import FrameBuffer, Frames, Window
from mirkit.models.batching import BatchedNetwork, Compute, torch_step
from mirkit.models.safe_load import load_tensors
from mirkit.models.state_dict import LOAD_ERRORS, CheckpointMismatch, clause, fill
from mirkit.models.weights import Weights

#: In the order of the network's outputs.
VOICES = (
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
_SEEN, _FOLLOWED, _BORDER = 2000, 30000, 1000
_LARGEST = {"conv_filters": 1024, "gru_units": 1024}


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
    try:
        given, state = checkpoint["model_info"], checkpoint["model_weights"]
        if (given["n_bins"], given["output_classes"]) != (BANDS, len(VOICES)):
            raise CheckpointMismatch(f"it wants {given['n_bins']} bands and has {given['output_classes']} outputs")
        filters, units = (_sizes(given, name) for name in _LARGEST)
        network = FrameRnn(BANDS, filters, units, len(VOICES))
        fill(network, state)
    except LOAD_ERRORS as error:
        raise WeightsError(f"{printable(path)}: not a checkpoint of ADTOF's Frame_RNN: {clause(error)}") from error
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
        self.device = device
        self.reach, self.size = network.reach, network.size
        steps = {name: torch_step(getattr(network, name), device) for name in ("see", "follow")}
        self.compute: Compute = BatchedNetwork("ADTOF", device, steps, BACKEND.batch_size)

    def stream(self) -> "AdtofStream":
        """Open a stream for one signal."""
        return AdtofStream(self)

    def run(self, step: str, window: Window) -> Frames:
        """Pass a window through one step of the network; return the output without its borders."""
        out: Frames = self.compute(step, window.frames[None])[0]
        return out[window.before : len(out) - window.after]


class AdtofStream:
    """One signal that is passed through the network: audio at 44100 Hz, in blocks of any length.

    An error of the network, such as too little GPU memory, is returned by ``finish`` and affects this signal only.
    """

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._front = LogBands()
        self._seeing = FrameBuffer(_SEEN, transcriber.reach, BANDS)
        self._following = FrameBuffer(_FOLLOWED, _BORDER, transcriber.size)
        self._activations: list[Frames] = []
        self._powers: list[Frames] = []
        self._failure: ModelError | None = None

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        for spectra in self._front.push(mono_of(block)):
            self._take(spectra)

    def finish(self) -> Hits | ModelError:
        """Return the drum hits, or the error that prevented them."""
        for spectra in self._front.finish():
            self._take(spectra)
        self._see(self._seeing.finish())
        self._follow(self._following.finish())
        if self._failure is not None:
            return self._failure
        return _hits(np.concatenate(self._activations), np.concatenate(self._powers))

    def _take(self, spectra: Frames) -> None:
        self._powers.append(_powers(spectra))
        self._see(self._seeing.push(spectra))

    def _see(self, windows: Any) -> None:
        for window in windows:
            if (seen := self._run("see", window)) is not None:
                self._follow(self._following.push(seen))

    def _follow(self, windows: Any) -> None:
        for window in windows:
            if (activations := self._run("follow", window)) is not None:
                self._activations.append(activations)

    def _run(self, step: str, window: Window) -> Frames | None:
        if self._failure is None:
            try:
                return self._transcriber.run(step, window)
            except ModelError as error:
                self._failure = error
        return None


def _powers(spectra: Frames) -> Frames:
    """Return the power in the frequency range of each instrument, shape=(frames, 5)."""
    hz = centers()
    power = np.square(np.power(10, spectra) - 1)
    ranges = (RANGES[voice.name] for voice in VOICES)
    return np.stack([power[:, (hz >= low) & (hz < high)].sum(axis=1) for low, high in ranges], axis=1)


def _hits(activations: Frames, powers: Frames) -> Hits:
    curves = activations.T.astype(np.float64)
    peaks = [pick_peaks(*given) for given in zip(curves, THRESHOLDS, LOWEST, strict=True)]
    times = (parabolic(curve, found) / _FRAME_RATE + LEAD for curve, found in zip(curves, peaks, strict=True))
    levels = (hit_levels(power, found) for power, found in zip(powers.T, peaks, strict=True))
    return Hits(VOICES, tuple(times), tuple(levels))
