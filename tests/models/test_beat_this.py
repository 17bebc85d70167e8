"""Beat This!: front end, network, chunks and checkpoints, against the authors' package with random weights."""

# ruff: noqa: E402 (PyTorch is an extra: all of this is skipped before anything imports it)

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch")

from mirkit.errors import ModelError, WeightsError
from mirkit.features.rhythm.beats.from_activations import Activations
from mirkit.features.types import ANALYSIS_RATE
from mirkit.models import weights
from mirkit.models.beat_this.tracker import BANDS, HOP, RATE, Chunker, LogMel, Tracker, load
from models.checkpoints import FAST, SMALL, random_network, write

Array = npt.NDArray[np.float32]
NOTHING = weights.Weights("random", (), "0")


def music(seconds: float, rate: int, seed: int = 0) -> Array:
    """Chords, decaying noise bursts, quiet and loud."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * f * t) for f in (55, 220.3, 331, 1207, 4400, 9000))
    bursts = rng.standard_normal(len(t)) * np.exp(-(t % 0.47) * 20)
    return (0.1 * chord * (0.1 + (t % 3) / 3) + 0.3 * bursts).astype(np.float32)


def pieces(signal: Array, rng: np.random.Generator, most: int) -> list[Array]:
    cuts = np.cumsum(rng.integers(0, most, 4 * len(signal) // most + 2))
    return np.split(signal, cuts[cuts < len(signal)])


def log_mel(signal: Array) -> Array:
    mel = LogMel()
    return np.concatenate([np.zeros((0, BANDS), np.float32), *mel.push(signal), *mel.finish()])


def published_log_mel(signal: npt.NDArray[Any]) -> Array:
    """The package's front end (torchaudio's MelSpectrogram) written down in torch: see its documentation."""
    spectrum = torch.stft(
        torch.from_numpy(np.asarray(signal, np.float32)), 1024, 441, 1024, torch.hann_window(1024), center=True,
        pad_mode="reflect", normalized=True, return_complex=True,
    ).abs()  # fmt: skip

    def to_mel(hz: float) -> float:
        return hz / (200 / 3) if hz < 1000 else 15 + np.log(hz / 1000) / (np.log(6.4) / 27)

    mels = torch.linspace(to_mel(30.0), to_mel(11000.0), 130)
    hz = mels * (200 / 3)
    hz[mels >= 15] = 1000 * torch.exp(np.log(6.4) / 27 * (mels[mels >= 15] - 15))
    slopes = hz[None] - torch.linspace(0, 11025, 513)[:, None]
    down, up = -slopes[:, :-2] / (hz[1:] - hz[:-1])[:-1], slopes[:, 2:] / (hz[1:] - hz[:-1])[1:]
    bank = torch.clamp(torch.minimum(down, up), min=0)
    return torch.log1p(1000 * (spectrum.T @ bank)).numpy()


@pytest.mark.reference
def test_front_end_is_the_published_one() -> None:
    signal = music(20, RATE)
    # Seen: 1.045e-4, where a band is almost empty: log1p(1000 x) has rounding in single precision count a thousandfold.
    # What the network makes of it differs by 2.5e-5 (see the activations below).
    np.testing.assert_allclose(log_mel(signal), published_log_mel(signal), atol=5e-4)


@pytest.mark.slow
@pytest.mark.reference
def test_front_end_is_librosas() -> None:
    librosa = pytest.importorskip("librosa")
    signal = music(5, RATE)
    theirs = librosa.feature.melspectrogram(
        y=signal, sr=RATE, n_fft=1024, hop_length=HOP, power=1, n_mels=128, fmin=30, fmax=11000, norm=None,
        pad_mode="reflect",
    )  # fmt: skip
    np.testing.assert_allclose(log_mel(signal), np.log1p(1000 * theirs.T / 32), atol=5e-4)  # seen: 5.6e-5


def test_front_end_does_not_depend_on_the_blocks(rng: np.random.Generator) -> None:
    signal = music(4, RATE)
    whole = log_mel(signal)
    assert whole.shape == (1 + len(signal) // HOP, BANDS)
    for most in (3, 700, 9000):
        mel = LogMel()
        frames = [frame for piece in pieces(signal, rng, most) for frame in mel.push(piece)]
        np.testing.assert_allclose(np.concatenate([*frames, *mel.finish()]), whole, atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 512, 513, 514, 1023, 1024, 1025, 441 * 3])
def test_front_end_of_a_few_samples(n: int) -> None:
    signal = music(1, RATE)[:n]
    found = log_mel(signal)
    if n <= 512:  # too short to be mirrored
        assert len(found) == 0
    else:
        np.testing.assert_allclose(found, published_log_mel(signal), atol=1e-4)


def theirs(network: Any, sizes: dict[str, Any]) -> Any:
    """The package's network with the same weights."""
    module = pytest.importorskip("beat_this.model.beat_tracker")
    other = module.BeatThis(**sizes).eval()
    other.load_state_dict(network.state_dict())
    return other


def assert_same_logits(sizes: dict[str, Any], frames: int, within: float) -> None:
    network = random_network(**sizes)
    spectra = torch.from_numpy(log_mel(music(frames * HOP / RATE, RATE)))[None, :frames]
    with torch.inference_mode():
        ours, published = network(spectra), theirs(network, sizes)(spectra)
    assert float(ours.std()) > 0.3, "the comparison means something"
    np.testing.assert_allclose(ours[..., 0], published["beat"], atol=within)
    np.testing.assert_allclose(ours[..., 1], published["downbeat"], atol=within)


@pytest.mark.reference
@pytest.mark.parametrize(
    "sizes",
    [SMALL, {**SMALL, "sum_head": False}, {**SMALL, "partial_transformers": False}, {**SMALL, "stem_dim": 32}],
    ids=["small", "plain head", "no partial transformers", "two heads"],
)
def test_logits_are_the_packages(sizes: dict[str, Any]) -> None:
    assert_same_logits(sizes, 400, 1e-5)


@pytest.mark.slow
@pytest.mark.reference
def test_logits_of_the_full_size_are_the_packages() -> None:
    assert sum(p.numel() for p in random_network().parameters()) == pytest.approx(20.25e6, rel=0.01)
    assert_same_logits({}, 1500, 1e-5)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``beat_this.inference``, which imports torchaudio and needs nothing of it here."""
    pytest.importorskip("beat_this.model")
    monkeypatch.setitem(sys.modules, "torchaudio", types.ModuleType("torchaudio"))
    import beat_this.inference

    return beat_this.inference


LENGTHS = [1, 5, 6, 100, 1487, 1488, 1489, 1493, 1494, 1495, 1500, 1501, 2976, 2977, 2983, 2988, 4464, 4470, 4471, 9000]


@pytest.mark.reference
@pytest.mark.parametrize("n", LENGTHS)
def test_chunks_are_the_packages(n: int, package: Any, rng: np.random.Generator) -> None:
    frames = rng.random((n, BANDS), np.float32)
    expected, _ = package.split_piece(torch.from_numpy(frames), 1500, 6, True)
    chunker = Chunker()
    ours = [chunk for piece in pieces(frames, rng, 700) for chunk in chunker.push(piece)] + list(chunker.finish())
    assert len(ours) == len(expected)
    for chunk, theirs in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(chunk.frames, theirs)
    assert sum(chunk.new for chunk in ours) == n


@pytest.mark.reference
@pytest.mark.parametrize("seconds", [0.5, 29.7, 30.5, 64])
@pytest.mark.parametrize("device", ["cpu", "a card"])
def test_a_stream_gives_the_packages_activations(
    seconds: float, device: str, package: Any, rng: np.random.Generator
) -> None:
    import soxr

    network = random_network(**FAST)
    signal = music(seconds, ANALYSIS_RATE)
    resampled = soxr.resample(signal.astype(np.float64), ANALYSIS_RATE, RATE)
    with torch.inference_mode():
        spectra = torch.from_numpy(published_log_mel(resampled))
        expected = package.split_predict_aggregate(spectra, 1500, 6, "keep_first", theirs(network, FAST))
    tracker = Tracker(network, NOTHING, "cpu")
    tracker.compute.batch_size = 1 if device == "cpu" else 8
    stream = tracker.stream()
    for piece in pieces(signal, rng, 100_000):
        stream.push(np.stack((piece, piece)))
    heard = stream.finish()
    assert isinstance(heard, Activations)
    assert heard.rate == 50
    np.testing.assert_allclose(heard.beat, expected["beat"], atol=1e-3)
    np.testing.assert_allclose(heard.downbeat, expected["downbeat"], atol=1e-3)


@pytest.mark.parametrize("seconds", [0, 0.001, 0.02])
def test_next_to_no_sound(seconds: float) -> None:
    stream = Tracker(random_network(**SMALL), NOTHING, "cpu").stream()
    if seconds:
        stream.push(music(1, ANALYSIS_RATE)[None, : round(seconds * ANALYSIS_RATE)])
    heard = stream.finish()
    assert isinstance(heard, Activations)
    assert len(heard.beat) == len(heard.downbeat) == 0


def test_a_card_without_memory_fails_this_signal_only() -> None:
    def full(_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB\nand so on")

    tracker = Tracker(full, NOTHING, "cpu")
    stream = tracker.stream()
    for _ in range(4):
        stream.push(np.zeros((2, 20 * ANALYSIS_RATE), np.float32))
    failure = stream.finish()
    assert isinstance(failure, ModelError)
    assert "Beat This! failed on cpu: CUDA out of memory" in str(failure)
    assert "\n" not in str(failure)


def loaded(path: Path) -> Tracker:
    return load(weights.from_path(path), "cpu")


@pytest.mark.parametrize("prefix", ["model.", "model._orig_mod."], ids=["as published", "compiled"])
def test_a_checkpoint_in_the_official_layout(tmp_path: Path, prefix: str) -> None:
    network = random_network(**SMALL)
    tracker = loaded(write(tmp_path / "final0.ckpt", network, SMALL, prefix))
    assert tracker.weights.sha256 == weights.checksum(tmp_path / "final0.ckpt")
    frames = torch.rand(1, 50, BANDS)
    with torch.inference_mode():
        np.testing.assert_array_equal(tracker.compute("logits", frames.numpy()), network(frames))


@pytest.mark.reference
def test_the_package_reads_it_too(tmp_path: Path, package: Any) -> None:
    network = random_network(**SMALL)
    path = write(tmp_path / "final0.ckpt", network, SMALL)
    frames = torch.rand(1, 50, BANDS)
    with torch.inference_mode():
        np.testing.assert_allclose(
            package.load_model(str(path))(frames)["downbeat"],
            loaded(path).compute("logits", frames.numpy())[..., 1],
            atol=1e-5,
        )


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"hyper_parameters": Trap(), "state_dict": {}}, tmp_path / "trap.ckpt")
    with pytest.raises(WeightsError, match="would run code"):
        loaded(tmp_path / "trap.ckpt")
    (tmp_path / "old.ckpt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(WeightsError, match=r"old\.ckpt"):
        loaded(tmp_path / "old.ckpt")
    assert not (tmp_path / "sprung").exists()


def test_other_files_are_named(tmp_path: Path) -> None:
    good = write(tmp_path / "good.ckpt", random_network(**SMALL), SMALL).read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(good[: len(good) // 2])
    (tmp_path / "page.ckpt").write_bytes(b"<html>not found</html>")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    write(tmp_path / "huge.ckpt", random_network(**SMALL), SMALL | {"n_layers": 10**9})
    write(tmp_path / "text.ckpt", random_network(**SMALL), SMALL | {"head_dim": "many"})
    write(tmp_path / "wide.ckpt", random_network(**SMALL), SMALL | {"transformer_dim": 64})
    write(tmp_path / "odd.ckpt", random_network(**SMALL), SMALL | {"head_dim": 5})
    for path in tmp_path.glob("*.ckpt"):
        if path.name != "good.ckpt":
            with pytest.raises(WeightsError, match="not a checkpoint") as error:
                loaded(path)
            assert "\n" not in str(error.value), path


def test_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    from mirkit.models.safe_load import load_tensors

    safetensors.save_file({"a": torch.arange(3.0)}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(load_tensors(tmp_path / "a.safetensors")["a"], [0, 1, 2])
    (tmp_path / "a.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_tensors(tmp_path / "a.safetensors")


def test_a_device_that_is_not_there() -> None:
    from mirkit.errors import MissingExtra
    from mirkit.models.device import pick

    assert pick("cpu") == "cpu"
    assert pick("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(MissingExtra, match="use --device cpu"):
        pick("cuda:99")
    if not torch.backends.mps.is_available():
        with pytest.raises(MissingExtra, match="--device mps"):
            pick("mps")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}qsets",  # takes from an empty stack
        b"\x80\x02\x8a\x0al\xfc\x88F\x07\x0a\x00\x00\x8d\x8b\x90\x8e\x9dgeq\x03ctorch\x0aFloat",  # text of 10^18 bytes
    ],
)
def test_what_fuzzing_found_in_checkpoints_is_one_line(content: bytes, tmp_path: Path) -> None:
    from mirkit.models.safe_load import load_tensors

    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(WeightsError, match="not a checkpoint of PyTorch"):
        load_tensors(tmp_path / "a.ckpt")
