"""Growth of the mel bands of a signal in each frame: the input of onset detection and beat tracking."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.stft import HOP, MelBank, PowerStft, mel_bank
from mirkit.features.types import ANALYSIS_RATE, FloatArray

N_MELS = 128
#: Frames per second of the series in this module.
FRAME_RATE = ANALYSIS_RATE / HOP
#: Samples per step of the energy with which onsets are refined (1.45 ms).
FINE_HOP = 64
FINE_RATE = ANALYSIS_RATE / FINE_HOP
#: Lower edges (Hz) of eight groups of bands that have equal weights in ``Pulses.growth``.
_GROUP_EDGES = (0.0, 110.0, 230.0, 480.0, 1000.0, 2000.0, 4000.0, 8000.0)
#: First group of each band of ``Pulses.hits``: kick, bass and toms, middle, snare, hats.
_HIT_GROUPS = (0, 1, 2, 4, 6)
HIT_BANDS = len(_HIT_GROUPS)
#: Frames per value of ``Pulses.profile`` and its bands (31 Hz apart below 1 kHz): enough to detect a change of chord.
PROFILE_STEP = 4
PROFILE_BANDS = 48

_ENVELOPE_RANGE_DB = 80.0  # the definition of the envelope (features.md)
_PULSE_RANGE_DB = 60.0  # soft floor of what beat tracking uses: lower levels are noise
#: Soft floor of the novelty below the signal's highest level, after a slope of 2 dB per octave above 60 Hz has been
#: added, because music falls with frequency: the noise of fingers on strings lies below the floor, a hi-hat above it.
_NOVELTY_RANGE_DB, _SLOPE_DB, _SLOPE_HZ = 45.0, 2.0, 60.0
#: A band this far above the soft floor counts as one that holds energy.
_ACTIVE_DB = 20.0
#: dB per step of the int16 levels that are stored until the highest is known: +-327 dB, 22 kB per second.
DB_STEP = 0.01
#: Level of silence, in these steps.
SILENCE = round(-300.0 / DB_STEP)
_BLOCK = 512  # number of frames that are computed at once

Levels = npt.NDArray[np.int16]


class BandOnsetStrength(NamedTuple):
    """Input of onset detection. Frame ``i`` is centered on ``i / FRAME_RATE`` seconds.

    Attributes
    ----------
    envelope : float32, shape=(frames,)
        Onset strength: mean over 128 mel bands of the half-wave rectified level difference to the frame before, dB per
        hop; band levels are floored 80 dB below the signal's highest band level (as librosa's ``onset_strength``).
    novelty : float32, shape=(frames,)
        Sum over the bands of the differences to the loudest of three neighboring bands in the previous frame (Boeck &
        Widmer 2013, SuperFlux: insensitive to vibrato), with a soft floor 45 dB below the highest level. Onsets are
        picked from it, divided by the number of active bands.
    lasting : float32, shape=(frames,)
        The same relative to the louder of two previous frames: the periods of a low note, which a frame holds two or
        three of, do not appear in it.
    active : float32, shape=(frames,)
        Number of bands that hold energy: 1 for a band 20 dB above the soft floor, less below.
    mean : float32, shape=(frames,)
        As ``novelty``, but the mean over all bands, with a soft floor 60 dB below the highest level and no slope: the
        onsets that beat tracking uses are picked from it.
    """

    envelope: npt.NDArray[np.float32]
    novelty: npt.NDArray[np.float32]
    lasting: npt.NDArray[np.float32]
    active: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]


class Pulses(NamedTuple):
    """Input of beat tracking, beside the onsets.

    Attributes
    ----------
    growth : float32, shape=(frames,)
        Growth as in ``BandOnsetStrength.novelty``, without the neighbors; low, middle and high bands have equal
        weights.
    hits : float16, shape=(frames, 5)
        Growth of the amplitude of kick, bass, middle, snare and hat bands, relative to the highest amplitude. The level
        (dB) rises as much at a note as at a drum hit; the amplitude rises more at the drum hit.
    profile : float16, shape=(frames // 4, 48)
        Levels of the lowest mel bands in dB above the soft floor, every fourth frame.
    """

    growth: npt.NDArray[np.float32]
    hits: npt.NDArray[np.float16]
    profile: npt.NDArray[np.float16]


def mel_levels(bank: MelBank, power: FloatArray) -> Levels:
    """Levels of the mel bands of power spectra.

    Parameters
    ----------
    bank : MelBank
        Of ``N_MELS`` bands.
    power : float32 array, shape=(frames, 1025)

    Returns
    -------
    int16, shape=(frames, 128)
        In steps of ``DB_STEP`` dB.
    """
    mel = np.maximum(bank.apply(power), np.float32(1e-30))
    decibel = np.log10(mel, out=mel)
    decibel *= np.float32(10 / DB_STEP)
    return np.rint(decibel).astype(np.int16)


def onset_envelope(mono: FloatArray) -> npt.NDArray[np.float32]:
    """Onset envelope of a whole signal: ``BandOnsetStrength.envelope`` of all of its frames.

    Parameters
    ----------
    mono : float32 array, shape=(n,)
        At the analysis rate.

    Returns
    -------
    float32 array, shape=(1 + n // 512,)
        Mean rise of 128 mel bands, dB per hop of 512 samples; 0 in silence. An onset at ``t`` seconds is near frame
        ``(t - 0.011) * FRAME_RATE``, because the window of a frame extends 23 ms ahead.

    Examples
    --------
    >>> click = np.zeros(22050, np.float32)
    >>> click[11025:] = np.exp(-np.arange(11025) / 500)
    >>> envelope = onset_envelope(click)
    >>> len(envelope), round(float(envelope.argmax() / FRAME_RATE), 2)
    (44, 0.23)
    """
    stft, bank = PowerStft(), mel_bank(N_MELS)
    blocks = [mel_levels(bank, power) for push in (stft.push(mono), stft.finish()) for power in push]
    envelope = np.zeros(sum(map(len, blocks)), np.float32)
    peak = max((int(levels.max()) for levels in blocks), default=SILENCE)
    before, start = np.zeros((0, N_MELS), np.float32), 0
    for levels in blocks if peak > SILENCE else ():
        hard = np.concatenate((before, np.maximum(levels, _floor(peak)).astype(np.float32)))
        rise = np.maximum(np.diff(hard, axis=0), 0).mean(axis=1) * np.float32(DB_STEP)
        envelope[start + len(levels) - len(rise) : start + len(levels)] = rise
        before, start = hard[-1:], start + len(levels)
    return envelope


def sloped_peak(levels: Levels) -> int:
    """Highest level after the slope has been added.

    Parameters
    ----------
    levels : int16, shape=(frames, 128)
        Levels of the mel bands, in steps of ``DB_STEP`` dB.

    Returns
    -------
    int
        In the same steps.
    """
    return int((levels.max(axis=0, initial=SILENCE) + _slope()).max())


def band_onset_strength(levels: Levels, before: Levels, peak: int, sloped: int) -> BandOnsetStrength:
    """Onset strength of consecutive frames.

    Parameters
    ----------
    levels : int16, shape=(frames, 128)
        Levels of the mel bands, in steps of ``DB_STEP`` dB.
    before : int16, shape=(0 to 2, 128)
        The frames before them, if any.
    peak : int
        The signal's highest level.
    sloped : int
        Its :func:`sloped_peak`.

    Returns
    -------
    BandOnsetStrength
        One value per frame; those of the first frame of a signal are 0.
    """
    out = np.zeros((5, len(levels)), np.float32)
    if peak > SILENCE:
        rows = np.concatenate((before, levels))
        deep = _soft_floor_table(peak * DB_STEP - _PULSE_RANGE_DB)
        soft = _soft_floor_table(sloped * DB_STEP - _NOVELTY_RANGE_DB)
        work = np.empty((5, N_MELS), np.float32)
        _strengths(rows, len(before), _slope(), _floor(peak), soft, deep, work, out)
    return BandOnsetStrength(*out)


# Reassociated sums (fastmath), so that they are vectorized.
@kernel(fastmath={"reassoc", "contract", "nsz"})
def _strengths(levels, known, slope, floor, soft, deep, work, out):  # type: ignore[no-untyped-def]
    # soft and deep are tables of all int16 levels. The first ``known`` rows are of frames before those of ``out``.
    bands = levels.shape[1]
    smooth, pulse, near, far, below = work[0], work[1], work[2], work[3], work[4]
    zero, one, share = np.float32(0), np.float32(1), np.float32(1 / _ACTIVE_DB)
    for t in range(len(levels)):
        for b in range(bands):
            smooth[b] = soft[levels[t, b] + slope[b] + 32768]
            pulse[b] = deep[levels[t, b] + 32768]
        frame = t - known
        if t > 0 and frame >= 0:
            grown = 0
            new = lasting = active = mean = zero
            for b in range(bands):
                # Not max() and min(): numba compiles them anew for each combination of types.
                now = levels[t, b] if levels[t, b] > floor else floor
                old = levels[t - 1, b] if levels[t - 1, b] > floor else floor
                grown += now - old if now > old else 0
                both = near[b] if near[b] > far[b] else far[b]
                new += smooth[b] - near[b] if smooth[b] > near[b] else zero
                lasting += smooth[b] - both if smooth[b] > both else zero
                active += smooth[b] * share if smooth[b] * share < one else one
                mean += pulse[b] - below[b] if pulse[b] > below[b] else zero
            out[0, frame] = np.float32(grown) / np.float32(bands) * np.float32(DB_STEP)
            out[1, frame], out[2, frame], out[3, frame] = new, lasting, active
            out[4, frame] = mean / np.float32(bands)
        for b in range(bands):
            # The loudest of three neighbors, for the next two frames.
            low, high = b - 1 if b > 0 else b, b + 1 if b < bands - 1 else b
            loudest = smooth[low] if smooth[low] > smooth[high] else smooth[high]
            loudest = smooth[b] if smooth[b] > loudest else loudest
            far[b] = near[b] if t > 0 else loudest
            near[b] = loudest
            loudest = pulse[low] if pulse[low] > pulse[high] else pulse[high]
            below[b] = pulse[b] if pulse[b] > loudest else loudest


def pulses_of(levels: Levels, before: Levels, peak: int) -> Pulses:
    """Pulses of consecutive frames.

    Parameters
    ----------
    levels : int16, shape=(frames, 128)
        Levels of the mel bands, in steps of ``DB_STEP`` dB.
    before : int16, shape=(0 or 1, 128)
        The frame before them, if any.
    peak : int
        The signal's highest level.

    Returns
    -------
    Pulses
        One value per frame, and one profile per four frames.
    """
    frames = len(levels)
    growth = np.zeros(frames, np.float32)
    hits = np.zeros((frames, HIT_BANDS), np.float16)
    profile = np.zeros((frames // PROFILE_STEP, PROFILE_BANDS), np.float16)
    groups = np.searchsorted(_band_centers(), _GROUP_EDGES)
    sizes = np.diff(np.append(groups, N_MELS)).astype(np.float32)
    soft = _soft_floor_table(peak * DB_STEP - _PULSE_RANGE_DB)
    for raw, here, start in _blocks(levels, before, peak):
        smooth = soft[raw.astype(np.int32) + 32768]
        growth[here] = (np.add.reduceat(np.maximum(np.diff(smooth, axis=0), 0), groups, axis=1) / sizes).mean(axis=1)
        hard = np.maximum(raw, _floor(peak)).astype(np.float32)
        power = np.add.reduceat(np.power(10, (hard - peak) * np.float32(DB_STEP / 10)), groups, axis=1)
        loud = np.sqrt(np.add.reduceat(power, _HIT_GROUPS, axis=1))
        hits[here] = np.maximum(np.diff(loud, axis=0), 0)
        rows = smooth[len(raw) - len(levels[start : start + _BLOCK]) :]
        whole = len(rows) // PROFILE_STEP
        at = start // PROFILE_STEP
        means = rows[: whole * PROFILE_STEP, :PROFILE_BANDS].reshape(whole, PROFILE_STEP, PROFILE_BANDS).mean(axis=1)
        profile[at : at + whole] = means
    return Pulses(growth, hits, profile)


def _blocks(levels: Levels, before: Levels, peak: int) -> Iterator[tuple[Levels, slice, int]]:
    """Yield blocks of levels with the previous frame, the slice of frames that have a previous one, and the start.

    A silent signal has no blocks, and all of its series are zero.
    """
    for start in range(0, len(levels) if peak > SILENCE else 0, _BLOCK):
        now = levels[start : start + _BLOCK]
        yield np.concatenate((before, now)), slice(start + 1 - len(before), start + len(now)), start
        before = now[-1:]


def _floor(peak: int) -> np.int16:
    return np.int16(max(peak - _ENVELOPE_RANGE_DB / DB_STEP, -32768))


def _soft_floor_table(floor_db: float) -> npt.NDArray[np.float32]:
    """Table of the level above a soft floor (dB) for each int16 level: 10 log10(1 + x / floor)."""
    above = (np.arange(-32768, 32768) * DB_STEP - floor_db) / 10
    table: npt.NDArray[np.float32] = (10 * np.log10(1 + np.power(10, above))).astype(np.float32)
    return table


@cache
def _slope() -> npt.NDArray[np.int32]:
    """What is added to the level of each band, shape=(128,), in steps of ``DB_STEP`` dB."""
    octaves = np.log2(np.maximum(_band_centers(), _SLOPE_HZ) / _SLOPE_HZ)
    return np.rint(_SLOPE_DB / DB_STEP * octaves).astype(np.int32)


@cache
def _band_centers() -> FloatArray:
    """Center of each mel band in Hz."""
    bank = mel_bank(N_MELS)
    lengths = np.diff(bank.offsets)
    bins = bank.first + lengths / 2
    return bins * (ANALYSIS_RATE / (2 * (bank.n_bins - 1)))
