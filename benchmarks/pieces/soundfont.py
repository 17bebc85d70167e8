"""Parts played by fluidsynth from a General MIDI soundfont."""

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np

from .score import Note

RATE = 44100
_PLACES = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/soundfonts/FluidR3_GM.sf2")
_TICKS = 960  # a second, at the tempo written below


def find() -> Path | None:
    """Return the soundfont, where it and fluidsynth are installed."""
    fonts = [Path(p) for p in _PLACES if Path(p).is_file()]
    return fonts[0] if fonts and shutil.which("fluidsynth") else None


def play(parts: list[tuple[int, list[Note], float]], seconds: float, font: Path, drums: bool = False) -> np.ndarray:
    """Render parts (program, notes, pan -1 to 1) together, float32, shape=(2, n)."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder, "part.mid"), Path(folder, "part.wav")
        midi.write_bytes(_midi(parts, drums))
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE), "-F", str(wave)]
        subprocess.run([*command, str(font), str(midi)], check=True, capture_output=True)
        with av.open(str(wave)) as container:
            frames = [f.to_ndarray() for f in container.decode(audio=0)]
    pcm = np.concatenate(frames, axis=1).reshape(-1, 2).T / 32768
    n = int(seconds * RATE)
    return np.pad(pcm[:, :n], ((0, 0), (0, max(0, n - pcm.shape[1])))).astype(np.float32)


def _midi(parts: list[tuple[int, list[Note], float]], drums: bool) -> bytes:
    events: list[tuple[int, int, bytes]] = []
    for i, (program, notes, pan) in enumerate(parts):
        channel = 9 if drums else i
        events.append((0, 0, bytes((0xC0 | channel, program))))
        events.append((0, 0, bytes((0xB0 | channel, 10, int(64 + 63 * pan)))))
        for note in notes:
            on = int(note.start * _TICKS)
            off = on + max(1, int(note.length * _TICKS))
            events.append((on, 2, bytes((0x90 | channel, note.pitch, max(1, min(127, int(note.velocity * 127)))))))
            events.append((off, 1, bytes((0x80 | channel, note.pitch, 0))))
    track, now = b"\x00\xff\x51\x03" + (500000).to_bytes(3, "big"), 0
    for when, _, message in sorted(events):
        track += _variable(when - now) + message
        now = when
    track += _variable(_TICKS) + b"\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS // 2) + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))
