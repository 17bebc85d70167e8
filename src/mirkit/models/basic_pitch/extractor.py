"""The notes of a signal that arrives in blocks."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import firwin

from mirkit.errors import WeightsError, printable
from mirkit.features.extraction import mono_of
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.stft import SILENCE_DBFS
from mirkit.features.types import FloatArray
from mirkit.models.basic_pitch.decoder import FRAME_RATE, decode
from mirkit.models.basic_pitch.network import FRAMES, HOP, SEMITONES, WINDOW, Network

#: The network's file in the package basic-pitch 0.4.0, and its checksum.
NAME, VERSION = "basic_pitch", "0.4.0"
SHA256 = "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec"
PATH = Path(__file__).with_name("nmp.onnx")

# Frames at both ends of a window whose neighbors are in other windows.
_MARGIN = 15
_KEPT = FRAMES - 2 * _MARGIN
_TAPS = 41
# Frames whose notes are decided at once, and frames before and after them that are looked at.
_SECTION, _AROUND = 8192, 1024
# Notes this far (dB) below the loudest frame are noise: the network sees only levels relative to two seconds.
_RANGE_DB = 50.0
_ATTACK = 9


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


class NoteExtractor:
    """Find the notes of a signal at 44.1 kHz that arrives in blocks."""

    def __init__(self) -> None:
        self._network = network()
        self._low_pass = firwin(_TAPS, 0.5, window=("kaiser", 5.0)).astype(np.float32)
        self._rest = np.zeros(_TAPS // 2, np.float32)
        self._samples = np.zeros(_MARGIN * HOP, np.float32)
        self._taken = 0
        self._levels: list[FloatArray] = []
        self._notes = np.zeros((_AROUND, SEMITONES), np.float16)
        self._onsets = np.zeros((_AROUND, SEMITONES), np.float16)
        self._start = -_AROUND  # frame of the first held probabilities
        self._rows: list[tuple[int, int, int]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        signal = np.concatenate((self._rest, mono_of(block)))
        count = max(0, 1 + (len(signal) - _TAPS) // 2)
        if count:
            frames = sliding_window_view(signal, _TAPS)[::2][:count]
            self._take(np.einsum("nk,k->n", frames, self._low_pass))
        self._rest = signal[2 * count :]

    def finish(self) -> NoteEvents:
        """Return the notes of all samples pushed."""
        self.push(np.zeros((1, _TAPS // 2), np.float32))
        count = 1 + self._taken // HOP
        while self._start + len(self._notes) < count:
            self._window(np.pad(self._samples, (0, max(0, WINDOW - len(self._samples))))[:WINDOW])
        self._decide(len(self._notes))
        levels = np.concatenate([np.zeros(0), *self._levels])
        peak = [levels[first : first + _ATTACK].max(initial=-200.0) for first, _, _ in self._rows]
        least = max(levels.max(initial=-200.0) - _RANGE_DB, SILENCE_DBFS)
        return NoteEvents.of(
            [
                (first / FRAME_RATE, min(last, count) / FRAME_RATE, pitch, float(level))
                for (first, last, pitch), level in zip(self._rows, peak, strict=True)
                if level > least and first < count
            ]
        )

    def _take(self, samples: FloatArray) -> None:
        self._samples = np.concatenate((self._samples, samples))
        self._taken += len(samples)
        while len(self._samples) >= WINDOW:
            self._window(self._samples[:WINDOW])

    def _window(self, samples: FloatArray) -> None:
        """Compute a window, and release the samples that the next one does not need."""
        notes, onsets = self._network(samples)
        inside = slice(_MARGIN, FRAMES - _MARGIN)
        self._notes = np.concatenate((self._notes, notes[inside].astype(np.float16)))
        self._onsets = np.concatenate((self._onsets, onsets[inside].astype(np.float16)))
        kept = samples[_MARGIN * HOP :][: _KEPT * HOP].reshape(_KEPT, HOP)
        power = np.square(kept, dtype=np.float64).mean(axis=1)
        self._levels.append(10 * np.log10(np.maximum(power, 1e-20)))
        self._samples = self._samples[_KEPT * HOP :]
        if len(self._notes) >= _SECTION + 2 * _AROUND:
            self._decide(_SECTION)

    def _decide(self, frames: int) -> None:
        """Decode the held frames; keep the notes that begin after the first ``_AROUND`` of them, up to ``frames``."""
        notes, onsets = (held.astype(np.float64) for held in (self._notes, self._onsets))
        self._rows += [
            (first + self._start, last + self._start, pitch)
            for first, last, pitch in decode(notes, onsets)
            if _AROUND <= first < _AROUND + frames
        ]
        self._notes, self._onsets = self._notes[frames:], self._onsets[frames:]
        self._start += frames
