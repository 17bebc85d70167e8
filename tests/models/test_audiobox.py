"""Audiobox Aesthetics: network, windows and files, against the authors' package with random weights."""

# ruff: noqa: E402 (PyTorch is an extra: all of this is skipped before anything imports it)

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from mirkit.errors import ModelError, WeightsError
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT
from mirkit.models import weights
from mirkit.models.audiobox.scorer import KEYS, WINDOW, Scorer, load
from models.aesthetics_files import AXES, SCALES, packages_model, write_own, write_packages

Array = npt.NDArray[np.float32]


def music(seconds: float, rate: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * f * t) for f in (55, 220.3, 331, 1207))
    return (0.1 * chord * (0.2 + (t % 3) / 3) + 0.2 * rng.standard_normal(len(t)) * np.exp(-(t % 0.5) * 9)).astype(
        np.float32
    )


def loaded(files: tuple[Path, ...]) -> Scorer:
    return load(weights.Weights("audiobox", files, "0"), "cpu")


def theirs(model: Any, window: Array) -> npt.NDArray[np.float64]:
    """The package's scores of one window, padded as its predictor pads it."""
    sound, mask = torch.zeros(1, 1, WINDOW), torch.zeros(1, 1, WINDOW, dtype=torch.bool)
    sound[0, 0, : len(window)] = torch.from_numpy(window)
    mask[0, 0, : len(window)] = True
    with torch.inference_mode():
        found = model({"wav": sound, "mask": mask})
    return np.array([found[axis].item() * SCALES[axis]["std"] + SCALES[axis]["mean"] for axis in AXES])


# The package's own: of PyTorch's older ways of saying the same.
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*", "ignore:Support for mismatched.*")

LENGTHS = [WINDOW, WINDOW - 1, 81_234, 641, 640, 321, 320, 1]


@pytest.mark.reference
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"proj_num_layer": 1, "proj_ln": False},
        {"proj_dropout": 0.1},
        {"proj_ln": False, "normalize_embed": False},
    ],
    ids=["published", "one layer", "dropout", "plain"],
)
def test_scores_are_the_packages(tmp_path: Path, config: dict[str, Any]) -> None:
    model = packages_model(**config)
    scorer = loaded(write_packages(tmp_path, model))
    sound = music(10, 16000)
    expected = np.array([theirs(model, sound[:n]) for n in LENGTHS])
    assert expected.std(axis=0).min() > 0.1, "the comparison means something"
    for together in (1, 3):
        scorer.compute.batch_size = together
        # Seen: 4.3e-5 of scores that go from 1 to 10.
        np.testing.assert_allclose(scorer.scores([sound[:n] for n in LENGTHS]), expected, atol=3e-4)


@pytest.mark.slow
@pytest.mark.reference
def test_scores_of_the_published_size_are_the_packages(tmp_path: Path) -> None:
    model = packages_model(full=True)
    files = write_packages(tmp_path, model)
    assert files[1].stat().st_size == pytest.approx(415_472_992, rel=1e-4), "as large as the published file"
    sound = music(10, 16000)
    np.testing.assert_allclose(loaded(files).scores([sound[:90_000]])[0], theirs(model, sound[:90_000]), atol=1e-4)


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package's predictor, which imports torchaudio; of it, it needs nothing for sound at 16 kHz."""
    pytest.importorskip("audiobox_aesthetics")
    stand_in = types.ModuleType("torchaudio")
    stand_in.functional = types.SimpleNamespace(resample=lambda wav, orig_freq, new_freq: wav)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchaudio", stand_in)
    for name in ("submitit", "tqdm"):
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
            sys.modules[name].tqdm = iter  # type: ignore[attr-defined]
    from audiobox_aesthetics import infer

    return infer


@pytest.mark.reference
@pytest.mark.parametrize("seconds", [3.2, 10, 10.5, 37])
def test_a_stream_gives_the_predictors_scores(tmp_path: Path, seconds: float, predictor: Any) -> None:
    import soxr

    model = packages_model()
    signal = music(seconds, ANALYSIS_RATE)
    resampled = torch.from_numpy(soxr.resample(signal, ANALYSIS_RATE, 16000))[None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictor.AesPredictor, "__post_init__", lambda self: None)
        predict = predictor.AesPredictor(checkpoint_pth="", data_col="path")
    predict.model, predict.device = model, "cpu"
    predict.target_transform = {axis: predictor.Normalize(**SCALES[axis]) for axis in AXES}
    expected = predict.forward([{"path": resampled, "sample_rate": 16000}])[0]
    scorer = loaded(write_packages(tmp_path, model))
    for together, block in ((1, 5000), (4, 300_000)):
        scorer.compute.batch_size = together
        stream = scorer.stream()
        for i in range(0, len(signal), block):
            piece = signal[i : i + block]
            stream.push(np.stack((0.5 * piece, 1.5 * piece)))
        heard = stream.finish()
        assert isinstance(heard, dict)
        np.testing.assert_allclose([heard[KEYS[axis]] for axis in AXES], [expected[a] for a in AXES], atol=1e-4)


def test_windows_are_weighed_by_their_length(tmp_path: Path) -> None:
    scorer = loaded(write_own(tmp_path))
    lengths = []

    def count(windows: list[Array]) -> npt.NDArray[np.float64]:
        lengths.extend(len(window) for window in windows)
        return np.array([[len(window), 1, 2, 3] for window in windows], float)

    scorer.scores = count  # type: ignore[method-assign,assignment]
    stream = scorer.stream()
    stream.push(music(25, ANALYSIS_RATE)[None])
    heard = dict(stream.finish())  # type: ignore[arg-type]
    assert lengths == [160_000, 160_000, 80_000]
    assert list(heard.values()) == pytest.approx([(2 * 160_000**2 + 80_000**2) / 400_000, 1, 2, 3])


def test_too_short_and_silent_are_unknown(tmp_path: Path) -> None:
    scorer = loaded(write_own(tmp_path))
    empty, still = scorer.stream(), scorer.stream()
    still.push(np.full((2, 44_100), 1e-5, np.float32))
    assert dict(empty.finish()) == dict.fromkeys(KEYS.values(), TOO_SHORT)  # type: ignore[arg-type]
    assert dict(still.finish()) == dict.fromkeys(KEYS.values(), SILENT)  # type: ignore[arg-type]


def test_out_of_memory_halves_the_batch(tmp_path: Path) -> None:
    scorer = loaded(write_own(tmp_path))
    steps, sizes = scorer.compute._steps, []  # type: ignore[attr-defined]
    scores = steps["scores"]

    def short_of_memory(sound: Any, lengths: Any) -> Any:
        sizes.append(len(sound))
        if len(sound) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB\nand so on")
        return scores(sound, lengths)

    windows = [music(1, 16000, seed) for seed in range(9)]
    expected = scorer.scores(windows)
    steps["scores"], scorer.compute.batch_size = short_of_memory, 8
    np.testing.assert_allclose(scorer.scores(windows), expected, atol=1e-5)
    assert scorer.compute.batch_size == 2
    assert max(sizes[3:]) <= 4


def test_a_card_that_cannot_even_do_one_fails_this_signal_only(tmp_path: Path) -> None:
    scorer = loaded(write_own(tmp_path))
    steps = scorer.compute._steps  # type: ignore[attr-defined]
    scores = steps["scores"]

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB\nand so on")

    steps["scores"] = full
    stream = scorer.stream()
    for _ in range(3):
        stream.push(music(15, ANALYSIS_RATE)[None])
    failure = stream.finish()
    assert isinstance(failure, ModelError)
    assert "failed on cpu: CUDA out of memory" in str(failure)
    assert "\n" not in str(failure)
    steps["scores"] = scores
    other = scorer.stream()
    other.push(music(5, ANALYSIS_RATE)[None])
    assert isinstance(other.finish(), dict)


def test_other_files_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    config, tensors = write_own(tmp_path)
    good, told = tensors.read_bytes(), json.loads(config.read_text())
    for content in (b"{", b"[]", b'{"target_transform": {"CE": {"mean": 1}}}'):
        config.write_bytes(content)
        with pytest.raises(WeightsError, match=r"config\.json: this is not (a JSON file|the configuration)"):
            loaded((config, tensors))
    for change in ({"use_weighted_layer_sum": False}, {"proj_act_fn": "relu"}, {"proj_num_layer": 9}):
        config.write_text(json.dumps(told | change))
        with pytest.raises(WeightsError, match="not the weights") as error:
            loaded((config, tensors))
        assert "\n" not in str(error.value)
    config.write_text(json.dumps(told))
    state = load_file(tensors)
    for wrong in ({}, {"a": torch.zeros(2)}, {n: t for n, t in state.items() if "fc1" not in n}):
        save_file(wrong, tensors)
        with pytest.raises(WeightsError, match="not the weights"):
            loaded((config, tensors))
    tensors.write_bytes(good[: len(good) // 2])
    with pytest.raises(WeightsError, match="safetensors"):
        loaded((config, tensors))
    tensors.write_bytes(good)
    config.unlink()
    with pytest.raises(WeightsError, match="cannot read"):
        loaded((config, tensors))
