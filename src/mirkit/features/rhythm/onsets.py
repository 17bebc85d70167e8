"""Onsets: when notes and hits begin, to a few milliseconds, and how strong they are.

*Measured*: times in seconds, and strengths in dB per hop, the mean rise of 128 mel bands at the onset. *Reading*:
steady tones, stationary noise and silence have no onsets, and a gain on the signal changes nothing. A low-pass filter
changes little, because rises are relative to the bands that hold energy. *Source*: peaks of SuperFlux (S. Böck and G.
Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013), and of the spectral flux of low notes,
moved to the steepest rise of the energy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, median_filter, percentile_filter

from mirkit.features.kernels.kernel import kernel
from mirkit.features.peaks import vertex_offset
from mirkit.features.rhythm.low_flux import COLUMNS, RANGES, LowFlux
from mirkit.features.rhythm.low_onsets import NEIGHBORHOOD, low_peaks, unsteadiness
from mirkit.features.rhythm.onset_envelope import (
    FINE_HOP,
    FINE_RATE,
    FRAME_RATE,
    N_MELS,
    SILENCE,
    BandOnsetStrength,
    Pulses,
    band_onset_strength,
    mel_levels,
    pulses_of,
    sloped_peak,
)
from mirkit.features.stft import HOP, mel_bank
from mirkit.features.types import FloatArray, Window

# Peaks of the novelty: the largest of +-2 frames (23 ms), above the local median (+-0.35 s) by an absolute step (dB per
# hop and active band), by a multiple of the spread below the median (stationary noise stays under it), by a share of
# the local height (echoes of a loud hit are not new hits), and by multiples of the median and of the 70th percentile:
# the fewer bands are active, the more the novelty of noise fluctuates.
_PEAK_REACH = 2
_MEDIAN_REACH = 30
_STEP_DB = 0.45
_MEAN_STEP_DB = 0.25  # of the mean over all bands, from which the onsets for beat tracking are picked
_LASTING_DB = 0.3  # least rise above both previous frames
_SPREADS = 6.0
_SHARE = 0.05
_MEDIANS, _MEDIANS_EXPONENT = 1.2, 0.85
_UPPER, _UPPER_EXPONENT = 1.35, 0.98
_UPPER_PERCENT = 70
_FEWEST_ACTIVE = 6.0
# Where few bands are active, onsets of low notes are judged otherwise (``low_onsets``). Where fewer still are and the
# low level is as unsteady as that of noise (dB), the threshold of the novelty grows by up to a factor.
_FEW_BANDS, _FEWER_BANDS = 14.0, 8.0
_UNSTEADY_DB, _UNSTEADY_WEIGHT, _UNSTEADY_MOST = 1.9, 2.5, 1.5
# The amplitude of the low bins counts as at least this share of the sound's (its RMS), and of the highest so far.
_LOW_OF_ALL, _LOW_OF_PEAK = 0.8, 0.05
#: Low onsets nearer than this to another onset are the same onset.
SAME_NOTE_SECONDS = 0.05
#: Least strength of an onset (dB per hop): a change of a low note hardly moves the envelope, but weights divide by it.
_LEAST_STRENGTH = 0.01
# Steady sound rises by 3 dB while the first windows fill; the last windows contain the cut at the end.
_EDGE = 3
_START_DB = 4.0
#: Time by which the frame of fastest growth precedes the onset, because its window extends 23 ms ahead.
LEAD_SECONDS = 0.011
_LOW_LEAD_SECONDS = 0.003
# Refinement on the energy curve, in steps of 1.45 ms.
_SEARCH = (-8, 24)
_PAST = 9
_CLEAR_RISE_DB = 4.0
_FIRST_RISE = 0.5
_SAME_SECONDS = 0.01
# The end of a loud note is a click, but no onset: the energy of the samples and of their difference both fall. Steps
# before (35 to 4 ms), and the quietest of several windows after.
_END_DB = 12.0
_END_BEFORE = (-24, -3)
_END_AFTER, _END_WINDOW = range(2, 26, 3), 8
_AT_ONCE = 4096  # onsets
_STEPS = HOP // FINE_HOP  # steps of energy per frame
_MARGIN = NEIGHBORHOOD + 80  # frames: more than what decides about a peak


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

    Onsets are peaks of the novelty (SuperFlux: Boeck & Widmer, "Maximum filter vibrato suppression for onset
    detection", DAFx 2013) above an adaptive threshold, and peaks of the flux of low notes (:class:`LowFlux`) that are
    not near one of them. They are moved to the steepest rise of the energy, so that times are those of the attack and
    not of the frame. Steady tones, stationary noise, ends of notes and silence have no onsets. The result does not
    depend on the gain of the signal or on the lengths of the blocks; only the frames around unprocessed peaks are held.
    """

    def __init__(self) -> None:
        self._strength = BandOnsetStrength(*(np.zeros(0, np.float32),) * 5)
        self._energy = np.zeros((0, 2), np.float32)
        self._low = np.zeros((0, RANGES, COLUMNS), np.float32)
        self._start = 0  # first frame of the held data
        self._picked = 0  # peaks have been picked before this frame
        self._loudest = 0.0  # highest RMS of the frames that are not held any more
        self._accents: list[Onsets] = []
        self._novel: list[Onsets] = []
        self._notes: tuple[list[Onsets], ...] = tuple([] for _ in range(RANGES))

    def push(
        self,
        strength: BandOnsetStrength,
        energy: Sequence[npt.NDArray[np.float32]],
        low: Sequence[npt.NDArray[np.float32]],
    ) -> None:
        """Take the next frames, and the next energies.

        Parameters
        ----------
        strength : BandOnsetStrength
        energy : sequence of float32 arrays, shape=(steps, 2)
            Energy of the samples, and of their first difference, per ``FINE_HOP`` samples.
        low : sequence of float32 arrays, shape=(frames, 2, 5)
            Results of :class:`LowFlux`.
        """
        self._strength = BandOnsetStrength(*map(np.concatenate, zip(self._strength, strength, strict=True)))
        self._energy = np.concatenate((self._energy, *energy))
        self._low = np.concatenate((self._low, *low))
        ends = self._start + min(len(self._strength.novelty), len(self._energy) // _STEPS, len(self._low))
        if ends - _MARGIN > self._picked:
            self._pick(ends - self._start, ends - _MARGIN, last=False)
            gone = max(0, self._picked - _MARGIN) - self._start
            self._loudest = float(_rms(self._energy[: gone * _STEPS]).max(initial=self._loudest))
            self._strength = BandOnsetStrength(*(field[gone:].copy() for field in self._strength))
            self._energy = self._energy[gone * _STEPS :].copy()
            self._low = self._low[gone:].copy()
            self._start += gone

    def finish(self) -> tuple[Onsets, Onsets]:
        """Return the onsets that beat tracking uses, and all onsets."""
        held = len(self._strength.novelty)
        frames = self._start + held
        if not frames:
            return Onsets(np.zeros(0), np.zeros(0)), Onsets(np.zeros(0), np.zeros(0))
        missing = max(0, held - len(self._low)), max(0, held * _STEPS - len(self._energy))
        self._low = np.pad(self._low, ((0, missing[0]), (0, 0), (0, 0)))
        self._energy = np.pad(self._energy, ((0, missing[1]), (0, 0)))
        self._pick(held, frames, last=True)
        onsets = _joined(self._novel)
        for notes in map(_joined, self._notes):
            apart = nearest_distances(notes.times, onsets.times) > SAME_NOTE_SECONDS
            onsets = onsets.merged(Onsets(notes.times[apart], notes.strengths[apart]))
        end = (frames - 1) / FRAME_RATE
        return _distinct(_joined(self._accents), end), _distinct(onsets, end)

    def _pick(self, ends: int, until: int, *, last: bool) -> None:
        """Find the onsets in frames before ``until`` that have not been processed, from ``ends`` held frames."""
        first = self._start == 0
        mean = self._strength.mean[:ends]
        peaks = _peaks(mean, _mean_threshold(mean), first=first, last=last)
        self._accents.append(self._onsets_at(peaks, mean, LEAD_SECONDS, until))
        bands = np.maximum(_highest(self._strength.active[:ends], _MEDIAN_REACH), _FEWEST_ACTIVE)
        novelty = self._strength.novelty[:ends] / bands
        threshold = _novelty_threshold(novelty, N_MELS / bands)
        noise = _UNSTEADY_WEIGHT * np.maximum(0, unsteadiness(self._low[:ends, 0]) - _UNSTEADY_DB)
        threshold *= 1 + np.minimum(noise, _UNSTEADY_MOST) * (bands < _FEWER_BANDS)
        threshold[self._strength.lasting[:ends] <= _LASTING_DB * bands] = np.inf
        peaks = _peaks(novelty, threshold, first=first, last=last)
        self._novel.append(self._begun(self._onsets_at(peaks, novelty, LEAD_SECONDS, until)))
        rms = _rms(self._energy)[:ends]
        loudest = np.maximum.accumulate(np.append(self._loudest, rms))[1:]
        least = np.maximum(_LOW_OF_ALL * _highest(rms, _MEDIAN_REACH), _LOW_OF_PEAK * loudest)
        for i, notes in enumerate(self._notes):
            flux, peaks = low_peaks(self._low[:ends, i], least, bands < _FEW_BANDS, i, last=last)
            notes.append(self._begun(self._onsets_at(peaks, flux, _LOW_LEAD_SECONDS, until)))
        self._picked = until

    def _onsets_at(self, peaks: npt.NDArray[np.int64], series: FloatArray, lead: float, until: int) -> Onsets:
        """Return the onsets of those peaks of a series that have not been processed and are before ``until``."""
        peaks = peaks[(peaks >= self._picked - self._start) & (peaks < until - self._start)]
        strengths = maximum_filter1d(self._strength.envelope, 3, mode="nearest")[peaks].astype(np.float64)
        times = (peaks + self._start) / FRAME_RATE + lead + vertex_offset(series, peaks) / FRAME_RATE
        for i in range(0, len(times), _AT_ONCE):
            times[i : i + _AT_ONCE] = _refined(times[i : i + _AT_ONCE], self._energy, self._start * _STEPS)
        return Onsets(times, strengths)

    def _begun(self, onsets: Onsets) -> Onsets:
        """Return the onsets that are not ends of notes."""
        begins = ~_ends_of_notes(onsets.times, self._energy, self._start * _STEPS)
        return Onsets(onsets.times[begins], np.maximum(onsets.strengths[begins], _LEAST_STRENGTH))


def _distinct(onsets: Onsets, end: float) -> Onsets:
    """Make two peaks that were moved to the same rise one onset, and move what lies after the end to it."""
    times, strengths = np.minimum(onsets.times, end), onsets.strengths
    first = np.flatnonzero(np.diff(times, prepend=-np.inf) > _SAME_SECONDS)
    return Onsets(times[first], np.maximum.reduceat(strengths, first) if len(first) else strengths)


def _joined(parts: list[Onsets]) -> Onsets:
    times = np.concatenate([onsets.times for onsets in parts])
    order = np.argsort(times, kind="stable")
    return Onsets(times[order], np.concatenate([onsets.strengths for onsets in parts])[order])


def nearest_distances(times: FloatArray, others: FloatArray) -> FloatArray:
    """Distance of each time to the nearest of the others, infinite where there is none.

    Parameters
    ----------
    times, others : array
        Seconds; the others ascend.

    Returns
    -------
    array, shape=(n,)
        Seconds.

    Examples
    --------
    >>> nearest_distances(np.array([0.5, 3.0]), np.array([1.0, 2.5]))
    array([0.5, 0.5])
    """
    padded = np.concatenate(([-np.inf], others, [np.inf]))
    after = np.searchsorted(others, times)
    nearest: FloatArray = np.minimum(times - padded[after], padded[after + 1] - times)
    return nearest


def _highest(series: FloatArray, reach: int) -> FloatArray:
    """Highest value of the frames at most ``reach`` away."""
    highest: FloatArray = maximum_filter1d(series, 2 * reach + 1, mode="mirror")
    return highest


def _rms(energy: FloatArray) -> FloatArray:
    """RMS of each whole frame."""
    frames = len(energy) // _STEPS
    rms: FloatArray = np.sqrt(energy[: frames * _STEPS, 0].reshape(frames, _STEPS).sum(axis=1) / HOP)
    return rms


def _peaks(series: FloatArray, threshold: FloatArray, *, first: bool, last: bool) -> npt.NDArray[np.int64]:
    """Frames of the peaks above a threshold, which is raised at the edges of the sound."""
    if first:
        threshold[:_EDGE] += _START_DB
    if last:
        threshold[-_EDGE:] = np.inf
    peaks = np.flatnonzero((series == _highest(series, _PEAK_REACH)) & (series > threshold))
    return peaks[np.diff(peaks, prepend=-_PEAK_REACH - 1) > 1]


def _mean_threshold(mean: FloatArray) -> FloatArray:
    """Least mean over all bands of a peak."""
    return _above(mean, np.full(len(mean), _MEAN_STEP_DB, np.float32))


def _novelty_threshold(novelty: FloatArray, narrow: FloatArray) -> FloatArray:
    """Least novelty of a peak; ``narrow`` is the number of all bands over that of the active bands."""
    size = 2 * _MEDIAN_REACH + 1
    upper = percentile_filter(novelty, _UPPER_PERCENT, size, mode="mirror")
    least = np.maximum(_STEP_DB, _UPPER * narrow**_UPPER_EXPONENT * upper)
    base = median_filter(novelty, size, mode="mirror")
    return _above(novelty, np.maximum(least, _MEDIANS * narrow**_MEDIANS_EXPONENT * base))


def _above(series: FloatArray, least: FloatArray) -> FloatArray:
    """Local median plus the largest of a least height, a multiple of the spread, and a share of the local height."""
    size = 2 * _MEDIAN_REACH + 1
    base = median_filter(series, size, mode="mirror")
    spread = base - percentile_filter(series, 20, size, mode="mirror")
    height = _highest(series, _MEDIAN_REACH) - base
    threshold: FloatArray = base + np.maximum(np.maximum(least, _SPREADS * spread), _SHARE * height)
    return threshold


def _ends_of_notes(times: FloatArray, energy: FloatArray, first: int) -> npt.NDArray[np.bool_]:
    """Whether the sound is much softer after each time than before; parameters are those of :func:`_refined`."""
    total = np.concatenate((np.zeros((1, 2)), np.cumsum(energy, axis=0, dtype=np.float64)))
    at = np.rint(times * FINE_RATE).astype(np.int64) - first

    def mean(start: int, end: int) -> FloatArray:
        low, high = np.clip(at + start, 0, len(energy)), np.clip(at + end, 0, len(energy))
        energies: FloatArray = (total[high] - total[low]) / np.maximum(high - low, 1)[:, None]
        return energies

    before = mean(*_END_BEFORE)
    after = np.min([mean(start, start + _END_WINDOW) for start in _END_AFTER], axis=0)
    softer: npt.NDArray[np.bool_] = (before > 10 ** (_END_DB / 10) * (after + 1e-20)).all(axis=1)
    return softer


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
        Those that beat tracking uses: onsets that stand out in the mean over all bands.
    all_onsets : Onsets
        Also those of low and narrow sounds: the onsets of the features and of ``.ONSETS``.
    growth, hits, profile : array
        See :class:`~mirkit.features.rhythm.onset_envelope.Pulses`; 3 kB per second.
    """

    onsets: Onsets
    all_onsets: Onsets
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

    Attributes
    ----------
    last_flux : float32 array, shape=(frames, 2, 5)
        What :class:`LowFlux` measured of the samples that were pushed last, or at the end.

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
    >>> extractor.finish().all_onsets.times.round(2)
    array([0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75])
    """

    def __init__(self, *, pulses: bool = True) -> None:
        self._bank = mel_bank(N_MELS)
        self._levels: list[npt.NDArray[np.int16]] = []
        self._held = 0
        self._before = np.zeros((0, N_MELS), np.int16)  # the two frames before the held ones
        self._peak = self._sloped_peak = SILENCE
        self._pulses_wanted = pulses
        self._pulses = [pulses_of(self._before, self._before, SILENCE)]  # of no frames
        self._picker = OnsetPicker()
        self._energy: list[npt.NDArray[np.float32]] = []
        self._low_flux, self._low = LowFlux(), [np.zeros((0, RANGES, COLUMNS), np.float32)]
        self.last_flux = self._low[0]
        self._rest = np.zeros(1, np.float32)  # the previous sample, then an incomplete step

    def push_frames(self, power: FloatArray) -> None:
        """Take power spectra of the shared ``PowerStft(2048, 512)``, shape=(frames, 1025)."""
        self._levels.append(mel_levels(self._bank, power))
        self._held += len(power)
        while self._held > 2 * _SECTION:
            self._measure(_SECTION)

    def push_samples(self, mono: FloatArray) -> None:
        """Take the next samples, shape=(n,), float32."""
        self.last_flux = self._low_flux.push(mono)
        self._low.append(self.last_flux)
        signal = np.concatenate((self._rest, mono))
        steps = (len(signal) - 1) // FINE_HOP
        if steps:
            energies = np.empty((steps, 2), np.float32)
            _energies(signal, FINE_HOP, energies)
            self._energy.append(energies)
        self._rest = signal[steps * FINE_HOP :].copy()

    def finish(self) -> OnsetCurve:
        """Return the onsets of all samples pushed, and the series for beat tracking."""
        self.last_flux = self._low_flux.finish()
        self._low.append(self.last_flux)
        self._measure(self._held)
        fields = [np.concatenate(field) for field in zip(*self._pulses, strict=True)]
        onsets, all_onsets = self._picker.finish()
        return OnsetCurve(onsets, all_onsets, *Pulses(*fields))

    def _measure(self, frames: int) -> None:
        """Measure the first of the held frames, and release them."""
        levels = np.concatenate(self._levels) if self._levels else np.zeros((0, N_MELS), np.int16)
        self._levels = [levels[frames:]]
        self._held -= frames
        self._peak = int(levels[: 2 * _SECTION].max(initial=self._peak))
        self._sloped_peak = max(self._sloped_peak, sloped_peak(levels[: 2 * _SECTION]))
        strength = band_onset_strength(levels[:frames], self._before, self._peak, self._sloped_peak)
        self._picker.push(strength, self._energy, self._low)
        self._energy, self._low = [], []
        if self._pulses_wanted:
            self._pulses.append(pulses_of(levels[:frames], self._before[-1:], self._peak))
        self._before = np.concatenate((self._before, levels[:frames][-2:]))[-2:]


# Reassociated sums (fastmath), so that they are vectorized.
@kernel(fastmath={"reassoc", "contract", "nsz"})
def _energies(signal, hop, out):  # type: ignore[no-untyped-def]
    # Of the samples after the first one, and of their differences.
    for step in range(len(out)):
        energy = change = np.float32(0)
        for i in range(step * hop, (step + 1) * hop):
            grown = signal[i + 1] - signal[i]
            energy += signal[i + 1] * signal[i + 1]
            change += grown * grown
        out[step, 0], out[step, 1] = energy, change
