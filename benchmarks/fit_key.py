"""Fit the weights of the key estimate, and measure it (``src/mirkit/features/harmony/key.py``).

    python benchmarks/fit_key.py FOLDER [--truth DIR] [--essentia refs.json] [--write]

FOLDER holds the renderings of ``key_corpus.py`` ("tune" to fit, "test" to measure). DIR holds annotated recordings (a
folder with ``full_mix.*`` and a ``.json`` for each), which are measured only. ``refs.json``: name -> profile -> key, of
Essentia's ``KeyExtractor``. ``--write`` writes ``key_weights.py``.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.optimize
import soundfile
import soxr
from key_corpus import NAMES

from mirkit.features.harmony import key as key_module
from mirkit.features.harmony.chroma import FRAME_RATE, ChromaCurve, ChromaExtractor
from mirkit.features.harmony.key import key, key_evidence, pitched_evidence
from mirkit.features.serialization import from_arrays, to_arrays
from mirkit.features.types import ANALYSIS_RATE, Window

TARGET = Path(__file__).resolve().parents[1] / "src/mirkit/features/harmony/key_weights.py"
_FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}
#: Weight of the squares of the weights, and of those that tell pitched sound.
_RIDGE, _PITCHED_RIDGE = 2e-3, 1e-2


@dataclass(frozen=True)
class Clip:
    """A clip with its key, or None where it has none; ``pitched`` is None where nobody knows."""

    name: str
    curve: ChromaCurve
    key: str | None
    pitched: bool | None


def normalized(text: str | None) -> str | None:
    """``Bb:min`` -> ``A# minor``."""
    if not text:
        return None
    tonic, mode = text.replace(":maj", " major").replace(":min", " minor").split()[:2]
    return f"{_FLATS.get(tonic, tonic)} {mode}"


def curve_of(path: Path, kept: Path) -> ChromaCurve:
    """Chroma of a file, which is computed once."""
    if not kept.exists():
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        mono = mono if rate == ANALYSIS_RATE else soxr.resample(mono, rate, ANALYSIS_RATE)
        extractor = ChromaExtractor()
        extractor.push(mono.astype(np.float32))
        np.savez(kept, **to_arrays(extractor.finish()))
    with np.load(kept) as stored:
        return from_arrays("chroma", stored)


def corpus(folder: Path, split: str) -> list[Clip]:
    """The renderings of a split."""
    clips = []
    for path in sorted(folder.glob(f"{split}_*.flac")):
        truth = json.loads(path.with_suffix(".json").read_text())["key"]
        clips.append(Clip(path.stem, curve_of(path, path.with_suffix(".npz")), truth, truth is not None))
    return clips


def recordings(folder: Path, kept: Path) -> list[Clip]:
    """Annotated recordings; those without a pulse and a key, and the loops of drums, have no pitched music."""
    clips = []
    for path in sorted(folder.glob("*/full_mix.*")):
        name = path.parent.name
        note = next(p for p in (folder / f"{name}.json", path.parent / f"{name}.json") if p.exists())
        truth = json.loads(note.read_text())
        found = normalized(truth.get("key"))
        unpitched = truth["kind"] in ("speech", "noise", "loop breakbeat", "loop tabla", "loop compus")
        clips.append(
            Clip(name, curve_of(path, kept / f"real_{name}.npz"), found, bool(found) or (None, False)[unpitched])
        )
    return clips


def active(curve: ChromaCurve) -> tuple[np.ndarray, np.ndarray]:
    """Chroma and bass of the active frames, 0 to 1."""
    mask = curve.active
    return curve.chroma[mask].astype(np.float32) / 255, curve.bass[mask].astype(np.float32) / 255


def fit_weights(clips: list[Clip]) -> np.ndarray:
    """Weights of a softmax over the 24 keys, the same for every tonic, shape=(2, 4, 12)."""
    evidence = np.stack([key_evidence(*active(clip.curve)) for clip in clips])
    truths = np.array([NAMES.index(c.key.split()[0]) + 12 * (c.key.split()[1] == "minor") for c in clips])
    turned = np.stack([np.roll(evidence, -t, axis=2) for t in range(12)], axis=1).reshape(len(clips), 12, 48)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(2, 48)
        fits = np.einsum("nte,me->nmt", turned, weights).reshape(len(clips), 24)
        fits -= fits.max(axis=1, keepdims=True)
        share = np.exp(fits)
        share /= share.sum(axis=1, keepdims=True)
        rows = np.arange(len(clips))
        value = -np.log(share[rows, truths]).mean() + _RIDGE * np.square(flat).sum()
        share[rows, truths] -= 1
        slope = np.einsum("nmt,nte->me", share.reshape(-1, 2, 12), turned) / len(clips)
        return float(value), slope.ravel() + 2 * _RIDGE * flat

    return scipy.optimize.minimize(loss, np.zeros(96), jac=True, method="L-BFGS-B").x.reshape(2, 4, 12)


def temperature(clips: list[Clip]) -> float:
    """Factor of the weights with which the confidence is right on pieces that the weights were not fitted to."""
    fits, truths = [], []
    for fold in range(5):
        weights = fit_weights([clip for i, clip in enumerate(clips) if i % 5 != fold])
        for clip in clips[fold::5]:
            evidence = key_evidence(*active(clip.curve))
            turned = np.stack([np.roll(evidence, -t, axis=1) for t in range(12)])
            fits.append(np.einsum("mec,tec->mt", weights, turned).ravel())
            truths.append(NAMES.index(clip.key.split()[0]) + 12 * (clip.key.split()[1] == "minor"))
    stacked, rows = np.stack(fits), np.arange(len(fits))

    def loss(factor: float) -> float:
        scaled = factor * stacked
        peak = scaled.max(axis=1)
        return float(np.mean(np.log(np.exp(scaled - peak[:, None]).sum(axis=1)) + peak - scaled[rows, truths]))

    return float(scipy.optimize.minimize_scalar(loss, (0.5, 3), bounds=(0.3, 5), method="bounded").x)


def fit_pitched(clips: list[Clip]) -> np.ndarray:
    """Weights of a logistic regression, the constant first, shape=(7,)."""
    rows = np.stack([pitched_evidence(active(c.curve)[0], c.curve.agreement) for c in clips])
    truth = np.array([c.pitched for c in clips], float)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    unit = np.concatenate((np.ones((len(rows), 1)), (rows - mean) / spread), axis=1)
    share = np.where(truth > 0, 0.5 / truth.sum(), 0.5 / (1 - truth).sum())

    def loss(w: np.ndarray) -> float:
        odds = unit @ w
        return float(
            (share * np.logaddexp(0, np.where(truth > 0, -odds, odds))).sum() + _PITCHED_RIDGE * (w[1:] ** 2).sum()
        )

    found = scipy.optimize.minimize(loss, np.zeros(unit.shape[1])).x
    return np.concatenate(([found[0] - (found[1:] * mean / spread).sum()], found[1:] / spread))


def measure(title: str, clips: list[Clip], references: dict[str, dict[str, str]]) -> None:
    """Print scores, the reliability of the confidence, and which clips have no key."""
    import mir_eval

    rows = []
    for clip in clips:
        found = key(clip.curve, Window(0, len(clip.curve.chroma) / FRAME_RATE))
        name = f"{found.key} {found.mode}" if isinstance(found.key, str) else None
        rows.append((clip, name, found.confidence))
    keyed = [row for row in rows if row[0].key]
    score = [mir_eval.key.weighted_score(c.key, name) if name else 0.0 for c, name, _ in keyed]
    line = f"{title}: {len(keyed)} keys, ours {np.mean(score):.3f}"
    for profile in ("bgate", "edma"):
        if all(c.name in references for c, _, _ in keyed):
            other = [mir_eval.key.weighted_score(c.key, normalized(references[c.name][profile])) for c, _, _ in keyed]
            line += f", Essentia {profile} {np.mean(other):.3f}"
    missed = [c.name for c, name, _ in keyed if name is None]
    bare = [(c.name, name) for c, name, _ in rows if c.pitched is False]
    print(f"{line}; without a key though pitched {len(missed)} {missed[:5]}")
    others = [name for name, found in bare if found]
    print(f"   not pitched: {len(bare) - len(others)} of {len(bare)} have no key; others {others}")
    sure = np.array([confidence for _, name, confidence in keyed if name])
    right = np.array([name == c.key for c, name, _ in keyed if name])
    for low in np.arange(0, 1, 0.2):
        here = (sure >= low) & (sure < low + 0.2)
        if here.any():
            share = f"mean {sure[here].mean():.2f}, right {right[here].mean():.2f}"
            print(f"   confidence {low:.1f}-{low + 0.2:.1f}: {here.sum():4d}, {share}")
    for c, name, confidence in keyed:
        if name != c.key and title == "recordings":
            print(f"   {c.name}: {c.key}, found {name} ({confidence:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--essentia", type=Path)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    references = json.loads(args.essentia.read_text()) if args.essentia else {}
    tune = corpus(args.folder, "tune")
    if args.write:
        keyed = [c for c in tune if c.key]
        factor = temperature(keyed)
        print(f"factor of the weights {factor:.2f}")
        weights, pitched = factor * fit_weights(keyed), fit_pitched(tune)
        rows = "".join(
            f"    (  # {mode}\n" + "".join(f"        {tuple(row.round(3).tolist())},\n" for row in table) + "    ),\n"
            for mode, table in zip(("major", "minor"), weights, strict=True)
        )
        TARGET.write_text(
            '"""The fitted numbers of the key estimate. Written by ``benchmarks/fit_key.py``."""\n\n'
            "#: For major and minor, from the tonic up: weights of chroma, bass, major and minor triads.\n"
            f"WEIGHTS = (\n{rows})\n"
            "#: Constant, and weights of ``key.pitched_evidence``; below 0 nothing pitched sounds.\n"
            f"PITCHED = {tuple(pitched.round(3).tolist())}\n"
        )
        key_module.WEIGHTS = tuple(map(tuple, weights.tolist()))
        key_module.PITCHED = tuple(pitched.tolist())
    measure("tune", tune, references)
    measure("test", corpus(args.folder, "test"), references)
    if args.truth:
        measure("recordings", recordings(args.truth, args.folder), references)


if __name__ == "__main__":
    main()
