"""Syncopation of rendered grooves: from the score, from the bands of the mix, and from true stems.

    python benchmarks/syncopation.py [FOLDER]   # prints the table of docs/how_good/syncopation.md

Each groove is rendered through soundfonts with seeded variations of tempo, loudness, timing, kit and accompaniment. The
layers were tuned on FluidR3 and TimGM6mb, seeds 1 to 4; other seeds and MuseScore General are only measured.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from key_corpus import SOUNDFONTS
from rhythm_corpus import DRUM_CHANNEL, RATE, midi
from rhythm_corpus import Piece as Notes

from mirkit.features.extraction import BLOCK, SignalExtractor
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.beats.track import track_beats
from mirkit.features.rhythm.layers import Layers
from mirkit.features.rhythm.syncopation import syncopation
from mirkit.features.types import Window

BARS = 10
KICK, STICK, SNARE, CLAP, HAT, OPEN, RIDE, SHAKER, TAMBORIM, SURDO = 36, 37, 38, 39, 42, 46, 51, 70, 75, 41
LOW, MIDDLE, HIGH = range(3)
_LAYER = {KICK: LOW, SURDO: LOW, STICK: MIDDLE, SNARE: MIDDLE, CLAP: MIDDLE, TAMBORIM: MIDDLE}
_EIGHTHS, _BACKBEAT = "X.x.X.x.X.x.X.x.", "....X.......X..."
_OFF_BEATS, _ONE = "..X...X...X...X.", "X..............."


@dataclass(frozen=True)
class Groove:
    """Patterns of 16 steps a bar, ``X`` loud, ``x`` medium, ``o`` soft; one or two bars."""

    tempo: tuple[float, float]
    drums: dict[int, str]
    bass: str = ""
    chords: str = ""


GROOVES = {
    "rock": Groove(
        (100, 135), {KICK: "X.......X.......", SNARE: _BACKBEAT, HAT: _EIGHTHS}, "X.x.x.x.X.x.x.x.", "X.......X......."
    ),
    "house": Groove((118, 128), {KICK: "X...X...X...X...", CLAP: _BACKBEAT, OPEN: _OFF_BEATS}, _OFF_BEATS, _ONE),
    "pushed kick": Groove(
        (100, 135), {KICK: "X.....X.........", SNARE: _BACKBEAT, HAT: _EIGHTHS}, "X.....X.........", _ONE
    ),
    "dnb break": Groove((165, 178), {KICK: "X.........X.....", SNARE: "....X..o.o..X...", HAT: _EIGHTHS}, _ONE, _ONE),
    "samba": Groove(
        (90, 108),
        {SURDO: "x...X...x...X...", TAMBORIM: "X.X..X.X.X..X.X.", SHAKER: "XxxXXxxXXxxXXxxX"},
        "X..xX..xX..xX..x",
    ),
    "reggae skank": Groove(
        (70, 84),
        {KICK: "........X.......", STICK: "........X.......", HAT: _EIGHTHS},
        "X.......X.......",
        _OFF_BEATS,
    ),
    "amen": Groove((140, 172), {KICK: "X.X.......XX....", SNARE: "....X..o.o..X..o", RIDE: _EIGHTHS}),
}


@dataclass(frozen=True)
class Rendered:
    """One rendering: its parts as samples, its layers by the score, and its grid."""

    groove: str
    font: str
    seed: int
    mix: np.ndarray
    drums: np.ndarray
    rest: np.ndarray
    truth: Layers
    beats: Beats


def _score(groove: Groove, seed: int, name: str) -> tuple[Notes, dict[int, list[float]], np.ndarray]:
    rng = np.random.default_rng([seed, *name.encode()])
    bpm = float(rng.uniform(*groove.tempo))
    beats = 0.3 + np.arange(4 * BARS) * 60 / bpm
    notes = Notes(beats, beats[::4], "4/4", bpm)
    notes.levels = {0: int(rng.integers(70, 96)), 1: int(rng.integers(84, 110)), DRUM_CHANNEL: 104}
    notes.programs = {0: int(rng.choice((0, 4, 16, 27))), 1: int(rng.choice((32, 33, 34, 38)))}
    notes.programs[DRUM_CHANNEL] = int(rng.choice((0, 0, 8, 16, 24)))
    layers: dict[int, list[float]] = {LOW: [], MIDDLE: [], HIGH: []}
    chords, jitter = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)), float(rng.uniform(0.001, 0.007))
    with_bass, with_chords = rng.random() < 0.7, rng.random() < 0.8 or name == "reggae skank"

    def put(channel: int, pitches: tuple[int, ...], layer: int, pattern: str, length: float) -> None:
        for step in range(16 * BARS):
            mark = pattern[step % len(pattern)]
            if mark == ".":
                continue
            at = max(0.0, 0.3 + step * 15 / bpm + float(rng.normal(0, jitter)))
            loud = {"X": 108, "x": 84, "o": 52}[mark] + int(rng.normal(0, 6))
            for pitch in pitches:
                shift = (0, -3, 5, 7)[step // 16 % 4] if channel == 1 else 0
                chord = chords[step // 16 % 4] if channel == 0 else (0,)
                for tone in chord:
                    key = int(pitch + shift + tone)
                    notes.notes.append((channel, key, int(np.clip(loud, 20, 127)), at, at + length * 15 / bpm))
            layers[layer].append(at)

    for drum, pattern in groove.drums.items():
        put(DRUM_CHANNEL, (drum,), _LAYER.get(drum, HIGH), pattern, 1)
    if groove.bass and with_bass:
        put(1, (33,), LOW, groove.bass, 1.6)
    if groove.chords and with_chords:
        put(0, (55,), MIDDLE, groove.chords, 1.5 if groove.chords.count("X") > 2 else 6)
    return notes, layers, beats


def _play(notes: Notes, font: str, channels: set[int], seconds: float) -> np.ndarray:
    kept = [note for note in notes.notes if note[0] in channels]
    if not kept:
        return np.zeros(int(seconds * RATE), np.float32)
    part = Notes(notes.beats, notes.downbeats, "4/4", notes.bpm, notes.programs, notes.levels, kept)
    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
        score.write_bytes(midi(part))
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
            SOUNDFONTS[font],
        ]
        subprocess.run([*command, str(score)], check=True, capture_output=True)
        samples, _ = soundfile.read(sound, dtype="float32")
    mono = samples.mean(axis=1)[: int(seconds * RATE)]
    return np.pad(mono, (0, int(seconds * RATE) - len(mono)))


def renderings(folder: Path, fonts: tuple[str, ...], seeds: range) -> Iterator[Rendered]:
    """Render each groove through each soundfont with each seed; what is in the folder is read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, groove in GROOVES.items():
        for seed in seeds:
            notes, layers, beats = _score(groove, seed, name)
            seconds = float(beats[-1] + 60 / (notes.bpm or 120) + 0.3)
            for font in fonts:
                path = folder / f"{name.replace(' ', '-')}_{seed}_{font}.flac"
                if not path.exists():
                    drums = _play(notes, font, {DRUM_CHANNEL}, seconds)
                    bass, chords = (_play(notes, font, {channel}, seconds) for channel in (1, 0))
                    stems = np.stack((drums, bass, chords), axis=1)
                    soundfile.write(path, stems * (0.7 / abs(stems.sum(axis=1)).max()), RATE)
                stems, _ = soundfile.read(path, dtype="float32")
                drums, bass, chords = stems.T
                truth = Layers(*(np.unique(np.round(layers[k], 3)) for k in (LOW, MIDDLE, HIGH)))
                grid = Beats(beats, beats[::4], np.ones(len(beats)), "4/4", 1.0, steady=True)
                yield Rendered(name, font, seed, stems.sum(axis=1), drums, np.stack((bass, chords)), truth, grid)


def measured(mono: np.ndarray, *kinds: str) -> dict[str, object]:
    """Feature series of a signal."""
    extractor = SignalExtractor(1, frozenset(kinds), {})
    for start in range(0, len(mono), BLOCK):
        extractor.push(np.ascontiguousarray(mono[None, start : start + BLOCK]))
    return extractor.finish()


def row_of(piece: Rendered) -> dict[str, object]:
    """Values of one rendering: of the score, of the mix and of the stems, on the true and on the tracked grid."""
    mix, drums = measured(piece.mix, "onset", "layers"), measured(piece.drums, "layers")
    window = Window(float(piece.beats.times[0]) - 0.05, float(piece.beats.times[-1]) + 0.05 + 60 / 200)
    lines = [measured(line, "onsets")["onsets"].times for line in piece.rest]
    stems = drums["layers"].merged(low=[lines[0]], middle=[lines[1]])
    tracked = track_beats(mix["onset"], None)
    return {
        "groove": piece.groove,
        "font": piece.font,
        "seed": piece.seed,
        "score": syncopation(piece.truth, piece.beats, window),
        "bands": syncopation(mix["layers"], piece.beats, window),
        "stems": syncopation(stems, piece.beats, window),
        "drums": syncopation(drums["layers"], piece.beats, window),
        "tracked": syncopation(mix["layers"], tracked, window),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path.home() / ".cache" / "mirkit-grooves")
    parser.add_argument("--fonts", nargs="+", default=["fluid", "timgm"])
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 5))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = [row_of(piece) for piece in renderings(args.folder, tuple(args.fonts), range(*args.seeds))]
    columns = ("score", "bands", "stems", "tracked")
    print("| soundfont | groove |", " | ".join(columns), "|")
    print("|---" * (2 + len(columns)) + "|")
    for font in args.fonts:
        for groove in GROOVES:
            found = [row for row in rows if (row["font"], row["groove"]) == (font, groove)]
            values = [[row[c] for row in found if isinstance(row[c], float)] for c in columns]
            shown = [f"{np.mean(v):.2f} ({min(v):.2f}-{max(v):.2f})" if v else "-" for v in values]
            print("|", font, "|", groove, "|", " | ".join(shown), "|")
    for column in columns[1:]:
        pairs = [(r["score"], r[column]) for r in rows if isinstance(r[column], float)]
        error = np.mean([abs(a - b) for a, b in pairs])
        print(f"{column}: {len(pairs)} pieces, r {np.corrcoef(np.array(pairs).T)[0, 1]:.3f}, mean error {error:.3f}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1, default=str))


if __name__ == "__main__":
    main()
