"""How many altered copies are found, how many different pieces are taken for one recording, and what it costs.

    PYTHONPATH=tests python benchmarks/duplicates.py                     # 300 synthesized pieces, measured
    PYTHONPATH=tests python benchmarks/duplicates.py --pieces 121 --seconds 11   # short ones
    PYTHONPATH=tests python benchmarks/duplicates.py --outlines 20000    # outlines without sound: time, memory

The pieces are loops of four chords from a dozen common progressions, at one of four tempos, with bass, drums and a
tune: more alike than most libraries. Half have a twin with the same chords, tempo, bass and drums and another tune,
which is a different recording.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from dataset.altered import ALTERATIONS, RATE, curves
from dataset.test_duplicates import copy_of, made
from mirkit.dataset.duplicates.alignment import align
from mirkit.dataset.duplicates.candidates import candidates
from mirkit.dataset.duplicates.fingerprints import (
    SEMITONES,
    FingerprintFeatures,
    fingerprint_features,
    hashes,
    landmarks,
    rotated,
)

PROGRESSIONS = (
    "0 7 9 5",
    "9 5 0 7",
    "0 5 7 0",
    "2 7 0 9",
    "0 9 5 7",
    "0 9 2 7",
    "9 7 5 7",
    "0 5 9 7",
    "0 4 5 7",
    "0 7 5 5",
)
MINOR = {2, 4, 9}
TEMPOS = (90.0, 120.0, 124.0, 128.0)
SECONDS = 24


def piece(seed: int, tune_seed: int) -> np.ndarray:
    """Make a piece; the same seed with another tune_seed is its twin."""
    rng, tune = np.random.default_rng(seed), np.random.default_rng([seed, tune_seed])
    roots = [int(root) for root in rng.choice(PROGRESSIONS).split()]
    key, beat = int(rng.integers(12)), 60 / rng.choice(TEMPOS)
    n = SECONDS * RATE
    t = np.arange(n) / RATE
    out = np.zeros(n)
    bright, swing, pattern = rng.uniform(0.3, 0.8), rng.uniform(0, 0.1), rng.integers(0, 2, 8) | np.array([1, 0] * 4)

    def note(pitch: float, start: float, length: float, gain: float, decay: float) -> None:
        first, last = int(start * RATE), min(n, int((start + length) * RATE))
        if first >= last:
            return
        own = t[first:last] - start
        hz = 440 * 2 ** ((pitch - 69) / 12)
        tone = sum(bright**k * np.sin(2 * np.pi * hz * (k + 1) * own) for k in range(5))
        out[first:last] += (
            gain * tone * np.exp(-own / decay) * np.minimum(1, own * 200) * np.minimum(1, (length - own) * 200)
        )

    for bar in range(int(SECONDS / beat / 4) + 1):
        start, root = 4 * bar * beat, roots[bar % 4]
        third = 3 if root in MINOR else 4
        for degree in (0, third, 7):
            note(60 + (key + root + degree) % 12, start, 4 * beat, 0.12, 1.5)
        for eighth in range(8):
            if pattern[eighth]:
                note(36 + (key + root) % 12, start + eighth * beat / 2, beat / 2, 0.25, 0.4)
            if tune.random() < 0.6:
                note(
                    72 + key + int(tune.choice((0, 2, 4, 7, 9, 12))),
                    start + (eighth / 2 + swing * (eighth % 2)) * beat,
                    beat / 2,
                    0.2,
                    0.5,
                )
        for quarter in range(4):
            first = int((start + quarter * beat) * RATE)
            own = t[: max(0, min(n - first, RATE // 5))]
            drum = (
                np.sin(2 * np.pi * 55 * own) * np.exp(-own * 25)
                if quarter % 2 == 0
                else 0.5 * rng.standard_normal(len(own)) * np.exp(-own * 30)
            )
            out[first : first + len(own)] += 0.6 * drum
    return np.tile((0.5 * out / np.abs(out).max()).astype(np.float32), (2, 1))


def compare(outlines: list[FingerprintFeatures]) -> tuple[dict[tuple[int, int], float], int, dict[str, float]]:
    """Pairs that are reported as one recording, the number of candidates, seconds of each step."""
    clock = [time.process_time()]
    marks = [landmarks(course) for course in outlines]
    hashed = [[hashes(rotated(own.cells, semitones)) for semitones in SEMITONES] for own in marks]
    clock.append(time.process_time())
    tried = list(candidates([own.times for own in marks], hashed))
    clock.append(time.process_time())
    found: dict[tuple[int, int], float] = {}
    for candidate in tried:
        like = align(outlines[candidate.first], outlines[candidate.second], candidate)
        if like and like.is_same:
            first, second = sorted((candidate.first, candidate.second))
            found[first, second] = min(like.harmony, like.dynamics)
    clock.append(time.process_time())
    steps = dict(zip(("hash", "join", "compare"), np.diff(clock).round(2).tolist(), strict=True))
    return found, len(tried), steps | {"landmarks": sum(len(own.times) for own in marks)}


def of_sound(count: int, seconds: int = SECONDS) -> dict[str, object]:
    """Copies and strangers among synthesized sound."""
    names = list(ALTERATIONS)
    originals, copies = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            sound = np.ascontiguousarray(piece(i // 2, i % 2)[:, : seconds * RATE])
            originals.append(fingerprint_features(*curves(sound)))
            copies.append(fingerprint_features(*curves(ALTERATIONS[names[i % len(names)]](sound, Path(folder)))))
    found, tried, steps = compare(originals + copies)
    hits, misses, twins, strangers = Counter(), Counter(), 0, 0
    for i in range(count):
        (hits if (i, i + count) in found else misses)[names[i % len(names)]] += 1
    for first, second in found:
        if first % count != second % count:
            twins += first % count // 2 == second % count // 2
            strangers += first % count // 2 != second % count // 2
    print(f"{'copy':28} found")
    for name in names:
        print(f"{name:28} {hits[name]} of {hits[name] + misses[name]}")
    pairs = count * (count - 1) // 2
    print(f"different pieces taken for one: {strangers} of {pairs - count // 2} pairs; twins {twins} of {count // 2}")
    true = [score for pair, score in found.items() if pair[1] - pair[0] == count]
    false = [score for pair, score in found.items() if pair[0] % count // 2 != pair[1] % count // 2]
    print(f"lowest scores of copies {np.sort(true)[:12].round(3)}")
    print(f"highest scores of strangers {-np.sort(-np.array(false))[:12].round(3)}")
    print(f"candidates {tried}; CPU seconds {steps}")
    return {"hits": hits, "misses": misses, "strangers": strangers, "twins": twins, "pairs": pairs, "candidates": tried}


def of_outlines(count: int) -> dict[str, object]:
    """Time, memory and false pairs among made-up outlines of 90 s, one in a hundred with a copy."""
    rng = np.random.default_rng(1)
    outlines = [made(rng) for _ in range(count)]
    planted = {(i, count + k) for k, i in enumerate(rng.choice(count, count // 100, replace=False).tolist())}
    outlines += [copy_of(outlines[i], rng) for i, _ in sorted(planted, key=lambda pair: pair[1])]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, tried, steps = compare(outlines)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(
        f"{len(outlines)} outlines: {len(planted & found.keys())} of {len(planted)} copies found, "
        f"{len(found.keys() - planted)} false of {len(outlines) * (len(outlines) - 1) // 2} pairs"
    )
    print(f"candidates {tried}; CPU seconds {steps}; {peak} MiB beside the outlines")
    return {
        "found": len(planted & found.keys()),
        "planted": len(planted),
        "false": len(found.keys() - planted),
        "mib": peak,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pieces", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of the pieces, at most 24")
    parser.add_argument("--outlines", type=int, help="outlines without sound instead of pieces")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    arguments = parser.parse_args()
    result = of_outlines(arguments.outlines) if arguments.outlines else of_sound(arguments.pieces, arguments.seconds)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))
