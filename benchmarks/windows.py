"""Any window from the curves against the same stretch cut out, written, decoded and measured: values and speed.

    python benchmarks/windows.py [--data FOLDER] [--windows N]

Prints a table: for each key the largest difference over all windows, its tolerance (tests/cut_reference.py), and the
share of the windows within it; and how many times faster ``mirkit.features_at`` is than measuring the cut file.
FOLDER holds track folders with their stems; without it, the pieces of the demo set. Speed is processor
time. Writes benchmarks/results/windows.json.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from cut_reference import TOLERANCES, from_curves, on_the_cut, onsets_in, outside  # noqa: E402
from mirkit import WindowAnalyzer  # noqa: E402
from mirkit.audio import encode, open_audio  # noqa: E402
from mirkit.demo import demo_tracks  # noqa: E402
from mirkit.features.types import Unknown, Value, Window  # noqa: E402
from mirkit.pipeline.task import TrackJob  # noqa: E402
from mirkit.pipeline.track_task import process  # noqa: E402
from mirkit.stages.window import FROM_SERIES, timbre_of  # noqa: E402
from mirkit.store import Settings  # noqa: E402
from mirkit.track import find_tracks  # noqa: E402

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="track folders with stems")
    parser.add_argument("--windows", type=int, default=3, help="windows a track")
    parser.add_argument("--seconds", type=float, default=11.0, help="length of a window")
    arguments = parser.parse_args()
    length = arguments.seconds
    with tempfile.TemporaryDirectory() as temp:
        folders = copied(arguments.data, Path(temp)) if arguments.data else demo(Path(temp))
        pairs, seconds = [], []
        for folder in folders:
            outcome = process(TrackJob(folder, FROM_SERIES, BACKENDS, Settings()))
            assert outcome.ok, outcome.failures
            duration = WindowAnalyzer.open(folder).duration
            for number, start in enumerate(np.linspace(1.1, max(1.1, duration - length - 0.1), arguments.windows)):
                cut = Path(temp) / f"cut {folder.name} {number}"
                cut.mkdir()
                times = tuple(round(t * 44100) / 44100 for t in (start, min(start + length, duration)))
                window = Window(*times)
                began = time.process_time()
                measured = on_the_cut(folder, window, cut)
                between = time.process_time()
                WindowAnalyzer.open(folder).at(window.start, window.end)
                seconds.append(
                    (between - began, time.process_time() - between, again(folder, window), timbre(folder, window))
                )
                pairs.append((from_curves(folder, window), measured, onsets_in(folder, window)))
                shutil.rmtree(cut)
    report(pairs, seconds, length)


def demo(temp: Path) -> list[Path]:
    folders = []
    for piece in demo_tracks():
        folder = temp / piece.title
        folder.mkdir()
        for stem, samples in (piece.stems | {"full_mix": sum(piece.stems.values())}).items():
            encode(folder / f"{stem}.flac", [samples], rate=44100, channels=len(samples), bits=24)
        folders.append(folder)
    return folders


def copied(data: Path, temp: Path) -> list[Path]:
    found = [track.folder for track in find_tracks(data)]
    for folder in found:
        shutil.copytree(folder, temp / folder.name, copy_function=shutil.copyfile)
        (temp / folder.name).chmod(0o755)
    return [temp / folder.name for folder in found]


def again(folder: Path, window: Window) -> float:
    """Seconds of the processor for one more window of a track that is open."""
    windows = WindowAnalyzer.open(folder)
    windows.at(window.start, window.end)
    began = time.process_time()
    windows.at(window.start, window.end)
    return time.process_time() - began


def timbre(folder: Path, window: Window) -> float:
    """Seconds of the processor for the timbre of the cut, which the curves do not hold."""
    audio = open_audio(folder / "full_mix.flac", hold_seconds=0)
    samples = audio.window(window.start, window.end)
    began = time.process_time()
    timbre_of(samples, audio.rate)
    return time.process_time() - began


def report(
    pairs: list[tuple[dict[str, Value], dict[str, Value], dict[str, int]]], seconds: list[tuple], length: float
) -> None:
    rows = []
    for key in TOLERANCES:
        off = [outside(key, curves[key], cut[key], onsets[key]) for curves, cut, onsets in pairs]
        both = [
            (abs(curves[key] - cut[key]), TOLERANCES[key].of(cut[key], max(onsets[key], 1)))
            for curves, cut, onsets in pairs
            if not isinstance(curves[key], Unknown) and not isinstance(cut[key], Unknown)
        ]
        within = sum(value is None or value <= 1 for value in off)
        largest, allowed = max(both, default=(np.nan, np.nan), key=lambda pair: pair[0] / pair[1])
        rows.append({"key": key, "compared": len(both), "largest": largest, "tolerance": allowed, "within": within})
    print(f"| key | windows compared | largest difference | its tolerance | within, of {len(pairs)} |")
    print("|---|---|---|---|---|")
    for row in rows:
        print("| {key} | {compared} | {largest:.3g} | {tolerance:.3g} | {within} |".format(**row))
    cut, first, more, sound = (float(np.median([s[i] for s in seconds])) for i in range(4))
    print(f"\nmedian of {len(seconds)} windows of {length:g} s with four stems, seconds of the processor:")
    print(f"measuring the cut files {cut:.2f} s, and {sound:.2f} s for timbre, which curves do not hold,")
    for what, taken in (("opening the track and one window", first), ("one more window", more)):
        print(f"{what} {1000 * taken:.0f} ms: {cut / taken:.0f} x, with timbre {(cut + sound) / taken:.0f} x")
    result = {"rows": rows, "seconds": {"cut": cut, "timbre": sound, "open and window": first, "window": more}}
    path = ROOT / "benchmarks" / "results" / "windows.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
