"""Random vocal parts of ten seconds: phrases, tunes, choirs, rap, speech, screams; doubled, with harmonies and breath.

The few recorded singers become many by pitch, size (formants), speed, vibrato and melody (`voices`).
"""

from pathlib import Path

import numpy as np

from training import effects, scores, voices
from training.effects import Random
from training.instruments import COUNT, add, played, transposed
from training.material import RATE, Material, Sample, Sound
from training.scores import SECONDS, Harmony, any_of

_SPOKEN = ("kerstin", "speech_rtvc")
_SCREAMED = ("orks", "bk_misc")
#: How often each kind of part is made.
_KINDS = {"phrases": 0.42, "tune": 0.2, "vowels": 0.12, "choir": 0.08, "rap": 0.1, "speech": 0.04, "screams": 0.04}
#: Kinds that need no synthesis: recordings as they are, transposed by their speed.
_AS_RECORDED = ("phrases", "speech", "screams", "choir")


def vocals(rng: Random, material: Material, harmony: Harmony, synthesized: bool = True) -> list[Sound]:
    """Return a lead voice, and doubles and harmonies where there are any; mono, shape=(n,) each.

    Without synthesis, recordings are played as they are, at other speeds.
    """
    groups = _groups(material)
    allowed = _KINDS if synthesized else _AS_RECORDED
    kinds = {kind: chance for kind, chance in _KINDS.items() if kind in allowed and groups[kind]}
    if not kinds:
        return [np.zeros(COUNT, np.float32)]
    kind = str(rng.choice(list(kinds), p=np.array(list(kinds.values())) / sum(kinds.values())))
    samples = groups[kind]
    if kind == "choir":
        return [_choir(rng, material, samples, harmony)]
    if kind == "vowels":
        lead = _vowels(rng, material, samples, harmony)
    elif kind == "rap":
        lead = _rap(rng, material, samples, harmony)
    else:
        lead = _phrases(rng, material, samples, harmony, kind, synthesized)
    if synthesized and rng.random() < 0.2:
        lead = voices.breathy(rng, lead, rng.uniform(0.1, 0.6))
    parts = [lead]
    if rng.random() < 0.45:
        parts += [rng.uniform(0.3, 1.0) * copy for copy in effects.double(rng, lead, int(rng.integers(1, 4)))]
    if synthesized and kind in ("phrases", "tune", "vowels") and rng.random() < 0.2:
        voice = voices.analyze(lead)
        for interval in rng.choice([-5, -4, -3, 3, 4, 5, 7, 12, -12], int(rng.integers(1, 3)), replace=False):
            parts.append(rng.uniform(0.3, 0.8) * voices.resung(voice, float(interval))[:COUNT])
    return parts


def _groups(material: Material) -> dict[str, list[Sample]]:
    """Return the recordings that each kind of part can be made of."""
    names = material.instruments("voice", tonal=False)

    def of(*wanted: str) -> list[Sample]:
        return [s for name in names if name.startswith(wanted) for s in material.samples("voice", name)]

    sung, spoken = of("eif"), of(*_SPOKEN)
    vowels = [s for s in of("bk_female", "bk_male") if s.note is not None]
    choirs = [s for s in of("bk_choir", "choir") if s.note is not None]
    choirs += [s for name in material.instruments("choir") for s in material.samples("choir", name)]
    return {
        "phrases": sung,
        "tune": sung + spoken,
        "vowels": vowels,
        "choir": choirs + vowels,
        "rap": spoken + sung,
        "speech": spoken,
        "screams": of(*_SCREAMED),
    }


def _phrases(
    rng: Random, material: Material, samples: list[Sample], harmony: Harmony, kind: str, synthesized: bool
) -> Sound:
    """Phrases of one singer, one after the other, as they are, or on a melody of their own."""
    out = np.zeros(COUNT, np.float32)
    own = _of_one_singer(rng, samples)
    pause = {"speech": 0.6, "screams": 1.5}.get(kind, 1.5)
    formants = 2 ** (rng.normal(0, 2) / 12)
    semitones = rng.uniform(-4, 4) if kind != "screams" else rng.uniform(-3, 3)
    speed = 1.0 if rng.random() < 0.4 else rng.uniform(0.8, 1.25)
    whole = not synthesized or kind == "screams" or (kind == "phrases" and rng.random() < 0.35)
    breathing = rng.uniform(0.02, 0.25) if synthesized and rng.random() < 0.3 else 0.0
    time = rng.uniform(-1.5, 1)
    while time < SECONDS:
        sample = any_of(rng, own)
        voice = analyzed(material, sample)
        if kind == "tune":
            center = voice.pitch if np.isfinite(voice.pitch) else 60.0
            notes = scores.melody(rng, harmony, round(center) - 6, round(center) + 8)
            part = voices.on_melody(rng, voice, notes, speed, formants)
        elif whole:
            part = transposed(voice.samples, semitones)
        else:
            count = int(len(voice.samples) / speed)
            part = voices.resung(voice, (semitones + voices.vibrato(rng, count)).astype(np.float32), speed, formants)
        part = part / (effects.level(part) + 1e-6) * rng.uniform(0.7, 1)
        if breathing:
            air = voices.breath(rng, rng.uniform(0.15, 0.5))
            add(out, time - len(air) / RATE, air, breathing / (effects.level(air) + 1e-6))
        add(out, time, part, 1)
        time += len(part) / RATE + rng.exponential(pause / 2)
    return out


def _vowels(rng: Random, material: Material, samples: list[Sample], harmony: Harmony) -> Sound:
    """Solo vowels on a tune, with vibrato."""
    own = _of_one_singer(rng, samples)
    center = float(np.median([s.note for s in own if s.note is not None]))
    part = played(material, own, scores.melody(rng, harmony, round(center) - 7, round(center) + 7))
    if rng.random() < 0.6 and part.any():
        voice = voices.analyze(part)
        part = voices.resung(voice, voices.vibrato(rng, COUNT).astype(np.float32), 1.0, 2 ** (rng.normal(0, 1.5) / 12))
    return part


def _choir(rng: Random, material: Material, samples: list[Sample], harmony: Harmony) -> Sound:
    """Chords of held vowels, each sung by several that wander."""
    own = _of_one_singer(rng, samples)
    octave = 12 * round((float(np.median([s.note for s in own if s.note is not None])) - harmony.tonic - 6) / 12)
    step = float(rng.choice([2, 4])) * harmony.beat
    notes = [
        scores.Note(i * step, octave + pitch, 0.98 * step, 0.8)
        for i in range(int(SECONDS / step) + 1)
        for pitch in harmony.chord(i * step)
    ]
    part = played(material, own, notes)
    singing = [part, *effects.double(rng, part, int(rng.integers(2, 5)))]
    return np.asarray(np.sum(singing, axis=0), np.float32)


def _rap(rng: Random, material: Material, samples: list[Sample], harmony: Harmony) -> Sound:
    """Speech at its own pitch, cut into pieces of one or two beats that start on the beat."""
    out = np.zeros(COUNT, np.float32)
    own = _of_one_singer(rng, samples)
    speed, formants = rng.uniform(0.9, 1.4), 2 ** (rng.normal(0, 1) / 12)
    sample, taken, beat = any_of(rng, own), 0, 0
    flat = voices.resung(analyzed(material, sample), 0.0, speed, formants)
    while beat * harmony.beat < SECONDS:
        length = int(rng.choice([1, 1, 2]))
        count = int(0.97 * length * harmony.beat * RATE)
        if taken + count // 2 > len(flat):
            flat, taken = voices.resung(analyzed(material, any_of(rng, own)), 0.0, speed, formants), 0
        part = flat[taken : taken + count].copy()
        part /= effects.level(part) + 1e-3
        fade = min(len(part) // 4, 600)
        part[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        part[len(part) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        if rng.random() < 0.88:
            add(out, beat * harmony.beat, part, rng.uniform(0.8, 1))
        taken, beat = taken + count, beat + length
    return out


def _of_one_singer(rng: Random, samples: list[Sample]) -> list[Sample]:
    singer = any_of(rng, samples).instrument
    return [s for s in samples if s.instrument == singer]


_ANALYZED: dict[Path, voices.Voice] = {}


def analyzed(material: Material, sample: Sample) -> voices.Voice:
    """Return a recording with its fundamental frequency, which is found once."""
    if sample.path not in _ANALYZED:
        _ANALYZED[sample.path] = voices.analyze(material.sound(sample))
    return _ANALYZED[sample.path]
