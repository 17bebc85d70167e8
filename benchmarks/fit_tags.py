"""Fit the probabilities of drums and bass in ``features/tags/instruments.py``, and judge them on recordings.

    python benchmarks/fit_tags.py FOLDER [--data FOLDER]

FOLDER receives the pieces "tune" of ``multitracks.py``, of which every eighth is used: whole, without drums, and
without bass. The seven songs of ``samples`` (whole, and without drums) are added. Mixes are separated by the embedded
method. The six multitracks of ``../shared/data``, which the fit does not see, are judged in five mixes each.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from beats import load
from multitracks import RATE, STEMS, render
from scipy.optimize import minimize

from mirkit.features.extraction import SignalExtractor
from mirkit.features.loudness import LoudnessCurve
from mirkit.features.rhythm.stem_onsets import STEMS as PLAYERS
from mirkit.features.tags.instruments import bass_in_stem, drums_in_mix
from mirkit.features.tags.words import MEASURED_FROM
from mirkit.features.types import Window
from mirkit.separation import separate

Sounds = dict[str, np.ndarray]
_EVERY, _RIDGE = 8, 0.3
#: Stems of a song of ``samples``: folder -> stem.
_SONG = {"drums": "drums", "bass": "bass", "voice": "vocals", "synth": "other"}


def series(sound: np.ndarray, kinds: set[str], source: str) -> dict[str, object]:
    """Return feature series of a mono sound."""
    extractor = SignalExtractor(1, frozenset(kinds), {}, source)
    for start in range(0, len(sound), 1 << 16):
        extractor.push(sound[None, start : start + (1 << 16)])
    return extractor.finish()


def measured(stems: Sounds, without: Sequence[str]) -> dict[str, object]:
    """Mix some stems, separate the mix, and return what the formulas read."""
    count = min(map(len, stems.values()))
    mix = sum(sound[:count] for name, sound in stems.items() if name not in without)
    mix = (mix * (0.7 / np.abs(mix).max())).astype(np.float32)
    blocks = [mix[None, start : start + 65536] for start in range(0, count, 65536)]
    bass = np.concatenate([part["bass"][0] for part in separate(blocks, RATE, 1)])
    of_mix = series(mix, {"stem_onsets", "onsets", "loudness"}, "full_mix")
    of_bass = series(bass, {"loudness", "f0"}, "bass")
    return {
        "onsets": of_mix["stem_onsets"],
        "mix": of_mix["loudness"],
        "stem": of_bass["loudness"],
        "f0": of_bass["f0"],
    }


def numbers(found: dict[str, object]) -> tuple[list[float], list[float]]:
    """Return the numbers of both formulas."""
    played = found["onsets"].probabilities[:, PLAYERS.index("drums")]  # type: ignore[attr-defined]
    energy = [max(float(np.mean(found[name].energy)), 1e-12) for name in ("stem", "mix")]  # type: ignore[attr-defined]
    cents = found["f0"].cents  # type: ignore[attr-defined]
    pitch = float(np.median(cents[cents > 0])) / 100 if cents.any() else 67.0
    heard = float(played.mean()) if len(played) else 0.0
    return [heard], [10 * np.log10(energy[0] / energy[1]), pitch]


def fit(rows: list[list[float]], played: list[bool]) -> np.ndarray:
    """Return the weights of a logistic formula, the constant first."""
    x, y = np.array(rows), np.array(played)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    scaled = np.c_[np.ones(len(x)), (x - mean) / deviation]

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, -(scaled @ w) * (2 * y - 1)).sum() + _RIDGE * (w[1:] ** 2).sum())

    w = minimize(loss, np.zeros(scaled.shape[1])).x
    return np.r_[w[0] - (w[1:] * mean / deviation).sum(), w[1:] / deviation]


def pieces(folder: Path, data: Path) -> Iterator[tuple[str, Sounds, tuple[str, ...]]]:
    """Yield name, stems, and the stems that are left out in turn."""
    for path in render(folder, "tune")[::_EVERY]:
        yield path.name, {stem: load(path / f"true_{stem}.wav") for stem in STEMS}, ("drums", "bass")
    for path in sorted((data / "samples" / "drums" / "stems").glob("*.flac")):
        files = {stem: data / "samples" / part / "stems" / path.name for part, stem in _SONG.items()}
        yield path.stem, {stem: load(file) for stem, file in files.items() if file.exists()}, ("drums",)


def recordings(data: Path) -> Iterator[tuple[str, Sounds]]:
    """Yield name and stems of the real multitracks."""
    for path in (*sorted((data / "mdb").glob("Music*")), *sorted((data / "truth").glob("mdbraw_*/"))):
        yield path.name, {stem: load(next(path.glob(f"{stem}.*"))) for stem in STEMS}


def main() -> None:
    """Print weights and results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    drums: list[tuple[list[float], bool]] = []
    bass: list[tuple[list[float], bool]] = []
    for _, stems, left_out in pieces(arguments.folder, arguments.data):
        for without in ((), *((stem,) for stem in left_out)):
            of_drums, of_bass = numbers(measured(stems, without))
            drums.append((of_drums, "drums" not in without))
            if "bass" in left_out:  # some of the songs have their bass in another stem
                bass.append((of_bass, "bass" not in without))
    for name, rows in (("drums", drums), ("bass", bass)):
        values, played = [row for row, _ in rows], [y for _, y in rows]
        weights = fit(values, played)
        right = (np.c_[np.ones(len(values)), values] @ weights > 0) == played
        print(
            f"{name}: weights {np.round(weights, 3).tolist()}, right in {right.sum()} of {len(right)} mixes of the fit"
        )
    print("judged with the formulas of mirkit")
    chances: dict[tuple[str, bool], list[float]] = {}
    for name, stems in recordings(arguments.data):
        for without in ((), ("drums",), ("bass",), ("vocals",), ("drums", "bass")):
            found = measured(stems, without)
            mix: LoudnessCurve = found["mix"]  # type: ignore[assignment]
            window = Window(0.0, len(mix.energy) / 10)
            for what, chance in (
                ("drums", drums_in_mix(found["onsets"], mix, window)),  # type: ignore[arg-type]
                ("bass", bass_in_stem(found["stem"], found["f0"], mix, window)),  # type: ignore[arg-type]
            ):
                plays = what not in without
                chances.setdefault((what, plays), []).append(chance)  # type: ignore[arg-type]
                if (chance >= MEASURED_FROM[what]) != plays:  # type: ignore[operator]
                    print(f"    {name} without {'-'.join(without) or 'nothing'}: {what} {chance:.2f}")
    for (what, plays), values in sorted(chances.items()):
        print(
            f"{what} {'plays' if plays else 'does not play'}: {min(values):.2f} to {max(values):.2f} in {len(values)}"
        )


if __name__ == "__main__":
    main()
