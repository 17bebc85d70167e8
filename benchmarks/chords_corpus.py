"""Render music whose chords are known: random pieces of many kinds through General MIDI soundfonts.

    python benchmarks/chords_corpus.py FOLDER [tune|test ...]    # renders what is missing

A piece is a folder NAME with ``full_mix.flac`` and ``truth.json``: ``chords`` (start and end in seconds, symbol in
Harte's syntax), ``beats``, ``downbeats``, ``soundfont``. "tune" pieces may be looked at while the chord model is
developed, and its weights are fitted to them; "test" pieces have other seeds and a soundfont that occurs nowhere else
(TimGM6mb), and are only measured. Bands, pianos, guitars, pads and riffs; inversions, pedal points, sevenths,
suspensions, secondary dominants, modulations, pushed changes, bars of drums alone, rests, other tunings; every
twenty-fifth piece is drums alone.
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
SECONDS = {"tune": 32.0, "test": 45.0}
TUNE, TEST = range(1, 151), range(10_001, 10_061)
_DRUMS_EVERY = 25

QUALITIES = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10),
    "sus4": (0, 5, 7), "sus2": (0, 2, 7), "dim": (0, 3, 6), "hdim7": (0, 3, 6, 10), "maj6": (0, 4, 7, 9),
    "9": (0, 4, 7, 10, 2), "5": (0, 7),
}  # fmt: skip
_BASS_DEGREES = {2: "2", 3: "b3", 4: "3", 5: "4", 6: "b5", 7: "5", 9: "6", 10: "b7", 11: "7"}
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
# Degree: semitones above the tonic, plain quality, quality with a seventh.
_DEGREES = {
    "I": (0, "maj", "maj7"), "ii": (2, "min", "min7"), "iii": (4, "min", "min7"), "IV": (5, "maj", "maj7"),
    "V": (7, "maj", "7"), "vi": (9, "min", "min7"), "vii": (11, "dim", "hdim7"), "II": (2, "maj", "7"),
    "III": (4, "maj", "7"), "VI": (9, "maj", "7"), "bVII": (10, "maj", "7"), "bVI": (8, "maj", "maj7"),
    "bIII": (3, "maj", "maj7"), "i": (0, "min", "min7"), "iv": (5, "min", "min7"), "v": (7, "min", "min7"),
    "iio": (2, "dim", "hdim7"), "Isus": (0, "sus4", "sus4"), "Vsus": (7, "sus4", "sus4"), "IVsus": (5, "sus2", "sus2"),
    "I7": (0, "7", "9"), "IV7": (5, "7", "9"), "I6": (0, "maj6", "maj6"), "bII": (1, "maj", "maj7"),
}  # fmt: skip
_LOOPS = {
    "major": (
        *("I V vi IV", "vi IV I V", "I vi IV V", "I IV V V", "I iii IV V", "I V ii IV", "IV I V vi", "I IV I V"),
        *("ii V I vi", "I VI ii V", "IV iv I I", "I bVII IV I", "I V vi iii IV I IV V", "I I IV Vsus", "vi V IV V"),
        *("I II IV I", "IVsus V vi I", "I7 IV7 I7 V", "I6 ii V I", "I III vi IV", "iii vi ii V", "I vii vi V"),
    ),
    "minor": (
        *("i bVI bIII bVII", "i bVII bVI V", "i iv v i", "i iv V i", "i bVII bVI bVII", "i bIII bVII iv", "iio V i i"),
        *("i bVI iv V", "i v bVI bVII", "i bVII iv bVI", "i iv bVII bIII", "bVI bVII i i", "i bII V i", "i i iv bVI"),
    ),
}
_NEXT = {
    "major": {
        "I": "IV V vi ii iii V VI III", "ii": "V V Vsus IV vii", "iii": "vi IV ii", "IV": "V I ii iv bVII V",
        "V": "I I vi IV", "Vsus": "V", "vi": "ii IV V II iii", "II": "V", "III": "vi", "VI": "ii", "iv": "I",
        "bVII": "IV I", "vii": "I III",
    },
    "minor": {
        "i": "iv V bVI bVII bIII v iio", "iio": "V", "bIII": "bVI bVII iv", "iv": "V i bVII iio", "V": "i i bVI",
        "v": "bVI iv i", "bVI": "iv V bVII iio", "bVII": "bIII i",
    },
}  # fmt: skip
_KEYBOARDS, _GUITARS, _DRIVEN = (0, 1, 2, 4, 5, 6, 7, 16, 18, 19), (24, 25, 26, 27, 28), (29, 30)
_PADS, _BASSES = (48, 49, 50, 51, 88, 89, 90, 91, 92, 94, 95), (32, 33, 34, 35, 36, 37, 38, 39, 43)
_LEADS = (52, 53, 54, 53, 54, 40, 56, 57, 60, 64, 65, 66, 68, 71, 73, 75, 80, 81, 22, 26, 29)
_TEXTURES = ("band", "band", "band", "piano", "piano", "guitar", "synth", "riff", "ballad", "jazz")
_COMPS = (
    *((0.0,), (0.0, 2.0), (0.0, 1.0, 2.0, 3.0), (0.5, 1.5, 2.5, 3.5), (0.0, 1.5, 3.0), (1.0, 3.0)),
    *((0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5), (0.0, 1.0, 1.5, 2.5, 3.0, 3.5), (0.0, 0.75, 1.5, 2.5, 3.25)),
)


@dataclass(frozen=True)
class Chord:
    """A chord of a piece: beats from the beginning, and the key's tonic and mode around it."""

    start: float
    end: float
    root: int
    quality: str
    bass: int
    tonic: int
    mode: str

    @property
    def tones(self) -> tuple[int, ...]:
        """Semitones above the root."""
        return QUALITIES[self.quality]

    @property
    def symbol(self) -> str:
        """Harte's syntax."""
        slash = f"/{_BASS_DEGREES[self.bass]}" if self.bass else ""
        return f"{NAMES[self.root]}:{self.quality}{slash}"


@dataclass
class _Score:
    rng: np.random.Generator
    beat: float
    per_bar: int
    notes: Notes
    chords: list[Chord] = field(default_factory=list)
    #: Bars of drums alone or of silence.
    empty: dict[int, str] = field(default_factory=dict)

    def add(self, channel: int, pitch: int, velocity: float, start: float, beats: float) -> None:
        """Add a note; a bar without harmony has drums only."""
        kind = self.empty.get(int(start // self.per_bar), "")
        if kind == "rest" or (kind and channel != DRUM_CHANNEL):
            return
        begin = max(0.0, start * self.beat + float(self.rng.normal(0, 0.007)))
        velocity = int(np.clip(velocity + self.rng.normal(0, 8), 12, 127))
        end = begin + max(0.05, beats * self.beat * 0.96)
        if self.empty.get(int((start + beats) // self.per_bar)):
            end = min(end, (start // self.per_bar + 1) * self.per_bar * self.beat)
        self.notes.notes.append((channel, int(pitch), velocity, begin, max(end, begin + 0.05)))


def _degrees(rng: np.random.Generator, mode: str, count: int) -> list[str]:
    """A section: a loop, or a walk."""
    if rng.random() < 0.6:
        loop = str(rng.choice(_LOOPS[mode])).split()
        return [loop[i % len(loop)] for i in range(count)]
    now, found = "I" if mode == "major" else "i", []
    for i in range(count):
        if i and i % 8 == 0:
            now = "I" if mode == "major" else "i"
        elif i:
            now = str(rng.choice(_NEXT[mode].get(now, "I" if mode == "major" else "i").split()))
        found.append(now)
    return found


def _harmony(score: _Score, bars: int) -> None:
    rng = score.rng
    tonic, mode = int(rng.integers(12)), str(rng.choice(("major", "major", "minor")))
    sevenths = float(rng.choice((0.05, 0.15, 0.4, 0.9)))
    inversions, pedal = float(rng.choice((0.0, 0.1, 0.3))), rng.random() < 0.1
    pushed = float(rng.choice((0.0, 0.0, 0.0, 0.3)))
    two, four = (
        (score.per_bar / 2, score.per_bar / 2) if score.per_bar % 2 == 0 else (2.0, 1.0),
        (float(score.per_bar),),
    )
    rhythms = ((four,), (four,), (four, four, four, two), (two,), (four, two), ((2.0 * score.per_bar,),))
    rhythm = rhythms[int(rng.integers(len(rhythms)))]
    at, section, end = 0.0, int(rng.choice((4, 8))), float(bars * score.per_bar)
    while at < end:
        lengths: list[float] = []
        bar = 0
        while sum(lengths) < section * score.per_bar - 1e-6:
            lengths += rhythm[bar % len(rhythm)]
            bar += 1
        for degree, length in zip(_degrees(rng, mode, len(lengths)), lengths, strict=True):
            above, plain, rich = _DEGREES[degree]
            quality = rich if rng.random() < sevenths else plain
            if quality == "maj7" and rng.random() < 0.3:
                quality = "maj"
            tones = QUALITIES[quality]
            bass = int(rng.choice(tones[1:3])) if rng.random() < inversions else 0
            root = (tonic + above) % 12
            if pedal and (tonic - root) % 12 in tones:
                bass = (tonic - root) % 12
            push = 0.5 if at and rng.random() < pushed else 0.0
            start = at - push
            if score.chords and push:
                last = score.chords[-1]
                score.chords[-1] = Chord(last.start, start, *list(vars(last).values())[2:])
            score.chords.append(Chord(start, at + length, root, quality, bass, tonic, mode))
            at += length
        if rng.random() < 0.2:
            tonic = (tonic + int(rng.choice((1, 2, 5, 7, 3, 9)))) % 12
        elif rng.random() < 0.1:
            tonic, mode = ((tonic + 9) % 12, "minor") if mode == "major" else ((tonic + 3) % 12, "major")


def _bass(score: _Score, channel: int, lowest: int = 28) -> None:
    rng = score.rng
    style = str(rng.choice(("root", "fifths", "walk", "pulse", "octaves", "arpeggio", "sparse")))
    for chord in score.chords:
        low = lowest + (chord.root + chord.bass - lowest) % 12
        length = chord.end - chord.start
        if style in ("root", "sparse"):
            score.add(channel, low, 94, chord.start, length * (0.4 if style == "sparse" else 1))
            continue
        step = 0.5 if style in ("pulse", "octaves") else 1.0
        scale = [p for p in range(-5, 8) if (chord.root + chord.bass + p - chord.tonic) % 12 in _SCALES[chord.mode]]
        inside = [p for p in range(13) if (chord.bass + p) % 12 in chord.tones]
        for k in range(int(np.ceil(length / step - 1e-6))):
            shift = {
                "pulse": 0,
                "octaves": 12 * (k % 2),
                "fifths": (0, 7 if 7 - chord.bass in (7, 3, 4) else 0)[k % 2],
                "walk": 0 if k == 0 else int(rng.choice(scale)),
                "arpeggio": inside[k % len(inside)],
            }[style]
            score.add(channel, low + shift, 90, chord.start + k * step, min(step, length - k * step))


def _voicing(chord: Chord, low: int, rng: np.random.Generator, *, rootless: bool = False) -> list[int]:
    tones = list(chord.tones)
    if rootless and len(tones) > 3:
        tones = tones[1:]
    notes = [low + (chord.root + tone - low) % 12 for tone in tones]
    if rng.random() < 0.25:
        notes.append(notes[0] + 12)
    return notes


def _block(score: _Score, channel: int, low: int, pattern: tuple[float, ...], held: float, **options: bool) -> None:
    rng = score.rng
    for chord in score.chords:
        notes = _voicing(chord, low + int(rng.integers(-2, 3)), rng, **options)
        first = chord.start // score.per_bar * score.per_bar
        at = [first + bar * score.per_bar + p for bar in range(4) for p in pattern if p < score.per_bar]
        hits = sorted({chord.start} | {t for t in at if chord.start < t < chord.end - 0.2})
        if len(pattern) > 1 and chord.start not in at and rng.random() < 0.5:
            hits = hits[1:] or hits
        for hit in hits:
            strum = float(rng.choice((0.0, 0.0, 0.02)))
            for i, note in enumerate(notes):
                score.add(channel, note, 74, hit + i * strum, min(held, chord.end - hit))


def _broken(score: _Score, channel: int, low: int, step: float) -> None:
    rng = score.rng
    order = ((0, 2, 1, 2), (0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0))[int(rng.integers(4))]
    for chord in score.chords:
        notes = sorted(_voicing(chord, low, rng))
        notes = [*notes, notes[0] + 12, notes[1] + 12]
        for k in range(int(np.ceil((chord.end - chord.start) / step - 1e-6))):
            score.add(channel, notes[order[k % 4]], 70, chord.start + k * step, step * 1.5)


def _tune(score: _Score, channel: int, low: int, busy: float) -> None:
    """Steps of the scale and tones of the chord; also tones held over a change, and approaches from a semitone."""
    rng, pitch, end = score.rng, low + 7, score.chords[-1].end
    at, i = 0.0, 0
    while at < end:
        while score.chords[i].end <= at + 1e-6:
            i += 1
        chord = score.chords[i]
        if rng.random() < 0.12:
            at += 1.0
            continue
        scale = {(chord.tonic + s) % 12 for s in _SCALES[chord.mode]} | {(chord.root + t) % 12 for t in chord.tones}
        inside = {(chord.root + t) % 12 for t in chord.tones}
        strong = abs(at - chord.start) < 0.1 or at % 2 == 0
        wanted = inside if rng.random() < (0.75 if strong else 0.4) else scale
        reach = [p for p in range(max(low - 3, pitch - 5), min(low + 19, pitch + 6)) if p % 12 in wanted] or [pitch]
        pitch = min(reach, key=lambda p: abs(p - pitch) + 4 * rng.random())
        length = float(rng.choice((0.25, 0.5, 0.5, 1.0) if busy > 0.6 else (0.5, 0.5, 1.0, 1.5, 2.0)))
        score.add(channel, pitch, 86, at, length)
        at += length


def _drums(score: _Score, bars: int) -> None:
    rng, steps = score.rng, 4 * score.per_bar
    kick, snare = rng.random(steps) < 0.2, rng.random(steps) < 0.06
    kick[0], kick[4::8], snare[4::8] = True, False, True
    hat, step = int(rng.choice((42, 51, 44, 70, 46))), int(rng.choice((1, 2, 4)))
    snare_drum, toms = int(rng.choice((38, 40, 37, 39))), rng.random() < 0.3
    for bar in range(bars):
        fill = bar % 8 == 7 and rng.random() < 0.6
        if bar % 8 == 0 and rng.random() < 0.6:
            score.add(DRUM_CHANNEL, 49, 96, bar * score.per_bar, 2)
        for k in range(steps):
            at = bar * score.per_bar + k / 4
            if fill and k >= steps - 4:
                score.add(DRUM_CHANNEL, int(rng.choice((38, 45, 47, 50))), 96, at, 0.25)
                continue
            if kick[k]:
                score.add(DRUM_CHANNEL, 36, 104, at, 0.25)
            if snare[k]:
                score.add(DRUM_CHANNEL, snare_drum, 100, at, 0.25)
            if k % step == 0:
                score.add(DRUM_CHANNEL, hat, 78, at, 0.25)
            if toms and rng.random() < 0.08:
                score.add(DRUM_CHANNEL, int(rng.choice((45, 47, 50, 63, 64))), 84, at, 0.25)


def compose(seed: int, seconds: float) -> tuple[Notes, list[tuple[float, float, str]]]:
    """Write a piece; the second value is its chords, in seconds."""
    rng = np.random.default_rng([seed, 77])
    bpm = float(rng.uniform(62, 172))
    per_bar = int(rng.choice((4, 4, 4, 4, 3)))
    bars = max(4, int(seconds * bpm / 60 / per_bar))
    beats = np.arange(bars * per_bar) * 60 / bpm
    notes = Notes(beats, beats[::per_bar], f"{per_bar}/4", bpm)
    score = _Score(rng, 60 / bpm, per_bar, notes)
    notes.levels = {c: int(rng.integers(70, 112)) for c in range(5)} | {DRUM_CHANNEL: int(rng.integers(60, 112))}
    notes.programs = {DRUM_CHANNEL: int(rng.choice((0, 0, 8, 16, 24, 25, 32, 40)))}
    if seed % _DRUMS_EVERY == 0:
        _drums(score, bars)
        return notes, [(0.0, bars * per_bar * score.beat, "N")]
    _harmony(score, bars)
    end = float(bars * per_bar)
    score.chords = [Chord(c.start, min(c.end, end), *list(vars(c).values())[2:]) for c in score.chords if c.start < end]
    texture = str(rng.choice(_TEXTURES))
    drums = texture not in ("piano", "guitar", "ballad") or rng.random() < 0.3
    if drums:
        if rng.random() < 0.25:
            score.empty |= dict.fromkeys(range(int(rng.integers(1, 3))), "drums")
        if rng.random() < 0.2:
            score.empty[bars // 2] = str(rng.choice(("drums", "rest")))
    _texture(score, texture)
    if drums:
        _drums(score, bars)
    return notes, _truth(score)


def _texture(score: _Score, texture: str) -> None:
    rng, programs = score.rng, score.notes.programs
    pick = lambda choices: int(rng.choice(choices))  # noqa: E731
    comp, step = _COMPS[int(rng.integers(len(_COMPS)))], float(rng.choice((0.5, 0.5, 0.25, 1.0)))
    programs |= {
        0: pick((*_KEYBOARDS, *_GUITARS)),
        1: pick(_BASSES),
        2: pick(_LEADS),
        3: pick(_PADS),
        4: pick(_GUITARS),
    }
    if texture in ("piano", "guitar"):
        one = pick(_GUITARS if texture == "guitar" else (0, 0, 1, 2, 4, 5, 6))
        programs |= {0: one, 1: one}
        if rng.random() < 0.4:
            _broken(score, 0, int(rng.choice((40, 45, 52))), step)
            _bass(score, 1, 33)
        else:
            _bass(score, 1, 33)
            _block(score, 0, 53, comp, float(rng.choice((0.4, 1.0, 4.0))))
    elif texture == "riff":
        programs |= {0: pick(_DRIVEN), 4: pick((*_DRIVEN, 27))}
        _bass(score, 1)
        full = score.chords
        score.chords = [Chord(c.start, c.end, c.root, "5", 0, c.tonic, c.mode) for c in full]
        _block(score, 0, 40, _COMPS[6], 0.5)
        score.chords = full
        if rng.random() < 0.7:
            _block(score, 4, 52, comp, 1.0)
        else:
            _broken(score, 4, 55, 0.5)
    else:
        _bass(score, 1)
        if texture != "synth":
            rootless = texture == "jazz" and rng.random() < 0.7
            _block(score, 0, 52, comp, float(rng.choice((0.3, 0.5, 1.0, 4.0))), rootless=rootless)
        if texture in ("synth", "ballad") or rng.random() < 0.3:
            _block(score, 3, int(rng.choice((48, 55, 60))), (0.0,), 8.0)
        if texture == "synth" or rng.random() < 0.4:
            _broken(score, 4, int(rng.choice((52, 57, 64))), step)
    if rng.random() < 0.8:
        _tune(score, 2, int(rng.choice((57, 62, 67))), float(rng.random()))


def _truth(score: _Score) -> list[tuple[float, float, str]]:
    """Chords in seconds, N in the bars without harmony."""
    found: list[tuple[float, float, str]] = []
    for chord in score.chords:
        edges = [b * score.per_bar for b in range(10_000) if chord.start < b * score.per_bar < chord.end]
        for start, end in zip([chord.start, *edges], [*edges, chord.end], strict=True):
            symbol = "N" if score.empty.get(int((start + end) / 2 // score.per_bar)) else chord.symbol
            if found and found[-1][2] == symbol:
                found[-1] = (found[-1][0], end * score.beat, symbol)
            else:
                found.append((start * score.beat, end * score.beat, symbol))
    return found


def plan(split: str) -> Iterator[tuple[str, int, str]]:
    """Yield name, seed and soundfont of every piece of a split."""
    for seed in TUNE if split == "tune" else TEST:
        yield f"{split}_{seed}", seed, "timgm" if split == "test" else "musescore" if seed % 3 == 0 else "fluid"


def render(folder: Path, split: str) -> list[Path]:
    """Render what is missing of a split; return the folders of its pieces."""
    import soundfile

    made = []
    for name, seed, font in plan(split):
        piece = folder / name
        made.append(piece)
        if (piece / "truth.json").exists():
            continue
        piece.mkdir(parents=True, exist_ok=True)
        notes, chords = compose(seed, SECONDS[split])
        rng = np.random.default_rng([seed, 78])
        lead = float(rng.uniform(0.05, 0.6))
        notes.notes = [(c, p, v, s + lead, e + lead) for c, p, v, s, e in notes.notes]
        # Another tuning is a slightly different speed, as of a tape.
        speed = 2 ** (float(rng.uniform(-45, 45)) / 1200) if rng.random() < 0.25 else 1.0
        with tempfile.TemporaryDirectory() as scratch:
            score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
            score.write_bytes(midi(notes))
            options = ["-ni", "-q", "-g", "0.5", "-o", "synth.dynamic-sample-loading=1", "-r", str(round(RATE / speed))]
            subprocess.run(
                ["fluidsynth", *options, "-F", str(sound), SOUNDFONTS[font], str(score)],
                check=True,
                capture_output=True,
            )
            samples, _ = soundfile.read(sound, dtype="float32")
        samples = samples[: int((chords[-1][1] + lead + 1.5) * RATE / speed)]
        soundfile.write(piece / "full_mix.flac", samples * (0.7 / max(1e-6, abs(samples).max())), RATE)

        def seconds(time: float, lead: float = lead, speed: float = speed) -> float:
            return round((time + lead) / speed, 5)

        truth = {
            "chords": [[seconds(start), seconds(end), symbol] for start, end, symbol in chords],
            "beats": [seconds(t) for t in notes.beats],
            "downbeats": [seconds(t) for t in notes.downbeats],
            "soundfont": font,
        }
        (piece / "truth.json").write_text(json.dumps(truth))
    return made


if __name__ == "__main__":
    for part in sys.argv[2:] or ("tune", "test"):
        print(len(render(Path(sys.argv[1]), part)), "pieces of", part, "in", sys.argv[1])
