"""ADTOF: front end and network against NumPy written out, files in the published layout, and the published weights."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mirkit.audio import open_audio  # noqa: E402
from mirkit.drums.drum_hits import Hits  # noqa: E402
from mirkit.errors import ModelError, WeightsError  # noqa: E402
from mirkit.models.adtof import transcriber as adtof  # noqa: E402
from mirkit.models.adtof.network import FrameRnn  # noqa: E402
from mirkit.models.adtof.transcriber import (  # noqa: E402
    FrameBuffer,
    LogBands,
    filters,
)
from mirkit.models.weights import Weights  # noqa: E402

SMALL: dict[str, Any] = {"n_bins": 84, "conv_filters": [3, 4], "gru_units": [5, 6], "output_classes": 5}


def write(path: Path, sizes: dict[str, Any] = SMALL, seed: int = 0) -> Path:
    """A file as ADTOF-pytorch publishes it, with random weights."""
    torch.manual_seed(seed)
    network = FrameRnn(*sizes.values())
    state = {name: tensor.double() for name, tensor in network.state_dict().items() if "num_batches" not in name}
    for name in state:
        if name.endswith("running_mean"):
            state[name] = torch.randn_like(state[name])
        if name.endswith("running_var"):
            state[name] = torch.rand_like(state[name]) + 0.5
    torch.save({"model_weights": state, "model_info": {"architecture": "Frame_RNN"} | sizes}, path)
    return path


def loaded(path: Path) -> adtof.Transcriber:
    return adtof.load(Weights("test", (path,), "0" * 64), "cpu")


def heard(transcriber: adtof.Transcriber, mono: np.ndarray, block: int = 50_000) -> Hits:
    stream = transcriber.stream()
    for start in range(0, len(mono), block):
        stream.push(mono[None, start : start + block])
    hits = stream.finish()
    assert isinstance(hits, Hits)
    return hits


def spectra(mono: np.ndarray, block: int) -> np.ndarray:
    front = LogBands()
    parts = [frames for start in range(0, len(mono), block) for frames in front.push(mono[start : start + block])]
    return np.concatenate([*parts, *front.finish()])


def test_front_end_written_out(rng: np.random.Generator) -> None:
    mono = rng.standard_normal(30_000).astype(np.float32) * 0.1
    padded = np.pad(mono.astype(np.float64), 1024)
    # Corners a semitone apart from 20 Hz, on the nearest bin, each bin once; triangles between the neighbors' corners.
    corners: list[int] = []
    hz = 20.0
    while hz <= 20_000:
        bin_ = int(np.argmin(np.abs(np.arange(1024) * 44100 / 2048 - hz)))
        corners += [bin_] if bin_ not in corners else []
        hz *= 2 ** (1 / 12)
    assert len(corners) == 86
    expected = np.zeros((69, 84))
    window = np.hanning(2048)
    for i in range(69):
        magnitude = np.abs(np.fft.rfft(padded[441 * i : 441 * i + 2048] * window))[:1024]
        for band, (left, center, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
            weights = np.interp(np.arange(1024), [left, center, right], [0, 1, 0])
            expected[i, band] = np.log10(1 + magnitude @ weights / weights.sum())
    found = spectra(mono, 7001)
    assert found.shape == (69, 84)
    assert found == pytest.approx(expected, abs=2e-5)
    assert spectra(mono, 441) == pytest.approx(found, abs=1e-6)
    assert filters().sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_network_written_out(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "net.pth")
    state = {k: v.numpy() for k, v in torch.load(path, weights_only=True)["model_weights"].items()}
    frames = rng.random((25, 84)).astype(np.float32)
    compute = loaded(path).compute
    (found,) = compute("decode", compute("encode", frames[None]))
    assert found == pytest.approx(forward(state, frames), abs=1e-5)


def forward(state: dict[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
    """The network in plain NumPy: shape=(times, 84) -> (times, 5)."""
    x = frames[:, :, None].astype(float)  # times, bands, channels
    for block in ("cnn_blocks.0", "cnn_blocks.1"):
        for conv, norm in ((0, 2), (3, 5)):
            weight, bias = (state[f"{block}.{conv}.{kind}"] for kind in ("weight", "bias"))
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            x = bias + sum(
                padded[i : i + len(x), j : j + x.shape[1]] @ weight[:, :, i, j].T for i in range(3) for j in range(3)
            )
            gain, shift, mean, var = (
                state[f"{block}.{norm}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")
            )
            x = (np.maximum(x, 0) - mean) / np.sqrt(var + 1e-3) * gain + shift
        missing = -x.shape[1] % 3
        x = np.pad(x, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)))
        x = x.reshape(len(x), -1, 3, x.shape[2]).max(axis=2)
    x = x.reshape(len(x), -1)
    for layer in ("gru_layers.0", "gru_layers.1"):
        ways = []
        for way in ("", "_reverse"):
            w_in, w_h, b_in, b_h = (
                state[f"{layer}.{k}_l0{way}"] for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            h, out = np.zeros(w_h.shape[1]), []
            for row in x[::-1] if way else x:
                (ri, zi, ni), (rh, zh, nh) = np.split(w_in @ row + b_in, 3), np.split(w_h @ h + b_h, 3)
                r, z = sigmoid(ri + rh), sigmoid(zi + zh)
                h = (1 - z) * np.tanh(ni + r * nh) + z * h
                out.append(h)
            ways.append(np.array(out[::-1] if way else out))
        x = np.concatenate(ways, axis=1)
    return sigmoid(x @ state["output_layer.weight"].T + state["output_layer.bias"])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 35, 100])
def test_windows_keep_every_frame_once_with_its_neighbors(length: int) -> None:
    frames = np.arange(length, dtype=np.float32)[:, None]
    for block in (1, 3, 100):
        windows = FrameBuffer(8, 2, 1)
        cut = [w for start in range(0, length, block) for w in windows.push(frames[start : start + block])]
        cut += windows.finish()
        kept = [w.frames[w.before : len(w.frames) - w.after] for w in cut]
        assert np.concatenate([np.zeros((0, 1)), *kept]).ravel().tolist() == list(range(length))
        assert all(w.before == 2 for w in cut[1:])
        assert all(w.after == 2 for w in cut[:-1])


def test_long_sound_is_seen_in_windows_as_at_once(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcriber = loaded(write(tmp_path / "net.pth"))
    mono = rng.standard_normal(44100 * 4).astype(np.float32) * 0.1
    whole = activations(transcriber, mono)
    monkeypatch.setattr(adtof, "_ENCODED", 60)
    assert activations(transcriber, mono) == pytest.approx(whole, abs=1e-6), "convolutions see all they need"
    monkeypatch.setattr(adtof, "_DECODED", 150)
    monkeypatch.setattr(adtof, "_BORDER", 100)
    assert activations(transcriber, mono) == pytest.approx(whole, abs=1e-3), "recurrent layers all that matters"


def activations(transcriber: adtof.Transcriber, mono: np.ndarray) -> np.ndarray:
    stream = transcriber.stream()
    stream.push(mono[None])
    stream.finish()
    return np.concatenate(stream._activations)


def test_voices_and_notes(tmp_path: Path) -> None:
    hits = heard(loaded(write(tmp_path / "net.pth")), np.zeros(44100, np.float32))
    assert [(drum.name, drum.note) for drum in hits.instruments] == [
        ("kick", 35),
        ("snare", 38),
        ("tom", 47),
        ("hi-hat", 42),
        ("cymbal", 49),
    ]
    assert heard(loaded(write(tmp_path / "net.pth")), np.zeros(0, np.float32)).instruments == hits.instruments


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model_info": {}}, "n_bins"),
        ({"model_info": SMALL | {"n_bins": 168}}, "it needs 168 bands"),
        ({"model_info": SMALL | {"gru_units": [5, "x"]}}, "gru_units is"),
        ({"model_info": SMALL | {"gru_units": [10**9]}}, "gru_units is"),
        ({"model_info": SMALL | {"gru_units": [5, 7]}}, "has the shape 18 x 10, not 21 x 10"),
        ({"model_weights": {}}, "tensors are not there, the first is"),
        ({"model_weights": {"more": torch.zeros(1)}}, "are not there"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    path = write(tmp_path / "net.pth")
    torch.save(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(WeightsError, match=why) as error:
        loaded(path)
    assert "not a checkpoint of ADTOF's Frame_RNN" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_memory_is_the_result_of_that_signal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcriber = loaded(write(tmp_path / "net.pth"))

    def full(_: Any) -> Any:
        raise RuntimeError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setitem(transcriber.compute._steps, "encode", full)  # type: ignore[attr-defined]
    stream = transcriber.stream()
    stream.push(np.zeros((1, 44100), np.float32))
    result = stream.finish()
    assert isinstance(result, ModelError)
    assert str(result) == "ADTOF failed on cpu: CUDA out of memory."


@pytest.fixture(scope="module")
def published(shared_data: Path) -> adtof.Transcriber:
    name = "adtof_frame_rnn_pytorch_weights.pth"
    path = Path(os.environ.get("MIRKIT_TEST_MODELS", shared_data.parent / "models")) / name
    if not path.is_file():
        pytest.skip(f"no weights at {path}")
    return loaded(path)


@pytest.mark.slow
@pytest.mark.reference
def test_real_drums(published: adtof.Transcriber, shared_data: Path) -> None:
    """Target of the field: F 0.91 at 50 ms, and no more than 3 ms early or late."""
    mir_eval = pytest.importorskip("mir_eval")
    scores, errors = [], []
    for path in sorted((shared_data / "mdb/drum_only").glob("*.flac")):
        lines = (shared_data / "mdb/annotations" / f"{path.stem.removesuffix('_Drum')}_class.txt").read_text()
        told = [line.split() for line in lines.splitlines()]
        hits = heard(published, np.concatenate([b[0] for b in open_audio(path).blocks()]))
        right, all_ = 0, 0
        for name, found in zip(("KD", "SD", "TT", "HH", "CY"), hits.times, strict=True):
            truth = np.array([float(time) for time, kind in told if kind == name])
            pairs = mir_eval.util.match_events(truth, found, 0.05) if len(truth) and len(found) else []
            right, all_ = right + 2 * len(pairs), all_ + len(truth) + len(found)
            errors += [found[j] - truth[i] for i, j in pairs]
        scores.append(right / all_)
    assert np.mean(scores) >= 0.91, scores
    assert abs(np.median(errors)) < 0.003
