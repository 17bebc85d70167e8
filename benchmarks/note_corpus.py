"""Rendered stems whose notes are exactly known.

    python benchmarks/note_corpus.py FOLDER tune|check|test     # render what is missing

A piece is a folder with ``bass.flac`` (one voice), ``other.flac`` (chords and broken chords), ``lead.flac`` (one voice)
and ``notes.json``: stem -> list of (pitch, velocity, start, end). "tune" is for fitting: FluidR3. "check" has
other seeds and the soundfonts MuseScore General and TimGM, and was looked at during development; "test" has yet other
seeds and was only measured. Half of the basses play another General MIDI bass
than their style names, and all are moved by up to seven semitones, so that they reach from B0 to D4. Needs fluidsynth
and the soundfonts.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from rhythm_corpus import RATE, SOUNDFONTS, Piece, compose, midi
from rhythm_styles import MORE_STYLES, STYLES

SECONDS = 24.0
MUSESCORE = "/usr/share/sounds/sf3/MuseScore_General.sf3"
CHANNELS = {"bass": (1,), "other": (0, 3), "lead": (2,)}
_LEADS = (40, 42, 52, 53, 54, 56, 60, 64, 66, 68, 71, 73, 75, 80, 81, 85)
Note = tuple[int, int, float, float]


def plan(split: str) -> Iterator[tuple[str, int, str]]:
    """Yield style, seed and soundfont of every piece."""
    styles = (*STYLES, *MORE_STYLES)
    if split == "tune":
        yield from (("invented", 7000 + i, SOUNDFONTS["fluid"]) for i in range(24))
        yield from ((style, 7001, SOUNDFONTS["fluid"]) for style in styles[::2])
    else:
        first = 8000 if split == "check" else 9000
        rows = [("invented", first + i) for i in range(24)] + [(style, first + 1) for style in styles[1::2]]
        for i, (style, seed) in enumerate(rows):
            yield style, seed, SOUNDFONTS["timgm"] if i % 2 else MUSESCORE


def render(folder: Path, split: str) -> list[Path]:
    """Render what is missing; return the folders of the pieces that have a bass."""
    found = []
    for i, (style, seed, font) in enumerate(plan(split)):
        path = folder / split / f"{style}_{seed}"
        if (path / "notes.json").exists() or _rendered(path, compose(style, seed), [seed, i], font):
            found.append(path)
    return found


def notes_of(path: Path, stem: str) -> list[Note]:
    """Return the notes of a stem: pitch, velocity, start and end."""
    return [(int(p), int(v), s, e) for p, v, s, e in json.loads((path / "notes.json").read_text())[stem]]


def _rendered(path: Path, piece: Piece, seed: list[int], font: str) -> bool:
    rng = np.random.default_rng(seed)
    if rng.random() < 0.5:
        piece.programs[1] = int(rng.integers(32, 40))
    if rng.random() < 0.7:
        piece.programs[2] = int(rng.choice(_LEADS))
    moved = {1: int(rng.integers(-5, 8)), 2: int(rng.integers(-17, 3)), 0: 0, 3: 0}
    stems = {}
    for stem, channels in CHANNELS.items():
        notes = [note for note in piece.notes if note[0] in channels and note[3] < SECONDS - 1]
        stems[stem] = _alone([(c, p + moved[c], v, s, min(e, SECONDS)) for c, p, v, s, e in notes])
    if len(stems["bass"]) < 8:
        return False
    sounds = _played(piece, stems, font)
    path.mkdir(parents=True, exist_ok=True)
    for stem, sound in sounds.items():
        soundfile.write(path / f"{stem}.flac", sound * (0.5 / max(1e-6, float(np.abs(sound).max()))), RATE)
    truth = {stem: [note[1:] for note in notes] for stem, notes in stems.items()}
    (path / "notes.json").write_text(json.dumps(truth | {"programs": piece.programs, "soundfont": Path(font).stem}))
    return True


def _alone(notes: list[tuple[int, int, int, float, float]]) -> list[tuple[int, int, int, float, float]]:
    """End a note where its pitch is played again; leave out doubled ones."""
    out: list[tuple[int, int, int, float, float]] = []
    last: dict[int, int] = {}
    for note in sorted(notes, key=lambda n: (n[3], n[1])):
        at = last.get(note[1])
        if at is not None and out[at][4] > note[3] - 0.01:
            if note[3] - out[at][3] < 0.03:
                continue
            out[at] = (*out[at][:4], note[3] - 0.01)
        last[note[1]] = len(out)
        out.append(note)
    return out


def _played(piece: Piece, stems: dict[str, list], font: str) -> dict[str, np.ndarray]:
    """Play the stems one after the other, so that the soundfont is read once."""
    apart = SECONDS + 3
    shifted = [
        (*note[:3], note[3] + i * apart, note[4] + i * apart) for i, stem in enumerate(stems) for note in stems[stem]
    ]
    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
        score.write_bytes(midi(replace(piece, notes=shifted)))
        options = ["-ni", "-q", "-C", "0", "-o", "synth.dynamic-sample-loading=1", "-g", "0.5", "-r", str(RATE)]
        subprocess.run(["fluidsynth", *options, "-F", str(sound), font, str(score)], check=True, capture_output=True)
        samples = soundfile.read(sound, dtype="float32", always_2d=True)[0].mean(axis=1)
    count = int(SECONDS * RATE)
    out = {}
    for i, stem in enumerate(stems):
        part = samples[int(i * apart * RATE) :][:count] if stems[stem] else samples[:0]
        out[stem] = np.pad(part, (0, count - len(part)))
    return out


if __name__ == "__main__":
    print(len(render(Path(sys.argv[1]), sys.argv[2])), "pieces")
