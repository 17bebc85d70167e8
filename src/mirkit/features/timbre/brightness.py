"""``brightness`` and ``depth``: how the energy of a sound is distributed over high and low frequencies.

``brightness``, 0 to 100: share of high frequencies, and spectral centroid. *Measured*: the share of the energy above
2 kHz, and the centroid of the spectrum above 100 Hz, combined by the regression of D5.8 (A. Pearce, T. Brookes and
R. Mason, "Timbral attributes for sound effect library searching", AES Semantic Audio 2017).

``depth``, 0 to 100: spacious low frequencies. *Measured*: the centroid below 2 kHz, the share of the power below
500 Hz, the decay time and the lowest spectral peak, combined by the regression of D5.8.
"""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.batched_fft import energies, spectra, total_spectrum, window_sum
from mirkit.features.peaks import Peaks, peaks
from mirkit.features.timbre.normalize import UNDEFINED, Cascade, high_pass, log10, low_pass, score
from mirkit.features.timbre.onsets import (
    RMS_STEP,
    backtrack_onsets,
    hold_envelope,
    rms_envelope,
    segment_ends,
    strength_of,
)
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Value

_SIZE, _HOP = 2048, 512
_RATIO_HZ = 2000.0
_CENTROID_HZ = 100.0


def brightness(rumble_free: FloatArray, work: FloatArray) -> Value:
    """Apparent brightness (D5.8): share of the energy above 2 kHz, and centroid of the spectrum above 100 Hz.

    Both are means over frames weighted by their power, which equals ratios of sums over the whole sound. Sums of whole
    power spectra are computed in the time domain.

    Parameters
    ----------
    rumble_free : float32 array, shape=(n,)
        Mono signal after the 20 Hz high-pass; its level does not matter.
    work : float32 array, shape=(n,)
        Overwritten.

    Returns
    -------
    Value
        0 to 100; unknown where the model is undefined, as for silence.
    """
    everything = energies(rumble_free, _SIZE, _HOP)
    if not everything.any():
        return UNDEFINED
    high = energies(Cascade(high_pass(_RATIO_HZ))(rumble_free, work), _SIZE, _HOP)
    ratio = high[everything > 0].sum() / everything.sum()
    spectrum = total_spectrum(Cascade(high_pass(_CENTROID_HZ))(rumble_free, work), _SIZE, _HOP)
    centroid = (spectrum * np.arange(len(spectrum))).sum() / spectrum.sum() * (ANALYSIS_RATE / _SIZE)
    return score(4.613128018020465 * log10(ratio) + 17.378889309312974 * log10(centroid) + 17.434733750553022)


_LONG_SIZE, _LONG_HOP = 4096, 1024
_HZ_PER_BIN = ANALYSIS_RATE / _LONG_SIZE
_LOW_CENTROID_HZ = 2000.0
_LOW_RATIO_HZ = 500.0
# The low-pass at 2 kHz attenuates frequencies above 11 kHz by 100 dB or more, so half of the rate is enough.
_KEEP_EVERY = 2
_LEAST_POWER = 1e-3
_DECAYED = 0.01
_ENVELOPE_DECAY = 0.2
_MARGIN = 512
_PEAK_SHARE = 0.01


def depth(rumble_free: FloatArray, work: FloatArray) -> Value:
    """Apparent depth (D5.8).

    Centroid below 2 kHz, share of the power below 500 Hz, time to decay by 40 dB (or to the next note), and lowest
    spectral peak. Frames of less than 1e-3 of full-scale power count as 0.

    Parameters
    ----------
    rumble_free : float32 array, shape=(n,)
        Mono signal after the 20 Hz high-pass, at a peak of 1.
    work : float32 array, shape=(n,)
        Overwritten.

    Returns
    -------
    Value
        0 to 100; unknown where the model is undefined, as for silence.
    """
    # Scaled as in scipy.signal.spectrogram: divided by the squared sum of the window.
    scale = _LONG_SIZE / window_sum(len(rumble_free), _LONG_SIZE) ** 2
    power = energies(rumble_free, _LONG_SIZE, _LONG_HOP) * scale
    spectrum = total_spectrum(rumble_free, _LONG_SIZE, _LONG_HOP)
    peak = peaks(spectrum, _PEAK_SHARE, _HZ_PER_BIN, floor=float(spectrum.min()))
    total = power.sum()
    if not total or not len(peak.index):
        return UNDEFINED
    loud = power > _LEAST_POWER
    low = Cascade(low_pass(_LOW_CENTROID_HZ))(rumble_free, work)
    centroid = min(_low_centroid(low, loud, power) / total, _LOW_CENTROID_HZ)
    low_power = energies(Cascade(low_pass(_LOW_RATIO_HZ))(rumble_free, work), _LONG_SIZE, _LONG_HOP) * scale
    ratio = low_power[loud].sum() / total
    duration = log10(_mean_decay(rumble_free, work))
    pitch = _pitch(peak, spectrum)
    return score(
        -0.0043703565847874465 * centroid
        + 32.83743202462131 * ratio
        + 4.750862716905235 * duration
        - 14.217438690256062 * pitch
        + 3.8782339862813924 * ratio * duration
        - 0.8544826091735516 * ratio**10 / (ratio**10 + 0.2) * duration
        + 66.69534393444391
    )


def _low_centroid(low: FloatArray, loud: npt.NDArray[np.bool_], power: FloatArray) -> float:
    """Sum over the loud frames of the centroid of the signal below 2 kHz times the frame's power."""
    step = _KEEP_EVERY if len(low) > _LONG_SIZE else 1
    low = np.ascontiguousarray(low[::step])
    once = np.ones((1 + _LONG_SIZE // step // 2, 1), np.float32)
    once[[0, -1]] = 0.5  # the outer bins of a one-sided spectrum have half the weight
    moments = np.hstack((once, once * np.arange(len(once), dtype=np.float32)[:, None])).T.copy()
    centroids = []
    for spectrum in spectra(low, _LONG_SIZE // step, _LONG_HOP // step):
        # einsum instead of matmul, so that the result does not depend on the BLAS.
        total, moment = np.einsum("mb,bf->mf", moments, spectrum)
        with np.errstate(invalid="ignore"):  # silent frames, which are not used
            centroids.append(moment / total)
    centroid = np.concatenate(centroids)[: len(power)] * _HZ_PER_BIN
    return float((centroid * power)[loud].sum())


def _mean_decay(x: FloatArray, envelope: FloatArray) -> float:
    """Mean time (s) from each note's loudest 256 samples to 40 dB below the sound's maximum, or to the next note."""
    hold_envelope(x, _ENVELOPE_DECAY, envelope)
    starts = [start // RMS_STEP for start in backtrack_onsets(strength_of(x, 1.0), envelope, _MARGIN)]
    rms = rms_envelope(x)
    decays = []
    for start, end in zip(starts, segment_ends(starts, len(rms)), strict=True):
        after = rms[start:end]
        after = after[after.argmax() :]
        decayed = after < _DECAYED
        decays.append(int(decayed.argmax()) if decayed.any() else len(after))
    return float(np.mean(decays)) * RMS_STEP / ANALYSIS_RATE


def _pitch(peak: Peaks, spectrum: FloatArray) -> float:
    """Logarithm of the frequency of the lowest peak; 0 if the strongest peak is at 0 Hz."""
    return log10(peak.hz.min()) if peak.hz[spectrum[peak.index].argmax()] > 0 else 0.0
