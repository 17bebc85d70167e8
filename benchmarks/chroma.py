"""Chroma beside librosa's ``chroma_cqt``: likeness on real music, keys, and cost.

Run ``python benchmarks/chroma.py [--data FOLDER] [--json FILE]`` from the repository. Without the real music (see
``tests/conftest.py``) only the demo set is measured. Cost is CPU time of one process on a track of three minutes, both
measured in turn, so read the ratio and not the seconds.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr

from mirkit.demo import demo_tracks
from mirkit.features.harmony.chroma import ChromaCurve, ChromaExtractor, mean_chroma
from mirkit.features.harmony.key import key
from mirkit.features.types import ANALYSIS_RATE, Unknown, Window

HOP = 2048
BLOCK = 1 << 16


def signals(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    for piece in demo_tracks():
        yield f"demo/{piece.title} in {piece.truth.key} {piece.truth.mode}", piece.samples.mean(axis=0)
    for path in sorted([*data.glob("mdb/MusicDelta_*/*.flac"), *data.glob("beats/*.flac")]):
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        yield str(path.relative_to(data)), soxr.resample(sound.mean(axis=1), rate, ANALYSIS_RATE)


def ours(mono: np.ndarray) -> ChromaCurve:
    extractor = ChromaExtractor()
    for start in range(0, len(mono), BLOCK):
        extractor.push(mono[start : start + BLOCK])
    return extractor.finish()


def librosas(mono: np.ndarray) -> np.ndarray:
    return librosa.feature.chroma_cqt(y=mono, sr=ANALYSIS_RATE, hop_length=HOP)


def likeness(mono: np.ndarray) -> dict[str, float | str] | None:
    curve, window = ours(mono), Window(0, len(mono) / ANALYSIS_RATE)
    mean = mean_chroma(curve, window)
    if isinstance(mean, Unknown):
        return None
    other = librosas(mono)[:, curve.active].mean(axis=1)
    cosine = mean @ other / np.sqrt((mean @ mean) * (other @ other))
    found = key(curve, window)
    return {
        "cosine": float(cosine),
        "correlation": float(np.corrcoef(mean, other)[0, 1]),
        "tuning": curve.tuning,
        "key": f"{found.key} {found.mode} ({found.confidence:.2f})",
    }


def cpu(work: Callable[[np.ndarray], object], mono: np.ndarray) -> float:
    start = time.process_time()
    work(mono)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows, longest = {}, np.zeros(0, np.float32)
    for name, mono in signals(args.data):
        if (row := likeness(mono)) is None:
            continue
        rows[name] = row
        alike = f"cosine {row['cosine']:.4f}  r {row['correlation']:6.3f}"
        print(f"{name:42} {alike}  tuning {row['tuning']:6.1f} cents  {row['key']}")
        longest = max(longest, mono, key=len)
    print(f"{'mean':42} cosine {np.mean([row['cosine'] for row in rows.values()]):.4f}")
    track = np.resize(longest, 180 * ANALYSIS_RATE)
    turns = [(cpu(ours, track), cpu(librosas, track)) for _ in range(3)]
    mine, other = (min(times) for times in zip(*turns, strict=True))
    print(f"three minutes: {mine:.2f} CPU s, librosa {other:.2f} ({other / mine:.0f} times)")
    if args.json:
        args.json.write_text(json.dumps({"likeness": rows, "cpu_s": mine, "librosa_cpu_s": other}, indent=1))


if __name__ == "__main__":
    main()
