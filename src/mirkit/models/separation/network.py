"""What a separation network offers, and the check whether half precision is accurate enough for it."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from mirkit.models.batching import torch_step
from mirkit.models.separation.overlap_add import Float32


class Network(Protocol):
    """One network.

    Attributes
    ----------
    sources : tuple of str
    rate : int
        Hz.
    segment : float or Fraction
        Seconds of a segment.
    longest : float
        Longest segment, in seconds.
    """

    sources: tuple[str, ...]
    rate: int
    segment: Any
    longest: float

    def input_samples(self, samples: int, chosen: float | None, *, tight: bool) -> int:
        """Return how many samples go into the network for a segment.

        Parameters
        ----------
        samples : int
            Number of samples of the segment.
        chosen : float or None
            Length of a segment in the settings, in seconds.
        tight : bool
            Whether to use as little context as possible, because memory is short.
        """

    def __call__(self, sound: Any, *, tight: bool) -> Any:
        """Separate a batch, Tensor of shape=(batch, 2, n) -> (batch, sources, 2, n)."""


class Described:
    """Base class of a network that is pickled without its module, for processes that do not compute it."""

    _module: Any

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_module": None}


def step_name(number: int, *, tight: bool) -> str:
    """Name of the step that puts segments, shape=(n, 2, samples), through one of the networks."""
    return f"{number} tight" if tight else f"{number}"


#: Signal-to-difference ratio (dB) that half precision must keep on every source.
SAFE_DB = 40.0
_SEED = 20261122


def reference_signal(rate: int, samples: int) -> Float32:
    """Return chords with loud and soft bursts of noise, shape=(1, 2, samples), with standard deviation 1."""
    time = np.arange(samples) / rate
    chord = sum(np.sin(2 * np.pi * hertz * time) / (1 + i) for i, hertz in enumerate((55, 220, 331, 1210, 4400)))
    noise = np.random.default_rng(_SEED).standard_normal((2, samples)) * np.exp(-12 * (time % 0.4))
    sound = chord * (0.2 + (time % 1.7) / 1.7) + noise
    normal: Float32 = (sound / sound.std()).astype(np.float32)[None]
    return normal


def difference(exact: Float32, other: Float32) -> float:
    """Return the lowest signal-to-difference ratio (dB) of all sources, shape=(1, sources, channels, n) each."""
    if not np.isfinite(other).all():
        return -np.inf
    signal = np.square(exact, dtype=np.float64).sum(axis=(0, 2, 3))
    noise = np.square(np.subtract(exact, other, dtype=np.float64)).sum(axis=(0, 2, 3))
    return float((10 * np.log10(np.maximum(signal, 1e-20) / np.maximum(noise, 1e-20))).min())


def safe_half(networks: Sequence[Network], device: str) -> Any:
    """Return the half-precision type if the device is a GPU and every network is accurate enough with it; else None."""
    import torch

    if not device.startswith("cuda"):
        return None
    for network in networks:
        try:
            if half_precision_sdr(network, device) < SAFE_DB:
                return None
        except RuntimeError:  # the GPU does not support it, or memory is short
            torch.cuda.empty_cache()
            return None
    return torch.float16


def half_precision_sdr(network: Network, device: str) -> float:
    """Return the lowest signal-to-difference ratio (dB) of a network in half precision."""
    import torch

    size = int(network.rate * network.segment)
    sound = reference_signal(network.rate, network.input_samples(size, None, tight=False))
    run = partial(network, tight=False)
    exact, half = (torch_step(run, device, kind)(sound) for kind in (None, torch.float16))
    return difference(exact, half)
