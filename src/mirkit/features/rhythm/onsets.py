"""Onsets: when notes and hits begin, to a few milliseconds, and how strong they are.

*Measured*: times in seconds, and strengths in dB per hop, the mean rise of 128 mel bands at the onset. *Reading*:
steady tones, stationary noise and silence have no onsets, and a gain on the signal changes nothing. *Source*: peaks of
SuperFlux (S. Böck and G. Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013), moved to the
steepest rise of the energy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, median_filter, percentile_filter

from mirkit.features.peaks import vertex_offset
from mirkit.features.rhythm.onset_envelope import (
    DB_STEP,
    FINE_HOP,
    FINE_RATE,
    FRAME_RATE,
    N_MELS,
    SILENCE,
    BandOnsetStrength,
    Pulses,
    band_onset_strength,
    pulses_of,
)
from mirkit.features.stft import HOP, MelBank
from mirkit.features.types import FloatArray, Window

# Peak picking: a peak is the largest of +-2 frames (23 ms) and stands above the local median (+-0.35 s) by an absolute
# step (dB per hop), by a multiple of the spread below the median (stationary noise stays under it), and by a share of
# the local height (echoes of a loud hit are not new hits).
_PEAK_REACH = 2
_MEDIAN_REACH = 30
_STEP_DB = 0.25
_SPREADS = 6.0
_SHARE = 0.05
# Steady sound rises by 3 dB while the first windows fill; the last windows contain the cut at the end.
_EDGE = 3
_START_DB = 4.0
#: Time by which the frame of fastest growth precedes the onset, because its window extends 23 ms ahead.
LEAD_SECONDS = 0.011
# Refinement on the energy curve, in steps of 1.45 ms.
_SEARCH = (-8, 24)
_PAST = 9
_CLEAR_RISE_DB = 4.0
_FIRST_RISE = 0.5
_SAME_SECONDS = 0.01
_AT_ONCE = 4096  # onsets
_STEPS = HOP // FINE_HOP  # steps of energy per frame
_MARGIN = 64  # frames: more than the neighborhood of a peak


@dataclass(frozen=True)
class Onsets:
    """Onsets of a signal.

    Attributes
    ----------
    times : float64, shape=(n,)
        Seconds, ascending.
    strengths : float64, shape=(n,)
        Onset envelope at the peak, dB per hop.
    """

    times: FloatArray
    strengths: FloatArray

    def within(self, window: Window) -> "Onsets":
        """Return the onsets in ``[start, end)``; their times are still relative to the start of the signal."""
        here = slice(*np.searchsorted(self.times, (window.start, window.end)))
        return Onsets(self.times[here], self.strengths[here])

    def merged(self, other: "Onsets") -> "Onsets":
        """Return the onsets of both, in order of time; simultaneous onsets are not merged."""
        times = np.concatenate((self.times, other.times))
        order = np.argsort(times, kind="stable")
        return Onsets(times[order], np.concatenate((self.strengths, other.strengths))[order])


class OnsetPicker:
    """Find the beginnings of notes and hits in onset strengths that arrive in blocks.

    Onsets are peaks of the novelty curve (SuperFlux: Boeck & Widmer, "Maximum filter vibrato suppression for onset
    detection", DAFx 2013) above an adaptive threshold. They are moved to the steepest rise of the energy, so that times
    are those of the attack and not of the frame. Steady tones, stationary noise and silence have no onsets. The result
    does not depend on the gain of the signal or on the lengths of the blocks; only the frames around unprocessed peaks
    are held.
    """

    def __init__(self) -> None:
        self._strength = BandOnsetStrength(np.zeros(0, np.float32), np.zeros(0, np.float32))
        self._energy = np.zeros((0, 2), np.float32)
        self._start = 0  # first frame of the held data
        self._picked = 0  # peaks have been picked before this frame
        self._picked_onsets: list[Onsets] = []

    def push(self, strength: BandOnsetStrength, energy: Sequence[npt.NDArray[np.float32]]) -> None:
        """Take the next frames, and the next energies.

        Parameters
        ----------
        strength : BandOnsetStrength
        energy : sequence of float32 arrays, shape=(steps, 2)
            Energy of the samples, and of their first difference, per ``FINE_HOP`` samples.
        """
        self._strength = BandOnsetStrength(*map(np.concatenate, zip(self._strength, strength, strict=True)))
        self._energy = np.concatenate((self._energy, *energy))
        ends = self._start + min(len(self._strength.novelty), len(self._energy) // _STEPS)
        if ends - _MARGIN > self._picked:
            self._pick(ends - _MARGIN, last=False)
            gone = max(0, self._picked - _MARGIN) - self._start
            self._strength = BandOnsetStrength(*(field[gone:].copy() for field in self._strength))
            self._energy = self._energy[gone * _STEPS :].copy()
            self._start += gone

    def finish(self) -> "Onsets":
        """Return all onsets."""
        frames = self._start + len(self._strength.novelty)
        if not frames:
            return Onsets(np.zeros(0), np.zeros(0))
        self._pick(frames, last=True)
        times = np.concatenate([onsets.times for onsets in self._picked_onsets])
        strengths = np.concatenate([onsets.strengths for onsets in self._picked_onsets])
        times = np.minimum(times, (frames - 1) / FRAME_RATE)
        order = np.argsort(times, kind="stable")
        times, strengths = times[order], strengths[order]
        # Two peaks that were moved to the same rise become one onset.
        first = np.flatnonzero(np.diff(times, prepend=-np.inf) > _SAME_SECONDS)
        return Onsets(times[first], np.maximum.reduceat(strengths, first) if len(first) else strengths)

    def _pick(self, until: int, *, last: bool) -> None:
        """Find the onsets in frames before ``until`` that have not been processed."""
        envelope, novelty = self._strength
        base = median_filter(novelty, 2 * _MEDIAN_REACH + 1, mode="mirror")
        height = maximum_filter1d(novelty, 2 * _MEDIAN_REACH + 1, mode="mirror")
        top = maximum_filter1d(novelty, 2 * _PEAK_REACH + 1, mode="mirror")
        spread = base - percentile_filter(novelty, 20, 2 * _MEDIAN_REACH + 1, mode="mirror")
        threshold = base + np.maximum(np.maximum(_STEP_DB, _SPREADS * spread), _SHARE * (height - base))
        if self._start == 0:
            threshold[:_EDGE] += _START_DB
        if last:
            threshold[-_EDGE:] = np.inf
        peaks = np.flatnonzero((novelty == top) & (novelty > threshold))
        peaks = peaks[np.diff(peaks, prepend=-_PEAK_REACH - 1) > 1]
        peaks = peaks[(peaks >= self._picked - self._start) & (peaks < until - self._start)]
        strengths = maximum_filter1d(envelope, 3, mode="nearest")[peaks].astype(np.float64)
        times = (peaks + self._start) / FRAME_RATE + LEAD_SECONDS + vertex_offset(novelty, peaks) / FRAME_RATE
        for i in range(0, len(times), _AT_ONCE):
            times[i : i + _AT_ONCE] = _refined(times[i : i + _AT_ONCE], self._energy, self._start * _STEPS)
        self._picked_onsets.append(Onsets(times, strengths))
        self._picked = until


def _refined(times: FloatArray, energy: FloatArray, first: int) -> FloatArray:
    """Move each time to the steepest rise nearby: energy of the next 4 ms over the loudest step of the 13 ms before.

    ``first`` is the step that ``energy`` begins with.
    """
    if not len(times) or not len(energy):
        return times
    about = np.rint(times * FINE_RATE).astype(np.int64)
    reach = np.arange(_SEARCH[0] - _PAST, _SEARCH[1] + 3)
    at = about[:, None] + (reach - first)
    # A floor at half a percent of the loudest step nearby, because a rise below it is not the attack.
    around = energy[np.clip(at, 0, len(energy) - 1)].astype(np.float64)
    around[(at < 0) | (at >= len(energy))] = 0
    ceiling = around.max(axis=1, keepdims=True)
    around += 0.005 * ceiling + 1e-20
    steps = _SEARCH[1] - _SEARCH[0]
    soon = (
        around[:, _PAST : _PAST + steps]
        + around[:, _PAST + 1 : _PAST + 1 + steps]
        + around[:, _PAST + 2 : _PAST + 2 + steps]
    ) / 3
    past = np.stack([around[:, k : k + steps] for k in range(_PAST)]).max(axis=0)
    rise = 10 * np.log10(soon / past)
    size = rise.max(axis=1)
    # The first rise that is nearly the steepest, because later periods of a low note may rise more than its attack.
    crest = rise == maximum_filter1d(rise, 3, axis=1, mode="mirror")
    best = (crest & (rise >= _FIRST_RISE * size[:, None])).argmax(axis=1)
    which = size.argmax(axis=1)
    rows = np.arange(len(times))
    found = (about + _SEARCH[0] + best[rows, which] + 0.5) / FINE_RATE
    return np.where(size[rows, which] >= _CLEAR_RISE_DB, np.maximum(found, 0), times)


_SECTION = 25_600  # frames, 297 s


@dataclass(frozen=True)
class OnsetCurve:
    """Onsets of one signal, and the series that beat tracking uses.

    Attributes
    ----------
    onsets : Onsets
    growth, hits, profile : array
        See :class:`~mirkit.features.rhythm.onset_envelope.Pulses`; 3 kB per second.
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

    The two may be pushed in any order and in blocks of any length. At most ten minutes are held to find the highest
    level of the signal. In longer audio, each section of five minutes is measured relative to the highest level up to
    five minutes later, so that memory hardly grows. This affects only levels 60 dB below a later peak.

    Parameters
    ----------
    pulses : bool
        Whether beats will be tracked; otherwise the result holds nothing but the onsets.

    Examples
    --------
    Bursts of noise every half second, the first one after a quarter:

    >>> from mirkit.features.stft import PowerStft
    >>> times = np.arange(4 * 44100) / 44100
    >>> noise = np.random.default_rng(0).normal(0, 0.1, len(times))
    >>> audio = (noise * np.exp(-30 * ((times + 0.25) % 0.5))).astype(np.float32)
    >>> stft, extractor = PowerStft(), OnsetExtractor()
    >>> extractor.push_samples(audio)
    >>> for power in (*stft.push(audio), *stft.finish()):
    ...     extractor.push_frames(power.copy())
    >>> extractor.finish().onsets.times.round(2)
    array([0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75])
    """

    def __init__(self, *, pulses: bool = True) -> None:
        self._bank = MelBank(N_MELS)
        self._levels: list[npt.NDArray[np.int16]] = []
        self._held = 0
        self._before = np.zeros((0, N_MELS), np.int16)  # the frame before the held ones
        self._peak = SILENCE
        self._pulses_wanted = pulses
        self._pulses = [pulses_of(self._before, self._before, SILENCE)]  # of no frames
        self._picker = OnsetPicker()
        self._energy: list[npt.NDArray[np.float32]] = []
        self._rest = np.zeros(1, np.float32)  # the previous sample, then an incomplete step

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
        """Return the onsets of all samples pushed, and the series for beat tracking."""
        self._measure(self._held)
        fields = [np.concatenate(field) for field in zip(*self._pulses, strict=True)]
        return OnsetCurve(self._picker.finish(), *Pulses(*fields))

    def _measure(self, frames: int) -> None:
        """Measure the first of the held frames, and release them."""
        levels = np.concatenate(self._levels) if self._levels else np.zeros((0, N_MELS), np.int16)
        self._levels = [levels[frames:]]
        self._held -= frames
        self._peak = int(levels[: 2 * _SECTION].max(initial=self._peak))
        self._picker.push(band_onset_strength(levels[:frames], self._before, self._peak), self._energy)
        self._energy = []
        if self._pulses_wanted:
            self._pulses.append(pulses_of(levels[:frames], self._before, self._peak))
        self._before = levels[max(frames - 1, 0) : frames].copy()
