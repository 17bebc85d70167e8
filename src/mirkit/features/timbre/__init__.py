"""Timbre: the eight timbral models of the Audio Commons project, on any stretch of sound.

Models, regression coefficients and constants are those of deliverable D5.8 of the Audio Commons project (A. Pearce,
S. Safavi, T. Brookes, R. Mason, W. Wang, M. Plumbley: "Release of timbral characterization tools for semantically
annotating non-musical content", Institute of Sound Recording, University of Surrey, 2019) as upstream published them:
https://github.com/AudioCommons/timbral_models, commit 6a97eec, Apache-2.0, copyright Andy Pearce and the University of
Surrey. The code here is new, for speed; values agree to a few thousandths.

The models were fitted to ratings of short single sounds (0-100, larger is more so). On music they are applied without
change: results per note are averaged over all notes, and results per frame over all frames.

Peculiarities of upstream that affect values are reproduced, with a comment at each place. Channels are added, not
averaged, and only the first three; a sound is normalized to -24 LUFS first, unless that clips (not for reverberation);
if only one note is found, the whole sound is used; sums, weights and clipping are unchanged. If upstream fails, the
value is unknown.
"""

from dataclasses import dataclass, fields

import numpy as np

from mirkit.features.kernels.hpss import PercussiveShare
from mirkit.features.timbre.brightness import brightness, depth
from mirkit.features.timbre.hardness import hardness
from mirkit.features.timbre.normalize import LEAD, Cascade, channel_sum, high_pass, loudness_gain, peak
from mirkit.features.timbre.onsets import hold_envelope, strength_of
from mirkit.features.timbre.reverberation import half_rate, reverberation
from mirkit.features.timbre.roughness import roughness
from mirkit.features.timbre.warmth import warmth
from mirkit.features.timbre.zwicker import booming, loudness_pattern, sharpness
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Value

_RUMBLE_HZ = 20.0
_DECAY = 0.1


@dataclass(frozen=True)
class Timbre:
    """The timbre features of a sound, each 0 to 100 (clipped) or unknown.

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
        Probability, times 100, that a listener calls the sound reverberant; between 29.8 and 86.0.
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
    """Apply the eight models to audio at 44.1 kHz: a sound, a track, or a window of one.

    It needs about 12 bytes of memory per sample in addition to the samples; see ``TimbreExtractor`` for long audio.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n)
        Only the first three channels are used; reverberation uses the first two.

    Returns
    -------
    Timbre
        ``silent`` where there is nothing above -70 LUFS (reverberation: where all samples are zero).

    Examples
    --------
    A high tone is brighter and sharper than a low one:

    >>> times = np.arange(44100) / 44100
    >>> low, high = (timbre(np.sin(2 * np.pi * hz * times)[None].astype(np.float32)) for hz in (200, 4000))
    >>> low.brightness < high.brightness, low.sharpness < high.sharpness
    (True, True)
    """
    silent = not samples.any()
    reverberant = SILENT if silent else reverberation(half_rate(samples), samples.shape[1])
    return timbre_of([channel_sum(samples)], reverberant)


def timbre_of(sums: list[FloatArray], reverberant: Value) -> Timbre:
    """Apply seven models to the ``channel_sum`` of consecutive blocks; the caller passes the eighth value.

    The list is emptied when its blocks have been concatenated, to save memory.

    Parameters
    ----------
    sums : list of float32 arrays, shape=(n,)
        ``channel_sum`` of the blocks.
    reverberant : Value
        Result of ``reverberation``.

    Returns
    -------
    Timbre
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
    envelope = np.empty_like(padded)
    envelope[:LEAD] = 0
    hold_envelope(x, _DECAY, envelope[LEAD:])
    percussive = PercussiveShare(len(x))
    warm = warmth(x, envelope[LEAD:], strength_of(x, gain, percussive), pattern)
    hard = hardness(padded, gain, envelope, strength_of(padded, gain), pattern, percussive.share())
    rough = roughness(x, gain)
    # Both long arrays are reused, because their content is no longer needed.
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


#: Duration of a section, and longest sound that is measured in one piece.
SECTION_SECONDS = 300
WHOLE_SECONDS = 2 * SECTION_SECONDS


class TimbreExtractor:
    """Apply the timbre models to a sound that arrives in blocks at 44.1 kHz.

    Up to ten minutes are measured in one piece, exactly as upstream measures a file. Longer sounds (upstream needs
    14 GB for ten minutes) are divided into sections of five minutes (the last one has five to ten). Each section is
    measured like a sound, and the value is the mean over the sections with a value, weighted by their length. Memory is
    constant, and time grows with the length.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        self._sums: list[FloatArray] = []
        self._halves: list[list[FloatArray]] = [[] for _ in range(min(channels, 2))]
        self._held = 0
        self._sections: list[tuple[int, Timbre]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, shape=(channels, n), float32."""
        # Only the inputs of the models are kept: the sum of the channels, and the first two at half of the rate.
        self._sums.append(channel_sum(block))
        for half, samples in zip(self._halves, half_rate(block, self._held), strict=True):
            half.append(samples)
        self._held += block.shape[1]
        while self._held > WHOLE_SECONDS * ANALYSIS_RATE:
            self._measure(SECTION_SECONDS * ANALYSIS_RATE)

    def finish(self) -> Timbre:
        """Return the values of all samples pushed."""
        if self._held:
            self._measure(self._held)
        if not self._sections:
            return Timbre(*[TOO_SHORT] * 8)
        lengths, sections = zip(*self._sections, strict=True)
        return Timbre(*(_mean([getattr(s, f.name) for s in sections], lengths) for f in fields(Timbre)))

    def _measure(self, samples: int) -> None:
        """Measure and release the first held samples (an even number of them, or all)."""
        sums = _take(self._sums, samples)
        halves = [np.concatenate(_take(half, -(-samples // 2))) for half in self._halves]
        silent = not any(block.any() for block in (*sums, *halves))
        reverberant = SILENT if silent else reverberation(halves, samples)
        del halves
        self._sections.append((samples, timbre_of(sums, reverberant)))
        self._held -= samples


def _take(blocks: list[FloatArray], samples: int) -> list[FloatArray]:
    """Remove the first samples from a list of blocks, and return them as blocks."""
    taken: list[FloatArray] = []
    while samples:
        block = blocks.pop(0)
        if len(block) > samples:
            blocks.insert(0, block[samples:])
        taken.append(block[:samples])
        samples -= len(taken[-1])
    return taken


def _mean(values: list[Value], lengths: tuple[int, ...]) -> Value:
    known = [(value, length) for value, length in zip(values, lengths, strict=True) if isinstance(value, float)]
    if not known:
        return values[0]
    total = sum(length for _, length in known)
    return sum(value * (length / total) for value, length in known)
