"""A folder of 300 messy files, as real ones are, and what mirkit says about it.

It makes songs in many formats with tags of many encodings, damaged and mislabeled files, links, hidden files, pictures,
MUSDB folders, results of separators, an album with a cue sheet, one-shots and placeholders. Then it runs ``mirkit
organize --dry-run``, ``run`` and ``verify``, and prints their output and the milliseconds per file.

    python benchmarks/messy_folder.py FOLDER [--keep] [--no-run]
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TALB, TCON, TIT2, TPE1

from mirkit.audio import encode

RATE = 44100
SECONDS = 5.0
#: Suffix -> codec and container of FFmpeg.
FORMATS = {
    "flac": ("flac", "flac"),
    "wav": ("pcm_s16le", "wav"),
    "mp3": ("libmp3lame", "mp3"),
    "ogg": ("", "ogg"),
    "opus": ("libopus", "opus"),
    "m4a": ("aac", "ipod"),
    "aiff": ("pcm_s16be", "aiff"),
    "wma": ("wmav2", "asf"),
    "wv": ("wavpack", "wv"),
    "tta": ("tta", "tta"),
    "ac3": ("ac3", "ac3"),
    "mka": ("pcm_s16le", "matroska"),
}
NAMES = (
    "Ann - First Song",
    "Кино - Группа крови",
    "椎名林檎 - 丸の内",
    "AC-DC_Live!",
    "song (1)",
    "Ünïcödé",
    "a" * 150,
    "x",
)


def music(seed: int, seconds: float = SECONDS) -> np.ndarray:
    """A beat, a bass note and a chord, other ones for each seed."""
    rng = np.random.default_rng(seed)
    time_of = np.arange(round(seconds * RATE)) / RATE
    since = time_of % (60 / (80 + seed % 80))
    sound = 0.3 * rng.standard_normal(len(time_of)) * np.exp(-since * 40)
    for f in (55, 220, 277, 330):
        sound += 0.08 * np.sin(2 * np.pi * f * 2 ** (seed % 12 / 12) * time_of)
    return np.stack((sound, 0.9 * sound)).astype(np.float32)


def write(path: Path, sound: np.ndarray, suffix: str = "") -> Path:
    """Write sound in the format of a suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec, container = FORMATS[suffix or path.suffix[1:]]
    if not codec:
        encode(path, [sound], rate=RATE, channels=2)
        return path
    with av.open(str(path), "w", format=container) as file:
        rate = 48000 if codec == "libopus" else RATE
        stream = file.add_stream(codec, rate=rate, layout="stereo")
        if codec not in ("flac", "wavpack", "tta") and not codec.startswith("pcm"):
            stream.codec_context.bit_rate = 128_000
        stream.codec_context.open()
        frames = stream.codec_context.frame_size or 1152
        form = stream.codec_context.format
        resampler = av.AudioResampler(format=form, layout="stereo", rate=rate, frame_size=frames)
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        frame.sample_rate = RATE
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


def make(root: Path) -> int:
    """Make the folder; returns the number of files."""
    suffixes = list(FORMATS)
    for n in range(120):  # songs
        suffix = suffixes[n % len(suffixes)]
        folder = root / ("", "Rock", "Rock/Album/CD1", "Rock/Album/CD2", "Various")[n % 5]
        path = write(folder / f"{n:03d} {NAMES[n % len(NAMES)]}.{suffix}", music(n))
        if suffix == "mp3":
            tags = ID3()
            encoding = 0 if n % 2 else 3
            artist = "Кино".encode("cp1251").decode("latin-1") if n % 2 else "Ann; Ben"
            for frame in (
                TPE1(encoding, artist),
                TALB(3, f"Album (Disc {n % 2 + 1})"),
                TIT2(3, f"T{n}"),
                TCON(3, "8-bit"),
            ):
                tags.add(frame)
            tags.save(path)
        elif suffix == "flac":
            file = FLAC(path)
            file.update({"artist": [f"Artist {n % 7}"], "license": ["CC BY 4.0"] if n % 3 else ["(c) 2020"]})
            file.save()
    songs = sorted(path for path in root.rglob("*") if path.is_file())
    for n, source in enumerate(songs[:10]):  # copies
        shutil.copy(source, root / f"copy of {n}{source.suffix}")
    for n, source in enumerate(songs[10:30]):  # damaged and mislabeled
        data = source.read_bytes()
        (root / "broken").mkdir(exist_ok=True)
        kinds = (
            data[: len(data) // 2],
            b"",
            data[:100],
            b"<html>not found</html>",
            data[: len(data) // 3] + os.urandom(999),
        )
        (root / "broken" / f"{n}{source.suffix}").write_bytes(kinds[n % 5])
    for n, source in enumerate(songs[30:40]):  # another suffix than the content
        shutil.copy(source, root / f"other {n}.mp3")
    for n in range(30):  # no music
        name = (
            f"cover{n}.jpg",
            f"list{n}.m3u",
            f"notes{n}.txt",
            f"._song{n}.mp3",
            f".hidden{n}.flac",
            f"Thumbs{n}.db",
        )[n % 6]
        (root / name).write_bytes(b"x" * 100)
    for n in range(10):
        (
            root
            / (f"bought{n}.m4p", f"film{n}.mkv", f".cloud{n}.mp3.icloud", f"c{n}.flac.nextcloud", f"m{n}.mod")[n % 5]
        ).write_bytes(b"\0" * 64)
    for n in range(40):  # a sample pack
        write(root / "Samples" / f"kick {n}.wav", music(n, 0.3))
    for n in range(4):  # MUSDB
        folder = root / "musdb" / "train" / f"Band - Song {n}"
        parts = {name: music(10 * n + i) / 4 for i, name in enumerate(("drums", "bass", "other", "vocals"))}
        for name, sound in (parts | {"mixture": sum(parts.values())}).items():
            write(folder / f"{name}.wav", sound)
    for n in range(4):  # separators
        parts = {name: music(20 * n + i) / 4 for i, name in enumerate(("vocals", "instrumental"))}
        write(root / "sep" / f"Tune {n}.flac", sum(parts.values()))
        write(root / "sep" / f"Tune {n}_(Vocals)_model.flac", parts["vocals"])
        write(root / "sep" / f"Tune {n}_(Instrumental)_model.flac", parts["instrumental"])
        write(root / "sep" / "separated" / "htdemucs" / f"Tune {n}" / "drums.wav", parts["vocals"])
    write(root / "album" / "Album.flac", music(99, 20.0))
    lines = [f'  TRACK {n + 1:02d} AUDIO\n    TITLE "Part {n}"\n    INDEX 01 00:{5 * n:02d}:00\n' for n in range(4)]
    (root / "album" / "Album.cue").write_text('PERFORMER "Ann"\nTITLE "Days"\nFILE "Album.wav" WAVE\n' + "".join(lines))
    (root / "gone.flac").symlink_to("nowhere.flac")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.wav")
    (root / "folder.mp3").mkdir()
    return sum(len(files) for _, _, files in os.walk(root))


def command(*words: str) -> float:
    """Run a command of mirkit, and print what it prints."""
    print(f"\n$ mirkit {' '.join(words)}", flush=True)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "mirkit", *words], capture_output=True, text=True, errors="replace", check=False
    )
    seconds = time.perf_counter() - began
    lines = (done.stdout + done.stderr).splitlines()
    print("\n".join([*lines[:60], *([f"... {len(lines) - 60} more lines"] if len(lines) > 60 else [])]))
    print(f"[exit status {done.returncode}, {seconds:.1f} s]")
    if "Traceback" in done.stdout + done.stderr:
        raise SystemExit("a traceback was printed")
    return seconds


def main() -> None:
    """Make the folder and run the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", action="store_true", help="use the folder as it is")
    parser.add_argument("--no-run", action="store_true", help="plan the run only")
    arguments = parser.parse_args()
    folder = str(arguments.folder)
    count = 300 if arguments.keep else make(arguments.folder)
    print(f"{count} files")
    for words in (
        ("organize", "--dry-run", folder),
        ("run", folder, "--dry-run") if arguments.no_run else ("run", folder, "--organize", "off"),
        ("verify", folder),
    ):
        seconds = command(*words)
        print(f"{1000 * seconds / count:.1f} ms per file")


if __name__ == "__main__":
    main()
