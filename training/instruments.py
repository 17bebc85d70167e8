"""Random parts of ten seconds: drums, a bass, other instruments, voices; mono, shape=(n,).

What they play is in `scores`, what they play with in `material`: recorded notes at the speed that gives the pitch, and
synthesized waves.
"""

from pathlib import Path

import numpy as np
import soxr
from scipy.signal import butter, lfilter

from training import effects, scores
from training.effects import Random
from training.material import RATE, Material, Sample, Sound
from training.scores import SECONDS, Harmony, Note, any_of

COUNT = int(SECONDS * RATE)
#: Classes of drum sounds by General MIDI pitch, the preferred first.
_DRUMS: dict[int, tuple[str, ...]] = {
    **dict.fromkeys((35, 36), ("kick",)),
    **dict.fromkeys((38, 40), ("snare",)),
    37: ("sidestick", "rimshot", "snare"),
    39: ("clap", "snap", "snare"),
    **dict.fromkeys((22, 42), ("hihat_closed",)),
    44: ("hihat_pedal", "hihat_closed"),
    **dict.fromkeys((26, 46), ("hihat_open", "hihat_half", "hihat_closed")),
    **dict.fromkeys((41, 43, 58), ("tom_low", "tom_mid")),
    **dict.fromkeys((45, 47), ("tom_mid", "tom_low")),
    **dict.fromkeys((48, 50), ("tom_high", "tom_mid")),
    **dict.fromkeys((49, 52, 55, 57), ("crash", "china", "splash", "hihat_open")),
    **dict.fromkeys((51, 59), ("ride", "ride_bell", "hihat_closed")),
    53: ("ride_bell", "ride", "hihat_open"),
}
#: Classes that a kit needs; and those that are played without one, or beside it.
_KIT = ("kick", "snare", "hihat_closed")
#: Levels of the drums of a mixed kit in dB; others have -3 dB.
_BALANCE = {"kick": 4, "snare": 4, "clap": 2, "rimshot": 2, "tom_low": 1, "tom_mid": 1, "tom_high": 1}
_PERCUSSION = (
    *("bongo", "cabasa", "cajon", "castanets", "clap", "claves", "conga", "cowbell", "darbuka", "hand_drum", "maracas"),
    *("percussion", "shaker", "snap", "stomp", "tabla", "tambourine", "triangle", "woodblock", "body"),
)
_FADE = int(0.02 * RATE)
#: A recorded note is moved by at most this many semitones; beyond, an octave of it is played.
_FARTHEST = 8


def transposed(sound: Sound, semitones: float) -> Sound:
    """Return samples, shape=(n,) or (n, channels), at another speed, which is another pitch."""
    if abs(semitones) < 0.02:
        return sound
    return np.asarray(soxr.resample(sound, RATE, RATE / 2 ** (semitones / 12), quality="LQ"), np.float32)


def add(out: Sound, time: float, sound: Sound, gain: float) -> None:
    """Add a sound at a time in seconds, as far as it is inside."""
    start = int(time * RATE)
    if start < 0:
        sound, start = sound[-start:], 0
    sound = sound[: max(0, len(out) - start)]
    out[start : start + len(sound)] += np.float32(gain) * sound


def drums(rng: Random, material: Material, harmony: Harmony, notes: list[Note]) -> Sound:
    """A kit that plays given notes, a drummer's MIDI or a pattern, sometimes with percussion; or percussion alone."""
    out = np.zeros(COUNT, np.float32)
    if rng.random() < 0.93:
        kit = _kit(rng, material)
        if not notes or rng.random() < 0.3:
            notes = scores.groove(rng, material.grooves) if material.grooves and rng.random() < 0.65 else []
        notes = notes or scores.drum_pattern(rng, harmony)
        tuning = {drum: rng.uniform(-2, 2) if rng.random() < 0.5 else 0.0 for drum in kit}
        balance = {drum: 10 ** ((_BALANCE.get(drum, -3) + rng.normal(0, 2.5)) / 20) for drum in kit}
        first: dict[str, Sample] = {}
        played: dict[Path, Sound] = {}
        robin = rng.random() < 0.6
        for note in notes:
            drum = next((name for name in _DRUMS.get(note.pitch, ("hihat_closed",)) if kit.get(name)), None)
            if drum is None:
                continue
            sample = any_of(rng, kit[drum]) if robin else first.setdefault(drum, any_of(rng, kit[drum]))
            if sample.path not in played:
                played[sample.path] = transposed(material.sound(sample), tuning[drum])
            add(out, note.time, played[sample.path], note.gain * balance[drum])
    if not out.any() or rng.random() < 0.25:
        out += _percussion(rng, material, harmony) * (0.25 if out.any() else 1)
    return out


def _kit(rng: Random, material: Material) -> dict[str, list[Sample]]:
    """Sounds by class: of one kit, some classes of another; what neither has comes from a kit that has it."""
    pools = {name: material.samples("drums", name) for name in material.instruments("drums", tonal=False)}
    by_class = {
        name: {drum: [s for s in pool if s.drum == drum] for drum in _classes()} for name, pool in pools.items()
    }
    whole = [name for name, kit in by_class.items() if sum(bool(kit[drum]) for drum in _KIT) >= 2]
    if not whole:
        return {}
    order = [any_of(rng, whole), *(str(name) for name in rng.permutation(list(pools)))]
    kit = {}
    for drum in _classes():
        wanted = order if rng.random() < 0.85 else order[1:]
        kit[drum] = next((by_class[name][drum] for name in wanted if by_class[name][drum]), [])
    return kit


def _classes() -> list[str]:
    return sorted({name for names in _DRUMS.values() for name in names})


def _percussion(rng: Random, material: Material, harmony: Harmony) -> Sound:
    out = np.zeros(COUNT, np.float32)
    found: dict[str, list[Sample]] = {}
    for name in material.instruments("drums", tonal=False):
        for sample in material.samples("drums", name):
            if sample.drum in _PERCUSSION:
                found.setdefault(sample.drum, []).append(sample)
    for _ in range(int(rng.integers(1, 4)) if found else 0):
        samples = found[any_of(rng, sorted(found))]
        step = harmony.beat / float(rng.choice([1, 2, 2, 4]))
        pattern, accents = rng.random(8) < 0.7, rng.uniform(0.2, 1, 8)
        chosen = [any_of(rng, samples) for _ in range(3)]
        for i in np.flatnonzero(np.resize(pattern, int(SECONDS / step) + 1)):
            add(out, i * step, material.sound(any_of(rng, chosen)), accents[i % 8])
    return out


def bass(rng: Random, material: Material, harmony: Harmony, notes: list[Note]) -> Sound:
    """A recorded bass, a synthesized one or a sub bass, that plays given notes or a line of its own."""
    notes = notes or scores.bass_line(rng, harmony)
    kind = rng.random()
    if kind < 0.12:
        return _sub_bass(rng, notes)
    if kind < 0.3:
        part = _waves(rng, notes, str(rng.choice(["saw", "square", "sine"])))
        return np.asarray(lfilter(*butter(2, rng.uniform(200, 2500) / (RATE / 2)), part), np.float32)
    part = _recorded(rng, material, "bass", notes)
    if kind > 0.85:
        part = 0.5 * part / (effects.level(part) + 1e-6) + effects.amplify(rng, part)
    return part


def _sub_bass(rng: Random, notes: list[Note]) -> Sound:
    """A sine below 80 Hz that glides and dies, slightly distorted: the bass of hip-hop and electronic music."""
    out = np.zeros(COUNT, np.float32)
    decay, glide, drive = rng.uniform(0.5, 5), rng.uniform(0, 12), rng.uniform(0.5, 3)
    for note in notes:
        time = np.arange(int(max(note.seconds, 0.25) * RATE)) / RATE
        pitch = note.pitch + glide * np.exp(-time / 0.03)
        phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / RATE
        shape = np.minimum(1, time / 0.004) * np.exp(-time / decay) * np.clip((time[-1] - time) / 0.02, 0, 1)
        add(out, note.time, np.asarray(np.tanh(drive * np.sin(phase)) * shape, np.float32), note.gain)
    return out


#: How often each kind of instrument plays; waves are synthesized.
_OTHERS = {"guitar": 0.27, "keys": 0.2, "strings": 0.11, "wind": 0.1, "synth": 0.13, "wave": 0.15, "noise": 0.04}


def others(rng: Random, material: Material, harmony: Harmony, parts: list[list[Note]], count: int) -> list[Sound]:
    """Return instruments that play given parts, or chords, arpeggios, riffs and tunes; level 1 each."""
    found = []
    for i in range(count):
        kind = str(rng.choice(list(_OTHERS), p=np.array(list(_OTHERS.values())) / sum(_OTHERS.values())))
        notes = parts[i] if i < len(parts) else scores.accompaniment(rng, harmony)
        if kind == "noise":
            part = _noise(rng)
        elif kind == "wave":
            part = _waves(rng, notes, str(rng.choice(["saw", "saw", "square", "sine"])))
            cutoff = np.exp(rng.uniform(np.log(300), np.log(9000)))
            part = np.asarray(lfilter(*butter(2, cutoff / (RATE / 2)), part), np.float32)
        else:
            part = _recorded(rng, material, kind, notes)
            if kind == "guitar" and rng.random() < 0.55:
                part = effects.amplify(rng, part)
        if rng.random() < 0.15:
            part = _loop(part, harmony)
        found.append(part / (effects.level(part) + 1e-6))
    return found


def _loop(part: Sound, harmony: Harmony) -> Sound:
    """Repeat the first one or two bars exactly."""
    length = round(4 * harmony.beat * RATE) * (2 if harmony.bpm > 120 else 1)
    return np.resize(part[:length], len(part))


def _noise(rng: Random) -> Sound:
    """Noise of a random color, with a slow swell or steady."""
    low = np.exp(rng.uniform(np.log(100), np.log(3000)))
    sound = effects.band_pass(rng.standard_normal(COUNT, np.float32), low, rng.uniform(1.2 * low, 18000), 1)
    swell = np.interp(np.arange(COUNT), np.linspace(0, COUNT, 9), rng.uniform(0.1, 1, 9))
    return np.asarray(sound * (swell if rng.random() < 0.6 else 1), np.float32)


def _recorded(rng: Random, material: Material, kind: str, notes: list[Note]) -> Sound:
    names = material.instruments(kind) or material.instruments("keys")
    if not names:
        return _waves(rng, notes, "saw")
    return played(material, material.samples(kind, any_of(rng, names)) or material.samples("keys", names[0]), notes)


def played(material: Material, samples: list[Sample], notes: list[Note]) -> Sound:
    """Play notes with the recorded notes of one instrument, each with the nearest."""
    bank = [s for s in samples if s.note is not None]
    out = np.zeros(COUNT, np.float32)
    ready: dict[tuple[Path, float], Sound] = {}
    for note in notes:
        sample = min(bank, key=lambda s: abs((s.note or 0) - note.pitch))
        semitones = note.pitch - (sample.note or 0)
        if abs(semitones) > _FARTHEST:
            semitones -= 12 * round(semitones / 12)
        key = sample.path, semitones
        if key not in ready:
            ready[key] = transposed(material.sound(sample), semitones)
        sound = ready[key][: int(note.seconds * RATE)].copy()
        fade = min(len(sound), _FADE)
        sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        add(out, note.time, sound, note.gain)
    return out


def _waves(rng: Random, notes: list[Note], wave: str) -> Sound:
    """Play notes with a synthesized wave: one period by its partials, read at the frequency, two voices detuned."""
    out = np.zeros(COUNT, np.float32)
    decay, attack = float(rng.choice([0.3, 1, 3, 20])), float(rng.choice([0.003, 0.01, 0.1]))
    detune = rng.uniform(0, 0.2) if rng.random() < 0.5 else 0.0
    phase = np.arange(2048) / 2048
    ready: dict[tuple[int, int], Sound] = {}
    for note in notes:
        count = int(min(note.seconds, SECONDS) * RATE)
        if (note.pitch, count) not in ready:
            hertz = 440 * 2 ** ((note.pitch - 69) / 12)
            top = int(np.clip(15000 / hertz, 2, 60))
            partials = {"saw": range(1, top), "square": range(1, top, 2), "sine": range(1, 3)}[wave]
            slope = 2.0 if wave == "sine" else 1.0
            period = sum(np.sin(2 * np.pi * k * phase + k) / k**slope for k in partials)
            time = np.arange(count) / RATE
            shape = np.minimum(1, time / attack) * np.exp(-time / decay) * np.clip((count / RATE - time) / 0.02, 0, 1)
            tone = sum(
                np.interp((time * hertz * 2 ** (d / 12)) % 1, phase, period, period=1)
                for d in ((-detune, detune) if detune else (0.0,))
            )
            ready[note.pitch, count] = np.asarray(tone * shape, np.float32)
        add(out, note.time, ready[note.pitch, count], note.gain)
    return out
