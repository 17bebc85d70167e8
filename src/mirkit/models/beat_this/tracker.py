"""Beat This!, a neural beat tracker: a stream of audio to logits of beat and downbeat, 50 per second.

The audio is processed in chunks of 30 s and only the logits are kept, so memory hardly grows with the duration.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.beats.from_activations import Activations
from mirkit.features.stft import hann, hz_to_mel, mel_to_hz, triangles
from mirkit.features.types import FloatArray
from mirkit.models.backend import Weights
from mirkit.models.batching import BatchedNetwork, Compute, NetworkStream, torch_step
from mirkit.models.beat_this import BACKEND
from mirkit.models.log_spectrogram import Frames, LogSpectrogram
from mirkit.models.safe_load import CheckpointMismatch, expecting, fill, load_tensors

RATE = 22050
HOP = 441
BANDS = 128
_N_FFT = 1024
_LOW, _HIGH = 30.0, 11000.0
_GAIN = np.float32(1000)
#: Frames of a chunk, and frames at either end whose logits are discarded, as in training.
CHUNK, BORDER = 1500, 6
_STEP = CHUNK - 2 * BORDER
#: Hyper-parameters that determine the network, with their allowed ranges.
_SIZES = {"transformer_dim": 4096, "ff_mult": 16, "n_layers": 64, "head_dim": 512, "stem_dim": 512}
_SWITCHES = ("sum_head", "partial_transformers")

Logits = npt.NDArray[np.float32]


class LogMel(LogSpectrogram):
    """The input of the network: logarithmic mel spectra, 50 per second, of a mono signal at 22050 Hz.

    Magnitude spectra (Hann window of 1024 samples, step 441, divided by the square root of the length), weighted by
    128 triangles of height 1 on Slaney's mel scale from 30 to 11000 Hz, then ``log(1 + 1000 x)``. The signal is
    mirrored at both ends, so it must have more than 512 samples; there are no frames of a shorter one.
    """

    def __init__(self) -> None:
        corners = mel_to_hz(np.linspace(hz_to_mel(_LOW), hz_to_mel(_HIGH), BANDS + 2))
        filters = triangles(np.linspace(0, RATE // 2, _N_FFT // 2 + 1), corners).astype(np.float32)
        window = hann(_N_FFT) / np.float32(np.sqrt(_N_FFT))
        super().__init__(window, filters, HOP, lambda bands: np.log1p(bands * _GAIN), block=256)
        self._rest = self._rest[:0]
        self._begun = False

    def push(self, mono: FloatArray) -> Iterator[Frames]:
        """Take the next samples, float32, shape=(n,); yield the complete frames, shape=(frames, 128)."""
        signal = np.concatenate((self._rest, mono))
        half = _N_FFT // 2
        if not self._begun:
            if len(signal) <= half:
                self._rest = signal
                return
            signal = np.concatenate((signal[half:0:-1], signal))
            self._begun = True
        # The last samples are kept until the end of the signal, where they are mirrored.
        yield from self._take(signal, keep=half + 1)

    def finish(self) -> Iterator[Frames]:
        """Yield the frames that the mirrored end completes."""
        if self._begun:
            yield from self._take(np.concatenate((self._rest, self._rest[-2 : -_N_FFT // 2 - 2 : -1])))


@dataclass(frozen=True)
class Chunk:
    """Frames, shape=(at most 1500, 128), and the number of new ones, which precede the right border."""

    frames: Frames
    new: int


class Chunker:
    """Cuts a stream of frames into chunks.

    Chunks of 1500 frames overlap by two borders. The first chunk begins with a border of zeros, and the last one ends
    with one. The last chunk begins earlier instead of being shorter. Where chunks overlap, the logits of the earlier
    one are used.
    """

    def __init__(self) -> None:
        self._held = np.zeros((BORDER, BANDS), np.float32)  # beginning of the next chunk
        self._before = self._held[:0]  # frames before it, in which the last chunk may begin

    def push(self, frames: FloatArray) -> Iterator[Chunk]:
        """Take the next frames, shape=(n, 128); yield the chunks that are complete and not the last."""
        self._held = np.concatenate((self._held, frames))
        while len(self._held) >= CHUNK:
            yield self._next(self._held[:CHUNK])

    def finish(self) -> Iterator[Chunk]:
        """Yield the remaining chunks."""
        border = np.zeros((BORDER, BANDS), np.float32)
        if len(self._held) > CHUNK - BORDER:
            yield self._next(np.concatenate((self._held, border))[:CHUNK])
        if len(self._held) > BORDER:
            last = np.concatenate((self._before, self._held))[BORDER - CHUNK :]
            yield Chunk(np.concatenate((last, border)), len(self._held) - BORDER)

    def _next(self, frames: Frames) -> Chunk:
        self._before, self._held = self._held[:_STEP], self._held[_STEP:]
        return Chunk(frames, _STEP)


def load(weights: Weights, device: str) -> "Tracker":
    """Build the network of an official checkpoint.

    Parameters
    ----------
    weights : Weights
        One file as the authors publish it: ``hyper_parameters`` and a ``state_dict`` whose names begin ``model.``
    device : str
        PyTorch device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises
    ------
    WeightsError
        The file is not such a checkpoint.
    """
    from mirkit.models.beat_this.network import BeatThis

    path = weights.files[0]
    checkpoint = load_tensors(path)
    with expecting(path, "a checkpoint of Beat This!"):
        given, state = checkpoint["hyper_parameters"], checkpoint["state_dict"]
        sizes: dict[str, Any] = _sizes(given) | {name: bool(given[name]) for name in _SWITCHES if name in given}
        network = BeatThis(**sizes)
        # Checkpoints of compiled models have a prefix of the compiler in their tensor names.
        named = {name.replace("_orig_mod.", "").removeprefix("model."): tensor for name, tensor in state.items()}
        fill(network, named)
    return Tracker(network.eval().float().to(device), weights, device)


def _sizes(given: dict[str, Any]) -> dict[str, int]:
    if given.get("spect_dim", BANDS) != BANDS:
        raise CheckpointMismatch(f"it needs {str(given['spect_dim'])[:20]} bands, not {BANDS}")
    sizes = {name: given[name] for name in _SIZES if name in given}
    for name, size in sizes.items():
        if type(size) is not int or not 0 < size <= _SIZES[name]:
            raise CheckpointMismatch(f"{name} is {str(size)[:20]}")
    return sizes


class Tracker:
    """A loaded network.

    Parameters
    ----------
    network : torch.nn.Module
        ``(batch, times, 128)`` to ``(batch, times, 2)``.
    weights : Weights
    device : str
    """

    def __init__(self, network: Any, weights: Weights, device: str) -> None:
        self.weights = weights
        self.compute: Compute = BatchedNetwork(
            "Beat This!", device, {"logits": torch_step(network, device)}, BACKEND.batch_size
        )

    def stream(self) -> "BeatThisStream":
        """Open a stream for one signal."""
        return BeatThisStream(self)

    def logits(self, chunks: Iterable[Chunk]) -> Logits:
        """Return the logits of beat and downbeat for the new frames of chunks, shape=(frames, 2)."""
        kept = [logits for group in _groups(chunks, self.compute.batch_size) for logits in self._run(group)]
        return np.concatenate(kept) if kept else np.zeros((0, 2), np.float32)

    def _run(self, group: list[Chunk]) -> Iterator[Logits]:
        out = self.compute("logits", np.stack([chunk.frames for chunk in group]))
        for logits, chunk in zip(out, group, strict=True):
            yield logits[len(logits) - BORDER - chunk.new : len(logits) - BORDER]


class BeatThisStream(NetworkStream):
    """One signal that is passed through the network; the result is its activations."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__(RATE)
        self._tracker, self._mel, self._chunker = tracker, LogMel(), Chunker()
        self._waiting: list[Chunk] = []
        self._logits: list[Logits] = [np.zeros((0, 2), np.float32)]

    def _compute(self, mono: FloatArray, *, last: bool) -> None:
        for spectra in (self._mel.push(mono), self._mel.finish() if last else ()):
            for frames in spectra:
                self._waiting += self._chunker.push(frames)
        self._waiting += self._chunker.finish() if last else ()
        if last or len(self._waiting) >= self._tracker.compute.batch_size:
            self._logits.append(self._tracker.logits(self._waiting))
            self._waiting = []

    def _result(self) -> Activations:
        logits = np.concatenate(self._logits)
        return Activations(logits[:, 0].copy(), logits[:, 1].copy(), RATE / HOP)


def _groups(chunks: Iterable[Chunk], most: int) -> Iterator[list[Chunk]]:
    """Group neighboring chunks of equal length, at most ``most`` each."""
    group: list[Chunk] = []
    for chunk in chunks:
        if group and (len(group) == most or len(group[0].frames) != len(chunk.frames)):
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group
