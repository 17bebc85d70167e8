"""``warmth``, 0 to 100: low middle frequencies, with a smooth fall to the top.

*Measured*: loudness in two ranges, and per note the centroid, the share of low energy and the straightness of the
spectrum above its lowest peak, combined by the regression of D5.8.
"""

import numpy as np
import scipy.fft

from mirkit.features.framing import frames_of
from mirkit.features.peaks import peaks
from mirkit.features.timbre.normalize import log10, score
from mirkit.features.timbre.onsets import backtrack_onsets, segment_ends
from mirkit.features.timbre.zwicker import LoudnessPattern, bark_weights
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Unknown, Value

_SIZE = 8192
_HZ_PER_BIN = ANALYSIS_RATE / _SIZE
_HZ = np.arange(1 + _SIZE // 2) * _HZ_PER_BIN
_LOG_HZ = np.log10(np.maximum(_HZ, _HZ_PER_BIN / 2))  # the bin at 0 Hz is not used
_AT_ONCE = 64  # windows
_TAPER = 0.25
_MARGIN = 4096
_PEAK_SHARE = 0.2
_HIGHEST_HZ = 12000.0
_LOW_HZ = 260.0
_EMPTY_NOTE = Unknown("a note is silent or lacks a part of the spectrum")


def warmth(x: FloatArray, envelope: FloatArray, strength: FloatArray, pattern: LoudnessPattern) -> Value:
    """Apparent warmth (D5.8).

    Loudness at 1 to 4 Bark (mean over windows) and above 8 Bark (weighted by level); per note the spectral centroid,
    the share of the energy from the lowest peak to 260 Hz, and how well the spectrum above 3.5 times that peak fits a
    line on logarithmic axes. If there is only one note, the whole sound is used as one.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        Mono signal; its level does not matter.
    envelope : float32 array, shape=(n,)
        Its sample-and-hold envelope, 0.1 s.
    strength : float64 array, shape=(frames,)
        Its onset strength.
    pattern : LoudnessPattern

    Returns
    -------
    Value
        Unknown if a note is silent or has no energy in some bin, so that no line can be fitted.
    """
    starts = backtrack_onsets(strength, envelope, _MARGIN)
    if len(starts) == 1:
        starts = [0]
    notes = []
    for start, end in zip(starts, segment_ends(starts, len(x)), strict=True):
        note = _measure(x[start:end])
        if note is None:
            return _EMPTY_NOTE
        notes.append(note)
    centroid, straightness, low_share, level = np.array(notes).T
    low = (pattern.specific * bark_weights(10, 40)).sum(axis=1).mean()
    high = np.average((pattern.specific * bark_weights(80, 240)).sum(axis=1), weights=pattern.rms)
    return score(
        -4.464258317026696 * log10(centroid.mean())
        - 0.08819320850778556 * high
        + 0.29156539973575546 * low
        + 17.274733561081554 * straightness.mean()
        + 8.403340066029507 * np.average(low_share, weights=level)
        + 45.21212125085579
    )


def _measure(note: FloatArray) -> tuple[float, float, float, float] | None:
    """Centroid, straightness, share of the low energy and level of one note; None if undefined."""
    spectrum = _spectrum(note)
    top = float(spectrum.max())
    if not top > 0:
        return None
    found = peaks(spectrum, _PEAK_SHARE, _HZ_PER_BIN)
    lowest = float(found.hz.min())
    above = int((min(3.5 * lowest, _HIGHEST_HZ) < _HZ).argmax())
    if not spectrum[above:].all():
        return None
    total = spectrum.sum()
    low_share = 0.0
    if lowest < _LOW_HZ:
        low_share = spectrum[found.index.min() : int((_HZ > _LOW_HZ).argmax())].sum() / total
    level = np.sqrt(np.einsum("i,i->", note, note, dtype=np.float64) / len(note))
    return (spectrum * _HZ).sum() / total, _straightness(spectrum, above), low_share, level


def _spectrum(note: FloatArray) -> FloatArray:
    """Power spectrum, shape=(4097,), in double precision, because the smallest values matter too.

    It is the sum over Tukey windows of up to 8192 samples that overlap by an eighth, with the mean removed.
    """
    size = min(len(note), _SIZE)
    hop = size - size // 8
    taper = _FULL_WINDOW if size == _SIZE else _tukey(size)
    framed = frames_of(note, size, hop, 1 + (len(note) - size) // hop)
    power = np.zeros(1 + _SIZE // 2)
    for first in range(0, len(framed), _AT_ONCE):  # a note may last as long as the sound
        windows = framed[first : first + _AT_ONCE].astype(np.float64)
        windows -= windows.mean(axis=1, keepdims=True)
        windows *= taper
        z = scipy.fft.rfft(windows, _SIZE, axis=1)
        power += (np.square(z.real) + np.square(z.imag)).sum(axis=0)
    power[1:-1] *= 2
    return power


def _tukey(size: int) -> FloatArray:
    """Periodic Tukey window, of which a quarter is tapered."""
    window = np.ones(size + 1)
    taper = int(np.floor(_TAPER * size / 2))
    i = np.arange(taper + 1)
    edge = 0.5 * (1 + np.cos(np.pi * (2 * i / (_TAPER * size) - 1)))
    window[: taper + 1] = edge
    window[size - taper :] = edge[::-1]
    return window[:-1]


_FULL_WINDOW = _tukey(_SIZE)


def _straightness(spectrum: FloatArray, first: int) -> float:
    """Squared correlation of log power and log frequency from a bin on."""
    x, y = _LOG_HZ[first:], np.log10(spectrum[first:])
    x = x - x.mean()
    y -= y.mean()
    return float((x * y).sum() ** 2 / ((x * x).sum() * (y * y).sum()))
