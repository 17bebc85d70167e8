"""How deep a sound is."""

import numpy as np
import numpy.typing as npt

from mirkit.features.timbre.envelope import RMS_STEP, hold_envelope, rms_envelope
from mirkit.features.timbre.filters import Cascade, low_pass
from mirkit.features.timbre.frames import energies, hamming_frames, one_sided_power
from mirkit.features.timbre.note_starts import note_starts, segment_ends
from mirkit.features.timbre.peaks import Peaks, peaks
from mirkit.features.timbre.score import UNDEFINED, log10, score
from mirkit.features.timbre.spectral_pass import strength_of
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Value

_SIZE, _HOP = 4096, 1024
_HZ_PER_BIN = ANALYSIS_RATE / _SIZE
_CENTROID_HZ = 2000.0
_RATIO_HZ = 500.0
# What is left above 5.5 kHz is 55 dB down or more: the low-passed signals are transformed at a quarter of the rate.
_KEEP_EVERY = 4
_LEAST_POWER = 1e-3
_DECAYED = 0.01
_ENVELOPE_DECAY = 0.2
_MARGIN = 512
_PEAK_SHARE = 0.01


def depth(rumble_free: FloatArray) -> Value:
    """Apparent depth (D5.8).

    Centroid below 2 kHz, share of the power below 500 Hz, time to decay by 40 dB (or to the next note), and lowest
    spectral peak. Frames of less than 1e-3 of full-scale power count as 0.

    Parameters
    ----------
    rumble_free : float32 array, shape=(n,)
        Mono signal after the 20 Hz high-pass, at a peak of 1.
    """
    power, spectrum = _powers(rumble_free)
    total = power.sum()
    found = peaks(spectrum, _PEAK_SHARE, _HZ_PER_BIN, floor=float(spectrum.min()))
    if not total or not len(found.index):
        return UNDEFINED
    heard = power > _LEAST_POWER
    centroid, ratio = _low_part(rumble_free, heard, power)
    centroid = min(centroid / total, _CENTROID_HZ)
    ratio /= total
    duration = log10(_mean_decay(rumble_free))
    pitch = _pitch(found, spectrum)
    return score(
        -0.0043703565847874465 * centroid
        + 32.83743202462131 * ratio
        + 4.750862716905235 * duration
        - 14.217438690256062 * pitch
        + 3.8782339862813924 * ratio * duration
        - 0.8544826091735516 * ratio**10 / (ratio**10 + 0.2) * duration
        + 66.69534393444391
    )


def _powers(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Power of each frame, and the (unscaled) power spectrum of all frames."""
    powers = [np.empty(0)]
    spectrum = np.zeros(1 + _SIZE // 2)
    for work in hamming_frames(x, _SIZE, _HOP):
        power = one_sided_power(work, _SIZE)
        powers.append(power.sum(axis=1, dtype=np.float64))
        spectrum += power.sum(axis=0, dtype=np.float64)
    return np.concatenate(powers) * _scale(x), spectrum


def _scale(x: FloatArray) -> float:
    """From squared spectra to power: over the square of the window's sum."""
    return float(1 / (0.54 * min(len(x), _SIZE)) ** 2)


def _low_part(x: FloatArray, heard: npt.NDArray[np.bool_], power: FloatArray) -> tuple[float, float]:
    """Sums over the frames heard: centroid below 2 kHz times the frame's power, and power below 500 Hz."""
    step = _KEEP_EVERY if len(x) > _SIZE else 1
    size, hop = _SIZE // step, _HOP // step
    hz = np.arange(1 + size // 2) * _HZ_PER_BIN
    centroids = []
    for work in hamming_frames(Cascade(low_pass(_CENTROID_HZ), keep_every=step)(x), size, hop):
        low = one_sided_power(work, size)
        with np.errstate(invalid="ignore"):  # silent frames, which are not heard
            centroids.append((low * hz).sum(axis=1) / low.sum(axis=1, dtype=np.float64))
    low_power = energies(Cascade(low_pass(_RATIO_HZ), keep_every=step)(x), size, hop) * (step * _SIZE * _scale(x))
    centroid = float((np.concatenate(centroids)[: len(power)] * power)[heard].sum())
    return centroid, float(low_power[: len(power)][heard].sum(dtype=np.float64))


def _mean_decay(x: FloatArray) -> float:
    """Mean time in seconds from each note's loudest 256 samples to 40 dB below the sound's, or to the next note."""
    envelope = np.empty(len(x), np.float32)
    hold_envelope(x, _ENVELOPE_DECAY, envelope)
    starts = [start // RMS_STEP for start in note_starts(strength_of(x, 1.0), envelope, _MARGIN)]
    rms = rms_envelope(x)
    decays = []
    for start, end in zip(starts, segment_ends(starts, len(rms)), strict=True):
        after = rms[start:end]
        after = after[after.argmax() :]
        decayed = after < _DECAYED
        decays.append(int(decayed.argmax()) if decayed.any() else len(after))
    return float(np.mean(decays)) * RMS_STEP / ANALYSIS_RATE


def _pitch(found: Peaks, spectrum: FloatArray) -> float:
    """Logarithm of the lowest peak's frequency; 0 where the strongest peak is at 0 Hz."""
    return log10(found.hz.min()) if found.hz[spectrum[found.index].argmax()] > 0 else 0.0
