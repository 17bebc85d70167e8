"""Probabilities that drums, a bass and a voice can be heard, by rules on what other features have measured.

*Measured*: where stems are true ones (the user's, or a separation model's), the share of the time in which the stem
sounds. Embedded stems hold other instruments too: there, the drums follow from the probabilities that drums play the
onsets of the mix, and the bass from the level and the pitch of its stem. *Reading*: probabilities, 0 to 1. The formulas
were fitted by ``benchmarks/fit_tags.py`` on mixes with and without the instrument, and judged on recordings
(docs/how_good/tags.md).
"""

import math

import numpy as np

from mirkit.features.loudness import LoudnessCurve, hops_in, unheard
from mirkit.features.pitch.f0 import FRAME_RATE, F0Curve
from mirkit.features.rhythm.stem_onsets import STEMS, StemOnsets
from mirkit.features.types import FloatArray, Unknown, Value, Window

#: Share of the time from which an instrument of a true stem is more likely heard than not, and slope of the log odds.
_HALF_SHARE, _SHARE_SLOPE = 0.02, 2.0
_LEAST_SHARE = 1e-4
#: Weights of the mean probability that drums play an onset.
_DRUMS = (-4.65, 8.79)
#: Weights of the level of the bass stem below the mix (dB), and of its median pitch (MIDI note).
_BASS = (11.23, 0.402, -0.165)
#: Pitch of a stem in which none is found: the highest of a bass.
_NO_PITCH = 67.0


def from_share(share: Value) -> Value:
    """Return the probability of an instrument whose true stem sounds for a share of the time.

    Parameters
    ----------
    share : float or Unknown
        As ``vocal_presence``.

    Returns
    -------
    float or Unknown
        0.5 where the stem sounds for 2 % of the time.

    Examples
    --------
    >>> [round(from_share(share), 2) for share in (0.0, 0.02, 0.1, 0.5)]
    [0.0, 0.5, 0.96, 1.0]
    """
    if isinstance(share, Unknown):
        return share
    return _probability(_SHARE_SLOPE * math.log((share + _LEAST_SHARE) / (_HALF_SHARE + _LEAST_SHARE)))


def drums_in_mix(onsets: StemOnsets, mix: LoudnessCurve, window: Window) -> Value:
    """Return the probability of drums, from the instruments that play the onsets of the mix.

    Parameters
    ----------
    onsets : StemOnsets
    mix : LoudnessCurve
        Of the mix, which must sound.
    window : Window

    Returns
    -------
    float or Unknown
        ``too short`` below 2 s, ``silent`` where the mix is.

    Examples
    --------
    Drums play every onset:

    >>> onsets = StemOnsets(np.arange(8.0), np.ones(8), np.tile(np.float32([0.1, 0.9, 0.2]), (8, 1)))
    >>> round(drums_in_mix(onsets, LoudnessCurve(np.full(80, 0.01, np.float32)), Window(0, 8)), 2)
    0.96
    """
    if (reason := unheard(mix, window)) is not None:
        return reason
    inside = (onsets.times >= window.start) & (onsets.times < window.end)
    played = onsets.probabilities[inside, STEMS.index("drums")]
    return _probability(_DRUMS[0] + _DRUMS[1] * float(played.mean() if len(played) else 0.0))


def bass_in_stem(stem: LoudnessCurve, f0: F0Curve, mix: LoudnessCurve, window: Window) -> Value:
    """Return the probability of a bass, from an embedded bass stem.

    Parameters
    ----------
    stem, mix : LoudnessCurve
    f0 : F0Curve
        Of the stem.
    window : Window

    Returns
    -------
    float or Unknown
        ``too short`` below 2 s, ``silent`` where the mix is.

    Examples
    --------
    A stem 6 dB below the mix, on C2:

    >>> f0 = F0Curve(np.full(690, 3600, np.uint16), np.full(690, 255, np.uint8), np.zeros(690, np.float16))
    >>> stem, mix = (LoudnessCurve(np.full(80, energy, np.float32)) for energy in (0.0025, 0.01))
    >>> round(bass_in_stem(stem, f0, mix, Window(0, 8)), 2)
    0.95
    """
    if (reason := unheard(mix, window)) is not None:
        return reason
    level = 10 * math.log10(_mean(hops_in(stem, window)) / _mean(hops_in(mix, window)))
    cents = f0.cents[int(window.start * FRAME_RATE) : int(window.end * FRAME_RATE)]
    voiced = cents[cents > 0]
    pitch = float(np.median(voiced)) / 100 if len(voiced) else _NO_PITCH
    return _probability(_BASS[0] + _BASS[1] * level + _BASS[2] * pitch)


def _mean(energy: FloatArray) -> float:
    return max(float(energy.mean(dtype=np.float64)) if len(energy) else 0.0, 1e-12)


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
