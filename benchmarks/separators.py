"""Our path through Demucs against the authors' command line: the same file, the same full-size random weights.

Run ``python benchmarks/separators.py [--seconds 30] [--models htdemucs htdemucs_ft] [--json FILE]``. Each side is a
process of its own on the CPU, with one thread, from the sound file to four sound files; CPU seconds and peak memory are
those of the process, start and loading included. The difference is the largest of any sample of any stem. With ``--long
S`` a second file of S seconds goes through our path, to show that memory does not grow; ``--stream S ...`` shows that
of the path alone, with a stand-in for the network, over S seconds of sound.
"""

import argparse
import importlib.util
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
    parser.add_argument("--stream", type=float, nargs="+", default=[], metavar="S", help="memory without the network")
    parser.add_argument("--stream-child", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if importlib.util.find_spec("demucs") is None:
        print("skipped: needs pip install 'mirkit[stems]'")
        return
    if arguments.stream_child:
        stream(arguments.stream_child)
        return
    for seconds in arguments.stream:
        cost = measured([sys.executable, __file__, "--stream-child", str(seconds)])
        print(f"path alone, {seconds:g} s of sound: {cost['cpu_s']:.0f} CPU seconds, {cost['peak_mib']:.0f} MiB")
    if arguments.stream:
        return
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
                cost, error = row[path], f"{row['difference']:.1e} of {row['loudest']:.2f}" if "demucs" in row else ""
                print(
                    f"| {row['model']} | {row['seconds']:g} s | {path} | {cost['cpu_s']:.0f} | "
                    f"{row['seconds'] / cost['cpu_s']:.2f} | {cost['peak_mib']:.0f} MiB | {error} |"
                )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def stream(seconds: float) -> None:
    """Send audio through segments of 7.8 s, four passes, as htdemucs_ft does."""
    from mirkit.models.backend import Weights
    from mirkit.models.separation.separator import Separator
    from mirkit.settings import SeparationSettings

    class Network:
        sources, rate, segment, longest = tuple(SOURCES), 44100, 7.8, 7.8

        def input_samples(self, samples: int, chosen: float | None, *, tight: bool) -> int:
            return 343980

        def __call__(self, sound, *, tight):
            return sound[:, None].expand(-1, 4, -1, -1)

    class Sound:
        path, rate, channels, frames = Path("sound.wav"), 44100, 2, round(seconds * 44100)

        def blocks(self):
            for first in range(0, self.frames, 1 << 16):
                yield np.full((2, min(1 << 16, self.frames - first)), first % 7 / 10, np.float32)

    made = Separator([Network()] * 4, np.eye(4), Weights("stand-in", (), ""), "cpu")
    assert (
        sum(block["bass"].shape[1] for block in made.separate(Sound(), SeparationSettings()).blocks()) == Sound.frames
    )


def encoded_as_wav(track: Path) -> Path:
    """Replace the mix by a floating-point wav of itself."""
    mix = track / "full_mix.flac"
    audio = open_audio(mix, rate=None)
    encode(track / "full_mix.wav", audio.blocks(), rate=audio.rate, channels=audio.channels)
    mix.unlink()
    return track / "full_mix.wav"


if __name__ == "__main__":
    main()
