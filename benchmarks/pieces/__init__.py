"""Pieces with known stems, composed and rendered on the spot: some by fluidsynth, some by plain synthesis."""

import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import instruments, mixing, singer, soundfont
from .score import STYLES, Song, compose

RATE = 44100
SECONDS = 24.0
STEMS = ("drums", "bass", "other", "vocals")


@dataclass(frozen=True)
class Piece:
    """A recipe: the same recipe always renders the same stems."""

    style: str
    seed: int
    sampled: bool  # by soundfont, else by plain synthesis
    without: str = ""  # the stem that stays silent; without vocals, an instrument plays the tune

    @property
    def name(self) -> str:
        """Style, seed, renderer and what is missing."""
        kind = "sf2" if self.sampled else "synth"
        return f"{self.style}-{self.seed}-{kind}" + (f"-no-{self.without}" if self.without else "")


_TUNING_STYLES = ("rock", "pop", "house", "funk", "swing", "trap", "reggae", "ballad", "metal")
_WITHOUT = ("", "", "", "vocals", "", "", "drums", "", "", "", "vocals", "", "", "bass", "", "", "other")
#: Constants of the separation were chosen on these (and on nothing else).
TUNING = tuple(
    Piece(style, seed, seed in (1, 2, 4, 6), "" if style == "swing" else _WITHOUT[(9 * seed + i) % len(_WITHOUT)])
    for seed in range(1, 7)
    for i, style in enumerate(_TUNING_STYLES)
)
#: Never looked at while choosing: five styles of their own, other seeds of the others.
HELD_OUT = (
    *(Piece(s, 101, True) for s in ("latin", "folk", "breaks", "soul", "synthpop")),
    Piece("rock", 102, True, "vocals"),
    Piece("pop", 102, True),
    Piece("ballad", 102, True, "drums"),
    *(Piece(s, 103, False) for s in ("soul", "synthpop")),
)


def render(piece: Piece, cache: Path | None = None) -> dict[str, np.ndarray] | None:
    """Stems of a piece, float32, shape=(2, n) each; None where fluidsynth or its soundfont is missing."""
    font = soundfont.find()
    if piece.sampled and font is None:
        return None
    kept = cache / f"{piece.name}.npz" if cache else None
    if kept and kept.is_file():
        with np.load(kept) as stored:
            return {k: stored[k] for k in STEMS}
    rng = np.random.default_rng([piece.seed, piece.sampled, zlib.crc32(piece.style.encode())])
    style = STYLES[piece.style]
    if piece.without == "vocals":
        style = replace(style, voices=0, lead_program=int(rng.choice((26, 29, 56, 66, 73, 80))))
    song = compose(style, SECONDS, rng)
    dry = _sampled(song, font, rng) if font and piece.sampled else _synthetic(song, rng)
    dry["vocals"] = _voices(song, rng)
    if piece.without:
        dry[piece.without] = np.zeros_like(dry["drums"])
    stems = _mix(dry, rng)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **stems)
    return stems


def _sampled(song: Song, font: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    pans = rng.permutation(_pans(len(song.comp), rng))
    comp = [(p, notes, pan) for p, notes, pan in zip(song.comp_programs, song.comp, pans, strict=True)]
    return {
        "drums": soundfont.play([(song.kit, song.drums, 0.0)], song.seconds, font, drums=True),
        "bass": soundfont.play([(song.bass_program, song.bass, 0.0)], song.seconds, font),
        "other": soundfont.play(comp, song.seconds, font),
    }


def _synthetic(song: Song, rng: np.random.Generator) -> dict[str, np.ndarray]:
    kit = instruments.drum_kit(rng)
    low = instruments.bass(str(rng.choice(("sub", "saw", "pluck"))))
    kinds = rng.permutation(("guitar", "organ", "pad", "piano", "electric"))
    other = np.zeros((2, int(song.seconds * RATE)), np.float32)
    for kind, notes, where in zip(kinds, song.comp, _pans(len(song.comp), rng), strict=False):
        sound = mixing.level(instruments.play(instruments.chords(str(kind)), notes, song.seconds, rng), 0)
        other += sound * np.sqrt(2 * np.array([[(1 - where) / 2], [(1 + where) / 2]]), dtype=np.float32)
    return {
        "drums": instruments.play(kit, song.drums, song.seconds, rng),
        "bass": instruments.play(low, song.bass, song.seconds, rng),
        "other": other,
    }


def _pans(count: int, rng: np.random.Generator) -> list[float]:
    width = max(0.0, rng.uniform(-0.1, 0.7))
    return [0.0] if count == 1 else [float(width * (1, -1, 0)[i % 3]) for i in range(count)]


def _voices(song: Song, rng: np.random.Generator) -> np.ndarray:
    lines = [singer.sing(notes, song.seconds, rng) for notes in song.voices]
    out = np.zeros((2, int(song.seconds * RATE)), np.float32)
    for i, line in enumerate(lines):
        out += mixing.pan(line, (0.0, 0.6, -0.6)[i]) * (1.0, 0.35, 0.35)[i]
    return out


_TOP = {"drums": 16000, "bass": 2500, "other": 5000, "vocals": 12000}


def _mix(dry: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Rooms and levels as mixes have them: voice and drums in front, bass dry."""
    room = rng.uniform(0.4, 1.6)
    dry = {k: mixing.tone(s, rng.uniform(-1, 1), _TOP[k] * rng.uniform(0.7, 1.4)) for k, s in dry.items()}
    other = mixing.widen(dry["other"], float(rng.choice((0, 0, 0, 0, 0.008, 0.015))))
    stems = {
        "drums": mixing.reverb(mixing.squeeze(dry["drums"], rng.uniform(0, 2.5)), 0.4 * room, rng.uniform(0, 0.3), rng),
        "bass": mixing.squeeze(dry["bass"], rng.choice((0.0, 1.5))),
        "other": mixing.reverb(other, room, rng.uniform(0.05, 0.35), rng),
        "vocals": mixing.reverb(mixing.squeeze(dry["vocals"], rng.uniform(1, 3)), room, rng.uniform(0.05, 0.35), rng),
    }
    center = {"drums": -1.0, "bass": -1.5, "other": -2.0, "vocals": 0.5}
    for k, least in (("drums", 0.0), ("other", 0.25)):
        stems[k] = mixing.narrow(stems[k], rng.uniform(least, 1.0))
    stems = {k: mixing.level(s, center[k] + rng.normal(0, 1.8)) for k, s in stems.items()}
    peak = np.abs(sum(stems.values())).max()
    return {k: (0.9 / peak * s).astype(np.float32) for k, s in stems.items()}
