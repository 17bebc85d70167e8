"""Band levels of voices and of music without a voice, for ``fit_voice.py``.

Needs fluidsynth with its soundfonts, and the folder of ``samples`` of ``sampled_music.py``.

FOLDER holds what licenses let fit: ``songs/NAME/vocals.*`` and ``songs/NAME/backing.*`` (sums of the stems of a song),
``music/NAME.*`` (instrumentals), and ``tune/``, the pieces of ``multitracks.py``. What is computed is kept there.
"""

import csv
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import mido
import numpy as np
import scipy.signal
import soundfile

from mirkit.audio import open_audio
from mirkit.features.extraction import mono_of
from mirkit.features.stft import PowerStft
from mirkit.features.voice import VoiceExtractor

RATE = 44100
SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "samples"
#: A voice is also heard this much slower or faster, which moves its pitch and its formants: another singer.
SPEEDS = ((6, 5), (12, 11), (1, 1), (11, 12), (5, 6))
_SPACE = 4000  # samples between two phrases
_FONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3")
_VOICES, _EFFECTS = (52, 53, 54, 85, 91), range(96, 128)
#: Programs that lead a melody are played twice as often.
_LEADS = (22, 29, 30, *range(40, 52), *range(56, 80), *range(80, 96))
_SCALE = np.array([0, 2, 3, 5, 7, 9, 10, 12, 14, 15, 17, 19])
Levels = dict[str, np.ndarray]


def levels_of(mono: np.ndarray) -> np.ndarray:
    """Levels of the bands of the network, float16, shape=(frames, 80)."""
    extractor, stft = VoiceExtractor(), PowerStft()
    for power in (*(p for i in range(0, len(mono), 1 << 16) for p in _pushed(stft, mono[i : i + (1 << 16)])),):
        extractor.push_frames(power)
    for power in stft.finish():
        extractor.push_frames(power)
    return extractor.levels


def _pushed(stft: PowerStft, block: np.ndarray) -> Iterator[np.ndarray]:
    return (power.copy() for power in stft.push(block.astype(np.float32)))


def sound(path: Path, seconds: float | None = None) -> np.ndarray:
    """Mono samples at 44.1 kHz of any file that mirkit reads."""
    found, count = [], 0
    for block in open_audio(path).blocks(1 << 16):
        found.append(mono_of(block).copy())
        count += block.shape[1]
        if seconds and count >= seconds * RATE:
            break
    return np.concatenate(found)


def kept(path: Path, make: Callable[[], Levels]) -> Levels:
    """Levels by name, computed once."""
    if not path.is_file():
        np.savez(path, **make())
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def songs(folder: Path, part: str) -> Levels:
    """Levels of a part of each song, ``NAME/SPEED``."""

    def make() -> Levels:
        found = {}
        for path in sorted((folder / "songs").glob(f"*/{part}.*")):
            mono = sound(path)
            for up, down in SPEEDS if part == "vocals" else SPEEDS[1:4]:
                found[f"{path.parent.name}/{up}"] = levels_of(scipy.signal.resample_poly(mono, up, down))
        return found

    return kept(folder / f"{part}.npz", make)


def voices(folder: Path) -> Levels:
    """Levels of the recorded phrases and notes of voices, by instrument, without those of the songs."""

    def make() -> Levels:
        phrases: dict[str, list[np.ndarray]] = {}
        with (SAMPLES / "index.csv").open() as file:
            for row in csv.DictReader(file):
                if row["class"] == "voice" and not row["instrument"].startswith(("eif", "stems", "bk_misc")):
                    mono = soundfile.read(SAMPLES / row["path"], dtype="float32", always_2d=True)[0].mean(axis=1)
                    level = np.sqrt(np.square(mono).mean()) + 1e-6
                    phrases.setdefault(row["instrument"], []).append(np.pad(0.1 * mono / level, (0, _SPACE)))
        joined = {name: np.concatenate(sounds) for name, sounds in phrases.items()}
        return {
            f"{name}@{up}": levels_of(scipy.signal.resample_poly(mono, up, down))
            for name, mono in joined.items()
            for up, down in SPEEDS
        }

    return kept(folder / "voices.npz", make)


def music(folder: Path) -> Levels:
    """Levels of two minutes of each instrumental."""
    return kept(
        folder / "music.npz", lambda: {path.name: levels_of(sound(path, 120)) for path in (folder / "music").iterdir()}
    )


def rendered(folder: Path) -> Levels:
    """Levels of the rendered pieces without their voice."""
    return kept(folder / "rendered.npz", lambda: _stems(folder, ("drums", "bass", "other")))


def leads(folder: Path) -> Levels:
    """Levels of what is neither drums nor bass in the rendered pieces."""
    return kept(folder / "leads.npz", lambda: _stems(folder, ("other",)))


def _stems(folder: Path, stems: tuple[str, ...]) -> Levels:
    found = {}
    for piece in sorted((folder / "tune").iterdir()):
        parts = [soundfile.read(piece / f"true_{stem}.wav", dtype="float32", always_2d=True)[0] for stem in stems]
        count = min(map(len, parts))
        mono = sum(part[:count].mean(axis=1) for part in parts)
        if np.std(mono) > 1e-4:
            found[piece.name] = levels_of(mono)
    return found


def solos(folder: Path) -> Levels:
    """Levels of melodies and chords of instruments, with vibrato, slides and swells, and of synthetic pads."""

    def make() -> Levels:
        rng, found = np.random.default_rng(3), {}
        for font in _FONTS:
            found |= {f"{Path(font).stem}{i}": levels_of(mono) for i, mono in enumerate(_melodies(font, rng))}
        return found | {f"pad{i}": _pad(rng) for i in range(60)}

    return kept(folder / "solos.npz", make)


def _melodies(font: str, rng: np.random.Generator) -> Iterator[np.ndarray]:
    programs = [*(p for p in range(112) if p not in _VOICES and p not in _EFFECTS), *_LEADS]
    programs = [p for p in programs if p not in _VOICES]
    events: list[tuple[float, mido.Message]] = []
    for i, program in enumerate(programs):
        events += _melody(10.0 * i, program, int(rng.integers(0, 9)), rng)
    track, last = mido.MidiTrack(), 0
    for when, message in sorted(events, key=lambda event: event[0]):
        tick = max(last, round(when * 960))
        track.append(message.copy(time=tick - last))
        last = tick
    with tempfile.TemporaryDirectory() as scratch:
        score, played = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
        file = mido.MidiFile(ticks_per_beat=480)
        file.tracks.append(track)
        file.save(score)
        command = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(RATE)]
        command += ["-o", "synth.dynamic-sample-loading=1", "-F", str(played), font, str(score)]
        subprocess.run(command, check=True, capture_output=True)
        mono = soundfile.read(played, dtype="float32", always_2d=True)[0].mean(axis=1)
    spans = [mono[10 * i * RATE : (10 * i + 9) * RATE] for i in range(len(programs))]
    return (span for span in spans if len(span) and span.std() > 1e-4)


def _melody(begin: float, program: int, channel: int, rng: np.random.Generator) -> list[tuple[float, mido.Message]]:
    def wheel(when: float, pitch: float) -> tuple[float, mido.Message]:
        return when, mido.Message("pitchwheel", channel=channel, pitch=int(np.clip(pitch, -8192, 8191)))

    def control(when: float, number: int, value: float) -> tuple[float, mido.Message]:
        return when, mido.Message("control_change", channel=channel, control=number, value=int(value))

    chords, vibrato, slides, swells, legato = rng.random(5) < (0.3, 0.6, 0.4, 0.4, 0.6)
    events = [(begin, mido.Message("program_change", channel=channel, program=program)), wheel(begin, 0)]
    events.append(control(begin, 11, 110))
    base, step, now = int(rng.integers(50, 76)), 0, begin + 0.1
    while now < begin + 8.7:
        length = float(rng.choice([0.15, 0.25, 0.4, 0.6, 1.0, 1.8]))
        step = int(np.clip(step + rng.integers(-3, 4), -7, 11))
        top = base + int(_SCALE[step] if step >= 0 else -_SCALE[-step])
        for pitch in (top, top - 5, top - 9) if chords else (top,):
            pitch = int(np.clip(pitch, 30, 100))
            velocity = int(rng.integers(60, 120))
            events.append((now, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
            end = now + length * (1.02 if legato else 0.8)
            events.append((end, mido.Message("note_off", channel=channel, note=pitch)))
        if vibrato and length > 0.35:
            rate, depth = rng.uniform(4.5, 7), rng.uniform(150, 900)
            times = np.arange(0.12, length, 0.02)
            events += [wheel(now + t, depth * min(1, 2 * t) * np.sin(2 * np.pi * rate * t)) for t in times]
        elif slides and rng.random() < 0.4:
            start = rng.choice([-4096, -8000, 4000])
            events += [wheel(now + t, start * (1 - t / 0.18)) for t in np.arange(0, 0.18, 0.015)]
            events.append(wheel(now + 0.19, 0))
        if swells:
            events += [control(now + t, 11, 50 + 75 * np.sin(np.pi * t / length)) for t in np.arange(0, length, 0.04)]
        now += length
    return [*events, wheel(begin + 9, 0)]


def _pad(rng: np.random.Generator) -> np.ndarray:
    """Levels of detuned saws, gliding or not, behind a filter that moves, 9 s."""
    count = 9 * RATE
    seconds = np.arange(count) / RATE
    base = float(rng.choice([55, 65, 82, 98, 110, 131, 147, 165, 196, 220, 262, 330, 392, 440]))
    depth, rate = rng.uniform(0, 0.012) * (rng.random() < 0.5), rng.uniform(3, 7)
    mono = np.zeros(count, np.float32)
    for ratio in rng.choice([1, 1.5, 2, 1.2, 1.25], int(rng.integers(1, 4))):
        for detune in rng.normal(0, 0.004, int(rng.integers(1, 4))):
            hertz = base * ratio * (1 + detune) * (1 + depth * np.sin(2 * np.pi * rate * seconds))
            if rng.random() < 0.3:
                steps = np.interp(seconds, np.sort(rng.uniform(0, 9, 5)), rng.choice([-5, -2, 0, 3, 7], 5))
                hertz = hertz * 2 ** (steps / 12)
            mono += (2 * (np.cumsum(hertz) / RATE % 1) - 1).astype(np.float32)
    power = 10 ** (levels_of(mono).astype(np.float32) / 10)
    frames, bands = np.arange(len(power))[:, None], np.arange(power.shape[1])[None]
    if rng.random() < 0.6:
        cutoff = np.interp(frames, np.linspace(0, len(power), 6), rng.uniform(5, 75, 6))
    else:
        cutoff = 30 + 25 * np.sin(frames / len(power) * rng.uniform(5, 40))
    gain = 1 / (1 + np.exp((bands - cutoff) / rng.uniform(2, 8)))
    gain *= 1 + rng.uniform(0, 6) * np.exp(-np.square((bands - cutoff) / 4))
    gain *= np.clip(np.interp(frames, np.linspace(0, len(power), 12), rng.uniform(0.02, 1, 12)), 0.01, 1)
    if rng.random() < 0.3:
        gain *= 0.5 + 0.5 * (np.sin(frames * 2 * np.pi * rng.uniform(2, 8) / 43) > 0)
    return (10 * np.log10(power * gain + 1e-7 * rng.gamma(1, 1, power.shape))).astype(np.float16)
