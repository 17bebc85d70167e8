"""Rendered drumming with exactly known hits: random patterns on the kits of General MIDI soundfonts.

    python benchmarks/drum_corpus.py FOLDER [COUNT]    # render what is missing; a piece is NNN.flac + NNN.json

Every instrument is rendered by itself, so that mix, reverb and compression can differ from piece to piece as they do
from record to record. The JSON holds ``hits``: [seconds, voice, velocity 1-127]. Needs fluidsynth and any of the
soundfonts below; nothing real goes in, so what is tuned here can be measured on real drums.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import mido
import numpy as np
import scipy.signal

from mirkit.audio import encode

RATE = 44100
SECONDS = 16.0
VOICES = ("kick", "snare", "hat", "tom", "cymbal")
_FONTS = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
)
#: General MIDI kits that are played with sticks: standard, room, power, electronic, jazz, and the 808.
_KITS = (0, 0, 8, 16, 24, 25, 32)
_TICKS = 480  # a beat, at 60 beats a minute: ticks are 1/480 s
KICKS, SNARES, TOMS = (35, 36), (38, 40), (41, 43, 45, 47, 48, 50)
CLOSED, PEDAL, OPEN, CRASHES, RIDES = 42, 44, 46, (49, 57, 55, 52), (51, 59, 53)


@dataclass(frozen=True)
class Hit:
    """One stroke."""

    time: float
    voice: str
    pitch: int
    velocity: int


def patterns(rng: np.random.Generator) -> list[Hit]:
    """Play some bars: kick, snare and time-keeper by chance about the habits of popular music, with fills."""
    bpm = rng.uniform(65, 175)
    step = 60 / bpm / 4
    bars = int(SECONDS / (16 * step)) + 1
    keeper = str(rng.choice(["hat8", "hat8", "hat16", "hat4", "ride8", "crash4", "none"]))
    if keeper == "hat16" and bpm > 130:
        keeper = "hat8"
    offbeat_kick, ghosts, opens = rng.uniform(0.05, 0.4), rng.choice([0, 0, 0.08, 0.2]), rng.choice([0, 0.1, 0.5])
    kick, snare, swing = rng.choice(KICKS), rng.choice(SNARES), rng.choice([0, 0, 0, 0.3]) * step
    crash, ride = rng.choice(CRASHES), rng.choice(RIDES)
    every = int(rng.choice([2, 4]))
    kicks = rng.random(16) < np.where(np.arange(16) % 8 == 0, 0.95, np.where(np.arange(16) % 4 == 0, 0.35, 0.0))
    kicks |= (rng.random(16) < offbeat_kick) & (np.arange(16) % 4 != 0) & ((np.arange(16) % 2 == 0) | (bpm < 120))
    hits: list[Hit] = []

    def play(at: float, voice: str, pitch: int, loud: float) -> None:
        when = at * step + (swing if int(at) % 2 else 0) + rng.normal(0, 0.004) + 0.3
        velocity = int(np.clip(rng.normal(loud, 7), 12, 127))
        if 0 < when < SECONDS - 0.3:
            hits.append(Hit(float(when), voice, int(pitch), velocity))

    for bar in range(bars):
        fill = rng.choice([4, 8, 16]) if (bar + 1) % every == 0 and rng.random() < 0.7 else 0
        crashed = bar > 0 and bar % every == 0 and rng.random() < 0.6
        for at in range(16):
            now = bar * 16 + at
            if at >= 16 - fill:
                if at % 2 == 0 or (bpm < 140 and rng.random() < 0.6):
                    drum = rng.random()
                    if drum < 0.55:
                        play(now, "tom", TOMS[::-1][min(5, int(6 * (at - 16 + fill) / fill + rng.random()))], 100)
                    elif drum < 0.85:
                        play(now, "snare", snare, 100)
                    if rng.random() < 0.2:
                        play(now, "kick", kick, 95)
                continue
            if kicks[at]:
                play(now, "kick", kick, 105)
            if at in (4, 12) and rng.random() < 0.95:
                play(now, "snare", snare, 108)
            elif rng.random() < ghosts:
                play(now, "snare", snare, 45)
            if crashed and at == 0:
                play(now, "cymbal", crash, 108)
            elif keeper == "hat8" and at % 2 == 0:
                play(now, "hat", OPEN if at % 4 == 2 and rng.random() < opens else CLOSED, 92 if at % 4 == 0 else 76)
            elif keeper == "hat16":
                play(now, "hat", CLOSED, 90 if at % 4 == 0 else 66)
            elif keeper == "hat4" and at % 4 == 0:
                play(now, "hat", PEDAL if rng.random() < 0.2 else CLOSED, 90)
            elif keeper == "ride8" and at % 2 == 0:
                play(now, "cymbal", ride, 92 if at % 4 == 0 else 78)
            elif keeper == "crash4" and at % 4 == 0:
                play(now, "cymbal", crash, 100)
    return sorted(hits, key=lambda hit: hit.time)


def kit(rng: np.random.Generator) -> tuple[str, int]:
    """Draw a soundfont of those that are installed, and the program of a kit in it."""
    return str(rng.choice([font for font in _FONTS if Path(font).is_file()])), int(rng.choice(_KITS))


def render(hits: list[Hit], font: str, program: int) -> list[np.ndarray]:
    """Play hits with fluidsynth, one voice after the other: a dry mono sound for each, float32."""
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000)])
    track.append(mido.Message("program_change", channel=9, program=program))
    turn = SECONDS + 2
    events = [(round((hit.time + VOICES.index(hit.voice) * turn) * _TICKS), hit.pitch, hit.velocity) for hit in hits]
    events += [(when + 40, pitch, 0) for when, pitch, _ in events]
    now = 0
    for when, pitch, velocity in sorted(events):
        track.append(mido.Message("note_on", channel=9, note=pitch, velocity=velocity, time=when - now))
        now = when
    track.append(mido.MetaMessage("end_of_track", time=_TICKS))
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = f"{folder}/x.mid", f"{folder}/x.wav"
        mido.MidiFile(type=0, ticks_per_beat=_TICKS, tracks=[track]).save(midi)
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE)]
        command += ["-o", "synth.dynamic-sample-loading=1", "-F", wave, font, midi]
        subprocess.run(command, check=True, capture_output=True)
        with av.open(wave) as container:
            frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    pcm = np.concatenate(frames, axis=1).reshape(-1, 2).mean(axis=1) / 32768
    starts = [round(turn * RATE) * i for i in range(len(VOICES))]
    n = round(SECONDS * RATE)
    pcm = np.pad(pcm, (0, max(0, starts[-1] + n - len(pcm))))
    return [pcm[start : start + n].astype(np.float32) for start in starts]


def mixed(parts: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Mix as an engineer may: levels, tone, room, compression, level of the whole."""
    sound = sum(part * 10 ** (rng.normal(0, 3) / 20) for part in parts)
    for hz in (120, 700, 4000, 9000):
        sound = bell(sound, hz, rng.normal(0, 4))
    if rng.random() < 0.7:
        sound = room(sound, rng)
    drive = rng.uniform(0.5, 3) / np.abs(sound).max()
    sound = np.tanh(sound * drive)
    sound += rng.standard_normal(len(sound)) * 10 ** (rng.uniform(-80, -55) / 20)
    return (sound / np.abs(sound).max() * 10 ** (rng.uniform(-16, 0) / 20)).astype(np.float32)


def bell(sound: np.ndarray, hz: float, level: float) -> np.ndarray:
    """Raise or lower a broad band by a level in dB."""
    w = 2 * np.pi * hz / RATE
    gain, alpha = 10 ** (level / 40), np.sin(w) / 1.4
    b = [1 + alpha * gain, -2 * np.cos(w), 1 - alpha * gain]
    a = [1 + alpha / gain, -2 * np.cos(w), 1 - alpha / gain]
    return scipy.signal.lfilter(b, a, sound)


def room(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a reverberation of random length and level."""
    length = rng.uniform(0.15, 1.0)
    n = int(length * RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail = scipy.signal.lfilter([0.4], [1, -0.6], tail)
    tail *= 10 ** (rng.uniform(-22, -6) / 20) / np.sqrt(np.sum(tail**2))
    return sound + scipy.signal.fftconvolve(sound, tail)[: len(sound)]


def write(folder: Path, count: int) -> list[Path]:
    """Render the pieces that are missing; return all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed:03d}.flac" for seed in range(count)]
    for seed, path in enumerate(paths):
        if path.is_file():
            continue
        rng = np.random.default_rng(seed)
        hits = patterns(rng)
        font, program = kit(rng)
        encode(path, [mixed(render(hits, font, program), rng)[None]], rate=RATE, channels=1)
        rows = [[hit.time, hit.voice, hit.velocity] for hit in hits]
        annotation = {"hits": rows, "font": Path(font).stem, "kit": program}
        path.with_suffix(".json").write_text(json.dumps(annotation))
    return paths


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 120)
