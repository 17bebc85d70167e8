"""How hard a sound is."""

import numpy as np
import scipy.fft

from mirkit.features.timbre.attack import MAX_SECONDS, effort_attack, fixed_start
from mirkit.features.timbre.bandwidth import HOP as BAND_HOP
from mirkit.features.timbre.bandwidth import SIZE as BAND_SIZE
from mirkit.features.timbre.bandwidth import bandwidths
from mirkit.features.timbre.onset_backtracking import backtrack_onsets, segment_ends
from mirkit.features.timbre.onsets import HOP
from mirkit.features.timbre.score import log10, score
from mirkit.features.timbre.zwicker import LoudnessPattern, bark_weights
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Unknown, Value

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
    to 14 Bark, and the percussive share. With a single note the whole sound is taken as one.

    Parameters
    ----------
    padded : float32 array, shape=(4097 + n,)
        Mono signal behind 4097 zeros.
    gain : float
        Factor that brings it to -24 LUFS.
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
        Unknown where a note begins with its peak, so that it has no attack, or where no attack has any strength.
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
    width = _attack_bandwidth(bandwidths(padded, gain), starts, strengths)
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

    Of each note the 34 frames (100 ms) from where its bandwidth has risen by 20 %; of a note shorter than its attack's
    position plus those, all that is left, as in upstream. None where no attack has any strength.
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
    """Magnitude-weighted mean frequency (Hz) from 20 Hz; none of 512 samples or less, or of silence."""
    if len(attack) <= _FEWEST_SAMPLES:
        return []
    size = 1 << (len(attack) - 1).bit_length()
    magnitude = np.abs(scipy.fft.rfft(attack.astype(np.float64), size))
    hz = np.arange(len(magnitude)) * (ANALYSIS_RATE / size)
    magnitude = magnitude[hz >= _LOWEST_HZ]
    total = magnitude.sum()
    return [float((magnitude * hz[hz >= _LOWEST_HZ]).sum() / total)] if total > 0 else []
