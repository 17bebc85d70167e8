"""Our path through Demucs against the authors' command line: the same file, the same full-size random weights.

Run ``python benchmarks/separators.py [--seconds 30] [--models htdemucs htdemucs_ft] [--json FILE]``. Each side is a
process of its own on the CPU, with one thread, from the sound file to four sound files; CPU seconds and peak memory are
those of the process, start and loading included. The difference is the largest of any sample of any stem. With ``--long
S`` a second file of S seconds goes through our path, to show that memory does not grow.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from full_size import BAGS, SOURCES, write_demucs
from tracks import make_track

from mirkit.audio import encode, open_audio

ROOT = Path(__file__).resolve().parents[1]


def measured(command: list[str], threads: int = 1) -> dict[str, float]:
    """Run a command; CPU seconds and peak memory (MiB) of its process."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT / "src")}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            log.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{log.read().decode()[-2000:]}")
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}


def ours(track: Path, model: Path) -> dict[str, float]:
    words = ["separate", str(track), "--separation", "demucs", "--model", str(model), "--shifts", "0"]
    return measured([sys.executable, "-m", "mirkit", *words, "--format", "wav", "--device", "cpu", "--jobs", "1", "-q"])


def theirs(sound: Path, model: Path, out: Path) -> dict[str, float]:
    words = ["-n", model.stem, "--repo", str(model.parent), "--shifts", "0", "-d", "cpu", "-o", str(out)]
    words += ["--float32", "--clip-mode", "none", str(sound)]
    return measured([sys.executable, "-m", "demucs", *words])


def difference(track: Path, out: Path) -> tuple[float, float]:
    """Largest difference of any sample, and the loudest sample."""
    worst = loudest = 0.0
    for stem in SOURCES:
        a, b = (open_audio(folder / f"{stem}.wav", rate=None).samples() for folder in (track, out))
        assert a.shape == b.shape, (a.shape, b.shape)
        worst, loudest = max(worst, float(np.abs(a - b).max())), max(loudest, float(np.abs(b).max()))
    return worst, loudest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--models", nargs="+", choices=list(BAGS), default=["htdemucs"])
    parser.add_argument("--long", type=float, default=0.0, metavar="S", help="a second file for our path alone")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temp:
        for name in arguments.models:
            model = write_demucs(Path(temp) / name, name)
            for seconds in (arguments.seconds, arguments.long):
                if not seconds:
                    continue
                track = Path(temp) / f"{name}-{seconds:g}"
                make_track(track, seconds, stems=False)
                # The authors' reader is another one: a wav is the same to both.
                sound = encoded_as_wav(track)
                row = {"model": name, "seconds": seconds, "mirkit": ours(track, model)}
                if seconds == arguments.seconds:
                    out = Path(temp) / "theirs"
                    row["demucs"] = theirs(sound, model, out)
                    row["difference"], row["loudest"] = difference(track, out / name / sound.stem)
                rows.append(row)
                print(json.dumps(row), flush=True)
    head = ("model", "sound", "path", "CPU seconds", "x real time", "peak memory", "largest difference")
    print(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for row in rows:
        for path in ("mirkit", "demucs"):
            if path in row:
                cost, told = row[path], f"{row['difference']:.1e} of {row['loudest']:.2f}" if "demucs" in row else ""
                print(
                    f"| {row['model']} | {row['seconds']:g} s | {path} | {cost['cpu_s']:.0f} | "
                    f"{row['seconds'] / cost['cpu_s']:.2f} | {cost['peak_mib']:.0f} MiB | {told} |"
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def encoded_as_wav(track: Path) -> Path:
    """Replace the mix by a floating-point wav of itself."""
    mix = track / "full_mix.flac"
    audio = open_audio(mix, rate=None)
    encode(track / "full_mix.wav", audio.blocks(), rate=audio.rate, channels=audio.channels)
    mix.unlink()
    return track / "full_mix.wav"


if __name__ == "__main__":
    main()
