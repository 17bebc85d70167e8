"""Drums within rendered music, with exactly known hits: what ``fit_drums.py`` fits on and chooses thresholds on.

A piece has a drum part (human drummers of the Groove MIDI Dataset, patterns of ``drum_corpus``, songs of Freedoom, or
the drums of ``rhythm_corpus``), played by a kit of recorded sounds or of a General MIDI soundfont, and a backing:
bass, harmony and voice, from soundfonts and recorded sounds. Nothing that the transcriber is judged on goes in.
Everything depends on the number of the piece only. Needs fluidsynth and ``samples`` and ``midi`` of the shared data.
"""

import csv
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import drum_corpus
import mido
import numpy as np
import scipy.signal
import soundfile
from drum_corpus import RATE, Hit
from drum_kits import GROUPS, Instrument, Kit, Samples, group_of, voices
from rhythm_corpus import DRUM_CHANNEL, Piece, compose, midi
from rhythm_styles import MORE_STYLES, STYLES

from mirkit.drums.embedded import levels
from mirkit.features.stft import N_FFT, PowerStft
from mirkit.separation import separate

SECONDS = 16.0
PARTS = (*GROUPS, "bass", "other", "vocals")
#: A hit of a soundfont sounds this much (s) after its note.
DELAY = 0.006
_FONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3")
_HELD_OUT_FONT = "/usr/share/sounds/sf2/TimGM6mb.sf2"
_KITS = (0, 0, 0, 8, 16, 24, 25, 32, 40)
_BASSES, _DISTORTED = range(32, 40), (29, 30)
Note = tuple[int, int, int, float, float]


@dataclass(frozen=True)
class Rendered:
    """A piece: the sound of each of ``PARTS``, shape=(9, n), and the seconds and the group of every hit."""

    parts: np.ndarray
    times: np.ndarray
    groups: np.ndarray


def mono(path: Path) -> np.ndarray:
    """Samples of a sound file, shape=(n,)."""
    return soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)


def decibels(sound: np.ndarray) -> np.ndarray:
    """Band levels as the transcriber computes them, shape=(frames, bands)."""
    stft, bands = PowerStft(N_FFT, levels.HOP), levels.Bands()
    return np.concatenate([bands.decibels(p) for step in (stft.push(sound), stft.finish()) for p in step])


@lru_cache
def _samples(data: Path) -> Samples:
    return Samples(data / "samples")


@lru_cache
def _scores(data: Path, kind: str, held_out: bool) -> list[Path]:
    with (data / "midi" / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == kind and float(row["seconds"]) > SECONDS]
    if kind == "drums":
        rows = [row for row in rows if (row["split"] != "train") == held_out]
    else:
        rows = rows[::8] if held_out else [row for i, row in enumerate(rows) if i % 8]
    return [data / "midi" / row["path"] for row in rows]


def _read(path: Path) -> tuple[list[Note], dict[int, int]]:
    """Notes of a MIDI file in seconds, and the program of each channel."""
    notes: list[Note] = []
    programs: dict[int, int] = {}
    begun: dict[tuple[int, int], tuple[float, int]] = {}
    now = 0.0
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "program_change":
            programs.setdefault(message.channel, message.program)
        elif message.type in ("note_on", "note_off"):
            key = message.channel, message.note
            if key in begun:
                start, velocity = begun.pop(key)
                notes.append((*key, velocity, start, now))
            if message.type == "note_on" and message.velocity:
                begun[key] = now, message.velocity
    return sorted(notes, key=lambda note: note[3]), programs


def _window(notes: list[Note], rng: np.random.Generator) -> list[Note]:
    """Notes of ``SECONDS`` from a random place on, at the start of which nothing sounds."""
    end = max(note[3] for note in notes)
    begin = rng.uniform(0, max(0.0, end - SECONDS))
    return [
        (channel, pitch, velocity, start - begin + 0.05, min(stop - begin + 0.05, SECONDS - 0.1))
        for channel, pitch, velocity, start, stop in notes
        if begin <= start < begin + SECONDS - 0.4
    ]


def _played(groups: list[list[Note]], programs: dict[int, int], font: str) -> list[np.ndarray]:
    """Play groups of notes with fluidsynth, one after the other: a dry mono sound for each."""
    apart = SECONDS + 2
    notes = [
        (channel, pitch, velocity, start + i * apart, end + i * apart)
        for i, group in enumerate(groups)
        for channel, pitch, velocity, start, end in group
    ]
    if not notes:
        return [np.zeros(round(SECONDS * RATE), np.float32) for _ in groups]
    used = {note[0] for note in notes}
    programs = {channel: program for channel, program in programs.items() if channel in used}
    piece = Piece(np.zeros(0), np.zeros(0), "", None, programs, dict.fromkeys(programs, 100), notes)
    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
        score.write_bytes(midi(piece))
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.4", "-r", str(RATE)]
        command += ["-o", "synth.dynamic-sample-loading=1", "-F", str(sound), font, str(score)]
        subprocess.run(command, check=True, capture_output=True)
        played = mono(sound)
    count = round(SECONDS * RATE)
    played = np.pad(played, (0, max(0, round(len(groups) * apart * RATE) - len(played))))
    return [played[round(i * apart * RATE) :][:count] for i in range(len(groups))]


def render(data: Path, number: int, held_out: bool) -> Rendered:
    """Render a piece; those that are held out have other scores, kits and soundfonts."""
    rng = np.random.default_rng([number, int(held_out)])
    samples = _samples(data)
    font = _HELD_OUT_FONT if held_out else str(rng.choice(_FONTS, p=(0.8, 0.2)))
    kind = str(rng.choice(("groove", "groove", "patterns", "styles", "styles", "freedoom")))
    notes, programs = _backing(data, kind, number, held_out, rng)
    if kind == "groove":
        path = str(rng.choice([str(p) for p in _scores(data, "drums", held_out)]))
        drums = [(DRUM_CHANNEL, *note[1:]) for note in _window(_read(Path(path))[0], rng)]
    elif kind == "patterns":
        drums = [(DRUM_CHANNEL, h.pitch, h.velocity, h.time, h.time + 0.1) for h in drum_corpus.patterns(rng)]
    else:
        drums = [note for note in notes if note[0] == DRUM_CHANNEL]
    drums += _percussion(drums, rng)
    drums = [note for note in drums if note[1] != 39 and 0 < note[3] < SECONDS - 0.3]
    if rng.random() < 0.7:
        hits = [Hit(start, "", pitch, velocity) for _, pitch, velocity, start, _ in drums]
        sounds, truth = Kit(samples, held_out, rng).play(hits, SECONDS, rng)
        drum_parts = [sounds[group] for group in GROUPS]
    else:
        by_group = [[note for note in drums if group_of(note[1]) == group] for group in GROUPS]
        drum_parts = _played(by_group, {DRUM_CHANNEL: int(rng.choice(_KITS))}, font)
        truth = [(note[3] + DELAY, group_of(note[1])) for note in drums]
    parts = np.stack([*drum_parts, *_tonal(samples, notes, programs, font, rng)])
    times = np.array([time for time, _ in truth])
    return Rendered(parts, times, np.array([GROUPS.index(group) for _, group in truth], np.int64))


def _backing(
    data: Path, kind: str, number: int, held_out: bool, rng: np.random.Generator
) -> tuple[list[Note], dict[int, int]]:
    """Notes of a window of a song of Freedoom or of a composed piece, and its programs."""
    if kind == "freedoom" or (kind == "groove" and rng.random() < 0.3):
        notes, programs = _read(Path(str(rng.choice([str(p) for p in _scores(data, "multi", held_out)]))))
    else:
        style = str(rng.choice((*STYLES, *MORE_STYLES))) if rng.random() < 0.6 else "invented"
        piece = compose(style, (9000 if held_out else 3000) + number)
        notes, programs = sorted(piece.notes, key=lambda note: note[3]), dict(piece.programs)
    return _window(notes, rng), {channel: programs.get(channel, 0) for channel in range(16)} | programs


def _percussion(drums: list[Note], rng: np.random.Generator) -> list[Note]:
    """Tambourine, shaker or another sound beside one piece in five, which is no hit of the kit."""
    if rng.random() > 0.2 or len(drums) < 8:
        return []
    step = float(rng.choice([0.25, 0.5, 0.5, 1.0])) * rng.uniform(0.4, 0.8)
    begin = min(note[3] for note in drums)
    times = np.arange(begin, SECONDS - 0.5, step)
    keep = rng.random(len(times)) < rng.uniform(0.5, 1)
    times = times + rng.normal(0, 0.006, len(times))
    return [
        (DRUM_CHANNEL, 54, int(np.clip(rng.normal(85, 15), 20, 127)), float(time), float(time) + 0.1)
        for time in times[keep]
    ]


def _tonal(
    samples: Samples, notes: list[Note], programs: dict[int, int], font: str, rng: np.random.Generator
) -> list[np.ndarray]:
    """Bass, other and vocals, each normalized."""
    tonal = [note for note in notes if note[0] != DRUM_CHANNEL]
    bass = [note for note in tonal if programs[note[0]] in _BASSES]
    other = [note for note in tonal if programs[note[0]] not in _BASSES]
    sounds = _played([bass, other], programs, font)
    if rng.random() < 0.6:
        sounds[0] = Instrument(samples, "bass", rng).play(bass, SECONDS)
        if rng.random() < 0.3:
            sounds[0] = np.tanh(_normalized(sounds[0]) * rng.uniform(1, 6))
    if rng.random() < 0.35:
        guitar = _normalized(Instrument(samples, "guitar", rng).play(other[:400], SECONDS))
        if rng.random() < 0.6:  # an amplifier and its speaker
            guitar = np.tanh(guitar * 10 ** rng.uniform(0.3, 1.6))
            guitar = scipy.signal.lfilter(*scipy.signal.butter(2, rng.uniform(3500, 7000), fs=RATE), guitar)
        sounds[1] = _normalized(sounds[1]) * np.float32(rng.uniform(0, 1)) + _normalized(guitar)
    sung = rng.random() < 0.55
    vocals = voices(samples, SECONDS, rng) if sung else np.zeros(round(SECONDS * RATE), np.float32)
    return [_normalized(np.asarray(sound, np.float32)) for sound in (*sounds, vocals)]


def _normalized(sound: np.ndarray) -> np.ndarray:
    """Scale to an RMS of 0.1; silence stays silent."""
    rms = float(np.sqrt(np.mean(sound**2)))
    return sound * np.float32(0.1 / rms) if rms > 1e-5 else sound


def mixed(piece: Rendered, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mix a piece as an engineer may: the mix, and its drums, shape=(n,)."""
    faders = 10 ** (rng.normal(0, (2, 2, 2, 2, 2, 2, 3, 3, 3)) / 20)
    parts = piece.parts * faders[:, None].astype(np.float32)
    drums = _bus(parts[: len(GROUPS)].sum(axis=0), rng)
    backing = _bus(parts[len(GROUPS) :].sum(axis=0), rng)
    ratio = 10 ** (rng.normal(0, 4) / 20)
    drums, backing = _normalized(drums) * np.float32(ratio), _normalized(backing)
    whole = drums + backing
    drive = rng.uniform(0.3, 1.5) / np.abs(whole).max()
    louder = np.tanh(whole * drive) / np.where(np.abs(whole) > 1e-9, whole, 1)  # one gain for the mix and its drums
    louder = np.where(np.abs(whole) > 1e-9, louder, drive)
    scale = np.float32(rng.uniform(0.3, 0.9) / np.abs(whole * louder).max())
    return (whole * louder * scale).astype(np.float32), (drums * louder * scale).astype(np.float32)


def _bus(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tone, room and compression."""
    for hz in (120, 700, 4000, 9000):
        sound = drum_corpus.bell(sound, hz, rng.normal(0, 4))
    if rng.random() < 0.6:
        sound = drum_corpus.room(sound, rng)
    peak = max(1e-6, float(np.abs(sound).max()))
    return np.tanh(sound * rng.uniform(0.5, 3) / peak).astype(np.float32)


def separated(mix: np.ndarray) -> np.ndarray:
    """The drums stem of the embedded separation, shape=(n,)."""
    return np.concatenate([block["drums"][0] for block in separate([mix[None]], RATE, 1)])


def features(data: Path, folder: Path, number: int, held_out: bool) -> dict[str, np.ndarray]:
    """Band levels of a piece, kept in the folder.

    ``parts`` (9, frames, 36) of the parts by themselves, ``rms`` of the parts, ``mix``, ``stem``, ``drums``
    (frames, 36) of a mix, its separated and its true drums, and ``times`` and ``groups`` of the hits.
    """
    path = folder / f"{'held' if held_out else 'piece'}-{number}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        piece = render(data, number, held_out)
        mix, drums = mixed(piece, np.random.default_rng([number, 7]))
        np.savez(
            path,
            parts=np.stack([decibels(part) for part in piece.parts]),
            rms=np.sqrt(np.mean(piece.parts**2, axis=1)),
            mix=decibels(mix),
            stem=decibels(separated(mix)),
            drums=decibels(drums),
            times=piece.times,
            groups=piece.groups,
        )
    with np.load(path) as kept:
        return dict(kept)
