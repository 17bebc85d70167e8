"""Render mixes and write what training needs of them: features of tiles, and the error as a function of gains.

    python -m training.examples FOLDER [--count 2000] [--validation 120] [--jobs 2] [--data FOLDER] [--without PART]

A tile is two frames of one band. The bins of a mix are split into four parts (`PARTS`); a stem is estimated as the sum
of the parts, each with a gain per tile. The squared error of a stem is then a quadratic function of its gains G:

    sum over tiles of (G' Q G - 2 G' R) + E

with the energies Q of products of parts, the correlations R of the stem with the parts, and the energy E of the stem,
so that the loss is the error itself, without spectra. Overlapping bands count as if each bin were split among them.

A file holds a hundred mixes: ``training_*`` those of training, ``validation_*`` those of held-out sounds, and
``remixed_*`` windows of the songs of validation, mixed anew. Files that are there are kept, so that a run that was
stopped continues.
"""

import argparse
import os
import time
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.separation.stft import Analysis, Spectra, StftConfig
from mirkit.separation.tiles import BANDS, FRAMES, Parts, band_sums, tile_features
from training.material import RATE, STEMS, MaterialError, Sound, add_data_argument, songs
from training.render import HELD_OUT_FROM, PARTS_OF_THE_MATERIAL, mix, remixed, sources

CONFIG = StftConfig(RATE)
#: Products of percussive or not, center or not.
PARTS = ("percussive center", "percussive sides", "harmonic center", "harmonic sides")
#: Pairs of parts in the order of Q: a symmetric matrix without its lower half.
PAIRS = tuple((i, j) for i in range(len(PARTS)) for j in range(i, len(PARTS)))
FEATURES = 8
PER_FILE = 100
#: Numbers of mixes of the songs of validation start here.
REMIXED_FROM = 950_000
_LARGEST = 6e4  # of float16


@dataclass(frozen=True)
class Example:
    """A mix for training; energies are relative to the mean tile of the mix.

    ``features`` (tiles, bands, 8), ``products`` Q (tiles, bands, 10), ``correlations`` R (tiles, bands, stems, parts),
    ``energies`` E (stems).
    """

    features: npt.NDArray[np.float16]
    products: npt.NDArray[np.float16]
    correlations: npt.NDArray[np.float16]
    energies: npt.NDArray[np.float32]


NAMES = tuple(field.name for field in fields(Example))


def spectra_of(sound: Sound) -> Spectra:
    """Return the spectra of all channels, shape=(channels, frames, bins)."""
    analysis = Analysis(CONFIG, len(sound))
    return np.concatenate((analysis.push(sound), analysis.finish()), axis=1)


def example(mixed: Sound, stems: Sound) -> Example:
    """Return what training needs of a mix, shape=(channels, n), and its stems, shape=(4, channels, n)."""
    spectra = spectra_of(mixed)
    parts = Parts.of(spectra)
    features = tile_features(spectra, parts)
    masks = split(parts.percussive, parts.center)
    unit = parts.power.sum(axis=1).mean() * FRAMES / BANDS + 1e-12
    products = np.stack([band_sums(masks[i] * masks[j] * parts.power) for i, j in PAIRS], axis=-1)
    correlations, energies = [], []
    for stem in stems:
        own = spectra_of(stem)
        shared = (own * spectra.conj()).real.sum(axis=0)
        correlations.append(np.stack([band_sums(mask * shared) for mask in masks], axis=-1))
        energies.append((np.abs(own) ** 2).sum())
    return Example(
        features.astype(np.float16),
        np.clip(products / unit, 0, _LARGEST).astype(np.float16),
        np.clip(np.stack(correlations, axis=-2) / unit, -_LARGEST, _LARGEST).astype(np.float16),
        np.asarray(energies / unit, np.float32),
    )


def split(percussive: npt.NDArray[np.float32], center: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the share of each bin in each of `PARTS`, shape=(parts, frames, bins); they add up to 1."""
    rest, sides = 1 - percussive, 1 - center
    return np.stack((percussive * center, percussive * sides, rest * center, rest * sides)).astype(np.float32)


def path_of(folder: Path, first: int) -> Path:
    """Return the file of the mixes from a number on."""
    kind = "remixed" if first >= REMIXED_FROM else "validation" if first >= HELD_OUT_FROM else "training"
    return folder / f"{kind}_{first:06}.npz"


def load(paths: list[Path]) -> dict[str, npt.NDArray[np.floating]]:
    """Return the examples of files by name, the first axis being the mix."""
    stored = []
    for path in paths:
        with np.load(path) as arrays:
            stored.append({name: arrays[name] for name in NAMES})
    return {name: np.concatenate([arrays[name] for arrays in stored]) for name in NAMES}


def write(path: Path, numbers: range, data: Path, cache: Path, without: Collection[str] = ()) -> Path:
    """Render mixes and write their examples, all or none; what is left out is left out of training alone."""
    if numbers.start >= REMIXED_FROM:
        validation = songs(data, True)
        found = [example(stems.sum(axis=0), stems) for stems in (remixed(n, validation) for n in numbers)]
    else:
        held_out = numbers.start >= HELD_OUT_FROM
        source, _ = sources(data, held_out, cache, () if held_out else without)
        found = [example(*mix(number, source)) for number in numbers]
    part = path.with_suffix(".part.npz")
    arrays: dict[str, Any] = {name: np.stack([getattr(e, name) for e in found]) for name in NAMES}
    np.savez(part, **arrays)
    os.replace(part, path)
    return path


def main() -> None:
    """Render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000, help="number of mixes for training")
    parser.add_argument("--validation", type=int, default=120, help="number of mixes with held-out sounds")
    parser.add_argument("--remixed", type=int, default=60, help="number of mixes of the songs of validation")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--without", choices=PARTS_OF_THE_MATERIAL, nargs="*", default=(), help="left out of training")
    add_data_argument(parser)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    cache = arguments.folder / "notes"
    try:
        print("\n".join(sources(arguments.data, False, cache)[1]), flush=True)  # plays the soundfonts once
    except (MaterialError, FileNotFoundError) as error:
        raise SystemExit(f"training.examples: {error}") from None
    ranges = [
        range(start, min(start + PER_FILE, first + count))
        for first, count in (
            (REMIXED_FROM, arguments.remixed),
            (HELD_OUT_FROM, arguments.validation),
            (0, arguments.count),
        )
        for start in range(first, first + count, PER_FILE)
    ]
    missing = [numbers for numbers in ranges if not path_of(arguments.folder, numbers.start).exists()]
    started = time.monotonic()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        tasks = [
            pool.submit(write, path_of(arguments.folder, n.start), n, arguments.data, cache, arguments.without)
            for n in missing
        ]
        for done, task in enumerate(as_completed(tasks), 1):
            left = (time.monotonic() - started) / done * (len(tasks) - done)
            print(f"{task.result()}  {done} of {len(tasks)}, {left / 60:.0f} min left", flush=True)
    print(f"{len(ranges)} files of examples for {', '.join(STEMS)} in {arguments.folder}")


if __name__ == "__main__":
    main()
