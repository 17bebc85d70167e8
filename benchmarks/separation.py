"""Signal-to-distortion ratio and cost of the embedded separation.

Run ``python benchmarks/separation.py [--tuning] [--json FILE] [--data FOLDER] [--cache FOLDER]`` from the repository.

Two sets: real multitracks (the sum of their stems is the mix) and ten rendered pieces on which nothing was tuned. Four
estimates: the mix itself; librosa's harmonic/percussive split with a 200 Hz low-pass and a center band; ours; and the
ideal ratio mask, which knows the stems. SDR is 10 log10 of reference energy over error energy. A silent stem has no
SDR; there, the energy that an estimate leaves in it is shown, relative to the mix.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import librosa
import numpy as np
from pieces import HELD_OUT, STEMS, TUNING, render

from mirkit.separation import separate

Sound = np.ndarray
Stems = dict[str, Sound]
REAL = ("MusicDelta_Rock", "MusicDelta_Zeppelin")
RATE = 44100


def load(folder: Path) -> Stems:
    stems = {}
    for stem in STEMS:
        with av.open(str(folder / f"{stem}.flac")) as container:
            resampler = av.AudioResampler(format="fltp")
            frames = [f.to_ndarray() for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        stems[stem] = np.concatenate(frames, axis=1).astype(np.float32)
    n = min(s.shape[1] for s in stems.values())
    return {k: s[:, :n] for k, s in stems.items()}


def pieces(chosen: str, data: Path, cache: Path | None) -> Iterator[tuple[str, Stems]]:
    if chosen == "real":
        for name in REAL:
            if (data / "mdb" / name).is_dir():
                yield name, load(data / "mdb" / name)
            else:
                print(f"skipped {name}: not in {data}")
        return
    for piece in {"tuning": TUNING, "held-out": HELD_OUT}[chosen]:
        stems = render(piece, cache)
        if stems is None:
            print(f"skipped {piece.name}: needs fluidsynth and fluid-soundfont-gm")
        else:
            yield piece.name, stems


def as_mix(mix: Sound, stems: Stems) -> Stems:
    return dict.fromkeys(STEMS, mix)


def baseline(mix: Sound, stems: Stems) -> Stems:
    """Percussive part = drums; below 200 Hz = bass; middle of the stereo picture at 200 to 6000 Hz = vocals."""
    spectra = np.stack([librosa.stft(c) for c in mix])
    harmonic, percussive = zip(*(librosa.decompose.hpss(s) for s in spectra), strict=True)
    rest = np.stack(harmonic)
    hertz = librosa.fft_frequencies(sr=RATE)[:, None]
    low = rest * (hertz < 200)
    middle = rest.mean(axis=0, keepdims=True) * ((hertz >= 200) & (hertz < 6000)) * np.ones((2, 1, 1))
    parts = {"drums": np.stack(percussive), "bass": low, "other": rest - low - middle, "vocals": middle}
    return {k: np.stack([librosa.istft(c, length=mix.shape[1]) for c in p]) for k, p in parts.items()}


def ours(mix: Sound, stems: Stems) -> Stems:
    blocks = list(separate(np.array_split(mix, 10, axis=1), RATE, len(mix)))
    return {k: np.concatenate([b[k] for b in blocks], axis=1) for k in STEMS}


def oracle(mix: Sound, stems: Stems) -> Stems:
    """Wiener masks from the true power of each stem: the ceiling for any mask on this frame length."""

    def transform(x: Sound) -> Sound:
        return np.stack([librosa.stft(c, n_fft=4096, hop_length=1024) for c in x])

    power = {k: np.abs(transform(s)) ** 2 for k, s in stems.items()}
    total = sum(power.values()) + 1e-20
    spectra = transform(mix)
    return {
        k: np.stack([librosa.istft(c, length=mix.shape[1], hop_length=1024) for c in spectra * p / total])
        for k, p in power.items()
    }


METHODS: dict[str, Callable[[Sound, Stems], Stems]] = {
    "mix": as_mix, "baseline": baseline, "ours": ours, "oracle": oracle,
}  # fmt: skip


def decibel(numerator: float, denominator: float) -> float:
    return round(10 * float(np.log10(max(numerator, 1e-12) / max(denominator, 1e-12))), 2)


def score(stems: Stems, estimate: Stems) -> dict[str, dict[str, float]]:
    energy = {k: float(np.square(s, dtype=float).sum()) for k, s in stems.items()}
    total = float(np.square(sum(stems.values()), dtype=float).sum())
    scores: dict[str, dict[str, float]] = {}
    for k in STEMS:
        error = float(np.square(stems[k] - estimate[k], dtype=float).sum())
        if energy[k] > 1e-6 * total:
            scores[k] = {"sdr": decibel(energy[k], error)}
        else:
            scores[k] = {"residual": decibel(error, total)}
    return scores


def print_table(title: str, rows: dict[str, dict[str, dict[str, dict[str, float]]]]) -> dict[str, dict[str, float]]:
    """Print a line per piece and method, and the means, which are returned."""
    print(f"\n{title:28} {'':9}" + "".join(f"{k:>9}" for k in STEMS) + f"{'mean':>9}")
    means: dict[str, dict[str, float]] = {}
    for method in METHODS:
        for name, by_method in rows.items():
            cells = [by_method[method][k] for k in STEMS]
            line = "".join(f"{c['sdr']:9.2f}" if "sdr" in c else f"  ({c['residual']:5.1f})" for c in cells)
            print(f"{name:28} {method:9}{line}{np.mean([c['sdr'] for c in cells if 'sdr' in c]):9.2f}")
        for k in STEMS:
            found = [r[method][k]["sdr"] for r in rows.values() if "sdr" in r[method][k]]
            means.setdefault(method, {})[k] = round(float(np.mean(found)), 2) if found else float("nan")
        means[method]["mean"] = round(float(np.nanmean([means[method][k] for k in STEMS])), 2)
    for method, mean in means.items():
        print(f"{'MEAN of ' + title:28} {method:9}" + "".join(f"{v:9.2f}" for v in mean.values()))
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[1]
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MIRKIT_TEST_DATA", root.parent / "shared/data"))
    )
    parser.add_argument("--cache", type=Path, help="keep rendered pieces here")
    parser.add_argument("--tuning", action="store_true", help="also the pieces that constants were chosen on")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    arguments = parser.parse_args()

    ours(np.zeros((2, RATE), np.float32), {})  # compile and import before the clock runs
    librosa.effects.hpss(np.zeros(RATE, np.float32))
    report: dict[str, object] = {}
    seconds = {"audio": 0.0, "ours": 0.0, "librosa.effects.hpss, mono": 0.0}
    for chosen in ("real", "held-out", *(["tuning"] if arguments.tuning else [])):
        rows = {}
        for name, stems in pieces(chosen, arguments.data, arguments.cache):
            mix = sum(stems.values())
            rows[name] = {}
            for method, estimate in METHODS.items():
                start = time.process_time()
                found = estimate(mix, stems)
                if method == "ours":
                    seconds["ours"] += time.process_time() - start
                    seconds["audio"] += mix.shape[1] / RATE
                rows[name][method] = score(stems, found)
            start = time.process_time()
            librosa.effects.hpss(mix.mean(axis=0))
            seconds["librosa.effects.hpss, mono"] += time.process_time() - start
        if rows:
            report[chosen] = {"pieces": rows, "means": print_table(chosen, rows)}
    if seconds["audio"]:
        ratio = seconds["ours"] / seconds["librosa.effects.hpss, mono"]
        print(f"\nCPU seconds for {seconds['audio']:.0f} s of stereo: {seconds}; ours / hpss = {ratio:.2f}")
        report["cpu"] = {**seconds, "ratio": ratio}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
