"""``hardness``, 0 to 100: hard and sudden against soft, and functions that only this model uses.

*Measured*: bandwidth, centroid, strength and time of the attacks, loudness at 7 to 14 Bark and the percussive share,
combined by the regression of D5.8. Attacks are measured by the minimum-effort method of CUIDADO (G. Peeters, "A large
set of audio features for sound description", IRCAM 2004).
"""

import math

import numpy as np
import scipy.fft

from mirkit.features.kernels.batched_fft import LANES, Spectra
from mirkit.features.kernels.kernel import kernel
from mirkit.features.stft import HOP
from mirkit.features.timbre.normalize import log10, score
from mirkit.features.timbre.onsets import backtrack_onsets, segment_ends
from mirkit.features.timbre.zwicker import LoudnessPattern, bark_weights
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Unknown, Value

BAND_SIZE, BAND_HOP = 4096, 128

# Magnitudes are scaled as scipy.signal.spectrogram(mode="magnitude", scaling="density") scales them with a rectangular
# window; bins below -75 dB are not used.
_SCALE = 1 / (ANALYSIS_RATE * BAND_SIZE) ** 0.5
_LEAST = 10 ** (-75 / 20) / _SCALE
_ROLL_ON = np.float32(0.05)
_QUIET_SHARE = 0.1
_LANES = np.uint64(LANES)


def _bandwidths(padded: FloatArray, gain: float) -> FloatArray:
    """Bandwidth of each frame of 4096 samples (Hz); 0 for frames in the lowest tenth of the range of levels.

    It extends from the frequency below which 5 % of the sum of magnitudes lie, to the highest bin of at least -75 dB.

    Parameters
    ----------
    padded : float32 array, shape=(n,), n >= 4096
    gain : float
        Factor by which the samples are multiplied.

    Returns
    -------
    float64 array, shape=(1 + (n - 4096) // 128,)
    """
    count = 1 + (len(padded) - BAND_SIZE) // BAND_HOP
    level = np.empty(-(-count // LANES) * LANES)
    band = np.zeros_like(level)
    work = np.empty((3, LANES), np.float32)
    for i, power in enumerate(Spectra(np.ones(BAND_SIZE), BAND_HOP, BAND_SIZE).blocks(padded, 0, count)):
        here = slice(i * LANES, (i + 1) * LANES)
        _measure(power.ravel(), np.float32(_LEAST / gain), _ROLL_ON, work, level[here], band[here])
    level, band = level[:count], band[:count]
    low, high = level.min(), level.max()
    band[level <= low + _QUIET_SHARE * (high - low)] = 0
    return band * (ANALYSIS_RATE / BAND_SIZE)


# Indices are unsigned: see batched_fft.
@kernel()
def _measure(power, least, roll_on, work, level, band):  # type: ignore[no-untyped-def]
    # The bin at 0 Hz is left out, because upstream subtracts the mean. Eight bins at once need fewer passes over the
    # sums; then only the bins above the band, and those below the roll-on, are read again.
    total, below, edge = work[0], work[1], work[2]
    two, three, four, five = _LANES + _LANES, np.uint64(3 * LANES), np.uint64(4 * LANES), np.uint64(5 * LANES)
    six, seven, eight = np.uint64(6 * LANES), np.uint64(7 * LANES), np.uint64(8 * LANES)
    for j in range(_LANES):
        total[j] = below[j] = edge[j] = 0
    for k in range(_LANES, np.uint64(len(power)), eight):
        for j in range(_LANES):
            i = k + j
            a, b, c, d = power[i], power[i + _LANES], power[i + two], power[i + three]
            e, f, g, h = power[i + four], power[i + five], power[i + six], power[i + seven]
            low = (np.sqrt(a) + np.sqrt(b)) + (np.sqrt(c) + np.sqrt(d))
            total[j] += low + ((np.sqrt(e) + np.sqrt(f)) + (np.sqrt(g) + np.sqrt(h)))
    o = np.uint64(len(power)) - _LANES
    waiting = np.int32(1)
    while waiting and o >= _LANES:
        waiting = np.int32(0)
        at = np.float32(o)
        for j in range(_LANES):
            found = at if np.sqrt(power[o + j]) >= least else np.float32(0)
            edge[j] = edge[j] if edge[j] > found else found
            waiting += np.int32(0) if edge[j] > 0 else np.int32(1)
        o -= _LANES
    for j in range(_LANES):
        edge[j] /= np.float32(LANES)
    o = _LANES
    waiting = np.int32(1)
    while waiting:
        waiting = np.int32(0)
        for j in range(_LANES):
            below[j] += np.sqrt(power[o + j])
            still = np.int32(1) if below[j] < roll_on * total[j] else np.int32(0)
            band[j] -= still
            waiting += still
        o += _LANES
    for j in range(LANES):
        level[j] = total[j]
        band[j] = band[j] + edge[j] - 1 if edge[j] > 0 else 0


#: Longest duration of an attack.
MAX_SECONDS = 0.1

_LEVELS = np.linspace(0.1, 0.9, 9)
_EFFORT = 3.0
_FIXED_START = 0.2


def _rise(segment: FloatArray) -> tuple[int, FloatArray] | None:
    """Return the part of an envelope segment from its last minimum to its (first) peak, scaled to a peak of 1.

    Returns
    -------
    (index, array) or None
        Start of the rise, and the rise; None if the segment begins with its peak (or is silent).
    """
    peak = int(segment.argmax())
    if peak == 0:
        return None
    segment = segment[: peak + 1] / np.float64(segment[peak])
    before = segment[:peak]
    start = peak - 1 - int(before[::-1].argmin())
    return start, segment[start:]


def fixed_start(segment: FloatArray) -> int | None:
    """Index at which a segment has risen by 20 % of its range.

    Parameters
    ----------
    segment : float array, shape=(n,)
        Part of an envelope or of a series.

    Returns
    -------
    int or None
        Index; None if the segment does not rise.
    """
    found = _rise(segment)
    if found is None:
        return None
    start, slope = found
    return start + int((slope >= slope.min() + _FIXED_START * (slope.max() - slope.min())).argmax())


def effort_attack(segment: FloatArray) -> tuple[float, int] | None:
    """Attack time by minimum effort.

    The rise is divided into steps by nine levels at 10-90 % of its range. The attack begins with the first step that
    takes at most three times the mean duration of a step, and ends with the first later step that takes longer.

    Parameters
    ----------
    segment : float array, shape=(n,)
        Envelope of a note, one value per sample.

    Returns
    -------
    (log10 of seconds, index of the beginning) or None
        None where the segment has no rise.
    """
    found = _rise(segment)
    if found is None:
        return None
    offset, slope = found
    low = slope.min()
    crossings = np.array([(slope >= level).argmax() for level in _LEVELS * (slope.max() - low) + low])
    effort = np.diff(crossings)
    limit = effort.mean() * _EFFORT
    first = int((effort <= limit).argmax())
    later = int((effort[first:] >= limit).argmax()) or len(effort) - first - 1
    start, end = crossings[first], crossings[first + later]
    if start == end:
        start, end = crossings[0], crossings[-1]
    seconds = (end - start + 1) / ANALYSIS_RATE
    if seconds > MAX_SECONDS:
        seconds = (int(ANALYSIS_RATE * MAX_SECONDS) + 1) / ANALYSIS_RATE
    return math.log10(seconds), offset + int(start)


_MARGIN = BAND_SIZE
_ATTACK_FRAMES = int(MAX_SECONDS * ANALYSIS_RATE / BAND_HOP)
_LEAST_BANDWIDTH = 512.0
_FLOOR_BANDWIDTH = ANALYSIS_RATE / 512
_CENTROID_SAMPLES = int(0.125 * ANALYSIS_RATE)
_FEWEST_SAMPLES = 512
_LEAST_CENTROID = 200.0
_LOWEST_HZ = 20.0
_NO_ATTACK = Unknown("a note has no attack")


def hardness(
    padded: FloatArray,
    gain: float,
    envelope: FloatArray,
    strength: FloatArray,
    pattern: LoudnessPattern,
    percussive: float,
) -> Value:
    """Apparent hardness (D5.8).

    Per note: bandwidth, spectral centroid, onset strength and time of the attack. Over the whole sound: loudness at 7
    to 14 Bark, and the percussive share. If there is only one note, the whole sound is used as one.

    Parameters
    ----------
    padded : float32 array, shape=(4097 + n,)
        Mono signal after 4097 zeros.
    gain : float
        Gain factor to -24 LUFS.
    envelope : float32 array, shape=(4097 + n,)
        Its sample-and-hold envelope, 0.1 s.
    strength : float64 array, shape=(frames,)
        Its onset strength.
    pattern : LoudnessPattern
        Of the signal without the zeros.
    percussive : float
        Percussive share of the signal without the zeros.

    Returns
    -------
    Value
        Unknown if a note begins with its peak, so that it has no attack, or if all attacks have a strength of 0.
    """
    starts = backtrack_onsets(strength, envelope, _MARGIN)
    if len(starts) == 1:
        starts = [0]
    times: list[float] = []
    centroids: list[float] = []
    strengths: list[float] = []
    for start, end in zip(starts, segment_ends(starts, len(padded)), strict=True):
        attack = effort_attack(envelope[start:end])
        if attack is None:
            return _NO_ATTACK
        times.append(attack[0])
        last = len(strength) if end == len(padded) else end // HOP
        strengths.append(float(strength[start // HOP : last].max()))
        centroids += _centroid(padded[start + attack[1] : min(end, start + attack[1] + _CENTROID_SAMPLES)])
    width = _attack_bandwidth(_bandwidths(padded, gain), starts, strengths)
    if width is None:
        return _NO_ATTACK
    centroid = max(float(np.mean(centroids)), _LEAST_CENTROID) if centroids else _LEAST_CENTROID
    level = float(np.average((pattern.specific * bark_weights(70, 140)).sum(axis=1), weights=pattern.rms))
    return score(
        12.079781720638145 * log10(width)
        + 18.52100377170042 * log10(centroid)
        + 14.139883645260355 * log10(level)
        + 5.567690321917516 * log10(percussive)
        + 3.9346817690405635 * log10(float(np.mean(strengths)))
        - 4.326890461087848 * float(np.mean(times))
        - 85.60352209068202
    )


def _attack_bandwidth(band: FloatArray, starts: list[int], strengths: list[float]) -> float | None:
    """Mean of the largest bandwidths (Hz) of the attacks, weighted by onset strength.

    For each note, 34 frames (100 ms) are used from the point where its bandwidth has risen by 20 %; if the note ends
    earlier, all its remaining frames, as in upstream. None if all attacks have a strength of 0.
    """
    firsts = [max(0, start - _MARGIN) // BAND_HOP for start in starts]
    widest, weights = [], []
    for first, end, weight in zip(firsts, segment_ends(firsts, len(band)), strengths, strict=True):
        segment = band[first:end]
        attack = fixed_start(segment)
        if attack is None:
            continue
        rest = segment[attack:]
        widest.append(rest[:_ATTACK_FRAMES].max() if len(rest) > attack + _ATTACK_FRAMES else rest.max())
        weights.append(weight)
    if widest and not any(weights):
        return None
    mean = float(np.average(widest, weights=weights)) if widest else 0.0
    return mean if mean > _LEAST_BANDWIDTH else _FLOOR_BANDWIDTH


def _centroid(attack: FloatArray) -> list[float]:
    """Magnitude-weighted mean frequency (Hz) from 20 Hz; no value for at most 512 samples, or for silence."""
    if len(attack) <= _FEWEST_SAMPLES:
        return []
    size = 1 << (len(attack) - 1).bit_length()
    magnitude = np.abs(scipy.fft.rfft(attack.astype(np.float64), size))
    hz = np.arange(len(magnitude)) * (ANALYSIS_RATE / size)
    magnitude = magnitude[hz >= _LOWEST_HZ]
    total = magnitude.sum()
    return [float((magnitude * hz[hz >= _LOWEST_HZ]).sum() / total)] if total > 0 else []
