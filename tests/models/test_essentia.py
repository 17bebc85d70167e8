"""Essentia's classifiers: the front end against Essentia's own, and ONNX models of the published signature."""

import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from mirkit.errors import ModelError, WeightsError
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT
from mirkit.models import weights
from mirkit.models.device import pick
from mirkit.models.essentia import classifier as essentia
from mirkit.models.essentia.classifier import PATCH, PATCH_HOP, Heads, LogMel, Patcher, load
from models.onnx_models import constant, write_all, write_embedding, write_head

Array = npt.NDArray[np.float32]


def music(seconds: float, rate: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * f * t) for f in (110, 440.3, 660, 3000))
    return (0.1 * chord * (t % 1) + 0.2 * rng.standard_normal(len(t)) * np.exp(-(t % 0.5) * 15)).astype(np.float32)


def log_mel(signal: Array, most: int = 1000) -> Array:
    mel = LogMel()
    pushed = [frames for i in range(0, len(signal), most) for frames in mel.push(signal[i : i + most])]
    return np.concatenate([*pushed, *mel.finish()])


def patches(frames: Array) -> Array:
    return np.array(list(Patcher().push(frames)))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    return write_all(tmp_path / "models")


def loaded(files: tuple[Path, ...]) -> Heads:
    return load(weights.Weights("essentia", files, "0"), "cpu")


@pytest.mark.reference
@pytest.mark.parametrize("n", [1, 159, 160, 161, 399, 400, 401, 16000, 48123])
def test_front_end_is_essentias(n: int) -> None:
    essentia = pytest.importorskip("essentia.standard")
    signal = music(4, 16000)[:n]
    bands = essentia.TensorflowInputVGGish()
    theirs = np.array([bands(frame) for frame in essentia.FrameGenerator(signal, frameSize=400, hopSize=160)])
    ours = log_mel(signal)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)  # Essentia counts in single precision
    assert np.abs(ours - theirs).mean() < 5e-5


def test_front_end_of_a_tone_by_hand() -> None:
    """A sine of 1 kHz, which is 1000 mel: bands are 39.8 mel apart from 185 on, and see about half the window's sum."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    frame = log_mel(tone)[50]
    assert frame.argmax() == pytest.approx((1000 - 185.2) / 39.8 - 1, abs=0.6)
    assert 0.5 < np.exp(frame.max()) / (np.hanning(400).sum() / 2) < 1.5
    assert frame[-10:].max() < np.log(0.02)
    assert log_mel(np.zeros(1600, np.float32)).max() == pytest.approx(np.log(0.01))


def test_front_end_does_not_depend_on_the_blocks() -> None:
    signal = music(2, 16000)
    for most in (1, 163, 40_000):
        np.testing.assert_allclose(log_mel(signal[:3000], most), log_mel(signal[:3000]), atol=1e-5)
    assert not list(LogMel().finish())


@pytest.mark.parametrize(("frames", "count"), [(0, 0), (95, 0), (96, 1), (188, 1), (189, 2), (96 + 93 * 9 + 92, 10)])
def test_patches_are_96_frames_every_93(frames: int, count: int) -> None:
    given = np.arange(frames * 64, dtype=np.float32).reshape(frames, 64)
    patcher = Patcher()
    found = [patch for i in range(0, frames, 50) for patch in patcher.push(given[i : i + 50])]
    assert len(found) == count
    for i, patch in enumerate(found):
        np.testing.assert_array_equal(patch, given[i * PATCH_HOP : i * PATCH_HOP + PATCH])


def by_hand(files: tuple[Path, ...], batch: Array) -> Array:
    """What the random models give, written down in NumPy."""
    kernel, weight = (constant(files[0], name) for name in ("kernel", "weight"))
    padded = np.pad(batch, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    conv = np.einsum("bhwij,cij->bchw", windows, kernel[:, 0])
    embedded = np.maximum(conv, 0).reshape(len(batch), -1) @ weight
    found = []
    for head, column in ((files[1], 0), (files[3], 1)):
        logits = np.maximum(embedded @ constant(head, "w1"), 0) @ constant(head, "w2")
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found.append((powers / powers.sum(axis=1, keepdims=True))[:, column])
    return np.stack(found, axis=1)


def test_probabilities_are_those_of_the_named_classes(files: tuple[Path, ...]) -> None:
    batch = patches(log_mel(music(8, 16000)))
    expected = by_hand(files, batch)
    assert expected.std(axis=0).min() > 0.01, "the comparison means something"
    np.testing.assert_allclose(loaded(files).probabilities(list(batch)), expected, atol=1e-4)


def test_the_class_order_is_read_from_the_description(files: tuple[Path, ...]) -> None:
    batch = list(patches(log_mel(music(3, 16000))))
    before = loaded(files).probabilities(batch)
    files[2].write_text(json.dumps({"classes": ["Not_danceable", "Danceable"]}))
    after = loaded(files).probabilities(batch)
    np.testing.assert_allclose(after[:, 0], 1 - before[:, 0], atol=1e-6)
    np.testing.assert_array_equal(after[:, 1], before[:, 1])


def test_layouts_of_the_input(tmp_path: Path) -> None:
    """Bands before frames, or an axis for the channel: what the file declares decides."""
    batch = patches(log_mel(music(3, 16000)))
    plain = loaded(write_all(tmp_path / "plain"))
    channel = loaded(write_all(tmp_path / "channel", shape=("n", 1, 96, 64)))
    np.testing.assert_array_equal(channel.probabilities(list(batch)), plain.probabilities(list(batch)))
    embed = type("Graph", (), {"shape": ("n", 64, 96), "__call__": lambda _, x: x})()
    head = types.SimpleNamespace(graph=lambda x: x, column=1)
    (seen,) = essentia._probabilities(embed, [head], batch).T  # type: ignore[list-item]
    np.testing.assert_array_equal(seen, batch[:, 1, 0], "the second number of the first band: frames come last")


@pytest.mark.parametrize("block", [4096, 100_000])
def test_a_stream_gives_the_mean_over_its_patches(files: tuple[Path, ...], block: int) -> None:
    import soxr

    signal = music(40, ANALYSIS_RATE)
    expected = by_hand(files, patches(log_mel(soxr.resample(signal, ANALYSIS_RATE, 16000)))).mean(axis=0)
    stream = loaded(files).stream()
    for i in range(0, len(signal), block):
        piece = signal[i : i + block]
        stream.push(np.stack((0.5 * piece, 1.5 * piece)))
    heard = stream.finish()
    assert isinstance(heard, dict)
    assert list(heard) == ["danceability", "atonality"]
    np.testing.assert_allclose(list(heard.values()), expected, atol=1e-4)


def test_too_short_and_silent_are_unknown(files: tuple[Path, ...]) -> None:
    heads = loaded(files)
    short, still, empty = (heads.stream() for _ in range(3))
    short.push(music(9.9, ANALYSIS_RATE)[None])
    still.push(np.full((2, 11 * ANALYSIS_RATE), 1e-5, np.float32))
    assert set(dict(short.finish()).values()) == {TOO_SHORT}  # type: ignore[arg-type]
    assert set(dict(still.finish()).values()) == {SILENT}  # type: ignore[arg-type]
    assert set(dict(empty.finish()).values()) == {TOO_SHORT}  # type: ignore[arg-type]


def test_what_the_model_cannot_do_is_the_result_of_that_signal(files: tuple[Path, ...]) -> None:
    heads = loaded(files)

    def fail(_: Any) -> Any:
        raise ModelError("audioset-vggish-3.onnx failed: no memory")

    heads.probabilities = fail  # type: ignore[method-assign]
    stream = heads.stream()
    for _ in range(4):
        stream.push(music(20, ANALYSIS_RATE)[None])
    assert "no memory" in str(stream.finish())


def test_other_files_are_named(files: tuple[Path, ...], tmp_path: Path) -> None:
    good = [path.read_bytes() for path in files]
    damage = {
        "not a model that ONNX Runtime can run": (0, b"<html>not found</html>"),
        "not a model": (1, good[1][: len(good[1]) // 2]),
        "does not say which output is 'danceable'": (2, b'{"classes": ["a", "b"]}'),
        "does not say which output is 'atonal'": (4, b'{"classes": 7}'),
        "takes": (0, write_embedding(tmp_path / "wide.onnx", ("n", 96, 32)).read_bytes()),
        "do not belong together": (3, write_head(tmp_path / "h.onnx", ["a", "b"], size=64).read_bytes()),
        "which are no probabilities": (
            1,
            write_head(tmp_path / "l.onnx", ["a", "b"], seed=5, softmax=False).read_bytes(),
        ),
    }
    for message, (number, content) in damage.items():
        files[number].write_bytes(content)
        with pytest.raises(WeightsError, match=message) as error:
            loaded(files)
        assert "\n" not in str(error.value)
        files[number].write_bytes(good[number])
    files[2].unlink()
    with pytest.raises(WeightsError, match="cannot read"):
        loaded(files)


def test_threads_are_those_that_the_engine_allows(files: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    seen = []
    session = onnxruntime.InferenceSession

    def spy(path: str, options: Any, **more: Any) -> Any:
        seen.append(options.intra_op_num_threads)
        return session(path, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    loaded(files)
    assert seen == [3, 3, 3]


def test_a_card_is_used_where_the_runtime_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    assert [pick(name, "onnxruntime") for name in ("auto", "cuda:1", "cpu", "mps")] == ["cuda", "cuda:1", "cpu", "cpu"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert pick("cuda", "onnxruntime") == "cpu"
