"""RoFormer separators: network against the published package, checkpoints and configurations of the community."""

# ruff: noqa: E402 (PyTorch is an extra: all of this is skipped before anything imports it)

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
yaml = pytest.importorskip("yaml")

from mirkit.audio import encode, open_audio
from mirkit.errors import WeightsError
from mirkit.models.backend import Weights
from mirkit.models.roformer import load as roformer
from mirkit.models.roformer.load import Config, RoFormerNetwork, gather, load, read_config
from mirkit.models.roformer.network import RoFormer
from mirkit.models.separation.separator import Separator
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


def random_network(mel: bool, sizes: dict[str, int] | None = None, **switches: bool) -> RoFormer:
    torch.manual_seed(0)
    split = roformer.mel_bands(12, 512, 44100) if mel else roformer.side_by_side(BANDS, 512)
    network = RoFormer(split, mel, SIZES | {"mlp_expansion_factor": 4} | (sizes or {}), **switches).eval()
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
    ours = random_network(mel, {"linear_transformer_depth": linear})
    for parameter in theirs.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 1, 0.2)
    if linear or not mel:
        shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
        assert {name: tensor.shape for name, tensor in ours.state_dict().items()} == shapes
    config = configuration(mel, linear_transformer_depth=linear, zero_dc=False)  # the package keeps the lowest bin
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
    write(tmp_path / "model", network, configuration(mel, ("vocals", "drums"), zero_dc=False))
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
        ("model", {"skip_connection": "yes"}, "model.skip_connection is yes"),
        ("model", {"zero_dc": 1}, "model.zero_dc is 1"),
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
    assert "config.yaml: this is not the configuration of a RoFormer that is known here" in str(error.value)


def test_what_a_configuration_says(tmp_path: Path) -> None:
    content = configuration(True, ("Vocal", "other"))
    content["training"]["target_instrument"] = "Vocal"
    content["model"]["num_stems"] = 1
    content["inference"] = {"num_overlap": 4, "chunk_size": 44100, "normalize": True}
    (tmp_path / "config.yaml").write_text(yaml.dump(content))
    config = read_config(tmp_path / "config.yaml")
    assert (config.sources, config.segment, config.overlap, config.normalize) == (("vocals",), 1.0, 0.75, True)


@pytest.mark.parametrize("mel", [False, True])
@pytest.mark.parametrize("linear", [0, 1])
def test_skip_connections_add_the_outputs_of_all_blocks_before(mel: bool, linear: int, tmp_path: Path) -> None:
    """Against a loop over the same layers, written from the training code's description of the option."""
    network = random_network(mel, {"depth": 3, "linear_transformer_depth": linear}, skip_connection=True)
    config = configuration(mel, depth=3, linear_transformer_depth=linear, skip_connection=True)
    separator = load(from_path(write(tmp_path, network, config), gather(tmp_path)), "cpu")
    sound = np.random.default_rng(0).standard_normal((1, 2, 128 * 30)).astype(np.float32)
    seen: list[Any] = []
    network.band_split.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    network.final_norm.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    with torch.inference_mode():
        expected = network(torch.from_numpy(sound)).numpy()
        x, outputs = seen[0], []
        for *linears, over_time, over_bands in map(list, network.layers):
            for transformer in linears:
                x = transformer(x.reshape(1, -1, 16)).reshape(x.shape)
            for output in outputs:
                x = x + output
            x = torch.stack([over_time(x[:, :, band]) for band in range(x.shape[2])], dim=2)
            x = torch.stack([over_bands(x[:, time]) for time in range(x.shape[1])], dim=1)
            outputs.append(x)
        without = random_network(mel, {"depth": 3, "linear_transformer_depth": linear})(torch.from_numpy(sound))
    torch.testing.assert_close(seen[1], x, atol=1e-4, rtol=1e-4)
    assert np.abs(expected - without.numpy()).max() > 1e-3, "the option changes the output"
    np.testing.assert_allclose(separator.compute("0", sound), expected, atol=1e-5)


@pytest.mark.parametrize(("given", "has_dc"), [({}, False), ({"zero_dc": True}, False), ({"zero_dc": False}, True)])
def test_the_constant_component_is_removed_unless_the_configuration_keeps_it(
    given: dict[str, bool], has_dc: bool, tmp_path: Path
) -> None:
    """Masks of one make the source the input, here a constant."""
    network = random_network(False)
    for estimator in network.mask_estimators:
        for net in estimator.to_freqs:
            torch.nn.init.zeros_(net[0][-1].weight)
            with torch.no_grad():
                half = len(net[0][-1].bias) // 2
                net[0][-1].bias[:half] = torch.tensor([1.0, 0.0]).repeat(half // 2)
                net[0][-1].bias[half:] = 50.0
    separator = load(from_path(write(tmp_path, network, configuration(False, **given)), gather(tmp_path)), "cpu")
    found = separator.compute("0", np.ones((1, 2, 128 * 30), np.float32))[0, 0, 0]
    frame = {"n_fft": 512, "hop_length": 128, "win_length": 512, "window": torch.hann_window(512)}
    spectrum = torch.stft(torch.ones(128 * 30), **frame, return_complex=True)
    if not has_dc:
        spectrum[0] = 0
    np.testing.assert_allclose(found, torch.istft(spectrum, **frame, length=128 * 30), atol=1e-4)
    assert (found.mean() > 0.99) == has_dc


@pytest.mark.parametrize(
    ("instruments", "target"),
    [
        (["Vocals", "Instrumental"], "Instrumental"),
        (["other", "vocals"], "other"),
        (["vocals", "instrument"], "instrument"),
        (["No Vocals"], None),
    ],
)
def test_vocals_are_the_rest_of_a_model_that_separates_the_instrumental(
    instruments: list[str], target: str | None, tmp_path: Path
) -> None:
    network = random_network(False, {"num_stems": 1})
    config = configuration(False, ("vocals",))
    config["training"] |= {"instruments": instruments, "target_instrument": target}
    separator = load(from_path(write(tmp_path, network, config), gather(tmp_path)), "cpu")
    assert separator.stems == ("vocals",)
    sound = np.random.default_rng(0).standard_normal((2, 128 * 30)).astype(np.float32)
    with torch.inference_mode():
        instrumental = network(torch.from_numpy(sound[None]))[0, 0].numpy()
    assert np.abs(instrumental).max() > 0.1, "the comparison means something"
    np.testing.assert_allclose(separator.compute("0", sound[None])[0, 0], sound - instrumental, atol=1e-5)


def test_an_other_among_four_stems_is_not_the_instrumental(tmp_path: Path) -> None:
    content = configuration(False, ("other",))
    content["training"] |= {"instruments": ["vocals", "bass", "drums", "other"], "target_instrument": "other"}
    (tmp_path / "config.yaml").write_text(yaml.dump(content))
    config = read_config(tmp_path / "config.yaml")
    assert (config.sources, config.takes_rest) == (("other",), False)


#: Keys and values of public configurations of the community's training code (MSST, commit ccc011ab; the one of 53
#: stems: 41301dd) and of its best-known program (UVR, application_data), without what only training reads.
COMMUNITY: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "community_configs.json").read_text())


def separator_of(config: Config) -> Separator:
    """Separator of a configuration, with a network that computes nothing."""
    weights = Weights("model.ckpt", (), "")
    return Separator([RoFormerNetwork(None, config)], np.ones((1, len(config.sources))), weights, "cpu")


@pytest.mark.parametrize("name", COMMUNITY)
def test_configurations_of_the_community(name: str, tmp_path: Path) -> None:
    row = COMMUNITY[name]
    path = tmp_path / f"{name.rpartition('/')[2]}.yaml"
    content = {key: row[key] for key in ("model", "cls", "audio", "training", "inference") if key in row}
    path.write_text(yaml.dump(content))
    if family := row.get("family"):
        with pytest.raises(WeightsError) as error:
            read_config(path)
        assert f"describes a network of the family {family}; mirkit reads BS-RoFormer" in str(error.value)
        assert "\n" not in str(error.value)
    elif refused := row.get("refused"):
        with pytest.raises(WeightsError, match=refused):
            separator_of(read_config(path))
    else:
        config = read_config(path)
        found = separator_of(config)
        assert (list(found.stems), config.takes_rest) == (row["stems"], row.get("rest", False))
        assert config.mel == (row["network"] == "Mel-Band")
        with torch.device("meta"):  # sizes without numbers
            assert len(roformer._build(config).mask_estimators) == len(config.sources)
        assert config.segment == pytest.approx(
            (row["inference"].get("chunk_size") or row["audio"]["chunk_size"]) / 44100
        )
        assert config.overlap == pytest.approx(1 - 1 / row["inference"]["num_overlap"])


def test_the_page_lists_what_is_tested() -> None:
    def outcome(row: dict[str, Any]) -> str:
        if family := row.get("family"):
            return f"refused: a network of the family {family}"
        if refused := row.get("refused"):
            return f"refused: {refused}"
        return "vocals, as the rest of the mix" if row.get("rest") else ", ".join(row["stems"])

    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "community_separators.md").read_text(
        encoding="utf-8"
    )
    expected = [
        f"| {source.upper()} | `{file}.yaml` | {row.get('network', '-')} | {outcome(row)} |"
        for (source, _, file), row in ((name.partition("/"), row) for name, row in COMMUNITY.items())
    ]
    assert [line for line in page.splitlines() if ".yaml` |" in line] == expected


def test_code_in_a_configuration_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: !!python/object/apply:os.system ['touch here']\n")
    with pytest.raises(WeightsError, match="not a YAML file of plain values, it asks for code"):
        read_config(tmp_path / "config.yaml")


def test_a_checkpoint_of_another_network(tmp_path: Path) -> None:
    write(tmp_path, random_network(False), configuration(False, dim=32))
    with pytest.raises(WeightsError, match=r"model\.ckpt: this is not the network that config\.yaml describes"):
        load(from_path(tmp_path, gather(tmp_path)), "cpu")


def test_a_configuration_of_a_network_that_fits_no_machine_is_refused_before_it_is_built(tmp_path: Path) -> None:
    """The described network has 300 GB of weights."""
    huge = {"dim": 4096, "depth": 64, "dim_head": 512, "heads": 64, "mlp_expansion_factor": 16}
    write(tmp_path, random_network(False), configuration(False, **huge))
    with pytest.raises(WeightsError, match=r"model\.ckpt: this is not the network that config\.yaml describes"):
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
