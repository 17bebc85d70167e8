"""Rendered pieces with their stems, and the stems that the embedded separation makes of the mix.

    python benchmarks/multitracks.py FOLDER tune|test     # render what is missing

A piece is a folder with ``mix.wav`` (stereo), ``true_STEM.wav`` and ``emb_STEM.wav`` (mono). "tune" is for fitting:
FluidR3, MuseScore General, and recorded sounds (``sampled_music``). "test" is only measured: other seeds, half
of the pieces with the soundfont of Csound, half with recorded instruments that "tune" does not contain. In half of the
pieces a voice sings the tune, in the others an instrument plays it. Needs fluidsynth and the soundfonts.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from rhythm_corpus import DRUM_CHANNEL, RATE, SOUNDFONTS, Piece, compose, midi
from rhythm_styles import MORE_STYLES, STYLES
from sampled_music import play

from mirkit.separation import separate

SECONDS = 32.0
STEMS = ("drums", "bass", "other", "vocals")
_MUSESCORE = "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"
_CSOUND = "/usr/share/sounds/sf2/sf_GMbank.sf2"
_RECORDED = "recorded"
_VOICES = (52, 53, 54, 85)


def plan(split: str) -> Iterator[tuple[str, int, str]]:
    """Yield style, seed and soundfont of every piece."""
    styles = (*STYLES, *MORE_STYLES)
    if split == "tune":
        yield from (("invented", 2000 + i, SOUNDFONTS["fluid"]) for i in range(24))
        yield from ((style, 801, SOUNDFONTS["fluid"]) for style in styles)
        rows = [(style, 901) for style in styles] + [("invented", 1500 + i) for i in range(40)]
        yield from ((style, seed, _MUSESCORE) for style, seed in rows[::3])
        yield from ((style, seed, _RECORDED) for seed in (1001, 1002) for style in styles)
        yield from (("invented", 4000 + i, _RECORDED) for i in range(50))
    else:
        rows = [(style, 1201) for style in styles] + [("invented", 5000 + i) for i in range(45)]
        yield from ((style, seed, _RECORDED if i % 2 else _CSOUND) for i, (style, seed) in enumerate(rows))


def render(folder: Path, split: str) -> list[Path]:
    """Render what is missing; return the folders of the pieces that have drums and bass."""
    folders = []
    for i, (style, seed, font) in enumerate(plan(split)):
        path = folder / f"{style}_{seed}"
        done = path / ("true_vocals.wav" if split == "tune" else "emb_vocals.wav")
        if not done.exists() and not _rendered(path, compose(style, seed), [seed, i], font, split):
            continue
        folders.append(path)
    return folders


def _rendered(path: Path, piece: Piece, seed: list[int], font: str, split: str) -> bool:
    rng = np.random.default_rng(seed)
    sung = rng.random() < 0.5
    if sung:
        piece.programs[2] = int(rng.choice(_VOICES))
    channels = {"drums": (DRUM_CHANNEL,), "bass": (1,), "other": (0, 3) if sung else (0, 3, 2), "vocals": (2,)}
    notes = {
        stem: [note for note in piece.notes if note[3] < SECONDS and note[0] in channels[stem]]
        for stem in (STEMS if sung else STEMS[:3])
    }
    if not notes["drums"] or not notes["bass"]:
        return False
    if font == _RECORDED:
        stems = {stem: np.zeros((2, int(SECONDS * RATE)), np.float32) for stem in STEMS}
        stems |= play(notes, int(SECONDS * RATE), rng, held_out=split == "test")
    else:
        stems = _played(piece, notes, font)
    pan = rng.uniform(-0.6, 0.6)
    stems["other"] *= np.array([[1 - max(0, pan)], [1 + min(0, pan)]], np.float32)
    gain = np.float32(0.7 / np.abs(sum(stems.values())).max())
    mix = gain * sum(stems.values())
    path.mkdir(parents=True, exist_ok=True)
    soundfile.write(path / "mix.wav", mix.T, RATE)
    if split == "test":  # fitting needs no separated stems
        blocks = list(separate([mix[:, start : start + 65536] for start in range(0, mix.shape[1], 65536)], RATE, 2))
        for stem in STEMS:
            embedded = np.concatenate([block[stem] for block in blocks], axis=1)
            soundfile.write(path / f"emb_{stem}.wav", embedded.mean(axis=0), RATE)
    for stem in STEMS:
        soundfile.write(path / f"true_{stem}.wav", gain * stems[stem].mean(axis=0), RATE)
    return True


def _played(piece: Piece, notes: dict[str, list], font: str) -> dict[str, np.ndarray]:
    """Play the stems one after the other, so that the soundfont is read once."""
    apart = SECONDS + 3
    shifted = [
        (*note[:3], note[3] + i * apart, min(note[4], SECONDS) + i * apart)
        for i, stem in enumerate(notes)
        for note in notes[stem]
    ]
    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
        score.write_bytes(midi(replace(piece, notes=shifted)))
        options = ["-ni", "-q", "-C", "0", "-o", "synth.dynamic-sample-loading=1", "-g", "0.5", "-r", str(RATE)]
        command = ["fluidsynth", *options, "-F", str(sound), font, str(score)]
        subprocess.run(command, check=True, capture_output=True)
        samples = soundfile.read(sound, dtype="float32", always_2d=True)[0].T
    count = int(SECONDS * RATE)
    stems = {stem: np.zeros((2, count), np.float32) for stem in STEMS}
    for i, stem in enumerate(notes):
        part = samples[:, int(i * apart * RATE) :][:, :count] if notes[stem] else samples[:, :0]
        stems[stem][:, : part.shape[1]] = part
    return stems


if __name__ == "__main__":
    print(len(render(Path(sys.argv[1]), sys.argv[2])), "pieces")
