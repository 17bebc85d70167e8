"""Note onsets for the timbre models: envelopes, onset strength, detection and backtracking.

Onset strength and detection are those of librosa, which upstream uses.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.batched_fft import LANES, Float32, Spectra
from mirkit.features.kernels.hpss import PercussiveShare
from mirkit.features.kernels.kernel import kernel
from mirkit.features.stft import HOP, N_FFT, hann, mel_bank
from mirkit.features.timbre.normalize import peak
from mirkit.features.types import ANALYSIS_RATE, FloatArray

_HOLD_SAMPLES = 441.0  # 10 ms
RMS_STEP = 256


def hold_envelope(x: FloatArray, decay_seconds: float, out: npt.NDArray[np.float32]) -> None:
    """Compute an envelope that follows rises at once, holds a peak for 10 ms, and then decays linearly.

    The decay from the loudest sample of the whole sound to zero takes ``decay_seconds``. Unlike a low-pass filter, it
    does not smooth attacks.

    Parameters
    ----------
    x : float32 array, shape=(n,)
    decay_seconds : float
    out : float32 array, shape=(n,)
        Receives the envelope.
    """
    _hold(x, peak(x) / (decay_seconds * ANALYSIS_RATE), _HOLD_SAMPLES, out)


@kernel()
def _hold(x, decay, hold, out):  # type: ignore[no-untyped-def]
    level = 0.0
    held = 0
    for i in range(len(x)):
        sample = abs(float(x[i]))
        if sample >= level:
            level = sample
            held = 0
        elif held < hold:
            held += 1
        else:
            level = max(level - decay, sample)
        out[i] = level


def rms_envelope(x: FloatArray) -> FloatArray:
    """Root mean square of each 256 samples (the last step may be shorter), relative to the largest.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        Mono signal.

    Returns
    -------
    float64 array, shape=(steps,)
    """
    whole = len(x) // RMS_STEP
    steps = x[: whole * RMS_STEP].reshape(whole, RMS_STEP)
    square = np.einsum("ij,ij->i", steps, steps).astype(np.float64) / RMS_STEP
    if whole * RMS_STEP < len(x):
        square = np.append(square, np.square(x[whole * RMS_STEP :], dtype=np.float64).mean())
    rms: FloatArray = np.sqrt(square)
    rms /= rms.max()
    return rms


N_MELS = 128

_LEAST_POWER = 1e-10
_RANGE_DB = 80.0
# librosa's defaults at 44.1 kHz, in frames: a peak is the maximum of itself and the 2 frames before, exceeds the mean
# of the 8 frames before and after by 0.07 of the largest strength, and is at least 3 frames after the previous peak.
_PEAK_BEFORE = 2
_MEAN_REACH = 8
_MARGIN = 0.07
_WAIT = 2
# Distance of the frames whose difference is taken; the result is placed as in librosa (center=True).
_SHIFT = 1 + N_FFT // (2 * HOP)

Indices = npt.NDArray[np.intp]


def _band_levels(mel_power: FloatArray, gain: float) -> FloatArray:
    """Convert powers of mel bands to dB, floored at -100 dB (after a gain) and at 80 dB below the highest.

    Parameters
    ----------
    mel_power : float32 array, shape=(N_MELS, frames)
        Powers of the whole sound; overwritten by the result.
    gain : float
    """
    np.maximum(mel_power, np.float32(_LEAST_POWER / gain**2), out=mel_power)
    np.maximum(mel_power, mel_power.max() * np.float32(10 ** (-_RANGE_DB / 10)), out=mel_power)
    np.log10(mel_power, out=mel_power)
    mel_power *= 10
    return mel_power


def onset_strength(levels: FloatArray) -> FloatArray:
    """Mean over bands of the rise in dB from frame to frame.

    Parameters
    ----------
    levels : float32 array, shape=(N_MELS, frames)

    Returns
    -------
    float64 array, shape=(frames,)
    """
    frames = levels.shape[1]
    strength = np.zeros(frames)
    rises = strength[_SHIFT:]
    for i in range(0, len(rises), 1024):
        pairs = levels[:, i : min(i + 1024, len(rises)) + 1]
        rises[i : i + 1024] = np.maximum(pairs[:, 1:] - pairs[:, :-1], 0).mean(axis=0, dtype=np.float64)
    return strength


def detect_onsets(strength: FloatArray) -> Indices:
    """Find the onsets, each moved back to the low point before it.

    Parameters
    ----------
    strength : float64 array, shape=(frames,)
        Onset strength.

    Returns
    -------
    int array, shape=(onsets,)
        Frames, ascending.
    """
    shifted = strength - strength.min()
    if not shifted.any():
        return np.empty(0, np.intp)
    shifted /= shifted.max()
    peaks = _pick(shifted)
    middle = shifted[1:-1]
    lows = 1 + np.flatnonzero((middle <= shifted[:-2]) & (middle < shifted[2:]))
    lows = np.concatenate(([0], lows))
    return lows[np.searchsorted(lows, peaks, side="right") - 1]


def _pick(x: FloatArray) -> Indices:
    frame = np.arange(len(x))
    total = np.concatenate(([0.0], np.cumsum(x)))
    low, high = np.maximum(frame - _MEAN_REACH, 0), np.minimum(frame + _MEAN_REACH + 1, len(x))
    stands_out = x >= (total[high] - total[low]) / (high - low) + _MARGIN
    for back in range(1, _PEAK_BEFORE + 1):
        stands_out[back:] &= x[back:] >= x[:-back]
    picked: list[int] = []
    for i in np.flatnonzero(stands_out):
        if not picked or i > picked[-1] + _WAIT:
            picked.append(int(i))
    return np.array(picked, np.intp)


_LANES = np.uint64(LANES)


def strength_of(x: Float32, gain: float, percussive: PercussiveShare | None = None) -> FloatArray:
    """Onset strength of a sound.

    Parameters
    ----------
    x : float32 array, shape=(n,)
    gain : float
        Factor by which the samples are multiplied; it sets the floor of the levels.
    percussive : PercussiveShare, optional
        Also receives the spectra.

    Returns
    -------
    float64 array, shape=(1 + n // 512,)
    """
    spectra = Spectra(hann(N_FFT), HOP, N_FFT)
    first, offsets, weights = _fours()
    count = 1 + len(x) // HOP
    levels = np.empty((N_MELS, -(-count // LANES) * LANES), np.float32)
    total = np.empty(LANES, np.float32)
    for i, power in enumerate(spectra.blocks(x, -N_FFT // 2, count)):
        _bands(power.ravel(), first, offsets, weights, total, levels[:, i * LANES : (i + 1) * LANES])
        if percussive:
            percussive.push(spectra.rows, spectra.buffer, power)
    return onset_strength(_band_levels(levels[:, :count], gain))


@cache
def _fours() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], Float32]:
    """First bin of each band, and its weights, zero-padded to a multiple of four and concatenated.

    Returns
    -------
    first, offsets, weights
        As in ``MelBank``.
    """
    bank = mel_bank(N_MELS)
    firsts, offsets, weights = [], [0], []
    for m in range(bank.n_mels):
        own = bank.weights[bank.offsets[m] : bank.offsets[m + 1]]
        length = -(-len(own) // 4) * 4
        first = min(int(bank.first[m]), bank.n_bins - length)
        filled = np.zeros(length, np.float32)
        filled[bank.first[m] - first :][: len(own)] = own
        firsts.append(first)
        offsets.append(offsets[-1] + length)
        weights.append(filled)
    return np.array(firsts, np.uint64), np.array(offsets), np.concatenate(weights)


# Indices are unsigned: see batched_fft.
@kernel(fastmath={"contract"})
def _bands(power, first, offsets, weights, total, out):  # type: ignore[no-untyped-def]
    second, third = _LANES + _LANES, _LANES + _LANES + _LANES
    for m in range(len(out)):
        for j in range(_LANES):
            total[j] = 0
        o = first[m] * _LANES
        for k in range(offsets[m], offsets[m + 1], 4):
            a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for j in range(_LANES):
                at = o + j
                total[j] += (a * power[at] + b * power[at + _LANES]) + (c * power[at + second] + d * power[at + third])
            o += second + second
        for j in range(LANES):
            out[m, j] = total[j]


_LOOK_BACK = 882  # 20 ms
_HYSTERESIS = 13230  # 300 ms
_SHARE = 0.1  # of the envelope's range: least rise of a note
_APART = 4410.0  # 100 ms
_LEAST_STRENGTH = 3.0


def backtrack_onsets(strength: FloatArray, envelope: FloatArray, margin: int) -> list[int]:
    """Find the beginnings of notes.

    From each onset, the beginning is found by going back while the envelope falls. A beginning is dropped if its note
    rises by less than a tenth of the envelope's range, if it is within 100 ms of the previous one, or if the onset
    strength does not reach 3 before the next one.

    Parameters
    ----------
    strength : float64 array, shape=(frames,)
        Onset strength.
    envelope : float32 array, shape=(n,)
    margin : int
        A note that would begin before this sample begins at 0.

    Returns
    -------
    list of int
        Samples, ascending; [0] if all are dropped.
    """
    onsets = detect_onsets(strength) * HOP
    threshold = _SHARE * (float(envelope.max()) - float(envelope.min()))
    starts: list[int] = []
    for onset in onsets:
        # Onsets within the last frame are not used, unless there is no other.
        if onset == 0:
            starts.append(0)
        elif not starts or onset + HOP - 1 < len(envelope):
            starts.append(_follow_back(int(onset), envelope, np.float32(threshold), margin))
    starts = list(dict.fromkeys(start for i, start in enumerate(starts) if start or not i))
    starts = _rising(starts, envelope, threshold)
    starts = _apart(starts)
    return _strong(starts, strength) or [0]


def segment_ends(starts: list[int], end: int) -> list[int]:
    """End of the segment that begins at each start.

    Parameters
    ----------
    starts : list of int
        Ascending.
    end : int
        End of the last segment.

    Returns
    -------
    list of int
        For each segment the next start, or ``end``.
    """
    return [*starts[1:], end] if starts else []


@kernel()
def _follow_back(onset, envelope, threshold, margin):  # type: ignore[no-untyped-def]
    while True:
        here = envelope[onset]
        # Within the first 20 ms, the last sample is left out, and the result is shifted, as in upstream.
        first, last = (onset - _LOOK_BACK - 1, onset) if onset > _LOOK_BACK else (0, onset - 1)
        lowest = first
        for i in range(first, last):
            if envelope[i] < envelope[lowest]:
                lowest = i
        if envelope[lowest] <= here:
            onset += lowest - first - _LOOK_BACK - 1
            if onset <= margin:
                return 0
            continue
        begin = onset - _HYSTERESIS - 1 if onset > _HYSTERESIS else 0
        high = low = envelope[onset - 1]
        start = onset - 1
        while start > begin and envelope[start] >= here:
            start -= 1
            high = envelope[start] if envelope[start] > high else high
            low = envelope[start] if envelope[start] < low else low
        if envelope[start] >= here or high - low >= threshold:
            return onset
        onset = start
        if onset < margin:
            return 0


def _rising(starts: list[int], envelope: FloatArray, threshold: float) -> list[int]:
    """Keep the starts whose segment, up to the next kept one, rises by the threshold to a peak."""
    if len(starts) < 2:
        return starts
    kept: list[int] = []
    end = len(envelope)
    for start in reversed(starts):
        segment = envelope[start:end]
        peak = int(segment.argmax()) if len(segment) else 0
        if peak and float(segment[peak]) - float(segment[:peak].min()) >= threshold:
            kept.append(start)
            end = start
    return kept[::-1]


def _apart(starts: list[int]) -> list[int]:
    """Drop all starts within 100 ms of the previous one, and repeat until there are none."""
    while True:
        kept = starts[:1] + [b for a, b in pairwise(starts) if b - a >= _APART]
        if len(kept) == len(starts):
            return kept
        starts = kept


def _strong(starts: list[int], strength: FloatArray) -> list[int]:
    """Keep the starts with enough strength up to the next kept one."""
    kept: list[int] = []
    end = len(strength)
    for start in reversed(starts):
        frame = start // HOP
        if strength[frame:end].max() >= _LEAST_STRENGTH:
            kept.append(start)
            end = frame
    return kept[::-1]
