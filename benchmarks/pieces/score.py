"""Random but plausible songs: who plays which note when. Seconds and MIDI numbers, no sound."""

from dataclasses import dataclass, field

import numpy as np

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "dorian": (0, 2, 3, 5, 7, 9, 10)}
KICK, SNARE, STICK, CLAP, HAT, PEDAL, OPEN, CRASH, RIDE = 36, 38, 37, 39, 42, 44, 46, 49, 51
TOMS, TAMBOURINE, SHAKER, CONGAS = (50, 47, 43), 54, 70, (63, 64)


@dataclass(frozen=True)
class Note:
    """One note: seconds, MIDI pitch, loudness 0 to 1."""

    start: float
    length: float
    pitch: int
    velocity: float


@dataclass(frozen=True)
class Style:
    """What makes a genre, as far as separation is concerned. Patterns: 16 steps a bar, ``X`` loud, ``x`` soft."""

    tempo: tuple[int, int]
    drums: dict[int, str]
    bass: str
    comp: tuple[str, ...]
    bass_programs: tuple[int, ...]
    comp_programs: tuple[int, ...]
    kits: tuple[int, ...] = (0,)
    swing: float = 0.0
    scale: str = "major"
    lead_program: int | None = None
    voices: int = 1
    sevenths: bool = False


@dataclass
class Song:
    """Notes by part, and the part's General MIDI program."""

    seconds: float
    kit: int
    bass_program: int
    comp_programs: list[int]
    drums: list[Note] = field(default_factory=list)
    bass: list[Note] = field(default_factory=list)
    comp: list[list[Note]] = field(default_factory=list)
    voices: list[list[Note]] = field(default_factory=list)


PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (5, 3, 0, 4), (0, 0, 3, 4), (1, 4, 0, 0), (0, 6, 3, 0))

_ROCK = {KICK: "X.....x.X.x.....", SNARE: "....X.......X..x", HAT: "X.x.X.x.X.x.X.x."}
_FOUR = {KICK: "X...X...X...X...", CLAP: "....X.......X...", OPEN: "..X...X...X...X.", HAT: "x.xxx.xxx.xxx.xx"}
_FUNK = {KICK: "X..x..X...x..x..", SNARE: "....X..x.x..X..x", HAT: "X.xxX.xxX.xxX.x."}
_SWING = {RIDE: "X...X.x.X...X.x.", PEDAL: "....X.......X...", SNARE: "......x....x....", KICK: "X...x...x...x..."}
_TRAP = {KICK: "X.....x...X..x..", CLAP: "........X.......", HAT: "X.x.X.xxX.x.xxxx"}
_REGGAE = {KICK: "........X.......", STICK: "........X.......", HAT: "X.x.X.x.X.x.X.xx"}
_LATIN = {
    KICK: "X..xX..xX..xX..x", STICK: "x..x..x...x.x...", SHAKER: "XxXxXxXxXxXxXxXx", CONGAS[0]: "..x...X...x...XX",
}  # fmt: skip
_BALLAD = {KICK: "X.......x.x.....", STICK: "....X.......X...", HAT: "x...x...x...x..."}
_METAL = {KICK: "X.xxX.xxX.xxX.xx", SNARE: "....X.......X...", CRASH: "X.......x.......", RIDE: "....X...X...X..."}
_BRUSH = {SNARE: "x...X.x.x...X.x.", KICK: "X.......X.......", HAT: "..x...x...x...x."}
_BREAK = {KICK: "X.X.......XX....", SNARE: "....X..x.x..X..x", RIDE: "X.x.X.x.X.x.X.x."}

STYLES = {
    "rock": Style((105, 135), _ROCK, "x.x.x.x.x.x.x.x.", ("X.x.X.x.X.x.X.x.", "X.......X......."), (33, 34), (29, 27, 30)),
    "pop": Style((90, 120), _ROCK, "X.....x.X.....x.", ("X...X...X...X...", "X..............."), (33, 39), (0, 25, 89, 48), voices=3),
    "house": Style((118, 128), _FOUR, "..X...X...X...X.", ("..X..X..X..X..X.", "X..............."), (38, 39, 87), (81, 4, 90), (24, 25), scale="minor"),
    "funk": Style((95, 115), _FUNK, "X..x.xX..x.Xx.x.", ("..x.x.X...x.x.X.", "X.....X........."), (36, 37), (28, 4, 61), scale="dorian", sevenths=True),
    "swing": Style((120, 170), _SWING, "X...X...X...X...", ("...x..X......x..",), (32,), (0, 26), (32, 40), 0.6, lead_program=66, sevenths=True, voices=0),
    "trap": Style((130, 150), _TRAP, "X.....x...X.....", ("X.......X.......", "x..x..x..x..x..x"), (38, 39), (88, 11, 5), (25,), scale="minor"),
    "reggae": Style((70, 85), _REGGAE, "X..X..x.X...x.X.", ("....X.......X...", "..x...x...x...x."), (33, 32), (27, 16), (8,)),
    "latin": Style((95, 115), _LATIN, "X..x..X.X..x..X.", ("..X.X..X..X.X..X", "X......."), (32, 33), (24, 0, 61), scale="minor", lead_program=56),
    "ballad": Style((60, 76), _BALLAD, "X.......X.....x.", ("X.x.x.x.X.x.x.x.", "X..............."), (32, 35), (0, 24, 49), (0, 40), voices=2),
    "metal": Style((130, 165), _METAL, "X.xxX.xxX.xxX.xx", ("X.xxX.xxX.xxX.xx", "X.......X......."), (34,), (30, 30, 29), (16,), scale="minor"),
    "folk": Style((80, 105), _BRUSH, "X.......X.......", ("X.x.X.x.X.x.X.xx", "X...x...X...x..."), (32,), (25, 105, 21), (40, 8), voices=2),
    "breaks": Style((155, 172), _BREAK, "X.......x.....X.", ("X...............", "x..x..x...x..x.."), (38, 39), (89, 81, 5), (24, 0), scale="minor", voices=1),
    "synthpop": Style((100, 124), _FOUR, "x.x.x.x.x.x.x.x.", ("x.x.x.x.x.x.x.x.", "X..............."), (38, 39), (80, 50, 62), (24,), scale="minor", voices=2),
    "soul": Style((75, 100), _FUNK, "X..x..X.....X.x.", ("X.......x..x....", "....X.......X..."), (33, 35), (4, 17, 61), (8, 0), sevenths=True, voices=3),
}  # fmt: skip


def compose(style: Style, seconds: float, rng: np.random.Generator) -> Song:
    """Write a song in a style: a progression, a groove with small variations, a tune in phrases."""
    tempo = rng.uniform(*style.tempo)
    step = 60 / tempo / 4
    programs = list(rng.permutation(style.comp_programs)[: len(style.comp)])
    if style.lead_program is not None:
        programs.append(style.lead_program)
    song = Song(seconds, int(rng.choice(style.kits)), int(rng.choice(style.bass_programs)), [int(p) for p in programs])
    scale = SCALES[style.scale]
    key = int(rng.integers(-5, 7))
    chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    bars = int(np.ceil(seconds / (16 * step)))

    def at(bar: int, position: int) -> float:
        late = style.swing * step if position % 4 == 2 else 0.0
        return max(0.0, (16 * bar + position) * step + late + rng.normal(0, 0.004))

    def pitch(degree: int, octave: int) -> int:
        return 12 * octave + key + scale[degree % 7] + 12 * (degree // 7)

    song.comp = [[] for _ in programs]
    for bar in range(bars):
        degree = chords[bar % 4]
        fill = bar % 4 == 3
        for drum, pattern in style.drums.items():
            for i, mark in _hits(pattern, bar, rng):
                if fill and i >= 12 and drum in (SNARE, HAT, RIDE):
                    continue
                song.drums.append(Note(at(bar, i), 0.2, drum, mark))
        if fill:
            for i in range(12, 16):
                song.drums.append(Note(at(bar, i), 0.2, TOMS[(i - 12) * 3 // 4], rng.uniform(0.6, 1)))
        if bar % 8 == 0 and bar:
            song.drums.append(Note(at(bar, 0), 1.0, CRASH, 0.8))
        _bass_bar(song, style, bar, degree, at, pitch, step, rng)
        for part, pattern in zip(song.comp, style.comp, strict=False):
            _comp_bar(part, pattern, bar, degree, at, pitch, step, style.sevenths, rng)
    if style.lead_program is not None:
        song.comp[-1] = _tune(chords, bars, step, at, lambda d: pitch(d, 5), rng)
    low = rng.random() < 0.5
    for voice in range(style.voices):
        if voice == 0:
            song.voices.append(
                _tune(chords, bars, step, at, lambda d: pitch(d, 4 if low else 5) + (3 if low else -2), rng)
            )
        else:
            third = (2, -3)[voice % 2]
            song.voices.append([_shift(n, third, scale, key, rng) for n in song.voices[0] if rng.random() < 0.9])
    return song


def _hits(pattern: str, bar: int, rng: np.random.Generator) -> list[tuple[int, float]]:
    """Steps that sound in this bar and how loud, now and then a soft one left out or added."""
    marks = []
    for i in range(16):
        mark = pattern[i % len(pattern)]
        if mark == "." and rng.random() > 0.015:
            continue
        if mark == "x" and rng.random() < 0.06:
            continue
        marks.append((i, float(rng.uniform(0.75, 1.0) if mark == "X" else rng.uniform(0.35, 0.65))))
    return marks


def _bass_bar(song, style, bar, degree, at, pitch, step, rng) -> None:
    steps = _hits(style.bass, bar, rng)
    for k, (i, velocity) in enumerate(steps):
        until = steps[k + 1][0] if k + 1 < len(steps) else 16
        tone = degree if rng.random() < 0.75 else degree + int(rng.choice((2, 4, 7)))
        note = pitch(tone, 3)
        while note > 48:
            note -= 12
        length = (until - i) * step * rng.uniform(0.6, 0.98)
        song.bass.append(Note(at(bar, i), length, note, velocity))


def _comp_bar(part, pattern, bar, degree, at, pitch, step, sevenths, rng) -> None:
    tones = [degree, degree + 2, degree + 4] + ([degree + 6] if sevenths else [])
    steps = _hits(pattern, bar, rng)
    arpeggio = len(steps) >= 7 and sum(map(ord, pattern)) % 2
    for k, (i, velocity) in enumerate(steps):
        until = steps[k + 1][0] if k + 1 < len(steps) else 16
        length = (until - i) * step * rng.uniform(0.7, 1.0)
        chosen = [tones[k % len(tones)] + 7 * (k % 2)] if arpeggio else tones
        for n, tone in enumerate(chosen):
            part.append(Note(at(bar, i) + 0.008 * n, length, pitch(tone, 5 if tone < 4 else 4), velocity))


def _tune(chords, bars, step, at, pitch, rng) -> list[Note]:
    """Phrases of two bars with a breath between, mostly steps, chord tones on strong beats."""
    notes: list[Note] = []
    degree = 4
    motif = [(int(s), int(d)) for s, d in zip(rng.choice((2, 2, 4, 4, 6, 8), 16), rng.integers(-2, 3, 16), strict=True)]
    for phrase in range(0, bars, 2):
        position, k = int(rng.choice((0, 2, 4))), 0
        while position < 26:
            duration, move = motif[k % len(motif)]
            if rng.random() < 0.2:
                duration = int(rng.choice((2, 4, 8)))
            root = chords[(phrase + position // 16) % 4]
            degree = int(np.clip(degree + move, -2, 9))
            if position % 8 == 0:
                degree = min((root + 7 * o + t for o in (-1, 0, 1) for t in (0, 2, 4)), key=lambda d: abs(d - degree))
            length = min(duration, 28 - position) * step * rng.uniform(0.85, 1.0)
            notes.append(Note(at(phrase, position), length, pitch(degree), float(rng.uniform(0.55, 1.0))))
            position += duration
            k += 1
    return notes


def _shift(note: Note, steps: int, scale: tuple[int, ...], key: int, rng: np.random.Generator) -> Note:
    degrees = sorted(
        range(7), key=lambda d: min((scale[d] + key - note.pitch) % 12, (note.pitch - scale[d] - key) % 12)
    )
    d = degrees[0]
    pitch = note.pitch + scale[(d + steps) % 7] - scale[d] + 12 * ((d + steps) // 7)
    return Note(max(0.0, note.start + rng.normal(0, 0.012)), note.length, pitch, note.velocity * 0.8)
