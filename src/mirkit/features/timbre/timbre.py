"""The eight timbre models on one sound."""

from dataclasses import dataclass

import numpy as np

from mirkit.features.kernels.hpss import PercussiveShare
from mirkit.features.timbre.booming import booming
from mirkit.features.timbre.brightness import brightness
from mirkit.features.timbre.depth import depth
from mirkit.features.timbre.envelope import hold_envelope
from mirkit.features.timbre.filters import Cascade, high_pass
from mirkit.features.timbre.hardness import hardness
from mirkit.features.timbre.normalize import LEAD, channel_sum, loudness_gain, peak
from mirkit.features.timbre.reverberation import half_rate, reverberation
from mirkit.features.timbre.roughness import roughness
from mirkit.features.timbre.sharpness import sharpness
from mirkit.features.timbre.spectral_pass import strength_of
from mirkit.features.timbre.warmth import warmth
from mirkit.features.timbre.zwicker import loudness_pattern
from mirkit.features.types import SILENT, TOO_SHORT, FloatArray, Value

_RUMBLE_HZ = 20.0
_DECAY = 0.1


@dataclass(frozen=True)
class Timbre:
    """The timbral keys of a stretch of sound, each 0 to 100 (clipped) or unknown.

    Attributes
    ----------
    brightness : Value
        Share of high frequencies, and spectral centroid.
    roughness : Value
        Buzzing, harsh, raspy: beating of close partials.
    hardness : Value
        Hard and sudden against soft: attacks.
    depth : Value
        Spacious low frequencies.
    booming : Value
        Low-frequency resonance.
    reverberation : Value
        Probability, times 100, that the sound is heard as reverberant; between 29.8 and 86.0.
    sharpness : Value
        High frequencies that hurt.
    warmth : Value
        Low mid-range, with a smooth fall to the top.
    """

    brightness: Value
    roughness: Value
    hardness: Value
    depth: Value
    booming: Value
    reverberation: Value
    sharpness: Value
    warmth: Value


def timbre(samples: FloatArray) -> Timbre:
    """Apply the eight models to a stretch of sound at 44.1 kHz: a sound, a track, or any window of one.

    Takes about 12 bytes of memory per sample beside the samples: for music of any length see ``TimbreMeter``.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n)
        Only the first three channels are heard, by reverberation the first two.

    Returns
    -------
    Timbre
        ``silent`` where there is nothing above -70 LUFS (reverberation: where all samples are zero).
    """
    silent = not samples.any()
    reverberant = SILENT if silent else reverberation(half_rate(samples), samples.shape[1])
    return timbre_of([channel_sum(samples)], reverberant)


def timbre_of(sums: list[FloatArray], reverberant: Value) -> Timbre:
    """Apply seven models to the ``channel_sum`` of consecutive blocks; the eighth value is given.

    The list is emptied as soon as its blocks are joined, to save memory.
    """
    padded = np.concatenate([np.zeros(LEAD, np.float32), *sums])
    sums.clear()
    x = padded[LEAD:]
    if not len(x):
        return Timbre(*[TOO_SHORT] * 8)
    gain = loudness_gain(x)
    if gain is None:
        return Timbre(SILENT, SILENT, SILENT, SILENT, SILENT, reverberant, SILENT, SILENT)

    pattern = loudness_pattern(x, gain)
    envelope = np.zeros_like(padded)
    hold_envelope(x, _DECAY, envelope[LEAD:])
    percussive = PercussiveShare(len(x))
    warm = warmth(x, envelope[LEAD:], strength_of(x, gain, percussive), pattern)
    hard = hardness(padded, gain, envelope, strength_of(padded, gain), pattern, percussive.share())
    rough = roughness(x, gain)
    # Both long arrays have done their work: no new ones.
    rumble_free, work = envelope[LEAD:], x
    Cascade(high_pass(_RUMBLE_HZ))(x, rumble_free)
    rumble_free /= peak(rumble_free)
    return Timbre(
        brightness=brightness(rumble_free, work),
        roughness=rough,
        hardness=hard,
        depth=depth(rumble_free, work),
        booming=booming(pattern),
        reverberation=reverberant,
        sharpness=sharpness(pattern),
        warmth=warm,
    )
