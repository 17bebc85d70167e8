"""The onset curves of a signal: how fast its mel bands grow, frame by frame, and its energy at a finer step."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mirkit.features.mel import MelBank
from mirkit.features.stft import HOP
from mirkit.features.types import ANALYSIS_RATE, FloatArray

N_MELS = 128
#: Frames a second of every frame-wise curve here.
FRAME_RATE = ANALYSIS_RATE / HOP
#: Samples per step of the energy curve (1.45 ms).
FINE_HOP = 64
FINE_RATE = ANALYSIS_RATE / FINE_HOP
#: Lower edges (Hz) of eight groups of bands that weigh the same in ``OnsetCurve.growth``.
_GROUP_EDGES = (0.0, 110.0, 230.0, 480.0, 1000.0, 2000.0, 4000.0, 8000.0)
#: First group of each band of ``OnsetCurve.hits``: kick, bass and toms, middle, snare, hats.
_HIT_GROUPS = (0, 1, 2, 4, 6)
HIT_BANDS = len(_HIT_GROUPS)
#: Frames per value of ``OnsetCurve.profile`` and its bands (31 Hz apart below 1 kHz): enough to see a chord change.
PROFILE_STEP = 4
PROFILE_BANDS = 48

_ENVELOPE_RANGE_DB = 80.0  # the definition of the envelope (features.md)
_NOVELTY_RANGE_DB = 60.0  # softer floor of the detection functions: what is fainter than this is noise, not notes
_DB_STEP = 0.01  # of the int16 log-mel kept until the highest level is known: +-327 dB, 22 kB a second
_SILENCE_DB = -300.0
_BLOCK = 512  # frames worked on at once
_SECTION = 50 * _BLOCK  # frames, 297 s


@dataclass(frozen=True)
class OnsetCurve:
    """What onset detection and beat tracking need of one signal.

    Frame ``i`` is centred on ``i / FRAME_RATE`` seconds; value ``j`` of ``energy`` covers the samples from
    ``j * FINE_HOP`` on.

    Attributes
    ----------
    envelope : float32, shape=(frames,)
        Onset strength: mean over 128 mel bands of the half-wave rectified level difference to the frame before, dB per
        hop; band levels are floored 80 dB below the signal's highest band level (as librosa's ``onset_strength``).
    novelty : float32, shape=(frames,)
        The same against the loudest of three neighbouring bands in the frame before (Boeck & Widmer 2013, SuperFlux:
        blind to vibrato), over a soft floor 60 dB below the highest level. Onsets are picked here.
    growth : float32, shape=(frames,)
        The same growth without the neighbours; lows, middles and highs weigh the same.
    hits : float16, shape=(frames, 5)
        Growth of the amplitude of kick, bass, middle, snare and hat bands, over the signal's highest. Levels grow as
        much by a note as by a drum; amplitudes grow more by the drum.
    level : float32, shape=(frames,)
        Frame level in dB (sum of the mel band powers; arbitrary reference).
    profile : float16, shape=(frames // 4, 48)
        Levels of the lowest mel bands in dB above the soft floor, every fourth frame.
    energy : float32, shape=(steps, 2)
        Energy of the samples, and of their first difference, per ``FINE_HOP`` samples.
    """

    envelope: npt.NDArray[np.float32]
    novelty: npt.NDArray[np.float32]
    growth: npt.NDArray[np.float32]
    hits: npt.NDArray[np.float16]
    level: npt.NDArray[np.float32]
    profile: npt.NDArray[np.float16]
    energy: npt.NDArray[np.float32]

    @property
    def duration(self) -> float:
        """Length of the signal in seconds (to a frame)."""
        return max(0, len(self.envelope) - 1) / FRAME_RATE


class OnsetMeter:
    """Onset curves of a mono signal that arrives in blocks, as power frames (2048/512) and as samples.

    The two may be pushed in any order and in blocks of any length. What is held for the signal's highest level to show
    is ten minutes at most: of longer sounds, every five minutes are measured against the highest level up to five
    minutes on, so that memory hardly grows. Only what is 60 dB below a later climax can tell the difference.
    """

    def __init__(self) -> None:
        self._bank = MelBank(N_MELS)
        self._levels: list[npt.NDArray[np.int16]] = []
        self._held = 0
        self._before = np.zeros((0, N_MELS), np.int16)  # the frame before those held
        self._peak = round(_SILENCE_DB / _DB_STEP)
        self._parts: list[_Frames] = []
        self._energy: list[npt.NDArray[np.float32]] = []
        self._rest = np.zeros(1, np.float32)  # one sample of history for the difference, then samples short of a step

    def push_frames(self, power: FloatArray) -> None:
        """Take power spectra of the shared ``PowerStft(2048, 512)``, shape=(frames, 1025)."""
        mel = np.maximum(self._bank.apply(power), np.float32(1e-30))
        decibel = np.log10(mel, out=mel)
        decibel *= np.float32(10 / _DB_STEP)
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
        self._rest = signal[steps * FINE_HOP :]

    def finish(self) -> OnsetCurve:
        """Return the curves of everything pushed."""
        self._measure(self._held)
        energy = np.concatenate(self._energy) if self._energy else np.zeros((0, 2), np.float32)
        fields = [np.concatenate(field) for field in zip(*self._parts, strict=True)]
        self._parts, self._energy = [], []
        return OnsetCurve(*_Frames(*fields), energy)

    def _measure(self, frames: int) -> None:
        """Measure the first of the frames held, and let them go."""
        levels = np.concatenate(self._levels) if self._levels else np.zeros((0, N_MELS), np.int16)
        self._levels = [levels[frames:]]
        self._held -= frames
        heard = levels[: 2 * _SECTION]
        self._peak = int(heard.max(initial=self._peak))
        self._parts.append(_curves(levels[:frames], self._before, self._peak))
        self._before = levels[max(frames - 1, 0) : frames].copy()


class _Frames(NamedTuple):
    """The frame-wise fields of ``OnsetCurve``, of a part of the frames."""

    envelope: npt.NDArray[np.float32]
    novelty: npt.NDArray[np.float32]
    growth: npt.NDArray[np.float32]
    hits: npt.NDArray[np.float16]
    level: npt.NDArray[np.float32]
    profile: npt.NDArray[np.float16]


def _curves(levels: npt.NDArray[np.int16], before: npt.NDArray[np.int16], peak: int) -> _Frames:
    """Curves of consecutive frames, given the frame before them, if any, and the highest level."""
    frames = len(levels)
    floor = np.int16(max(peak - _ENVELOPE_RANGE_DB / _DB_STEP, -32768))
    soft = _soft_floor_table(peak * _DB_STEP - _NOVELTY_RANGE_DB)
    bank_hz = _band_centres()
    groups = np.searchsorted(bank_hz, _GROUP_EDGES)
    sizes = np.diff(np.append(groups, N_MELS)).astype(np.float32)

    envelope = np.zeros(frames, np.float32)
    novelty = np.zeros(frames, np.float32)
    growth = np.zeros(frames, np.float32)
    hits = np.zeros((frames, HIT_BANDS), np.float16)
    level = np.full(frames, _SILENCE_DB, np.float32)
    profile = np.zeros((frames // PROFILE_STEP, PROFILE_BANDS), np.float16)
    silent = peak <= _SILENCE_DB / _DB_STEP
    for start in range(0, 0 if silent else frames, _BLOCK):
        now = slice(start, start + _BLOCK)
        raw = np.concatenate((before, levels[now]))
        here = slice(start + 1 - len(before), start + len(levels[now]))
        hard = np.maximum(raw, floor).astype(np.float32)
        envelope[here] = np.maximum(np.diff(hard, axis=0), 0).mean(axis=1) * np.float32(_DB_STEP)
        smooth = soft[raw.astype(np.int32) + 32768]
        growth[here] = (np.add.reduceat(np.maximum(np.diff(smooth, axis=0), 0), groups, axis=1) / sizes).mean(axis=1)
        neighbours = smooth[:-1].copy()
        np.maximum(neighbours[:, 1:], smooth[:-1, :-1], out=neighbours[:, 1:])
        np.maximum(neighbours[:, :-1], smooth[:-1, 1:], out=neighbours[:, :-1])
        novelty[here] = np.maximum(smooth[1:] - neighbours, 0).mean(axis=1)
        own = slice(len(before), None)
        power = np.add.reduceat(np.power(10, (hard - peak) * np.float32(_DB_STEP / 10)), groups, axis=1)
        level[now] = 10 * np.log10(power[own].sum(axis=1)) + peak * _DB_STEP
        loud = np.sqrt(np.add.reduceat(power, _HIT_GROUPS, axis=1))
        hits[here] = np.maximum(np.diff(loud, axis=0), 0)
        rows = smooth[own]
        whole = len(rows) // PROFILE_STEP
        at = start // PROFILE_STEP
        means = rows[: whole * PROFILE_STEP, :PROFILE_BANDS].reshape(whole, PROFILE_STEP, PROFILE_BANDS).mean(axis=1)
        profile[at : at + whole] = means
        before = levels[now][-1:]
    return _Frames(envelope, novelty, growth, hits, level, profile)


def _soft_floor_table(floor_db: float) -> npt.NDArray[np.float32]:
    """Level over a soft floor, in dB above it, for every int16 level: 10 log10(1 + x / floor)."""
    above = (np.arange(-32768, 32768) * _DB_STEP - floor_db) / 10
    table: npt.NDArray[np.float32] = (10 * np.log10(1 + np.power(10, above))).astype(np.float32)
    return table


def _band_centres() -> FloatArray:
    """Centre of each mel band in Hz."""
    bank = MelBank(N_MELS)
    lengths = np.diff(bank.offsets)
    bins = bank.first + lengths / 2
    return bins * (ANALYSIS_RATE / (2 * (bank.n_bins - 1)))
