"""Real activations for tests: BeatNet's published networks, with a front end and a network of our own.

BeatNet (Heydari, Cwitkowitz and Duan, 2021) is published under CC BY 4.0, and its package contains the weights of three
networks, each trained without one data set (GTZAN, Ballroom, Rock Corpus). They are not shipped with mirkit, and its
package is not installed: ``pip download --no-deps BeatNet==1.1.3`` fetches the wheel, and ``MIRKIT_TEST_BEATNET`` names
it. ``beatnet_activations.npz`` holds what the three networks make of mirkit's own demo pieces; written by::

    MIRKIT_TEST_BEATNET=BeatNet-1.1.3-py3-none-any.whl PYTHONPATH=src:tests python -m features.rhythm.beatnet
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.audio import Resampler
from mirkit.demo import demo_tracks
from mirkit.features.rhythm.beats.from_activations import Activations

STORED = Path(__file__).parent / "beatnet_activations.npz"
#: SHA-256 of the weights in the wheel.
WEIGHTS = {
    1: "619091bc317ca3e83b45591d46f6de3d5a41588bcb39fe9fe7be30cffa6aca84",
    2: "5878a18c079fa0b0139879b14ed2b5b7595faef8c3d16210aed141fd00fa2d58",
    3: "0c52a074ea38e8cb4a760ecfa3747c9cf91a1e3cd19f238eed80b0de763989ca",
}
RATE, HOP, FRAME, FRAMES_PER_SECOND = 22050, 441, 1411, 50.0
_BANDS_PER_OCTAVE, _LOWEST, _HIGHEST = 24, 30.0, 17000.0
#: Keeps the log-odds finite.
_LEAST = 1e-6
Array = npt.NDArray[Any]


def wheel() -> Path:
    """Path of the wheel, whether or not there is one."""
    return Path(os.environ.get("MIRKIT_TEST_BEATNET", "BeatNet-1.1.3-py3-none-any.whl"))


def filter_bank() -> Array:
    """Triangular filters between neighboring bins of a scale of 24 bands per octave, with the sum 1."""
    bins = FRAME // 2
    frequencies = np.arange(bins) * RATE / (2 * bins)
    steps = np.arange(
        np.floor(np.log2(_LOWEST / 440) * _BANDS_PER_OCTAVE), np.ceil(np.log2(_HIGHEST / 440) * _BANDS_PER_OCTAVE)
    )
    centers = 440 * 2 ** (steps / _BANDS_PER_OCTAVE)
    centers = centers[(centers >= _LOWEST) & (centers <= _HIGHEST)]
    above = np.clip(np.searchsorted(frequencies, centers), 1, bins - 1)
    nearest = np.unique(above - (centers - frequencies[above - 1] < frequencies[above] - centers))
    bank = np.zeros((bins, len(nearest) - 2), np.float32)
    for band, (start, center, stop) in enumerate(zip(nearest, nearest[1:], nearest[2:], strict=False)):
        if stop - start < 2:
            center, stop = start, start + 1
        rise = np.linspace(0, 1, center - start, endpoint=False)
        slopes = np.concatenate((rise, np.linspace(1, 0, stop - center, endpoint=False)))
        bank[start:stop, band] = slopes / slopes.sum()
    return bank


def features(signal: Array) -> Array:
    """Logarithmic spectrum of a mono signal at 22,050 Hz, and its rise since the frame before."""
    count = -(-len(signal) // HOP)
    padded = np.pad(np.asarray(signal, np.float64), (FRAME // 2, FRAME))
    window, bank = np.hanning(FRAME), filter_bank()
    magnitudes = np.stack([np.abs(np.fft.rfft(padded[i * HOP : i * HOP + FRAME] * window)) for i in range(count)])
    log = np.log10(magnitudes[:, : FRAME // 2] @ bank + 1).astype(np.float32)
    rise = np.maximum(np.diff(log, axis=0, prepend=log[:1]), 0)
    return np.concatenate((log, rise), axis=1)


def network(number: int) -> Any:
    """One of the three networks, with its published weights."""
    import torch
    from torch import nn

    class BeatNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv1d(1, 2, 10)
            self.linear0 = nn.Linear(262, 150)
            self.lstm = nn.LSTM(150, 150, 2, batch_first=True)
            self.linear = nn.Linear(150, 3)

        def forward(self, frames: Any) -> Any:
            pooled = torch.max_pool1d(torch.relu(self.conv1(frames[:, None])), 2).flatten(1)
            out, _ = self.lstm(self.linear0(pooled)[None])
            return self.linear(out)[0]

    content = zipfile.ZipFile(wheel()).read(f"BeatNet/models/model_{number}_weights.pt")
    assert hashlib.sha256(content).hexdigest() == WEIGHTS[number], "these are not the published weights"
    made = BeatNet().eval()
    made.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    return made


def activations(net: Any, frames: Array) -> Activations:
    """Activations of a network; its outputs are beat, downbeat and neither."""
    import torch

    with torch.inference_mode():
        beat, downbeat, neither = net(torch.from_numpy(frames)).double().softmax(1).numpy().T
    beats = np.log((beat + downbeat + _LEAST) / (neither + _LEAST))
    downbeats = np.log((downbeat + _LEAST) / (1 - downbeat + _LEAST))
    return Activations(beats.astype(np.float32), downbeats.astype(np.float32), FRAMES_PER_SECOND)


def at_its_rate(signal: Array, rate: int) -> Array:
    """A mono signal at the networks' sample rate."""
    if rate == RATE:
        return signal
    stream = Resampler(rate, RATE, 1)
    return np.concatenate([stream.push(np.asarray(signal, np.float32)[None]), stream.finish()], axis=1)[0]


def of_demo_pieces() -> Iterator[tuple[str, Activations]]:
    """Activations of all demo pieces, each with its key in the stored file."""
    networks = {number: network(number) for number in WEIGHTS}
    for piece in demo_tracks():
        frames = features(at_its_rate(piece.samples.mean(axis=0), piece.rate))
        for number, net in networks.items():
            yield f"{piece.title} {number}", activations(net, frames)


def stored() -> dict[str, Activations]:
    """Activations of the demo pieces from the stored file: title and number of the network -> activations."""
    with np.load(STORED) as content:
        return {key: Activations(*content[key].astype(np.float32), FRAMES_PER_SECOND) for key in content.files}


if __name__ == "__main__":
    found = {key: np.stack((heard.beat, heard.downbeat)).astype(np.float16) for key, heard in of_demo_pieces()}
    np.savez_compressed(STORED, **found)  # type: ignore[arg-type]
