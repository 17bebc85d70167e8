"""Onsets of a signal that streams by, and what its beats are tracked by."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.mel import MelBank
from mirkit.features.rhythm.onset_envelope import (
    DB_STEP,
    FINE_HOP,
    FRAME_RATE,
    N_MELS,
    SILENCE,
    Pulses,
    band_onset_strength,
    pulses_of,
)
from mirkit.features.rhythm.onsets import OnsetPicker, Onsets
from mirkit.features.types import FloatArray

_SECTION = 25_600  # frames, 297 s


@dataclass(frozen=True)
class OnsetCurve:
    """What beat tracking needs of one signal.

    Attributes
    ----------
    onsets : Onsets
    growth, hits, profile : array
        See :class:`~mirkit.features.rhythm.onset_envelope.Pulses`; 3 kB a second.
    """

    onsets: Onsets
    growth: npt.NDArray[np.float32]
    hits: npt.NDArray[np.float16]
    profile: npt.NDArray[np.float16]

    @property
    def duration(self) -> float:
        """Length of the signal in seconds (to a frame)."""
        return max(0, len(self.growth) - 1) / FRAME_RATE


class OnsetExtractor:
    """Onsets of a mono signal that arrives in blocks, as power frames (2048/512) and as samples.

    The two may be pushed in any order and in blocks of any length. What is held for the signal's highest level to show
    is ten minutes at most: of longer sounds, every five minutes are measured against the highest level up to five
    minutes on, so that memory hardly grows. Only what is 60 dB below a later climax can tell the difference.

    Parameters
    ----------
    pulses : bool
        Whether beats will be tracked; without, the curve has nothing but its onsets.
    """

    def __init__(self, *, pulses: bool = True) -> None:
        self._bank = MelBank(N_MELS)
        self._levels: list[npt.NDArray[np.int16]] = []
        self._held = 0
        self._before = np.zeros((0, N_MELS), np.int16)  # the frame before those held
        self._peak = SILENCE
        self._pulses_wanted = pulses
        self._pulses = [pulses_of(self._before, self._before, SILENCE)]  # of no frames
        self._picker = OnsetPicker()
        self._energy: list[npt.NDArray[np.float32]] = []
        self._rest = np.zeros(1, np.float32)  # one sample of history for the difference, then samples short of a step

    def push_frames(self, power: FloatArray) -> None:
        """Take power spectra of the shared ``PowerStft(2048, 512)``, shape=(frames, 1025)."""
        mel = np.maximum(self._bank.apply(power), np.float32(1e-30))
        decibel = np.log10(mel, out=mel)
        decibel *= np.float32(10 / DB_STEP)
        self._levels.append(np.rint(decibel).astype(np.int16))
        self._held += len(power)
        while self._held > 2 * _SECTION:
            self._measure(_SECTION)

    def push_samples(self, mono: FloatArray) -> None:
        """Take the next samples, shape=(n,), float32."""
        signal = np.concatenate((self._rest, mono))
        steps = (len(signal) - 1) // FINE_HOP
        if steps:
            now = signal[1 : 1 + steps * FINE_HOP]
            grown = now - signal[: steps * FINE_HOP]
            pair = (np.square(now), np.square(grown))
            self._energy.append(np.stack([e.reshape(steps, FINE_HOP).sum(axis=1) for e in pair], axis=1))
        self._rest = signal[steps * FINE_HOP :].copy()

    def finish(self) -> OnsetCurve:
        """Return the onsets of everything pushed, and the curves that beats are tracked by."""
        self._measure(self._held)
        fields = [np.concatenate(field) for field in zip(*self._pulses, strict=True)]
        return OnsetCurve(self._picker.finish(), *Pulses(*fields))

    def _measure(self, frames: int) -> None:
        """Measure the first of the frames held, and let them go."""
        levels = np.concatenate(self._levels) if self._levels else np.zeros((0, N_MELS), np.int16)
        self._levels = [levels[frames:]]
        self._held -= frames
        heard = levels[: 2 * _SECTION]
        self._peak = int(heard.max(initial=self._peak))
        self._picker.push(band_onset_strength(levels[:frames], self._before, self._peak), self._energy)
        self._energy = []
        if self._pulses_wanted:
            self._pulses.append(pulses_of(levels[:frames], self._before, self._peak))
        self._before = levels[max(frames - 1, 0) : frames].copy()
