"""How well the rhythm keys of stems survive the embedded separation: correlation with those of the true stems.

    python benchmarks/stem_rhythm.py FOLDER [--data FOLDER] [--json FILE]

FOLDER holds the "test" half of ``multitracks.py`` (rendered when missing); the six real multitracks of
``../shared/data`` are added. For each of the 15 keys: Pearson's r between the value from the true stem and the value
that mirkit writes for embedded stems (from the onsets of the mix, ``features/rhythm/stem_onsets.py``), with its 95 %
interval (Fisher), and beside it the r of what is measured on the embedded stems themselves. Beats are those of the mix.
"""

import argparse
import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from beats import load as load_any
from beats import onset_curve
from fit_stem_onsets import extractor_of
from multitracks import RATE, render

from mirkit.features.rhythm.beats import track_beats
from mirkit.features.rhythm.layers import LayerExtractor, Layers
from mirkit.features.rhythm.stem_onsets import STEMS
from mirkit.features.stft import PowerStft
from mirkit.features.types import Window
from mirkit.separation import separate
from mirkit.stages.rhythm import STEM_NAMES, line_rhythm

Sounds = dict[str, np.ndarray]
PREFIX = {"true": "true", "embedded": "emb"}


def rendered(folder: Path) -> Iterator[tuple[str, Sounds]]:
    for path in render(folder, "test"):
        yield path.name, {p.stem: load_any(p) for p in path.glob("*.wav")}


def real(data: Path) -> Iterator[tuple[str, Sounds]]:
    for mix in sorted((data / "mdb").glob("*/full_mix.flac")) + sorted((data / "truth").glob("*/full_mix.ogg")):
        if not mix.with_stem("bass").exists():
            continue
        sounds = {f"true_{stem}": load_any(mix.with_stem(stem)) for stem in STEMS}
        sounds["mix"] = load_any(mix)
        blocks = [sounds["mix"][None, start : start + 65536] for start in range(0, len(sounds["mix"]), 65536)]
        parts = list(separate(blocks, RATE, 1))
        yield mix.parent.name, sounds | {f"emb_{s}": np.concatenate([p[s][0] for p in parts]) for s in STEMS}


def layers_of(mono: np.ndarray) -> Layers:
    stft, extractor = PowerStft(), LayerExtractor()
    for frames in itertools.chain(stft.push(mono), stft.finish()):
        extractor.push_frames(frames)
    return extractor.finish()


def keys(sounds: Sounds) -> dict[str, dict[str, float]]:
    """Return source -> name of key -> value."""
    curve = onset_curve(sounds["mix"])
    beats, window = track_beats(curve), Window(0, len(sounds["mix"]) / RATE)
    judged = extractor_of(sounds["mix"]).finish(curve.all_onsets)
    found: dict[str, dict[str, float]] = {"true": {}, "ours": {}, "embedded": {}}
    for stem in STEMS:
        if 20 * np.log10(np.sqrt(np.mean(sounds[f"true_{stem}"] ** 2)) + 1e-9) < -60:
            continue
        lines = {
            "true": onset_curve(sounds[f"true_{stem}"]).all_onsets,
            "ours": judged.of(stem),
            "embedded": onset_curve(sounds[f"emb_{stem}"]).all_onsets,
        }
        for source, onsets in lines.items():
            line: np.ndarray | Layers = onsets.times
            if stem == "drums":
                heard = sounds["mix" if source == "ours" else f"{PREFIX[source]}_drums"]
                layers = layers_of(heard)
                line = layers.near(onsets.times) if source == "ours" else layers
            for name, value in line_rhythm(onsets, line, beats, window).items():
                found[source][f"{name}_{stem}"] = value if isinstance(value, float) else np.nan
    return found


def correlation(x: np.ndarray, y: np.ndarray) -> str:
    both = np.isfinite(x) & np.isfinite(y)
    count = int(both.sum())
    if count < 5 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return f"{'-':>22s} n{count:<3d}"
    r = float(np.corrcoef(x[both], y[both])[0, 1])
    low, high = np.tanh(np.arctanh(np.clip(r, -0.9999, 0.9999)) + np.array((-1.96, 1.96)) / np.sqrt(count - 3))
    return f"{r:6.2f} [{low:5.2f}, {high:5.2f}] n{count:<3d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    values = {name: keys(sounds) for name, sounds in rendered(options.folder)}
    pieces = len(values)
    if options.data.is_dir():
        values |= {name: keys(sounds) for name, sounds in real(options.data)}
    if options.json:
        options.json.write_text(json.dumps(values))
    print(f"{pieces} rendered pieces, {len(values) - pieces} real ones")
    print(f"{'':36s}{'true':>6s}{'ours':>7s}   {'ours: r':27s}{'rendered':27s}{'real':27s}embedded stems: r")
    for name in STEM_NAMES:
        for stem in STEMS:
            key = f"{name}_{stem}"
            true, ours, embedded = (
                np.array([found[source].get(key, np.nan) for found in values.values()])
                for source in ("true", "ours", "embedded")
            )
            parts = (slice(None), slice(None, pieces), slice(pieces, None))
            shown = "".join(f"{correlation(true[part], ours[part]):27s}" for part in parts)
            means = f"{np.nanmean(true):6.2f}{np.nanmean(ours):7.2f}"
            print(f"{key:36s}{means}   {shown}{correlation(true, embedded)}")


if __name__ == "__main__":
    main()
