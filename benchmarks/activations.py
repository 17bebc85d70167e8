"""Post-processing of a network's activations: ours beside the minimal one that comes with Beat This!.

The activations are made from known beats and then spoilt as networks spoil them: beats missed, false ones, breakdowns,
bursts at double tempo, bars on the off-beat. No weights are needed. Run: ``python benchmarks/activations.py [seeds]``.
"""

import sys
import time
from collections.abc import Callable

import mir_eval
import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.beats.from_activations import Activations, beats_from_activations
from mirkit.features.rhythm.onset_envelope import FRAME_RATE, HIT_BANDS, PROFILE_BANDS
from mirkit.features.rhythm.onsets import OnsetCurve, Onsets

RATE = 50.0
SECONDS = 120.0
Array = npt.NDArray[np.float64]


def beats_of(tempo: Callable[[float], float], start: float = 0.7) -> Array:
    times = [start]
    while times[-1] < SECONDS - 2:
        times.append(times[-1] + 60 / tempo(times[-1]))
    return np.array(times)


def silence(seconds: float) -> OnsetCurve:
    """Onset curves that say nothing: the times stay the network's."""
    n = int(seconds * FRAME_RATE) + 1
    hits, profile = np.zeros((n, HIT_BANDS), np.float16), np.zeros((n // 4, PROFILE_BANDS), np.float16)
    none = Onsets(np.zeros(0), np.zeros(0))
    return OnsetCurve(none, none, np.zeros(n, np.float32), hits, profile)


def logits_of(times: Array, height: Array, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Bumps of about three frames over a noisy floor, their peaks up to a frame away."""
    frames = np.arange(int(SECONDS * RATE))
    out = rng.normal(-6, 1, len(frames))
    for at, top in zip(times * RATE + rng.normal(0, 0.5, len(times)), height, strict=True):
        near = slice(max(0, int(at) - 3), int(at) + 5)
        out[near] = np.maximum(out[near], top - 2.0 * np.abs(frames[near] - at))
    return out.astype(np.float32)


def spoil(case: str, beats: Array, bar: int, rng: np.random.Generator) -> Activations:
    """Activations of a case."""
    height = rng.normal(4, 1, len(beats))
    down = np.where(np.arange(len(beats)) % bar == 0, rng.normal(3, 1, len(beats)), rng.normal(-4, 1, len(beats)))
    extra_times, extra_height = np.zeros(0), np.zeros(0)
    middles = (beats[1:] + beats[:-1]) / 2
    if case == "misses and false beats":
        height[rng.random(len(beats)) < 0.15] = -3
        extra_times = middles[rng.random(len(middles)) < 0.08]
        extra_height = rng.normal(1, 1, len(extra_times))
        down[rng.random(len(beats)) < 0.2] *= -0.5
    if case == "breakdown of 12 s":
        gone = (beats > 50) & (beats < 62)
        height[gone], down[gone] = -5, -5
    if case == "double tempo for 12 s":
        extra_times = middles[(middles > 40) & (middles < 52)]
        extra_height = rng.normal(4, 1, len(extra_times))
    if case == "off-beat for two bars":
        here = slice(60, 60 + 2 * bar)
        extra_times, extra_height = middles[here], rng.normal(4, 1, len(middles[here]))
        height[here], down[here] = -5, -5
    if case == "downbeats half missed":
        down[(rng.random(len(beats)) < 0.5) & (down > 0)] = -2
    times, heights = np.append(beats, extra_times), np.append(height, extra_height)
    return Activations(logits_of(times, heights, rng), logits_of(beats, down, rng), RATE)


CASES: dict[str, tuple[Callable[[float], float], int]] = {
    "clean": (lambda _: 120, 4),
    "misses and false beats": (lambda _: 104, 4),
    "breakdown of 12 s": (lambda _: 128, 4),
    "double tempo for 12 s": (lambda _: 90, 4),
    "off-beat for two bars": (lambda _: 100, 4),
    "downbeats half missed": (lambda _: 96, 4),
    "waltz": (lambda _: 168, 3),
    "slow": (lambda _: 54, 4),
    "tempo ramp 90 to 130": (lambda t: 90 + t / 3, 4),
    "tempo change 100 to 140": (lambda t: 100 if t < 60 else 140, 4),
    "swaying tempo": (lambda t: 110 * (1 + 0.06 * np.sin(t)), 4),
}


def minimal(activations: Activations) -> tuple[Array, Array]:
    """What the package does: peaks above even odds, downbeats moved to the nearest beat."""
    import torch
    from beat_this.model.postprocessor import Postprocessor

    beats, downbeats = Postprocessor("minimal", int(RATE))(
        torch.from_numpy(activations.beat), torch.from_numpy(activations.downbeat)
    )
    return beats, downbeats


def ours(activations: Activations) -> tuple[Array, Array]:
    found = beats_from_activations(activations, silence(SECONDS))
    return np.asarray(found.times, np.float64), np.asarray(found.downbeats, np.float64)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ways = {"minimal": minimal, "ours": ours}
    spent = dict.fromkeys(ways, 0.0)
    ours(spoil("clean", beats_of(lambda _: 120), 4, np.random.default_rng(0)))  # compiles
    print(f"{'':<26}" + "".join(f"{name:>10} {what:<6}" for what in ("F", "CMLt", "AMLt", "down F") for name in ways))
    totals = []
    for case, (tempo, bar) in CASES.items():
        truth = beats_of(tempo)
        rows = []
        for seed in range(seeds):
            activations = spoil(case, truth, bar, np.random.default_rng(seed))
            row = []
            for name, way in ways.items():
                started = time.process_time()
                beats, downbeats = way(activations)
                spent[name] += time.process_time() - started
                _, cmlt, _, amlt = mir_eval.beat.continuity(truth, beats)
                downs = mir_eval.beat.f_measure(truth[::bar], downbeats)
                row.append((mir_eval.beat.f_measure(truth, beats), cmlt, amlt, downs))
            rows.append(row)
        mean = np.mean(rows, axis=0).T
        totals.append(mean)
        print(f"{case:<26}" + "".join(f"{value:>10.3f}{'':7}" for value in mean.ravel()))
    print(f"{'mean':<26}" + "".join(f"{value:>10.3f}{'':7}" for value in np.mean(totals, axis=0).ravel()))
    print("CPU seconds per 120 s: " + ", ".join(f"{name} {s / seeds / len(CASES):.3f}" for name, s in spent.items()))


if __name__ == "__main__":
    main()
