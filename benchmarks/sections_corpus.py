"""Render music whose form is known: songs and tracks with repeated parts, fills, drops and key changes.

    python benchmarks/sections_corpus.py FOLDER [tune|test]   # a piece is NAME/ with full_mix, stems and truth.json

Besides the pieces of each split there are its ``repetitions``: pieces without any fill, cymbal or gap, whose sections
return exactly as they were, and pieces that are played twice without a rest, the second time on another beat.

The truth holds ``sections`` (start, end, label, part), ``beats``, ``downbeats``, ``meter``, ``style``, ``key_change``.
"tune" pieces may be looked at while the segmentation is developed and its weights are fitted to them; "test" pieces
have other seeds, a soundfont of their own, and styles that "tune" lacks, and are only measured. In both, every third
piece is made by plain synthesis (``pieces.instruments``) instead of a soundfont. Needs fluidsynth.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from pieces import instruments
from pieces.score import Note
from rhythm_corpus import DRUM_CHANNEL, LOUDNESS, MAJOR, MINOR, RATE, SCALE, beats_per_bar, midi
from rhythm_corpus import Piece as Notes
from rhythm_styles import CRASH, MORE_STYLES, SNARE, STYLES, TOM_HIGH, TOM_LOW, TOM_MID, UNSEEN, Style

SOUNDFONTS = {
    "fluid": "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "musescore": "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
    "timgm": "/usr/share/sounds/sf2/TimGM6mb.sf2",
}
TUNE, TEST = range(1, 37), range(10_001, 10_061)
#: Seeds of the pieces without fills; those of the pieces that are played twice are 500 higher.
_PLAIN, _TWICE = {"tune": range(3001, 3013), "test": range(23_001, 23_015)}, 500
_LONGEST_TWICE = 80.0
STEMS = ("drums", "bass", "other", "vocals")
#: Channel of each instrument of a piece: chords, bass, tune, broken chords, pad, riff.
CHORDS, BASS, TUNE_CHANNEL, BROKEN, PAD, RIFF = range(6)
_STEM = {CHORDS: "other", BASS: "bass", BROKEN: "other", PAD: "other", RIFF: "other", DRUM_CHANNEL: "drums"}
_EVERY = 3  # every third piece is synthesized
_SECONDS = (60.0, 125.0)

#: Forms as letters of parts: intro, verse, pre-chorus, chorus, bridge, solo, outro; build-up, drop, breakdown; A to E.
FORMS = (
    *("IVCVCBCO", "IVVCVCC", "VCVCBC", "IVPCVPCBCO", "VVBVBV", "IVCVCSCO", "IVCSVCO", "VCVCSVCC", "IVPCVPCC", "VCVCO"),
    *("IUDKUDO", "IDKUD", "IKUDKUDO", "DKDKD", "ABACA", "AABB", "AABA", "ABCD", "ABAB", "ABCAB", "AABCCB", "IABABO"),
)
_SUNG = frozenset("VPCBKABC")
_LEADS = {"voice": (52, 53, 54), "lead": (65, 66, 73, 56, 40, 71, 80, 81)}
_STYLES = {
    name: style
    for name, style in (STYLES | MORE_STYLES).items()
    if style.shape in ("song", "breakdown", "loop") and style.comp and style.bass
}


@dataclass(frozen=True)
class Part:
    """What is played in one part of the form, by everybody, whenever it comes."""

    chords: tuple[tuple[int, tuple[int, ...]], ...]
    chord_bars: float
    drums: dict[int, str]
    bass: str
    comp: str
    broken: str
    pad: bool
    riff: bool
    sung: bool
    program: int  # of the chords
    register: int  # semitones
    force: float  # factor of the velocities
    bars: int
    seed: int  # of the tune

    def traits(self) -> tuple[object, ...]:
        """Return what a listener tells parts apart by."""
        drums = tuple(sorted(self.drums.items()))
        return (self.chords, drums, self.bass, self.comp, self.broken, self.pad, self.sung, self.program, self.force)


@dataclass
class Song:
    """A piece, its notes by channel, and its form."""

    notes: Notes
    sections: list[dict[str, object]] = field(default_factory=list)
    style: str = ""
    form: str = ""
    key_change: int = 0
    sung: bool = True


def _progression(rng: np.random.Generator) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Four chords of a major or minor key."""
    major = ((0, MAJOR), (2, MINOR), (4, MINOR), (5, MAJOR), (7, MAJOR), (9, MINOR))
    minor = ((0, MINOR), (3, MAJOR), (5, MINOR), (7, MINOR), (8, MAJOR), (10, MAJOR))
    of = major if rng.random() < 0.6 else minor
    first = 0 if rng.random() < 0.6 else int(rng.integers(len(of)))
    order = [first]
    while len(order) < 4:
        order.append(int(rng.choice([i for i in range(len(of)) if i != order[-1]])))
    return tuple(of[i] for i in order)


def _part(letter: str, style: Style, home: Part | None, bars: int, *, sung: bool, rng: np.random.Generator) -> Part:
    """Invent a part; ``home`` is what the piece has in common."""
    strong, weak = letter in "CDS", letter in "IOKU"
    drums = dict(style.drums[rng.integers(len(style.drums))]) if style.drums else {}
    if weak and rng.random() < 0.6:
        drums = {} if rng.random() < 0.6 else dict(list(drums.items())[1:])
    elif not strong and rng.random() < 0.3 and len(drums) > 1:
        drums.pop(list(drums)[int(rng.integers(len(drums)))])
    bass = "" if weak and rng.random() < 0.5 else str(rng.choice(style.bass))
    program = home.program if home and rng.random() < 0.6 else int(rng.choice((*style.keys, 0, 4, 24, 27, 48)))
    return Part(
        chords=home.chords if home and rng.random() < 0.3 else _progression(rng),
        chord_bars=home.chord_bars if home and rng.random() < 0.6 else float(rng.choice((1, 1, 2, 0.5))),
        drums=drums,
        bass=bass,
        comp="" if strong and rng.random() < 0.1 else str(rng.choice(style.comp)),
        broken=style.arpeggio if style.arpeggio and rng.random() < (0.6 if strong else 0.25) else "",
        pad=rng.random() < (0.6 if strong else 0.25),
        riff=rng.random() < (0.7 if letter == "S" else 0.2),
        sung=sung and letter in _SUNG,
        program=program,
        register=int(rng.choice((0, 0, 0, 12, -12))) if letter not in "VA" else 0,
        force=float(rng.uniform(0.95, 1.1) if strong else rng.uniform(0.55, 0.8) if weak else rng.uniform(0.75, 1.0)),
        bars=bars,
        seed=int(rng.integers(2**31)),
    )


def _differences(one: Part, other: Part) -> int:
    return sum(a != b for a, b in zip(one.traits()[:-1], other.traits()[:-1], strict=True))


def compose(seed: int, styles: tuple[str, ...], *, plain: bool = False) -> Song:
    """Write a piece; a plain one has no fill, cymbal or gap."""
    rng = np.random.default_rng([seed, 14])
    name = str(rng.choice(styles))
    style = _STYLES[name]
    per_bar, bpm = beats_per_bar(style.meter), float(rng.uniform(*style.tempo))
    bar = per_bar * 60 / bpm
    sung = rng.random() < 0.7
    while True:
        form = str(rng.choice(FORMS))
        usual = int(rng.choice((4, 8, 8, 16)))
        lengths = {x: max(2, int(usual * rng.choice((0.5, 1, 1, 1)))) for x in sorted(set(form))}
        lengths = {x: max(2, n // 2) if x in "IOU" else n for x, n in lengths.items()}
        if rng.random() < 0.15:
            lengths[form[len(form) // 2]] += int(rng.choice((1, 2)))  # a bar more than expected
        total = sum(lengths[x] for x in form) * bar
        if _SECONDS[0] <= total <= _SECONDS[1] and min(lengths.values()) * bar > 4:
            break
    home: Part | None = None
    parts: dict[str, Part] = {}
    for letter in sorted(set(form), key=lambda x: (x not in "VDA", x)):
        while True:
            part = _part(letter, style, home, lengths[letter], sung=sung, rng=rng)
            if all(_differences(part, other) >= 3 for other in parts.values()):
                break
        parts[letter] = part
        home = home or part
    bars = sum(lengths[x] for x in form)
    drift = np.exp(np.cumsum(rng.normal(0, 0.0012 * (style.jitter_ms >= 4), bars * per_bar + per_bar)))
    grid = 0.1 + rng.uniform(0, 0.6) + np.concatenate(([0], np.cumsum(60 / bpm * drift)))
    beats = grid[: bars * per_bar]
    song = Song(Notes(beats, beats[::per_bar], style.meter, bpm), style=name, form=form, sung=sung)
    _Band(song, style, grid, per_bar, rng, plain=plain).play(form, parts)
    return song


class _Band:
    """Plays the parts of a form over a grid of beats."""

    def __init__(
        self, song: Song, style: Style, grid: np.ndarray, per_bar: int, rng: np.random.Generator, *, plain: bool
    ) -> None:
        self.plain = plain
        self.song, self.style, self.grid, self.per_bar, self.rng = song, style, grid, per_bar, rng
        self.steps = per_bar * style.division
        self.key = int(rng.integers(0, 12))
        lead = "voice" if rng.random() < 0.6 else "lead"
        song.notes.programs |= {
            BASS: int(rng.choice(style.basses)),
            TUNE_CHANNEL: int(rng.choice(_LEADS[lead])),
            BROKEN: int(rng.choice((0, 11, 24, 46, 81))),
            PAD: int(rng.choice((48, 50, 89, 91, 19))),
            RIFF: int(rng.choice((30, 29, 62, 56, 61, 80))),
            DRUM_CHANNEL: int(rng.choice(style.kits)),
        }
        levels = (84, 102, 96, 78, 80, 90)
        song.notes.levels = {i: int(level + rng.integers(-10, 11)) for i, level in enumerate(levels)}
        song.notes.levels[DRUM_CHANNEL] = int(rng.integers(84, 112))
        song.notes.programs[CHORDS] = 0  # each note names its own, see ``_program``
        song.notes.levels |= dict.fromkeys(range(10, 16), song.notes.levels[CHORDS])
        self._programs: dict[int, int] = {}

    def play(self, form: str, parts: dict[str, Part]) -> None:
        """Play all sections; a fill, a crash or a drop may mark the boundaries."""
        rng = self.rng
        changes = len(form) - 1 - form[::-1].index("C") if "C" in form and rng.random() < 0.35 else None
        bar = 0
        seen: dict[str, int] = {}
        for i, letter in enumerate(form):
            part = parts[letter]
            if i == changes and i:
                self.song.key_change = int(rng.choice((1, 2, 3)))
                self.key += self.song.key_change
            if letter in seen and rng.random() < 0.35:  # heard before: something is added or left out
                part = replace(part, pad=not part.pad) if rng.random() < 0.5 else replace(part, force=part.force * 1.1)
            seen[letter] = seen.get(letter, 0) + 1
            last, drop = i == len(form) - 1, rng.random() < (0.4 if letter in "UP" else 0.12)
            fill, crash = rng.random() < 0.6, rng.random() < 0.6
            for k in range(part.bars):
                ends = k == part.bars - 1 and not last
                # Drummers also mark phrases inside a part.
                inner = k % 4 == 3 and not ends and rng.random() < 0.3
                begins = crash if k == 0 else k % 4 == 0 and rng.random() < 0.2
                self._bar(part, bar + k, k, fill=inner or (fill and ends), crash=begins, drop=drop and ends)
            start, end = (float(self.grid[(bar + k) * self.per_bar]) for k in (0, part.bars))
            self.song.sections.append({"start": start, "end": end, "label": letter, "sung": part.sung})
            bar += part.bars

    def _bar(self, part: Part, bar: int, k: int, *, fill: bool, crash: bool, drop: bool) -> None:
        fill, crash, drop = (mark and not self.plain for mark in (fill, crash, drop))
        chords = [part.chords[int((k + half) / part.chord_bars) % 4] for half in (0, 0.5)]
        quiet = self.steps // 2 if drop else self.steps
        if part.drums:
            self._drums(part, bar, min(quiet, self.steps - self.style.division if fill else self.steps), crash=crash)
            if fill and not drop:
                self._fill(bar)
        for step, mark in self._marks(part.bass, quiet):
            root = 28 + (self.key + chords[2 * step >= self.steps][0] - 4) % 12
            shift = {"f": 7, "o": 12, "a": -1}.get(mark.lower(), 0)
            self._note(BASS, root + shift, 96 * part.force, bar, step, self.style.division * 0.9)
        for step, mark in self._marks(part.comp, quiet if drop else self.steps):
            length = self.steps / 2 if mark == "h" else self.style.division * 0.6
            chord = chords[2 * step >= self.steps]
            for tone in chord[1]:
                pitch = 55 + part.register + (self.key + chord[0] + tone - 7) % 12
                self._note(self._channel(part.program), pitch, 84 * part.force, bar, step, length)
        for j, (step, _) in enumerate(self._marks(part.broken, quiet)):
            chord = chords[2 * step >= self.steps]
            self._note(BROKEN, 60 + (self.key + chord[0]) % 12 + chord[1][(0, 1, 2, 1)[j % 4]], 72, bar, step, 1.5)
        for half in (0, 1) if part.pad else ():
            for tone in chords[half][1]:
                pitch = 60 + (self.key + chords[half][0] + tone) % 12
                self._note(PAD, pitch, 70 * part.force, bar, half * self.steps / 2, self.steps / 2)
        if part.sung or part.riff:
            self._tune(part, bar, k, chords)

    def _tune(self, part: Part, bar: int, k: int, chords: list[tuple[int, tuple[int, ...]]]) -> None:
        """A phrase of four bars, the last one mostly rest; the same at every return, with few changes."""
        rng = np.random.default_rng([part.seed, k % 4, 0 if k % 8 < 4 else 1])
        channel, unit = (TUNE_CHANNEL if part.sung else RIFF), max(1, self.style.division // 2)
        step = 0 if rng.random() < 0.6 else unit
        while step < (self.steps // 2 if k % 4 == 3 else self.steps):
            length = unit * int(rng.choice((1, 1, 2, 2, 4)))
            chord = chords[2 * step >= self.steps]
            tones = chord[1] if rng.random() < 0.6 else SCALE
            pitch = (67 if part.sung else 60) + (self.key + chord[0] + int(rng.choice(tones))) % 12
            if rng.random() < 0.85 and self.rng.random() < 0.95:
                self._note(channel, pitch, 92 * part.force, bar, step, min(length, self.steps - step) * 0.95)
            step += length

    def _drums(self, part: Part, bar: int, stop: int, *, crash: bool) -> None:
        for drum, pattern in part.drums.items():
            for step, mark in self._marks(pattern, stop):
                if self.rng.random() > 0.03:
                    self._note(DRUM_CHANNEL, drum, LOUDNESS[mark] * min(1.0, 0.3 + 0.7 * part.force), bar, step, 0.5)
        if crash:
            self._note(DRUM_CHANNEL, CRASH, 104, bar, 0, 4)

    def _fill(self, bar: int) -> None:
        for step in range(self.steps - self.style.division, self.steps):
            if self.rng.random() < 0.85:
                drum = int(self.rng.choice((SNARE, TOM_HIGH, TOM_MID, TOM_LOW)))
                self._note(DRUM_CHANNEL, drum, 98, bar, step, 0.5)

    def _channel(self, program: int) -> int:
        """Channel of a chord instrument; a piece has few."""
        if program not in self._programs:
            self._programs[program] = (CHORDS, *range(10, 16))[min(len(self._programs), 6)]
            self.song.notes.programs[self._programs[program]] = program
        return self._programs[program]

    @staticmethod
    def _marks(pattern: str, stop: int) -> Iterator[tuple[int, str]]:
        yield from ((i, mark) for i, mark in enumerate(pattern.replace(" ", "")) if mark != "." and i < stop)

    def _note(self, channel: int, pitch: int, velocity: float, bar: int, step: float, steps: float) -> None:
        begin, end = (
            float(np.interp(bar * self.per_bar + at / self.style.division, np.arange(len(self.grid)), self.grid))
            for at in (step, step + steps)
        )
        begin = max(0.0, begin + self.rng.normal(0, self.style.jitter_ms / 1000))
        velocity = int(np.clip(velocity + self.rng.normal(0, 5), 8, 127))
        self.song.notes.notes.append((channel, int(pitch), velocity, begin, max(end - 0.015, begin + 0.04)))


def _only(notes: Notes, stem: str, *, sung: bool) -> Notes:
    """Return the notes of one stem."""
    of = {TUNE_CHANNEL: "vocals" if sung else "other", **_STEM}
    return replace(notes, notes=[n for n in notes.notes if of.get(n[0], "other") == stem])


def _by_soundfont(notes: Notes, font: str) -> np.ndarray:
    import soundfile

    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
        score.write_bytes(midi(notes))
        options = ["-ni", "-q", "-C", "0", "-g", "0.4", "-o", "synth.dynamic-sample-loading=1"]
        options += ["-o", "synth.polyphony=96", "-r", str(RATE), "-F", str(sound)]
        subprocess.run(["fluidsynth", *options, SOUNDFONTS[font], str(score)], check=True, capture_output=True)
        return soundfile.read(sound, dtype="float32", always_2d=True)[0].T


def _by_synthesis(notes: Notes, stem: str, seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, STEMS.index(stem)])
    kinds = rng.permutation(("guitar", "organ", "pad", "piano", "electric"))
    toms = {TOM_LOW: 43, TOM_MID: 47, TOM_HIGH: 50}
    players = {
        DRUM_CHANNEL: instruments.drum_kit(rng),
        BASS: instruments.bass(str(rng.choice(("sub", "saw", "pluck")))),
    }
    sound = np.zeros((2, int(seconds * RATE)), np.float32)
    for channel in sorted({n[0] for n in notes.notes}):
        play = players.get(channel) or instruments.chords(str(kinds[channel % len(kinds)]))
        played = [
            Note(on, off - on, toms.get(p, p) if channel == DRUM_CHANNEL else p, v / 127)
            for c, p, v, on, off in notes.notes
            if c == channel
        ]
        gain = notes.levels.get(channel, 84) / 100 * (0.5 if channel == DRUM_CHANNEL else 0.25)
        sound += gain * instruments.play(_reusing(play), played, seconds, rng)
    return sound


def _reusing(part: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Compute the sound of each pitch and length once, because a piece has thousands of notes."""
    sounds: dict[tuple[int, int], np.ndarray] = {}

    def play(note: Note, rng: np.random.Generator) -> np.ndarray:
        steps = max(1, round(note.length / 0.03))
        if (note.pitch, steps) not in sounds:
            sounds[note.pitch, steps] = part(Note(0.0, 0.03 * steps, note.pitch, 0.8), rng)
        return sounds[note.pitch, steps]

    return play


def plan(split: str) -> Iterator[tuple[str, int, str]]:
    """Yield name, seed and renderer of every piece of a split."""
    for seed in TUNE if split == "tune" else TEST:
        font = "timgm" if split == "test" else "musescore" if seed % 2 else "fluid"
        how = "synth" if seed % _EVERY == 0 else font
        yield f"{split}_{seed}_{how}", seed, how


Rendered = tuple[dict[str, np.ndarray], dict[str, object]]


def repetitions(split: str) -> Iterator[tuple[str, Callable[[], Rendered]]]:
    """Yield the pieces without fills and those that are played twice: name, and what renders stems and truth."""
    for number, seed in enumerate(_PLAIN[split]):
        font = "timgm" if split == "test" else ("fluid", "musescore")[number % 2]
        how = "synth" if number % _EVERY == _EVERY - 1 else font
        plain = compose(seed, styles_of(split), plain=True)
        yield f"{split}_plain_{seed}_{how}", partial(_once, plain, seed, how)
        song = compose(seed + _TWICE, styles_of(split))
        if number % 2 == 0 or float(song.sections[-1]["end"]) <= _LONGEST_TWICE:  # type: ignore[arg-type]
            yield f"{split}_twice_{seed}_{how}", partial(_twice, song, seed, how)


def _once(song: Song, seed: int, how: str) -> Rendered:
    return stems_of(song, seed, how), truth_of(song)


def _twice(song: Song, seed: int, how: str) -> Rendered:
    """Play a piece again from its end, wherever in the bar that is."""
    stems, truth = _once(song, seed, how)
    seconds = next(iter(stems.values())).shape[1] / RATE
    first = [dict(section) for section in truth["sections"]]  # type: ignore[attr-defined]
    first[-1]["end"] = seconds
    again = [s | {"start": s["start"] + seconds, "end": s["end"] + seconds} for s in truth["sections"]]  # type: ignore[attr-defined]
    times = {name: [*truth[name], *(t + seconds for t in truth[name])] for name in ("beats", "downbeats")}  # type: ignore[attr-defined, misc]
    both = {stem: np.concatenate((sound, sound), axis=1) for stem, sound in stems.items()}
    return both, truth | times | {"sections": first + again, "form": 2 * str(truth["form"])}


def styles_of(split: str) -> tuple[str, ...]:
    """Styles of a split; those of ``UNSEEN`` are in "test" alone."""
    return tuple(name for name in _STYLES if split == "test" or name not in UNSEEN)


def stems_of(song: Song, seed: int, how: str) -> dict[str, np.ndarray]:
    """Render the stems of a song, float32, shape=(2, n) each; a stem without a note is silent."""
    seconds = float(song.sections[-1]["end"]) + 1.5  # type: ignore[arg-type]
    n = int(seconds * RATE)
    stems = {}
    for stem in STEMS:
        notes = _only(song.notes, stem, sung=song.sung)
        sound = np.zeros((2, n), np.float32)
        if notes.notes:
            played = _by_synthesis(notes, stem, seconds, seed) if how == "synth" else _by_soundfont(notes, how)
            sound[:, : played.shape[1]] = played[:, :n]
        stems[stem] = sound
    peak = float(np.abs(sum(stems.values())).max())
    return {stem: 0.8 / max(peak, 1e-6) * sound for stem, sound in stems.items()}


def truth_of(song: Song) -> dict[str, object]:
    """Return what is true of a song, for its ``truth.json``."""
    return {
        "sections": song.sections,
        "beats": song.notes.beats.round(5).tolist(),
        "downbeats": song.notes.downbeats.round(5).tolist(),
        "meter": song.notes.meter,
        "bpm": song.notes.bpm,
        "style": song.style,
        "form": song.form,
        "key_change": song.key_change,
        "sung": song.sung,
    }


def render(folder: Path, split: str) -> Iterator[Path]:
    """Render what is missing of a split; yield the folders of its pieces."""
    import soundfile

    for name, seed, how in plan(split):
        piece = folder / name
        if not (piece / "truth.json").exists():
            piece.mkdir(parents=True, exist_ok=True)
            song = compose(seed, styles_of(split))
            stems = stems_of(song, seed, how)
            for stem, sound in stems.items():
                soundfile.write(piece / f"{stem}.flac", sound.T, RATE)
            soundfile.write(piece / "full_mix.flac", sum(stems.values()).T, RATE)
            (piece / "truth.json").write_text(json.dumps(truth_of(song)))
        yield piece


if __name__ == "__main__":
    for part in sys.argv[2:] or ("tune", "test"):
        print(len(list(render(Path(sys.argv[1]), part))), "pieces of", part, "in", sys.argv[1])
