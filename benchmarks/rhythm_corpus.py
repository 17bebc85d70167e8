"""Render music with exactly known beats: styles of popular and classical music through a General MIDI synthesizer.

    python benchmarks/rhythm_corpus.py [FOLDER]        # render what is missing; a piece is NAME.flac + NAME.json

The JSON beside each piece holds ``beats``, ``downbeats``, ``drum_onsets``, ``meter``, ``bpm`` (null for rubato),
``style``, ``soundfont`` and ``split``: "tune" may be looked at while the tracker is developed, "test" only measured,
and likewise "levels-tune", "levels-test", "bars-tune" and "bars-test" (``rhythm_levels``).
Six styles and the second soundfont occur in "test" alone; "tune" has more styles (``rhythm_styles.MORE_STYLES``) and
invented ones (``rhythm_inventions``). Needs Debian's fluidsynth, fluid-soundfont-gm and timgm6mb-soundfont, which are
installed with apt-get when it may; without them ``render`` raises ``Unavailable``.
"""

import json
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rhythm_inventions import invented
from rhythm_levels import GROUPS, LEVEL_STYLES, LEVEL_STYLES_TUNE, anywhere, grouped
from rhythm_styles import (
    CRASH,
    HAT,
    KICK,
    MORE_STYLES,
    RIDE,
    SNARE,
    STYLES,
    TOM_HIGH,
    TOM_LOW,
    TOM_MID,
    UNSEEN,
    Style,
)

PACKAGES = ("fluidsynth", "fluid-soundfont-gm", "timgm6mb-soundfont")
SOUNDFONTS = {"fluid": "/usr/share/sounds/sf2/FluidR3_GM.sf2", "timgm": "/usr/share/sounds/sf2/TimGM6mb.sf2"}
FOLDER = Path.home() / ".cache" / "mirkit-rhythm-corpus"
SECONDS = 40.0
LEVEL_SECONDS = 30.0  # of the pieces of "levels" and "bars"
RATE = 44100

DRUM_CHANNEL = 9
LOUDNESS = {"o": 45, "x": 84, "X": 112}


class Unavailable(Exception):  # noqa: N818
    """The synthesizer is not there and cannot be installed."""


TUNE_SEEDS, TEST_SEEDS = (1, 2, 3), (21, 22, 23)
INVENTIONS = 100
#: Pieces of "levels" and "bars" (``rhythm_levels``).
LEVEL_SEEDS, LEVEL_INVENTIONS, BAR_SEEDS = (1, 2, 3), 100, {"2/4": 40, "12/8": 40}
LEVEL_TEST_SEEDS, BAR_TEST_SEEDS = (*range(41, 45), *range(51, 55)), (*range(61, 65), *range(71, 75))
SPLITS = ("tune", "test", "levels-tune", "levels-test", "bars-tune", "bars-test")

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)
PROGRESSIONS = (
    ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)),
    ((9, MINOR), (5, MAJOR), (0, MAJOR), (7, MAJOR)),
    ((0, MAJOR), (5, MAJOR), (7, MAJOR), (0, MAJOR)),
    ((2, MINOR), (7, MAJOR), (0, MAJOR), (9, MINOR)),
    ((0, MINOR), (8, MAJOR), (3, MAJOR), (10, MAJOR)),
    ((0, MINOR), (5, MINOR), (7, MAJOR), (0, MINOR)),
)
SCALE = (0, 2, 4, 5, 7, 9, 11)


@dataclass
class Piece:
    """Notes in seconds and what is true of them."""

    beats: np.ndarray
    downbeats: np.ndarray
    meter: str
    bpm: float | None
    programs: dict[int, int] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)
    notes: list[tuple[int, int, int, float, float]] = field(
        default_factory=list
    )  # channel, pitch, velocity, start, end


def plan() -> Iterator[tuple[str, str, int, str, str]]:
    """Yield name, style, seed, soundfont and split of every piece."""
    for style in (*STYLES, *MORE_STYLES):
        if style not in UNSEEN:
            for seed in TUNE_SEEDS:
                yield f"{style}_{seed}_fluid", style, seed, "fluid", "tune"
    for seed in range(INVENTIONS):
        yield f"invented_{seed}_fluid", "invented", seed, "fluid", "tune"
    for style in STYLES:
        for seed, font in zip(TEST_SEEDS, ("timgm", "fluid", "timgm"), strict=True):
            yield f"{style}_{seed}_{font}", style, seed, font, "test"
    for style in LEVEL_STYLES_TUNE:
        for seed in LEVEL_SEEDS:
            yield f"level_{style}_{seed}_fluid", f"level {style}", seed, "fluid", "levels-tune"
    for seed in range(LEVEL_INVENTIONS):
        yield f"level_invented_{seed}_fluid", "level invented", seed, "fluid", "levels-tune"
    for style in LEVEL_STYLES:
        for seed in LEVEL_TEST_SEEDS:
            yield f"level_{style}_{seed}_timgm", f"level {style}", seed, "timgm", "levels-test"
    for meter in GROUPS:
        name = meter.replace("/", "_")
        for seed in range(BAR_SEEDS.get(meter, 12)):
            yield f"bar_{name}_{seed}_fluid", f"bar {meter}", seed, "fluid", "bars-tune"
        for seed in BAR_TEST_SEEDS:
            yield f"bar_{name}_{seed}_timgm", f"bar {meter}", seed, "timgm", "bars-test"


def style_of(name: str, seed: int) -> Style:
    """Return a style by its name in the plan."""
    kind, _, rest = name.partition(" ")
    if kind == "level":
        return anywhere(rest, seed)
    if kind == "bar":
        return grouped(rest, seed)
    return invented(seed) if name == "invented" else (STYLES | MORE_STYLES)[name]


def beats_per_bar(meter: str) -> int:
    """Beats of a bar; those of 6/8 and 12/8 are dotted quarters, those of 7/8 and 9/8 (2+2+2+3) eighths."""
    return {"6/8": 2, "12/8": 4}.get(meter) or int(meter.split("/")[0])


def compose(name: str, seed: int) -> Piece:
    """Write a piece of a style."""
    style = style_of(name, seed)
    rng = np.random.default_rng([seed, *name.encode()])
    per_bar = beats_per_bar(style.meter)
    bpm = round(float(rng.uniform(*style.tempo)), 2)
    seconds = LEVEL_SECONDS if " " in name else SECONDS
    bars = max(8, int(np.ceil(seconds * bpm / 60 / per_bar)))
    intervals = _intervals(style, bpm, bars * per_bar, rng)
    grid = 0.15 + rng.uniform(0, 0.6) + np.concatenate(([0], np.cumsum(intervals)))
    beats = grid[:-1]
    piece = Piece(beats, beats[::per_bar], style.meter, _median_tempo(style, intervals))
    Player(style, piece, grid, per_bar, rng).play(bars)
    return piece


def _median_tempo(style: Style, intervals: np.ndarray) -> float | None:
    """Duration-weighted median of the local tempo."""
    if style.shape == "rubato":
        return None
    order = np.argsort(intervals)
    total = np.cumsum(intervals[order])
    return 60 / float(intervals[order][np.searchsorted(total, total[-1] / 2)])


def _intervals(style: Style, bpm: float, count: int, rng: np.random.Generator) -> np.ndarray:
    if style.shape == "ramp":
        goal = bpm * rng.uniform(1.2, 1.5)
        path = np.interp(np.arange(count), [0, 0.3 * count, 0.7 * count, count], [bpm, bpm, goal, goal])
        return 60 / (path if rng.random() < 0.6 else path[::-1])
    if style.shape == "rubato":
        drift = np.cumsum(rng.normal(0, 0.06, count))
        drift -= np.linspace(0, drift[-1], count)
        phrase = 0.25 * (np.arange(count) % 8 == 7) + 0.12 * np.sin(
            np.arange(count) * 2 * np.pi / 8 + rng.uniform(0, 6)
        )
        return 60 / bpm * np.exp(drift + phrase + rng.normal(0, 0.13, count))
    loose = style.jitter_ms >= 4 and rng.random() < 0.6
    return 60 / bpm * (np.exp(np.cumsum(rng.normal(0, 0.0015, count))) if loose else np.ones(count))


class Player:
    """Plays the parts of a style over a grid of beats."""

    def __init__(self, style: Style, piece: Piece, grid: np.ndarray, per_bar: int, rng: np.random.Generator) -> None:
        self.style, self.piece, self.grid, self.per_bar, self.rng = style, piece, grid, per_bar, rng
        self.key = int(rng.integers(0, 12))
        self.chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
        self.chord_bars = float(rng.choice(style.chord_bars))
        base = style.drums[rng.integers(len(style.drums))] if style.drums else {}
        strict = style.jitter_ms <= 1.0  # machines play what is written
        self.drums = {
            drum: [pattern.replace(" ", "") if strict else self._vary(drum, pattern) for _ in range(2)]
            for drum, pattern in base.items()
        }
        self.bass = str(rng.choice(style.bass)) if style.bass else ""
        self.comp = str(rng.choice(style.comp)) if style.comp else ""
        self.arpeggio = style.arpeggio if rng.random() < 0.5 else ""
        self.tune = rng.random() < style.melody
        self.swing = rng.uniform(0.04, 0.14) if "hiphop" in STYLES and style is STYLES["hiphop"] else 0.0
        for channel, choices in enumerate((style.keys, style.basses, style.leads, style.keys)):
            piece.programs[channel] = int(rng.choice(choices))
        piece.programs[DRUM_CHANNEL] = int(rng.choice(style.kits)) if len(style.kits) > 1 else style.kits[0]
        piece.levels = dict(zip((0, 1, 2, 3, DRUM_CHANNEL), style.levels, strict=True))

    def play(self, bars: int) -> None:
        """Play every bar: an intro without drums, a fill now and then, a breakdown where the style has one."""
        intro = int(self.rng.integers(0, 3)) if self.style.shape == "song" and self.drums else 0
        gap = range(int(bars * 0.35), int(bars * 0.65)) if self.style.shape == "breakdown" else range(0)
        for bar in range(bars):
            chord = self.chords[int(bar / self.chord_bars) % len(self.chords)]
            full = bar >= intro and bar not in gap
            if full:
                self._drums(bar, fill=self.style.fills and bar % 4 == 3 and self.rng.random() < 0.6, crash=bar % 8 == 0)
                self._bass(bar, chord)
            if self.comp:
                self._comp(bar, chord)
            if self.arpeggio and (not full or bar % 8 < 6):
                self._arpeggio(bar, chord)
            if self.tune and bar % 8 < 7:
                self._melody(bar, chord)

    def _vary(self, drum: int, pattern: str) -> str:
        """One drummer's version: kicks added or left out, ghost notes, now and then an early snare."""
        marks = list(pattern.replace(" ", ""))
        push = max(1, self.style.division // 2)
        for step, mark in enumerate(marks):
            between = step % self.style.division != 0
            if drum == KICK and step and mark == "." and self.rng.random() < (0.08 if between else 0.04):
                marks[step] = "x"
            elif drum == KICK and mark == "x" and between and self.rng.random() < 0.25:
                marks[step] = "."
            elif drum == SNARE and mark == "." and between and self.rng.random() < 0.06:
                marks[step] = "o"
            elif drum == SNARE and mark == "X" and step >= push and self.rng.random() < 0.07:
                marks[step], marks[step - push] = ".", "X"
            elif drum in (HAT, RIDE) and mark == "." and between and self.rng.random() < 0.05:
                marks[step] = "o"
        return "".join(marks)

    def _time(self, bar: int, step: float) -> float:
        beat = bar * self.per_bar + step / self.style.division
        if self.swing and self.style.division == 4 and round(step) % 2:
            beat += self.swing
        return float(np.interp(beat, np.arange(len(self.grid)), self.grid))

    def _note(self, channel: int, pitch: int, velocity: float, bar: int, step: float, steps: float) -> None:
        start = self._time(bar, step) + self.rng.normal(0, self.style.jitter_ms / 1000)
        end = self._time(bar, step + steps) - 0.015
        velocity = int(np.clip(velocity + self.rng.normal(0, 6), 8, 127))
        start = max(0.0, start)
        self.piece.notes.append((channel, pitch, velocity, start, max(end, start + 0.04)))

    def _drums(self, bar: int, fill: bool, crash: bool) -> None:
        steps = self.per_bar * self.style.division
        tail = steps - self.style.division if fill and self.drums else steps
        for drum, patterns in self.drums.items():
            for step, mark in enumerate(patterns[bar % 2][:tail]):
                if mark != "." and self.rng.random() > (0.03 if mark == "x" else 0):
                    self._note(DRUM_CHANNEL, drum, LOUDNESS[mark], bar, step, 0.5)
        if tail < steps:
            for step in range(tail, steps):
                if self.rng.random() < 0.8:
                    self._note(
                        DRUM_CHANNEL, int(self.rng.choice([SNARE, TOM_HIGH, TOM_MID, TOM_LOW])), 95, bar, step, 0.5
                    )
        if crash and self.drums and self.rng.random() < 0.7:
            self._note(DRUM_CHANNEL, CRASH, 100, bar, 0, 4)

    def _bass(self, bar: int, chord: tuple[int, tuple[int, ...]]) -> None:
        root = 28 + (self.key + chord[0] - 4) % 12
        marks = self.bass.replace(" ", "")
        sounding = [i for i, mark in enumerate(marks) if mark != "."]
        for i, step in enumerate(sounding):
            mark = marks[step]
            shift = {"f": 7, "o": 12, "a": int(self.rng.choice([-2, -1, 2, 5]))}.get(mark.lower(), 0)
            until = sounding[i + 1] if i + 1 < len(sounding) else self.per_bar * self.style.division
            length = (until - step) * (0.9 if mark.lower() == "r" else 0.7)
            self._note(1, root + shift, 104 if mark.isupper() else 88, bar, step, length)

    def _comp(self, bar: int, chord: tuple[int, tuple[int, ...]]) -> None:
        marks = self.comp.replace(" ", "")
        sounding = [i for i, mark in enumerate(marks) if mark != "."]
        for i, step in enumerate(sounding):
            until = sounding[i + 1] if i + 1 < len(sounding) else len(marks)
            length = until - step if marks[step] == "h" else min(until - step, 0.45 * self.style.division)
            for tone in chord[1]:
                pitch = 55 + (self.key + chord[0] + tone - 7) % 12
                self._note(0, pitch, 92 if marks[step] == "X" else 74, bar, step, length)

    def _arpeggio(self, bar: int, chord: tuple[int, tuple[int, ...]]) -> None:
        order = (0, 1, 2, 1)
        for i, step in enumerate(s for s, m in enumerate(self.arpeggio.replace(" ", "")) if m != "."):
            pitch = 60 + (self.key + chord[0]) % 12 + chord[1][order[i % 4]]
            self._note(3, pitch, 70 + 8 * (step == 0), bar, step, 1.5)

    def _melody(self, bar: int, chord: tuple[int, tuple[int, ...]]) -> None:
        division, steps = self.style.division, self.per_bar * self.style.division
        unit = {6: 2, 4: 2, 3: 1, 2: 1}[division]
        step = 0 if self.rng.random() < 0.6 else unit
        while step < steps:
            length = unit * int(self.rng.choice([1, 1, 2, 2, 3, 4]))
            if self.rng.random() < 0.85:
                tones = [(self.key + chord[0] + t) % 12 for t in chord[1]]
                if self.rng.random() < 0.4:
                    tones = [(self.key + t) % 12 for t in SCALE]
                self._note(2, 72 + int(self.rng.choice(tones)), 86, bar, step, min(length, steps - step))
            step += length


def midi(piece: Piece) -> bytes:
    """Return a Standard MIDI File whose tick is half a millisecond."""
    events: list[tuple[int, int, bytes]] = []
    for channel, program in piece.programs.items():
        events.append((0, 0, bytes((0xC0 | channel, program))))
        events.append((0, 0, bytes((0xB0 | channel, 7, piece.levels[channel]))))
    for channel, pitch, velocity, start, end in piece.notes:
        events.append((round(start * 2000), 2, bytes((0x90 | channel, pitch, velocity))))
        events.append((round(end * 2000), 1, bytes((0x80 | channel, pitch, 0))))
    track, now = bytearray(b"\x00\xff\x51\x03\x07\xa1\x20"), 0  # 500,000 us a quarter of 1000 ticks
    for tick, _, message in sorted(events):
        track += _variable(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000) + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _variable(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def install() -> None:
    """Install the synthesizer and its soundfonts where they are missing."""
    if shutil.which("fluidsynth") and all(Path(p).exists() for p in SOUNDFONTS.values()):
        return
    try:
        subprocess.run(["apt-get", "update"], check=True, capture_output=True)
        subprocess.run(
            ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"rendered corpus skipped: install {' '.join(PACKAGES)} ({error})") from error


def render(folder: Path, split: str | None = None) -> list[Path]:
    """Render what is missing; return the sound files of a split (of both when None)."""
    import soundfile

    install()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, style, seed, font, part in plan():
        if split not in (None, part):
            continue
        path = folder / f"{name}.flac"
        paths.append(path)
        if path.with_suffix(".json").exists() and path.exists():
            continue
        piece = compose(style, seed)
        with tempfile.TemporaryDirectory() as scratch:
            score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
            score.write_bytes(midi(piece))
            command = [
                "fluidsynth",
                "-ni",
                "-q",
                "-g",
                "0.5",
                "-r",
                str(RATE),
                "-F",
                str(sound),
                SOUNDFONTS[font],
                str(score),
            ]
            subprocess.run(command, check=True, capture_output=True)
            samples, rate = soundfile.read(sound, dtype="float32")
        samples = samples[: int((piece.beats[-1] + 1.0) * rate)]
        soundfile.write(path, samples * (0.7 / max(1e-6, abs(samples).max())), rate)
        truth = {
            "beats": piece.beats.round(5).tolist(),
            "downbeats": piece.downbeats.round(5).tolist(),
            "drum_onsets": sorted({round(n[3], 4) for n in piece.notes if n[0] == DRUM_CHANNEL}),
            "meter": piece.meter,
            "bpm": piece.bpm,
            "style": style,
            "soundfont": font,
            "split": part,
        }
        path.with_suffix(".json").write_text(json.dumps(truth))
    return paths


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    try:
        print(len(render(folder)), "pieces in", folder)
    except Unavailable as missing:
        print(missing)
