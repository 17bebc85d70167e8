"""musicnn: checkpoints without TensorFlow, the network against PyTorch and TensorFlow, its input against librosa."""

import os
from pathlib import Path

import librosa
import numpy as np
import pytest
import soxr

import signals
from mirkit import models
from mirkit.cli import main
from mirkit.errors import WeightsError
from mirkit.features.tags.music_tags import TAGS, MusicTags
from mirkit.models import musicnn, weights
from mirkit.models.backend import Weights
from mirkit.models.caches import elsewhere
from mirkit.models.musicnn.network import BANDS, HOP, N_FFT, PATCH, RATE, Network
from mirkit.models.musicnn.tagger import Tagger, load
from mirkit.models.tensorflow_checkpoint import read_checkpoint
from mirkit.settings import RunSettings
from mirkit.store import Settings, with_values
from models.musicnn_files import variables, write_checkpoint, write_package

INSTALL = "pip install --no-deps musicnn==0.1.0"
(MODEL,) = musicnn.BACKEND.weights


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def files(package: Path) -> tuple[Path, ...]:
    return tuple(package.parent / file.installed for file in MODEL.files)


def patches(count: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 4, (count, PATCH, BANDS)).astype(np.float32)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = variables() | {"step": np.array(7, np.int64), "power": np.float32(0.5).reshape(())}
    write_checkpoint(tmp_path / "x.index", tmp_path / "x.data", written)
    read = read_checkpoint(tmp_path / "x.index", tmp_path / "x.data")
    assert read.keys() == written.keys() - {"step"}
    for name, array in read.items():
        np.testing.assert_array_equal(array, written[name])


def _damaged(index: bytes, data: bytes, how: str) -> tuple[bytes, bytes]:
    first_block = index.index(b"\0cccc")
    return {
        "empty": (b"", data),
        "text": (b"not a checkpoint " * 40, data),
        "cut off": (index[:-10], data),
        "short data": (index, data[:-8]),
        "compressed": (index[:first_block] + b"\1" + index[first_block + 1 :], data),
        "other numbers": (b"\xff" * 400 + index[-48:], data),
    }[how]


@pytest.mark.parametrize("how", ["empty", "text", "cut off", "short data", "compressed", "other numbers"])
def test_damaged_checkpoints_are_refused(tmp_path: Path, how: str) -> None:
    index, data = tmp_path / "x.index", tmp_path / "x.data"
    write_checkpoint(index, data, {"a": np.ones((2, 3), np.float32), "ab": np.zeros(4, np.float32)})
    for path, content in zip((index, data), _damaged(index.read_bytes(), data.read_bytes(), how), strict=True):
        path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a TensorFlow checkpoint"):
        read_checkpoint(index, data)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_checkpoint(tmp_path / "absent", data)


def test_the_network_equals_pytorch() -> None:
    torch = pytest.importorskip("torch")
    weight, batch = variables(3), patches()

    def norm(x: "torch.Tensor", i: int) -> "torch.Tensor":  # over the second axis
        name = f"batch_normalization_{i}" if i else "batch_normalization"
        parts = ("moving_mean", "moving_variance", "gamma", "beta")
        mean, variance, gamma, beta = (torch.from_numpy(weight[f"{name}/{part}"]) for part in parts)
        return torch.nn.functional.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def conv(x: "torch.Tensor", i: int, pad: tuple[int, int]) -> "torch.Tensor":
        name = f"conv2d_{i}" if i else "conv2d"
        kernel = torch.from_numpy(weight[f"{name}/kernel"]).permute(3, 2, 0, 1)
        padded = torch.nn.functional.pad(x, (0, 0, *pad))
        return torch.relu(torch.nn.functional.conv2d(padded, kernel, torch.from_numpy(weight[f"{name}/bias"])))

    x = norm(torch.from_numpy(batch)[:, None], 0)
    pads = [(3, 3), (3, 3), (63, 64), (31, 32), (15, 16)]
    front = torch.cat([norm(conv(x, i, pad), i + 1).amax(dim=3) for i, pad in enumerate(pads)], dim=1)
    layers = [front]
    for i in (5, 6, 7):
        found = norm(conv(layers[-1].permute(0, 2, 1)[:, None], i, (3, 3)), i + 1)[..., 0]
        layers.append(found + layers[-1] if i > 5 else found)
    features = torch.cat(layers, dim=1)
    pooled = torch.stack((features.amax(dim=2), features.mean(dim=2)), dim=2).flatten(1)
    dense, out = (
        (torch.from_numpy(weight[f"{name}/kernel"]), torch.from_numpy(weight[f"{name}/bias"]))
        for name in ("dense", "dense_1")
    )
    hidden = norm(torch.relu(norm(pooled, 9) @ dense[0] + dense[1]), 10)
    expected = torch.sigmoid(hidden @ out[0] + out[1]).numpy()
    np.testing.assert_allclose(Network(weight)(batch), expected, atol=1e-4)
    assert expected.std() > 0.05


@pytest.mark.parametrize("broken", ["conv2d_5/kernel", "dense_1/kernel", "batch_normalization_9/gamma"])
def test_another_network_is_refused(broken: str, tmp_path: Path) -> None:
    for weight in (
        {name: array for name, array in variables().items() if name != broken},
        variables() | {broken: variables()[broken][..., :-1]},
    ):
        index, data = tmp_path / "x.index", tmp_path / "x.data"
        write_checkpoint(index, data, weight)
        with pytest.raises(WeightsError, match="another network"):
            load(Weights("test", (index, data), ""), "cpu")


class _Recorder:
    """Stands for a network: it keeps the patches that it gets."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.seen += list(batch)
        return np.full((len(batch), 50), 0.25, np.float32)


@pytest.mark.parametrize("block", [10_000, 1 << 17])
def test_the_front_end_is_that_of_librosa(block: int) -> None:
    sound = signals.band(8.0, 120)
    network = _Recorder()
    stream = Tagger([network, network], Weights("test", (), "")).stream()  # type: ignore[list-item]
    for start in range(0, len(sound), block):
        stream.push(sound[None, start : start + block])
    result = stream.finish()
    assert isinstance(result, MusicTags)
    assert result.probabilities.shape == (2, len(TAGS))
    at_16k = soxr.resample(sound, signals.RATE, RATE)
    mel = librosa.feature.melspectrogram(
        y=at_16k, sr=RATE, hop_length=HOP, n_fft=N_FFT, n_mels=BANDS, pad_mode="constant"
    ).T
    expected = np.log10(10_000 * mel + 1)
    for i in range(2):
        np.testing.assert_allclose(network.seen[2 * i], expected[i * PATCH : (i + 1) * PATCH], atol=0.01)


def test_short_sounds_have_no_rows() -> None:
    stream = Tagger([_Recorder()], Weights("test", (), "")).stream()  # type: ignore[list-item]
    stream.push(signals.band(2.0)[None])
    result = stream.finish()
    assert isinstance(result, MusicTags)
    assert result.probabilities.shape == (0, 100)


def test_files_are_found_in_the_installed_package_by_checksum(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.missing(MODEL) == list(MODEL.files)
    package = write_package(site)
    found = [next(elsewhere(file), None) for file in MODEL.files]
    assert found == list(files(package))
    # These are not the published files.
    assert weights.missing(MODEL) == list(MODEL.files)
    with pytest.raises(WeightsError, match="not installed, or is another version"):
        weights.load_checked(MODEL, RunSettings())
    monkeypatch.setattr(weights, "matches", lambda path, expected: True)
    assert weights.load_checked(MODEL, RunSettings()).files == files(package)


def test_a_data_set_is_no_package(site: Path) -> None:
    write_package(site)
    (site / "mirkit.toml").write_text("")
    assert [list(elsewhere(file)) for file in MODEL.files] == [[], [], [], []]


def test_it_is_only_used_by_name(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert models.resolve("tags", "auto") == "embedded"
    assert INSTALL in models.unavailable(musicnn.BACKEND)
    assert INSTALL in models.unavailable(musicnn.BACKEND, named=True)
    write_package(site)
    monkeypatch.setattr(weights, "matches", lambda path, expected: True)
    assert models.unavailable(musicnn.BACKEND) == ""
    assert models.resolve("tags", "auto") == "embedded"
    assert models.offer(musicnn.BACKEND, Settings()) is None
    safe = with_values(Settings(), {"run.commercial_safe": True}, "test")
    refusal = models.unavailable(musicnn.BACKEND, safe, named=True)
    assert "ISC" in refusal
    assert "CC BY-NC-SA 4.0" in refusal
    assert "--commercial-safe refuses" in refusal


def test_both_licenses_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "musicnn"]) == 0
    printed = capsys.readouterr().out
    assert "the package musicnn says ISC" in printed
    assert "CC BY-NC-SA 4.0" in printed


def test_it_is_not_downloaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "musicnn"]) == 1
    assert INSTALL in capsys.readouterr().err


#: Outputs of TensorFlow 2.15.1 for the patches of ``_formula`` with the code of the package musicnn 0.1.0: the largest.
GOLDEN = {
    "MTT_musicnn": {8: (0.43811, 0.32128), 3: (0.305082, 0.347015), 5: (0.231298, 0.172638), 11: (0.11117, 0.0689776)},
    "MSD_musicnn": {
        11: (0.278894, 0.712143), 4: (0.0573711, 0.0682265), 0: (0.0301805, 0.0118224), 2: (0.0186504, 0.00921458),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_the_published_weights_give_the_numbers_of_tensorflow(name: str) -> None:
    """``pip download --no-deps musicnn==0.1.0``, unpack the wheel, and name the folder in ``MIRKIT_TEST_MUSICNN``."""
    folder = Path(os.environ.get("MIRKIT_TEST_MUSICNN", "musicnn-0.1.0")) / "musicnn" / name
    if not folder.is_dir():
        pytest.skip(f"no weights at {folder}")
    network = Network(read_checkpoint(folder / ".index", folder / ".data-00000-of-00001"))
    i = np.arange(2 * PATCH * BANDS, dtype=np.float64).reshape(2, PATCH, BANDS)
    found = network((2 + 2 * np.sin(i**1.1)).astype(np.float32))
    for tag, expected in GOLDEN[name].items():
        np.testing.assert_allclose(found[:, tag], expected, atol=2e-5)
    assert found.argmax(axis=1).tolist() == ([8, 3] if name == "MTT_musicnn" else [11, 11])
