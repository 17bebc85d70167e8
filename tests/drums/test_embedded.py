"""The embedded transcriber on drums made here, on silence, and on real drums."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mirkit.audio import open_audio
from mirkit.drums.drum_hits import Hits
from mirkit.drums.embedded import INSTRUMENTS, SIGNALS, LevelExtractor, transcribe
from mirkit.drums.embedded.levels import Bands, above_floor
from mirkit.drums.embedded.network import Layer, Network, packed, unpacked
from mirkit.features.types import ANALYSIS_RATE
from mirkit.separation import separate

#: Classes of the annotations -> instruments, in the transcriber's order.
CLASSES = (("KD",), ("SD",), ("TT",), ("HH", "CY"))


def transcribe_blocks(mono: np.ndarray, block: int = 60_000, signal: str = "stem") -> Hits:
    extractor = LevelExtractor()
    for start in range(0, len(mono), block):
        extractor.push(mono[None, start : start + block].astype(np.float32))
    return transcribe(extractor.finish(), signal)


def separated_drums(mix: np.ndarray) -> np.ndarray:
    """The drums stem of the embedded separation of a mix, shape=(channels, n) -> (n,)."""
    blocks = [mix[:, i : i + 65_536].astype(np.float32) for i in range(0, mix.shape[1], 65_536)]
    return np.concatenate([stems["drums"].mean(axis=0) for stems in separate(blocks, ANALYSIS_RATE, len(mix))])


def kit(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Three drums from sines and noise."""
    t = np.arange(ANALYSIS_RATE // 2) / ANALYSIS_RATE
    noise = rng.standard_normal(len(t))
    bright = np.diff(np.diff(noise, prepend=0), prepend=0)
    return {
        "kick": np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t * 40)))) * np.exp(-t * 14),
        "snare": 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 25) + 0.35 * noise * np.exp(-t * 16),
        "hi-hat": 0.06 * bright * np.exp(-t * 45),
    }


def pattern(rng: np.random.Generator, seconds: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The kit with a steady pattern from 0.5 s to half a second before the end, and the times of its hits."""
    mono = np.zeros(ANALYSIS_RATE * seconds)
    drums = kit(rng)
    truth = {
        "kick": np.arange(0.5, seconds - 0.5, 1.0),
        "snare": np.arange(1.0, seconds - 0.5, 1.0),
        "hi-hat": np.arange(0.5, seconds - 0.5, 0.25),
    }
    for name, times in truth.items():
        for time in times:
            start = round(time * ANALYSIS_RATE)
            mono[start : start + len(drums[name])] += 0.5 * drums[name]
    return mono, truth


def music(seconds: int) -> np.ndarray:
    """A bass line with a note on every kick, and held chords that change every two seconds."""
    t = np.arange(seconds * ANALYSIS_RATE) / ANALYSIS_RATE
    notes = np.array([41.2, 55.0, 49.0, 61.7])
    f0 = notes[(t - 0.5).astype(int) % 4]
    swell = np.minimum(1, ((t - 0.5) % 1) / 0.03) * np.exp(-((t - 0.5) % 1))
    phase = 2 * np.pi * np.cumsum(f0) / ANALYSIS_RATE
    bass = sum(np.sin(k * phase) / k for k in (1, 2, 3, 4)) * swell
    roots = np.array([220.0, 196.0, 246.9, 164.8])[(t / 2).astype(int) % 4]
    chord = sum(np.sin(2 * np.pi * np.cumsum(roots * ratio) / ANALYSIS_RATE) for ratio in (1, 1.25, 1.5, 2.0, 3.0))
    return 0.3 * bass + 0.08 * chord


@pytest.mark.parametrize("signal", ["separated", "mix"])
def test_drums_within_music(rng: np.random.Generator, signal: str) -> None:
    drums, truth = pattern(rng, 21)
    mono = 0.5 * (drums + music(21))
    hits = transcribe_blocks(separated_drums(mono[None]) if signal == "separated" else mono, signal=signal)
    for voice, times in zip(hits.instruments, hits.times, strict=True):
        if voice.name == "tom":
            assert len(times) <= 4
            continue
        right = (np.abs(truth[voice.name][:, None] - times).min(axis=1) < 0.03).sum()
        assert 2 * right / (len(times) + len(truth[voice.name])) > 0.85, voice.name


def test_drums_made_here(rng: np.random.Generator) -> None:
    mono, truth = pattern(rng, 9)
    hits = transcribe_blocks(mono)
    for voice, times in zip(hits.instruments, hits.times, strict=True):
        if voice.name == "tom":
            assert len(times) <= 2
            continue
        distance = np.abs(truth[voice.name][:, None] - times)
        assert (distance.min(axis=1) < 0.02).mean() > 0.7, voice.name
        assert (distance.min(axis=0) < 0.02).mean() > 0.85, voice.name


def test_a_gain_changes_nothing_but_rounding(rng: np.random.Generator) -> None:
    mono = np.tile(kit(rng)["snare"], 8)
    loud, soft = transcribe_blocks(mono), transcribe_blocks(mono * 0.05)
    assert [len(times) for times in loud.times] == [len(times) for times in soft.times]
    for one, other in zip(loud.times, soft.times, strict=True):
        assert one == pytest.approx(other, abs=0.001)


def test_blocks_do_not_matter(rng: np.random.Generator) -> None:
    mono = np.tile(kit(rng)["kick"], 6)
    whole, pieces = transcribe_blocks(mono, 10**9), transcribe_blocks(mono, 777)
    for one, other in zip(whole.times, pieces.times, strict=True):
        assert one.tolist() == other.tolist()


def test_nothing_in_nothing(rng: np.random.Generator) -> None:
    assert transcribe_blocks(np.zeros(0)).count == 0
    assert transcribe_blocks(np.zeros(ANALYSIS_RATE)).count == 0
    assert transcribe_blocks(np.zeros(100)).instruments == INSTRUMENTS


def test_bands_are_means_about_their_middles() -> None:
    bands = Bands()
    flat = np.ones((3, 1025), np.float32)
    assert bands.decibels(flat) == pytest.approx(np.zeros((3, 36)), abs=0.01)
    for band in (5, 12, 20, 30):
        power = np.zeros((1, 1025), np.float32)
        power[0, round(bands.hz[band] * 2048 / ANALYSIS_RATE)] = 1
        assert bands.decibels(power)[0].argmax() == band


def test_weights_as_text(rng: np.random.Generator) -> None:
    layers = [
        Layer((-1, 0, 1), rng.standard_normal((3, 5, 4)).astype(np.float32), rng.standard_normal(4).astype(np.float32)),
        Layer((0,), rng.standard_normal((1, 4, 2)).astype(np.float32), rng.standard_normal(2).astype(np.float32)),
    ]
    back = unpacked(packed(layers), (((-1, 0, 1), 5, 4), ((0,), 4, 2)))
    for layer, layer_back in zip(layers, back, strict=True):
        assert layer.offsets == layer_back.offsets
        assert np.abs(layer.weights - layer_back.weights).max() < 0.02
        assert np.abs(layer.bias - layer_back.bias).max() < 0.02


def test_network_written_out(rng: np.random.Generator) -> None:
    """One frame at a time, layer by layer, from the definition."""
    network = Network.fitted()
    decibels = rng.uniform(-70, 0, (60, 36)).astype(np.float16)
    levels = above_floor(decibels, float(decibels.max()))

    def value(depth: int, frame: int, signal: str) -> np.ndarray:
        if depth < 0:
            inside = levels[frame] if 0 <= frame < 60 else np.zeros(36)
            return np.concatenate((inside, [float(signal == other) for other in SIGNALS[1:]]))
        if (depth, frame) not in known:
            layer = network.layers[depth]
            below = {offset: value(depth - 1, frame + offset, signal) for offset in layer.offsets}
            out = layer.bias + sum(below[o] @ w for o, w in zip(layer.offsets, layer.weights, strict=True))
            if depth < len(network.layers) - 1:
                out = np.maximum(out, 0) + (below[0] if layer.adds else 0)
            known[depth, frame] = out
        return known[depth, frame]

    for signal in SIGNALS:
        known: dict[tuple[int, int], np.ndarray] = {}
        likelihoods = network(decibels, signal, 3)
        assert likelihoods.shape == (63, 4)
        for frame in (-3, 0, 31, 59):
            expected = 1 / (1 + np.exp(-value(len(network.layers) - 1, frame, signal)))
            assert likelihoods[frame + 3] == pytest.approx(expected, abs=1e-4)


def test_no_deep_learning_library_is_loaded() -> None:
    import subprocess

    code = "import mirkit.drums.embedded, sys; print([m for m in ('torch', 'onnxruntime') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def annotated(path: Path) -> list[tuple[float, str]]:
    return [(float(time), kind) for time, kind in (line.split() for line in path.read_text().splitlines())]


def f_measure(hits: Hits, truth: list[tuple[float, str]]) -> tuple[float, list[float]]:
    """F of all hits at 50 ms, and the errors of the right ones."""
    mir_eval = pytest.importorskip("mir_eval")
    right, every, errors = 0, 0, []
    for names, found in zip(CLASSES, hits.times, strict=True):
        real = np.unique([time for time, kind in truth if kind in names])
        pairs = mir_eval.util.match_events(real, found, 0.05) if len(real) and len(found) else []
        right, every = right + 2 * len(pairs), every + len(real) + len(found)
        errors += [found[j] - real[i] for i, j in pairs]
    return right / every, errors


def samples(path: Path) -> np.ndarray:
    return np.concatenate(list(open_audio(path).blocks()), axis=1)


@pytest.mark.reference
def test_real_drums(shared_data: Path) -> None:
    scores, errors = [], []
    for path in sorted((shared_data / "mdb/drum_only").glob("*.flac")):
        truth = annotated(shared_data / "mdb/annotations" / f"{path.stem.removesuffix('_Drum')}_class.txt")
        score, off = f_measure(transcribe_blocks(samples(path).mean(axis=0)), truth)
        scores.append(score)
        errors += off
    assert np.mean(scores) >= 0.82, scores
    assert abs(np.median(errors)) < 0.005


@pytest.mark.reference
def test_real_mixes(shared_data: Path) -> None:
    """The drums stems that the embedded separation makes of real mixes."""
    clips = {}
    for name in ("Rock", "Zeppelin"):
        truth = annotated(shared_data / f"mdb/annotations/MusicDelta_{name}_class.txt")
        clips[shared_data / f"mdb/MusicDelta_{name}/full_mix.flac"] = truth
    for path in sorted((shared_data / "truth").glob("mdbraw_*.json")):
        clips[path.with_suffix("") / "full_mix.ogg"] = json.loads(path.read_text())["drums"]
    scores = [
        f_measure(transcribe_blocks(separated_drums(samples(p)), signal="separated"), t)[0] for p, t in clips.items()
    ]
    assert np.mean(scores) >= 0.74, scores
