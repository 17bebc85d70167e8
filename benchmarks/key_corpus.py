"""Render music whose key is known: random pieces of many kinds through General MIDI soundfonts.

    python benchmarks/key_corpus.py FOLDER [tune|test]    # render what is missing; a piece is NAME.flac + NAME.json

"tune" pieces may be looked at while the key estimate is developed and its weights are fitted to them; "test" pieces
have other seeds and a soundfont of their own, and are only measured. Every seventh piece has no key: drums alone.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rhythm_corpus import DRUM_CHANNEL, RATE, midi
from rhythm_corpus import Piece as Notes

SOUNDFONTS = {
    "fluid": "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "musescore": "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
    "timgm": "/usr/share/sounds/sf2/TimGM6mb.sf2",
}
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SECONDS = 30.0
TUNE, TEST = range(1, 421), range(10_001, 10_257)
_NO_KEY_EVERY = 7

_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
_NUMERALS = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_LOOPS = {
    "major": (
        *("I V vi IV", "I vi IV V", "I IV V IV", "I IV I V", "I iii IV V", "vi IV I V", "IV I V vi", "I bVII IV I"),
        *(
            "I vi ii V",
            "I ii V I",
            "I I IV V",
            "I V I IV",
            "I7 IV7 I7 V7",
            "Imaj7 vi7 ii7 V7",
            "I IV ii V",
            "I II IV I",
        ),
        *("ii7 V7 Imaj7 Imaj7", "I V IV V", "I iii vi IV", "IV V iii vi"),
    ),
    "minor": (
        *("i bVI bIII bVII", "i bVII bVI V", "i iv v i", "i iv V i", "i bVII bVI bVII", "i bIII bVII iv", "i i iv V"),
        *("i bVI iv V", "i bVII i bVII", "i v bVI bVII", "i bVI bVII i", "iio V i i", "i7 iv7 i7 bVII", "i IV i IV"),
        *("bVI bVII i i", "i V i iv", "i bVII iv i", "i iv bVII bIII", "i bII i V", "i i bVI V"),
    ),
}
# Harmony as in songs and sonatas: which chords may follow, from the home key's point of view.
_NEXT = {
    "major": {
        "I": ("IV", "V", "vi", "ii", "V7", "V7", "iii", "I"), "ii": ("V", "V7", "V7", "IV"), "iii": ("vi", "IV"),
        "IV": ("V", "I", "ii", "V7"), "V": ("I", "I", "vi", "V7"), "V7": ("I", "I", "I", "vi"),
        "vi": ("ii", "IV", "V", "II7"), "II7": ("V", "V7"),
    },
    "minor": {
        "i": ("iv", "V", "bVI", "V7", "V7", "bIII", "iio", "i"), "iio": ("V", "V7"), "bIII": ("bVI", "bVII", "iv"),
        "iv": ("V", "V7", "i", "iio"), "V": ("i", "i", "V7", "bVI"), "V7": ("i", "i", "i", "bVI"),
        "bVI": ("iv", "V", "iio", "bVII"), "bVII": ("bIII", "i"),
    },
}  # fmt: skip

_KEYBOARDS, _GUITARS, _PADS = (0, 1, 2, 4, 5, 6, 16, 19), (24, 25, 26, 27, 29), (48, 49, 50, 89, 90, 91, 52)
_LEADS = (40, 41, 42, 56, 60, 64, 65, 68, 71, 73, 52, 80, 81, 22)
_BASSES = (32, 33, 34, 35, 38, 39, 43)
_TEXTURES = ("band", "band", "piano", "piano", "strings", "solo", "synth", "guitar", "riff")


@dataclass
class _Score:
    """Notes so far, and what the parts have in common."""

    rng: np.random.Generator
    tonic: int
    mode: str
    beat: float
    notes: Notes
    chords: list[tuple[int, tuple[int, ...], int, str]] = field(default_factory=list)  # root, tones, key's tonic, mode


def _chord(numeral: str) -> tuple[int, tuple[int, ...]]:
    """Root in semitones above the tonic, and tones above the root."""
    flat, name = numeral.startswith("b"), numeral.lstrip("b")
    seventh = "maj7" if name.endswith("maj7") else "7" if name.endswith("7") else ""
    name = name.removesuffix("maj7").removesuffix("7")
    diminished, name = name.endswith("o"), name.removesuffix("o")
    third = (0, 3, 6) if diminished else (0, 3, 7) if name.islower() else (0, 4, 7)
    extra = {"": (), "7": (10,), "maj7": (11,)}[seventh]
    return (_NUMERALS[name.upper()] - flat) % 12, third + extra


def _harmony(score: _Score, count: int) -> None:
    """Fill ``score.chords``: a loop, or a walk that may visit a near key in the middle."""
    rng = score.rng
    if rng.random() < 0.45:
        loop = rng.choice(_LOOPS[score.mode]).split()
        score.chords = [(*_chord(loop[i % len(loop)]), score.tonic, score.mode) for i in range(count)]
        return
    keys = [(score.tonic, score.mode)] * count
    if rng.random() < 0.4:
        near = [(7, "major"), (9, "minor"), (5, "major")] if score.mode == "major" else [(3, "major"), (7, "minor")]
        shift, mode = near[rng.integers(len(near))]
        first = int(count * rng.uniform(0.3, 0.5))
        for i in range(first, min(count, first + int(count * rng.uniform(0.15, 0.35)))):
            keys[i] = ((score.tonic + shift) % 12, mode)
    now, before = "I" if score.mode == "major" else "i", keys[0]
    for i, (tonic, mode) in enumerate(keys):
        if (tonic, mode) != before:
            now, before = "I" if mode == "major" else "i", (tonic, mode)
        elif i and i % 4 == 0 and rng.random() < 0.5:
            now = "I" if mode == "major" else "i"
        elif i:
            now = str(rng.choice(_NEXT[mode][now]))
        score.chords.append((*_chord(now), tonic, mode))


def _add(score: _Score, channel: int, pitch: int, velocity: float, start: float, beats: float) -> None:
    begin = start * score.beat + 0.1 + float(score.rng.normal(0, 0.006))
    velocity = int(np.clip(velocity + score.rng.normal(0, 7), 10, 127))
    score.notes.notes.append((channel, int(pitch), velocity, max(0.0, begin), begin + beats * score.beat * 0.95))


def _bass(score: _Score, per_chord: float, channel: int) -> None:
    rng = score.rng
    style = rng.choice(("root", "fifths", "walk", "pulse", "inversions"))
    for i, (root, tones, tonic, mode) in enumerate(score.chords):
        low, at = 28 + (tonic + root - 4) % 12, i * per_chord
        if style == "root":
            _add(score, channel, low, 92, at, per_chord)
        elif style == "inversions":
            _add(score, channel, low + int(rng.choice((0, 0, tones[1], tones[2]))), 92, at, per_chord)
        else:
            steps = int(per_chord * (2 if style == "pulse" else 1))
            for k in range(steps):
                scale = [p for p in range(-5, 8) if (root + p) % 12 in _SCALES[mode]]
                shift = {"fifths": (0, -5)[k % 2], "pulse": 0}.get(style, 0 if k == 0 else int(rng.choice(scale)))
                _add(score, channel, low + shift, 90, at + k * per_chord / steps, per_chord / steps)


def _block(score: _Score, per_chord: float, channel: int, low: int, *, hits: tuple[float, ...], held: float) -> None:
    for i, (root, tones, tonic, _) in enumerate(score.chords):
        for hit in hits:
            for tone in tones:
                _add(score, channel, low + (tonic + root + tone - low) % 12, 72, i * per_chord + hit * per_chord, held)


def _broken(score: _Score, per_chord: float, channel: int, low: int, rng: np.random.Generator) -> None:
    order = {0: (0, 2, 1, 2), 1: (0, 1, 2, 1), 2: (0, 1, 2, 3)}[int(rng.integers(3))]
    step = float(rng.choice((0.5, 0.25)))
    for i, (root, tones, tonic, _) in enumerate(score.chords):
        base = low + (tonic + root - low) % 12
        for k in range(int(per_chord / step)):
            place = order[k % 4]
            _add(score, channel, base + (*tones[:3], 12)[place], 68, i * per_chord + k * step, step * 1.2)


def _tune(score: _Score, per_chord: float, channel: int, low: int, *, busy: float) -> None:
    """Mostly steps of the scale, chord tones where a chord begins; the leading tone over dominants in minor."""
    rng, pitch, total, at = score.rng, low + 7, len(score.chords) * per_chord, 0.0
    while at < total:
        i = int(at / per_chord)
        root, tones, tonic, mode = score.chords[i]
        scale = {(tonic + s) % 12 for s in _SCALES[mode]}
        if mode == "minor" and root == 7:
            scale = scale - {(tonic + 10) % 12} | {(tonic + 11) % 12}
        if rng.random() < 0.08 and busy < 0.8:
            at += 1.0
            continue
        on_chord = at % per_chord == 0 or rng.random() < 0.35
        wanted = {(tonic + root + tone) % 12 for tone in tones} if on_chord else scale
        reach = [p for p in range(max(low, pitch - 5), min(low + 22, pitch + 6)) if p % 12 in wanted] or [pitch]
        nearest = sorted(reach, key=lambda p: abs(p - pitch) + rng.random() * (3 if on_chord else 2))
        pitch = nearest[min(len(nearest) - 1, int(rng.random() < 0.6))]
        length = float(rng.choice((0.25, 0.5, 0.5, 1.0) if busy > 0.5 else (0.5, 1.0, 1.0, 2.0)))
        _add(score, channel, pitch, 84, at, length)
        at += length


def _drums(score: _Score, beats: int) -> None:
    rng = score.rng
    kick, snare = rng.random(16) < 0.25, rng.random(16) < 0.08
    kick[0] = snare[4] = snare[12] = True
    hat, step = int(rng.choice((42, 51, 44, 70))), int(rng.choice((1, 2, 4)))
    toms, congas = (45, 47, 50), (63, 64)
    colour = rng.choice(("none", "toms", "congas"))
    for k in range(4 * beats):
        for drum, hits, velocity in ((36, kick, 104), (int(rng.choice((38, 38, 37, 40))), snare, 98)):
            if hits[k % 16]:
                _add(score, DRUM_CHANNEL, drum, velocity, k / 4, 0.25)
        if k % step == 0:
            _add(score, DRUM_CHANNEL, hat, 76, k / 4, 0.25)
        if colour != "none" and rng.random() < 0.2:
            _add(score, DRUM_CHANNEL, int(rng.choice(toms if colour == "toms" else congas)), 86, k / 4, 0.25)


def compose(seed: int) -> tuple[Notes, str | None]:
    """Write a piece; the second value is its key, such as ``A minor``, or None for drums alone."""
    rng = np.random.default_rng([seed, 21])
    tonic, mode = int(rng.integers(12)), str(rng.choice(("major", "minor")))
    bpm = float(rng.uniform(66, 160))
    notes = Notes(np.arange(int(SECONDS * bpm / 60)) * 60 / bpm, np.zeros(0), "4/4", bpm)
    score = _Score(rng, tonic, mode, 60 / bpm, notes)
    beats = int(SECONDS * bpm / 60)
    per_chord = float(rng.choice((2, 4))) if bpm < 110 else float(rng.choice((4, 4, 8)))
    notes.levels = {c: int(rng.integers(78, 110)) for c in range(4)} | {DRUM_CHANNEL: int(rng.integers(70, 108))}
    notes.programs = {DRUM_CHANNEL: int(rng.choice((0, 0, 8, 16, 24, 25, 40)))}
    if seed % _NO_KEY_EVERY == 0:
        _drums(score, beats)
        return notes, None
    _harmony(score, int(np.ceil(beats / per_chord)))
    texture = str(rng.choice(_TEXTURES))
    hits = {0: (0.0,), 1: (0.0, 0.5), 2: (0.0, 0.25, 0.5, 0.75), 3: (0.25, 0.75), 4: (0.0, 0.375, 0.75)}
    chosen = hits[int(rng.integers(5))]
    pick = lambda programs: int(rng.choice(programs))  # noqa: E731
    if texture in ("band", "synth", "riff"):
        notes.programs |= {0: pick((*_KEYBOARDS, *_GUITARS)), 1: pick(_BASSES), 2: pick(_LEADS), 3: pick(_PADS)}
        _bass(score, per_chord, 1)
        if texture == "riff":  # power chords: no third, so the mode is in the tune
            notes.programs[0] = pick((29, 30))
            score.chords = [(r, (t[0], t[2], *t[3:]), k, m) for r, t, k, m in score.chords]
            _block(score, per_chord, 0, 40, hits=hits[2], held=per_chord / 4)
            score.chords = [(r, (0, 4 if (r + 4) % 12 in _SCALES[m] else 3, 7), k, m) for r, _, k, m in score.chords]
        elif texture == "synth":
            notes.programs[0] = pick((80, 81, 62, 88))
            _broken(score, per_chord, 0, 57, rng)
            _block(score, per_chord, 3, 52, hits=(0.0,), held=per_chord)
        else:
            _block(score, per_chord, 0, 52, hits=chosen, held=per_chord / (len(chosen) + 1))
        if rng.random() < 0.7:
            _tune(score, per_chord, 2, 64, busy=0.3)
        if rng.random() < 0.8:
            _drums(score, beats)
    elif texture in ("piano", "guitar"):
        notes.programs |= dict.fromkeys((0, 1, 2), pick(_GUITARS if texture == "guitar" else (0, 0, 0, 1, 6, 4)))
        if rng.random() < 0.6:
            _broken(score, per_chord, 0, int(rng.choice((36, 48, 43))), rng)
        else:
            _bass(score, per_chord, 1)
            _block(score, per_chord, 0, 52, hits=chosen, held=per_chord / (len(chosen) + 1))
        if rng.random() < 0.85:
            _tune(score, per_chord, 2, 67, busy=float(rng.random()))
    elif texture == "strings":
        notes.programs |= {0: pick((48, 49, 19, 52)), 1: pick((48, 42, 43)), 2: pick((40, 68, 73))}
        _bass(score, per_chord, 1)
        _block(score, per_chord, 0, 55, hits=(0.0,), held=per_chord)
        if rng.random() < 0.7:
            _tune(score, per_chord, 2, 67, busy=0.3)
    else:
        notes.programs |= {2: pick(_LEADS)}
        if rng.random() < 0.5:
            _broken(score, per_chord, 2, int(rng.choice((52, 57, 62))), rng)
        else:
            _tune(score, per_chord, 2, int(rng.choice((50, 57, 62))), busy=0.7)
    return notes, f"{NAMES[tonic]} {mode}"


def plan(split: str) -> Iterator[tuple[str, int, str]]:
    """Yield name, seed and soundfont of every piece of a split."""
    for seed in TUNE if split == "tune" else TEST:
        font = "timgm" if split == "test" else "musescore" if seed % 6 == 0 else "fluid"
        yield f"{split}_{seed}_{font}", seed, font


def render(folder: Path, split: str) -> list[Path]:
    """Render what is missing of a split; return its sound files."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, seed, font in plan(split):
        path = folder / f"{name}.flac"
        paths.append(path)
        if path.exists():
            continue
        piece, key = compose(seed)
        path.with_suffix(".json").write_text(json.dumps({"key": key, "soundfont": font, "split": split}))
        with tempfile.TemporaryDirectory() as scratch:
            score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
            score.write_bytes(midi(piece))
            command = [
                "fluidsynth",
                "-ni",
                "-q",
                "-g",
                "0.5",
                "-o",
                "synth.dynamic-sample-loading=1",
                "-r",
                str(RATE),
                "-F",
                str(sound),
            ]
            subprocess.run([*command, SOUNDFONTS[font], str(score)], check=True, capture_output=True)
            samples, rate = soundfile.read(sound, dtype="float32")
        samples = samples[: int((SECONDS + 0.5) * rate)]
        soundfile.write(path, samples * (0.7 / max(1e-6, abs(samples).max())), rate)
    return paths


if __name__ == "__main__":
    for part in sys.argv[2:] or ("tune", "test"):
        print(len(render(Path(sys.argv[1]), part)), "pieces of", part, "in", sys.argv[1])
