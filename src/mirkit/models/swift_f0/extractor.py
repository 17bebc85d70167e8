"""f0 of a signal that arrives in blocks, by SwiftF0's network."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.errors import WeightsError, printable
from mirkit.features.extraction import mono_of
from mirkit.features.pitch.f0 import FRAME_RATE, F0Curve
from mirkit.features.stft import FLOOR_DBFS
from mirkit.features.stft import HOP as OWN_HOP
from mirkit.features.types import FloatArray
from mirkit.models.batching import NetworkStream
from mirkit.models.swift_f0.network import CONTEXT, HOP, LONGEST, RATE, Network

#: The network's file in the package swift-f0 0.3.0, and its checksum.
SHA256 = "6385e8c2ebc3872e82c9ff5946228de44cd3be77a750ea53698b7dbfe94b0a22"
PATH = Path(__file__).with_name("model.onnx")

#: Least probability of a voiced frame, and least peak of its samples: the network has never seen digital silence.
VOICED, _SILENCE_PEAK = 0.5, 1e-3
_FRAMES_PER_BLOCK = 256
#: Samples at 44.1 kHz in which the level of a frame is measured: 50 ms, as for the embedded tracker.
_LEVEL = 2205


@cache
def network() -> Network:
    """Load the network.

    Returns
    -------
    Network

    Raises
    ------
    WeightsError
        Its file is not the one that mirkit contains.
    """
    if not PATH.is_file() or hashlib.sha256(PATH.read_bytes()).hexdigest() != SHA256:
        raise WeightsError(f"{printable(PATH)}: the file is missing or damaged; install mirkit again")
    return Network(PATH)


class SwiftF0Extractor(NetworkStream):
    """Follow the f0 of a signal at 44.1 kHz that arrives in blocks; the result is an ``F0Curve``."""

    def __init__(self) -> None:
        super().__init__(RATE)
        self._network = network()
        self._held = np.zeros(LONGEST // 2, np.float32)  # from half a spectrum before the first held frame on
        self._taken = 0  # samples at the network's rate
        self._first = 0  # first held frame
        self._done = 0  # frames whose result is known
        self._hertz: list[FloatArray] = []
        self._voicing: list[FloatArray] = []
        self._rest = np.zeros(_LEVEL // 2, np.float32)
        self._levels: list[npt.NDArray[np.float16]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        super().push(block)
        self._measure(mono_of(block))

    def _measure(self, mono: FloatArray) -> None:
        signal = np.concatenate((self._rest, mono))
        count = max(0, 1 + (len(signal) - _LEVEL) // OWN_HOP)
        if count:
            frames = sliding_window_view(signal, _LEVEL)[::OWN_HOP][:count]
            power = np.einsum("fk,fk->f", frames, frames, dtype=np.float64) / _LEVEL
            levels = 10 * np.log10(np.maximum(power, 1e-30))
            self._levels.append(np.maximum(levels, FLOOR_DBFS).astype(np.float16))
        self._rest = signal[count * OWN_HOP :]

    def _compute(self, mono: FloatArray, *, last: bool) -> None:
        self._held = np.concatenate((self._held, mono))
        self._taken += len(mono)
        if last:
            self._held = np.concatenate((self._held, np.zeros(LONGEST, np.float32)))
            total = max(1, self._taken // HOP)
            while self._done < total:
                self._block(min(total, self._done + _FRAMES_PER_BLOCK), total)
            return
        ready = (self._taken - LONGEST // 2) // HOP  # frames whose samples are known
        while ready >= self._done + _FRAMES_PER_BLOCK + CONTEXT:
            self._block(self._done + _FRAMES_PER_BLOCK, ready)

    def _block(self, end: int, known: int) -> None:
        """Compute the frames up to ``end``, of which ``known`` can be computed, and release what is not needed."""
        until = min(end + CONTEXT, known)
        samples = self._held[: (until - self._first - 1) * HOP + LONGEST]
        hertz, voicing = self._network(samples)
        own = slice(self._done - self._first, end - self._first)
        hops = self._held[LONGEST // 2 :][own.start * HOP : own.stop * HOP].reshape(-1, HOP)
        quiet = np.abs(hops).max(axis=1) < _SILENCE_PEAK
        self._hertz.append(hertz[own])
        self._voicing.append(np.where(quiet, 0, voicing[own]))
        self._done = end
        kept = max(0, end - CONTEXT)
        self._held = self._held[(kept - self._first) * HOP :]
        self._first = kept

    def _result(self) -> F0Curve:
        self._measure(np.zeros(_LEVEL - _LEVEL // 2, np.float32))
        levels = np.concatenate([np.zeros(0, np.float16), *self._levels])
        hertz, voicing = np.concatenate(self._hertz), np.concatenate(self._voicing)
        nearest = np.rint(np.arange(len(levels)) * (RATE / HOP / FRAME_RATE)).astype(int)
        nearest = np.minimum(nearest, len(hertz) - 1)
        cents = np.rint(6900 + 1200 * np.log2(hertz[nearest] / 440)).astype(np.uint16)
        cents[voicing[nearest] < VOICED] = 0
        return F0Curve(cents, np.rint(255 * voicing[nearest]).astype(np.uint8), levels)
