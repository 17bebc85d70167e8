"""The embedded transcriber on drums made here, on silence, and on real drums."""

import sys

import numpy as np
import pytest

from mirkit.audio import open_audio
from mirkit.drums.drum_hits import Hits
from mirkit.drums.embedded import INSTRUMENTS, DrumExtractor
from mirkit.drums.embedded.levels import Bands
from mirkit.drums.embedded.network import Network, packed, unpacked
from mirkit.features.types import ANALYSIS_RATE


def transcribe_blocks(mono: np.ndarray, block: int = 60_000) -> Hits:
    extractor = DrumExtractor()
    for start in range(0, len(mono), block):
        extractor.push(mono[None, start : start + block].astype(np.float32))
    return extractor.finish()


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


def test_drums_made_here(rng: np.random.Generator) -> None:
    mono = np.zeros(ANALYSIS_RATE * 9)
    drums = kit(rng)
    truth = {
        "kick": np.arange(0.5, 8.5, 1.0),
        "snare": np.arange(1.0, 8.5, 1.0),
        "hi-hat": np.arange(0.5, 8.5, 0.25),
    }
    for name, times in truth.items():
        for time in times:
            start = round(time * ANALYSIS_RATE)
            mono[start : start + len(drums[name])] += 0.5 * drums[name]
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
        (rng.standard_normal((5, 3)).astype(np.float32), rng.standard_normal(3).astype(np.float32)),
        (rng.standard_normal((3, 2)).astype(np.float32), rng.standard_normal(2).astype(np.float32)),
    ]
    back = unpacked(packed(layers), ((5, 3), (3, 2)))
    for (weights, bias), (weights_back, bias_back) in zip(layers, back, strict=True):
        assert np.abs(weights - weights_back).max() < 0.02
        assert np.abs(bias - bias_back).max() < 0.02


def test_network_written_out(rng: np.random.Generator) -> None:
    network = Network.fitted()
    levels = rng.uniform(0, 3, (40, 36)).astype(np.float32)
    heard = np.maximum(levels @ network.templates[0] + network.templates[1], 0)
    padded = np.pad(heard, ((4, 8), (0, 0)), mode="edge")
    for i in (0, 17, 39):
        around = padded[i : i + 13].T.ravel()  # template by template
        hidden = np.maximum(around @ network.course[0] + network.course[1], 0)
        expected = 1 / (1 + np.exp(-(hidden @ network.outputs[0] + network.outputs[1])))
        assert network([levels[:10], levels[10:]])[i] == pytest.approx(expected, abs=1e-5)


def test_no_deep_learning_library_is_loaded() -> None:
    import subprocess

    code = "import mirkit.drums.embedded, sys; print([m for m in ('torch', 'onnxruntime') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.reference
def test_real_drums(shared_data) -> None:
    mir_eval = pytest.importorskip("mir_eval")
    scores, errors = [], []
    for path in sorted((shared_data / "mdb/drum_only").glob("*.flac")):
        lines = (shared_data / "mdb/annotations" / f"{path.stem.removesuffix('_Drum')}_class.txt").read_text()
        told = [line.split() for line in lines.splitlines()]
        hits = transcribe_blocks(np.concatenate([b[0] for b in open_audio(path).blocks()]))
        right, all_ = 0, 0
        for names, found in zip((("KD",), ("SD",), ("TT",), ("HH", "CY")), hits.times, strict=True):
            truth = np.unique([float(time) for time, kind in told if kind in names])
            pairs = mir_eval.util.match_events(truth, found, 0.05) if len(truth) and len(found) else []
            right, all_ = right + 2 * len(pairs), all_ + len(truth) + len(found)
            errors += [found[j] - truth[i] for i, j in pairs]
        scores.append(right / all_)
    assert np.mean(scores) >= 0.65, scores
    assert abs(np.median(errors)) < 0.005
