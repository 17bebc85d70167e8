"""RoFormer separators: network against the published package, checkpoints and configurations of the community."""

# ruff: noqa: E402 (PyTorch is an extra: all of this is skipped before anything imports it)

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
yaml = pytest.importorskip("yaml")

from mirkit.audio import encode, open_audio
from mirkit.errors import WeightsError
from mirkit.models.roformer import load as roformer
from mirkit.models.roformer.load import gather, load, read_config
from mirkit.models.roformer.network import RoFormer
from mirkit.models.weights import from_path
from mirkit.settings import SeparationSettings

SIZES = {
    "dim": 16, "depth": 2, "num_stems": 2, "time_transformer_depth": 1, "freq_transformer_depth": 2,
    "linear_transformer_depth": 0, "dim_head": 8, "heads": 3, "stft_n_fft": 512, "stft_hop_length": 128,
    "stft_win_length": 512, "mask_estimator_depth": 2,
}  # fmt: skip
BANDS = (1, 2, 4, 10, 40, 200)


def configuration(mel: bool, sources: tuple[str, ...] = ("vocals", "drums"), **model: Any) -> dict[str, Any]:
    """What lies beside a published checkpoint."""
    own = {"num_bands": 12, "sample_rate": 44100} if mel else {"freqs_per_bands": BANDS}
    return {
        "audio": {"chunk_size": 11008, "num_channels": 2, "sample_rate": 44100, "n_fft": 512, "min_mean_abs": 0.0},
        "model": SIZES | own | {"stereo": True, "num_stems": len(sources), "flash_attn": True, "attn_dropout": 0.1,
                                "multi_stft_resolutions_window_sizes": (512, 256)} | model,
        "training": {"instruments": list(sources), "target_instrument": None, "use_amp": True},
        "inference": {"num_overlap": 2, "batch_size": 1},
    }  # fmt: skip


def random_network(mel: bool, **sizes: int) -> RoFormer:
    torch.manual_seed(0)
    split = roformer.mel_bands(12, 512, 44100) if mel else roformer.side_by_side(BANDS, 512)
    network = RoFormer(split, mel, SIZES | {"mlp_expansion_factor": 4} | sizes).eval()
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 1, 0.2)
    return network


def write(folder: Path, network: RoFormer, config: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), folder / "model.ckpt")
    (folder / "config.yaml").write_text(yaml.dump(config))  # tuples are written as !!python/tuple, as published
    return folder / "model.ckpt"


def published(mel: bool, linear: int) -> Any:
    """The package's network of the same sizes."""
    package = pytest.importorskip("bs_roformer")
    shared = {k: v for k, v in SIZES.items() if k != "linear_transformer_depth"} | {"stereo": True}
    with warnings.catch_warnings(action="ignore"):
        if mel:
            return package.MelBandRoformer(num_bands=12, linear_transformer_depth=linear, **shared).eval()
        return package.BSRoformer(freqs_per_bands=BANDS, **shared).eval()


@pytest.mark.reference
@pytest.mark.parametrize(("mel", "linear"), [(False, 0), (True, 0), (True, 1)])
def test_the_network_is_the_published_one(mel: bool, linear: int, tmp_path: Path) -> None:
    theirs = published(mel, linear)
    ours = random_network(mel, linear_transformer_depth=linear)
    for parameter in theirs.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 1, 0.2)
    if linear or not mel:
        shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
        assert {name: tensor.shape for name, tensor in ours.state_dict().items()} == shapes
    config = configuration(mel, linear_transformer_depth=linear)
    write(tmp_path, ours, config)
    # The package counts a linear transformer that is not there; both numberings are read.
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "model.ckpt")
    separator = load(from_path(tmp_path, gather(tmp_path)), "cpu")
    sound = np.random.default_rng(0).standard_normal((2, 2, 128 * 60)).astype(np.float32)
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
        expected = theirs(torch.from_numpy(sound)).numpy()
    assert np.abs(expected).max() > 0.3, "the comparison means something"
    np.testing.assert_allclose(separator.compute("0", sound), expected, atol=1e-5)


@pytest.mark.reference
@pytest.mark.parametrize(("count", "n_fft", "rate"), [(60, 2048, 44100), (64, 2048, 44100), (40, 4096, 48000)])
def test_mel_bands_are_librosas(count: int, n_fft: int, rate: int) -> None:
    librosa = pytest.importorskip("librosa")
    filters = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=count)
    filters[0, 0] = filters[-1, -1] = 1
    for ours, theirs in zip(roformer.mel_bands(count, n_fft, rate), filters, strict=True):
        np.testing.assert_array_equal(ours, np.flatnonzero(theirs > 0))


def test_bands_that_cannot_be() -> None:
    assert sum(len(band) for band in roformer.side_by_side(roformer.BS_BANDS, 2048)) == 1025
    with pytest.raises(ValueError, match="the bands have 3 bins, a spectrum has 257"):
        roformer.side_by_side((1, 2), 512)
    with pytest.raises(ValueError, match="300 mel bands do not fit frames of 512 samples"):
        roformer.mel_bands(300, 512, 44100)


@pytest.mark.parametrize("mel", [False, True])
def test_a_track(mel: bool, tmp_path: Path) -> None:
    """Masks of one, whatever comes in, make every source the mix: through segments, cross-fades and rates."""
    network = random_network(mel)
    for estimator in network.mask_estimators:
        for net in estimator.to_freqs:
            linear = net[0][-1]
            torch.nn.init.zeros_(linear.weight)
            with torch.no_grad():  # real part 1, imaginary part 0, times an open gate
                half = len(linear.bias) // 2
                linear.bias[:half] = torch.tensor([1.0, 0.0]).repeat(half // 2)
                linear.bias[half:] = 50.0
    write(tmp_path / "model", network, configuration(mel, ("vocals", "drums")))
    separator = load(from_path(tmp_path, gather(tmp_path / "model")), "cpu")
    assert separator.stems == ("drums", "vocals")
    sound = (0.3 * np.sin(np.arange(48007) ** 1.5 / 400))[None].astype(np.float32)
    encode(tmp_path / "x.wav", [sound], rate=48000, channels=1)
    run = separator.separate(open_audio(tmp_path / "x.wav", rate=None), SeparationSettings())
    blocks = list(run.blocks())
    for stem in separator.stems:
        found = np.concatenate([block[stem] for block in blocks], axis=1)
        assert found.shape == sound.shape
        np.testing.assert_allclose(found[:, 500:-500], sound[:, 500:-500], atol=1e-4)
    assert run.method["shifts"] == 0
    assert run.method["overlap"] == 0.5
    assert run.method["segment"] == [pytest.approx(11008 / 44100)]


@pytest.mark.parametrize(
    ("table", "values", "says"),
    [
        ("model", {"use_pope": True}, "model.use_pope is True"),
        ("model", {"num_residual_streams": 4}, "model.num_residual_streams is not known"),
        ("model", {"skip_connection": True}, "model.skip_connection is True"),
        ("model", {"stereo": False}, "model.stereo is False"),
        ("model", {"dim": "wide"}, "dim is wide"),
        ("model", {"dim": 10**9}, "dim is 1000000000"),
        ("model", {"num_stems": 3}, "2 instruments, but num_stems is 3"),
        ("training", {"instruments": 5}, "it holds something else"),
        ("training", {"target_instrument": 7}, "7 is no instrument"),
        ("audio", {"chunk_size": None}, "chunk_size is None"),
    ],
)
def test_configurations_that_are_refused(table: str, values: dict[str, Any], says: str, tmp_path: Path) -> None:
    content = configuration(False)
    content[table] |= values
    (tmp_path / "config.yaml").write_text(yaml.dump(content))
    with pytest.raises(WeightsError, match=says) as error:
        read_config(tmp_path / "config.yaml")
    assert "config.yaml: not the configuration of a RoFormer that is known here" in str(error.value)


def test_what_a_configuration_says(tmp_path: Path) -> None:
    content = configuration(True, ("Vocal", "other"))
    content["training"]["target_instrument"] = "Vocal"
    content["model"]["num_stems"] = 1
    content["inference"] = {"num_overlap": 4, "chunk_size": 44100, "normalize": True}
    (tmp_path / "config.yaml").write_text(yaml.dump(content))
    config = read_config(tmp_path / "config.yaml")
    assert (config.sources, config.segment, config.overlap, config.normalize) == (("vocals",), 1.0, 0.75, True)


def test_code_in_a_configuration_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: !!python/object/apply:os.system ['touch here']\n")
    with pytest.raises(WeightsError, match="not a YAML file of plain values, it asks for code"):
        read_config(tmp_path / "config.yaml")


def test_a_checkpoint_of_another_network(tmp_path: Path) -> None:
    write(tmp_path, random_network(False), configuration(False, dim=32))
    with pytest.raises(WeightsError, match=r"model\.ckpt: not the network that config\.yaml describes"):
        load(from_path(tmp_path, gather(tmp_path)), "cpu")


def test_which_files_are_meant(tmp_path: Path) -> None:
    checkpoint = tmp_path / "a.ckpt"
    checkpoint.touch()
    with pytest.raises(WeightsError, match="one YAML file that describes the network is wanted beside it"):
        gather(checkpoint)
    description = tmp_path / "config.yaml"
    description.touch()
    assert gather(checkpoint) == gather(description) == gather(tmp_path) == (checkpoint, description)
    (tmp_path / "b.ckpt").touch()
    (tmp_path / "b.yaml").touch()
    assert gather(tmp_path / "b.ckpt") == gather(tmp_path / "b.yaml") == (tmp_path / "b.ckpt", tmp_path / "b.yaml")
    with pytest.raises(WeightsError, match=r"found a\.ckpt, b\.ckpt"):
        gather(tmp_path)
