"""Notes and drums of General MIDI soundfonts as further instruments, where Debian's packages are installed.

fluidsynth plays a few notes of each program and all drums of each kit once, into a folder; they are then sounds like
the recorded ones. A third of the programs and kits is held out for validation.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import soundfile

from training.material import RATE, Sample


@dataclass(frozen=True)
class Soundfont:
    """A soundfont whose license allows shipping what was trained: its file, license, authors and Debian package."""

    path: Path
    license: str
    attribution: str
    package: str


#: Others, such as TimGM6mb (GPL), are not used.
ALLOWED = (
    Soundfont(
        Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"), "MIT", "soundfont FluidR3 GM (Frank Wen)", "fluid-soundfont-gm"
    ),
    Soundfont(
        Path("/usr/share/sounds/sf3/MuseScore_General.sf3"),
        "MIT",
        "soundfont MuseScore General (S. Christian Collins)",
        "musescore-general-soundfont",
    ),
)
#: Programs, from 0, of each class of instruments; the notes that are played, and the seconds of each.
_PROGRAMS = {
    "bass": (32, 33, 34, 35, 36, 37, 38, 39),
    "guitar": (24, 25, 26, 27, 28, 29, 30, 105, 106, 46),
    "keys": (0, 1, 2, 4, 5, 6, 7, 8, 11, 12, 16, 17, 18, 19, 21),
    "strings": (40, 41, 42, 44, 45, 48, 49, 50, 51, 110),
    "wind": (56, 57, 58, 59, 60, 61, 62, 64, 65, 66, 67, 68, 70, 71, 73, 74, 75),
    "synth": (80, 81, 82, 83, 84, 87, 88, 89, 90, 92, 93, 94, 95),
    "choir": (52, 53, 54, 85, 91),
}
_NOTES = {"bass": range(26, 56, 5), "wind": range(50, 86, 6), "choir": range(46, 80, 5)}
_SECONDS, _GAP = 2.5, 1.0
#: Programs of the kits: standard, room, power, electronic, TR-808, jazz, brush.
_KITS = (0, 8, 16, 24, 25, 32, 40)
#: Pitches of each class of drums.
_DRUMS = {
    "kick": (35, 36),
    "snare": (38, 40),
    "sidestick": (37,),
    "clap": (39,),
    "hihat_closed": (42,),
    "hihat_pedal": (44,),
    "hihat_open": (46,),
    "tom_low": (41, 43),
    "tom_mid": (45, 47),
    "tom_high": (48, 50),
    "crash": (49, 57),
    "china": (52,),
    "splash": (55,),
    "ride": (51, 59),
    "ride_bell": (53,),
    "tambourine": (54,),
    "cowbell": (56,),
    "bongo": (60, 61),
    "conga": (62, 63, 64),
    "cabasa": (69,),
    "maracas": (70,),
    "claves": (75,),
    "woodblock": (76, 77),
    "triangle": (81,),
}
_CLASS_OF = {pitch: drum for drum, pitches in _DRUMS.items() for pitch in pitches}
_DRUM_CHANNEL = 9


def available() -> list[Soundfont]:
    """Return the soundfonts that can be played here."""
    return [font for font in ALLOWED if font.path.exists()] if shutil.which("fluidsynth") else []


def notes(cache: Path, held_out: bool) -> tuple[list[Sample], list[str]]:
    """Return the sounds of all soundfonts, and a line for the log on each: used, or not here.

    Parameters
    ----------
    cache : Path
        Folder in which the notes are kept.
    held_out : bool
        Whether to return those of validation.
    """
    samples: list[Sample] = []
    lines = []
    here = available()
    for font in ALLOWED:
        if font not in here:
            lines.append(f"not used: {font.path} (install fluidsynth and {font.package})")
            continue
        found = [s for s in _played(font, cache) if _is_held_out(s) == held_out]
        lines.append(f"used: {font.path} ({font.license}), {len(found)} notes")
        samples += found
    return samples, lines


def _is_held_out(sample: Sample) -> bool:
    return int(sample.instrument.rsplit("_", 1)[1]) % 3 == 0


def _played(font: Soundfont, cache: Path) -> Iterator[Sample]:
    folder = cache / font.path.stem
    done = folder / "sounds.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for kind, programs in _PROGRAMS.items():
            pitches = _NOTES.get(kind, range(40, 89, 6))
            rows += _render(font, kind, [(program, pitch) for program in programs for pitch in pitches], folder)
        rows += _render(font, "drums", [(program, pitch) for program in _KITS for pitch in _CLASS_OF], folder)
        part = done.with_suffix(".part")
        part.write_text(json.dumps(rows), encoding="utf-8")
        os.replace(part, done)
    for name, kind, program, note in json.loads(done.read_text(encoding="utf-8")):
        drum = _CLASS_OF[note] if kind == "drums" else ""
        instrument = f"{font.path.stem}_{'kit_' if drum else ''}{program}"
        yield Sample(folder / name, kind, instrument, None if drum else float(note), drum)


def _render(font: Soundfont, kind: str, order: list[tuple[int, int]], folder: Path) -> list[tuple[str, str, int, int]]:
    """Play programs and pitches one after the other, and write each to a file."""
    channel = _DRUM_CHANNEL if kind == "drums" else 0
    file = mido.MidiFile(ticks_per_beat=1000)  # at 60 BPM, a tick is a millisecond
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000)])
    file.tracks.append(track)
    for program, pitch in order:
        track.append(mido.Message("program_change", channel=channel, program=program))
        track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=100))
        track.append(mido.Message("note_off", channel=channel, note=pitch, time=int(1000 * _SECONDS)))
        track.append(mido.Message("note_on", note=0, velocity=0, time=int(1000 * _GAP)))
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
        file.save(score)
        options = ["-ni", "-q", "-C", "0", "-R", "0", "-g", "0.6", "-r", str(RATE), "-o", "synth.polyphony=64"]
        options += ["-o", "synth.dynamic-sample-loading=1"]
        subprocess.run(["fluidsynth", *options, "-F", sound, font.path, score], check=True, capture_output=True)
        samples, _ = soundfile.read(sound, dtype="float32", always_2d=True)
        for i, (program, pitch) in enumerate(order):
            start = int(i * (_SECONDS + _GAP) * RATE)
            part = samples[start : start + int((_SECONDS + 0.7 * _GAP) * RATE)].mean(axis=1)
            if abs(part).max() > 1e-3:
                name = f"{kind}_{program}_{pitch}.flac"
                soundfile.write(folder / name, part / abs(part).max() * 0.9, RATE)
                rows.append((name, kind, program, pitch))
    return rows
