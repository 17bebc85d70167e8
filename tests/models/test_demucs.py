"""Demucs: official checkpoints, read safely, and stems that are those of the authors' ``apply_model``."""

# ruff: noqa: E402 (the package is an extra: all of this is skipped before anything imports it)

import pickle
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("demucs")

import demucs.apply
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs

from mirkit.audio import encode, open_audio
from mirkit.errors import SettingsError, WeightsError
from mirkit.models.backend import Weights
from mirkit.models.demucs.checkpoint import gather, read_package
from mirkit.models.demucs.load import load
from mirkit.models.separation.network import SAFE_DB, half_precision_sdr
from mirkit.models.separation.separator import SEED, Separator
from mirkit.models.weights import from_path
from mirkit.settings import SeparationSettings
from models.demucs_checkpoints import SOURCES, package, random_network, write, write_safetensors

RATE = 44100
Sound = npt.NDArray[np.float32]


def noise(seconds: float, seed: int = 0) -> Sound:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((2, round(seconds * RATE))) + 0.02).astype(np.float32)


def wav(folder: Path, sound: Sound) -> Path:
    path = folder / "full_mix.wav"
    encode(path, [sound], rate=RATE, channels=len(sound))
    return path


def ours(separator: Separator, path: Path, **settings: Any) -> Sound:
    run = separator.separate(open_audio(path, rate=None), SeparationSettings(**settings))
    blocks = list(run.blocks())
    return np.stack([np.concatenate([block[stem] for block in blocks], axis=1) for stem in SOURCES])


def theirs(model: Any, sound: Sound, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Sound:
    """What ``demucs.api.Separator.separate_tensor`` does, with our seed."""
    # A generator of its own: the networks draw from the shared one as well.
    monkeypatch.setattr(demucs.apply, "random", random.Random(SEED))
    mix = torch.from_numpy(sound)
    reference = mix.mean(0)
    mean, deviation = reference.mean(), reference.std() + 1e-8
    out = demucs.apply.apply_model(model, ((mix - mean) / deviation)[None], **settings)[0]
    found: Sound = (out * deviation + mean).numpy()
    return found


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Folder of a bag of two, and the authors' bag of the same."""
    folder = tmp_path_factory.mktemp("bag")
    networks = [random_network(seed=seed) for seed in (1, 2)]
    for signature, network in zip(("aaaaaaaa", "bbbbbbbb"), networks, strict=True):
        write(folder, signature, package(network))
    (folder / "tiny.yaml").write_text(
        "models: ['aaaaaaaa', 'bbbbbbbb']\nweights: [\n  [1., 0., 0., 1.],\n  [0., 1., 1., 3.],\n]\n"
    )
    return folder, demucs.apply.BagOfModels(networks, [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 3.0]])


@pytest.mark.reference
@pytest.mark.parametrize(
    ("together", "settings"),
    [
        (1, {"shifts": 0, "overlap": 0.25}),
        (3, {"shifts": 1, "overlap": 0.25}),
        (4, {"shifts": 2, "overlap": 0.5}),
        (1, {"shifts": 1, "overlap": 0.0, "segment": 0.2}),
    ],
)
def test_a_bag_gives_the_stems_of_apply_model(
    bag: tuple[Path, Any], together: int, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = noise(0.6)
    separator = load(from_path(bag[0], gather(bag[0])), "cpu")
    separator.compute.batch_size = together
    found = ours(separator, wav(tmp_path, sound), **settings)
    expected = theirs(bag[1], sound, monkeypatch, **settings)
    assert np.abs(expected).max() > 0.01, "the comparison means something"
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.reference
@pytest.mark.parametrize("kind", [HDemucs, Demucs])
@pytest.mark.parametrize("seconds", [0.1, 0.9])
def test_the_older_networks_too(kind: type, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(kind)
    separator = load(from_path(write(tmp_path, "cccccccc", package(network))), "cpu")
    sound = noise(seconds)
    expected = theirs(network, sound, monkeypatch, shifts=1, overlap=0.25)
    np.testing.assert_allclose(ours(separator, wav(tmp_path, sound)), expected, atol=1e-6)


@pytest.mark.reference
def test_both_official_formats_hold_the_same(tmp_path: Path) -> None:
    network = random_network()
    old = read_package(write(tmp_path, "dddddddd", package(network)))
    new = read_package(write_safetensors(tmp_path / "dddddddd.safetensors", network))
    assert old.klass == new.klass
    assert (list(old.args), dict(old.kwargs)) == (list(new.args), dict(new.kwargs))
    assert old.state.keys() == new.state.keys()
    assert all(torch.equal(old.state[name], new.state[name]) for name in old.state)


def test_the_name_of_hdemucs_before_its_release_is_read(tmp_path: Path) -> None:
    """As demucs does, in whose module ``wdemucs`` the older name is an alias."""
    from demucs.wdemucs import WDemucs

    assert WDemucs is HDemucs
    older = type("WDemucs", (HDemucs,), {"__module__": "demucs.wdemucs"})
    network = random_network(HDemucs)
    path = tmp_path / "ffffffff.th"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("demucs.wdemucs.WDemucs", older)  # pickle stores a class by its name
        torch.save(package(network) | {"klass": older}, path)
    found = read_package(path)
    assert found.klass == "demucs.hdemucs.HDemucs"
    separator = load(from_path(path), "cpu")
    assert separator.networks[0].sources == tuple(SOURCES)


@pytest.mark.reference
def test_the_authors_read_what_the_tests_write(bag: tuple[Path, Any], tmp_path: Path) -> None:
    from demucs.hf import load_safetensors_model
    from demucs.pretrained import get_model

    assert len(get_model("tiny", bag[0]).models) == 2
    path = write_safetensors(tmp_path / "eeeeeeee.safetensors", random_network())
    assert isinstance(load_safetensors_model(path), HTDemucs)


def test_published_bags_need_no_yaml(tmp_path: Path) -> None:
    files = tuple(write(tmp_path, f"{i:08}", package(random_network(HDemucs, i))) for i in range(4))
    separator = load(Weights("mdx", files, ""), "cpu")
    assert [float(network.segment) for network in separator.networks] == [44] * 4
    np.testing.assert_allclose(separator.mixture[:, 0], [1 / 3, 0, 1 / 3, 1 / 3])
    assert load(Weights("mdx_extra", files[:1], ""), "cpu").mixture.tolist() == [[1, 1, 1, 1]]


def test_more_sources_go_to_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [*SOURCES, "guitar", "piano"]
    network = random_network(sources=sources)
    separator = load(from_path(write(tmp_path, "ffffffff", package(network))), "cpu")
    sound = noise(0.5)
    expected = theirs(network, sound, monkeypatch, shifts=1, overlap=0.25)
    found = ours(separator, wav(tmp_path, sound))
    np.testing.assert_allclose(found[2], expected[[2, 4, 5]].sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(found[3], expected[3], atol=1e-6)


@pytest.mark.parametrize("kind", [HTDemucs, HDemucs, Demucs])
def test_half_precision_keeps_what_it_must(kind: type, tmp_path: Path) -> None:
    """As far as a CPU can tell: in what type each step computes is the same on a card."""
    separator = load(from_path(write(tmp_path, "aaaaaaaa", package(random_network(kind)))), "cpu")
    (network,) = separator.networks
    network.segment = 0.2  # type: ignore[misc]
    assert SAFE_DB < half_precision_sdr(network, "cpu") < 100, "it is half precision, and safe"


def test_a_segment_longer_than_the_network_hears(bag: tuple[Path, Any], tmp_path: Path) -> None:
    separator = load(from_path(bag[0], gather(bag[0])), "cpu")
    with pytest.raises(SettingsError, match=r"takes at most 0\.24 s at a time"):
        separator.separate(open_audio(wav(tmp_path, noise(1)), rate=None), SeparationSettings(segment=2))


class _Evil:
    def __reduce__(self) -> Any:
        return (open, ("/tmp/must-not-appear", "w"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"training_args": _Evil()}, "refused, because reading it would run code"),
        ({"klass": dict}, "refused, because reading it would run code"),
        ({"klass": Fraction}, "not a checkpoint of Demucs"),
        ({"klass": pickle.Pickler}, "refused, because reading it would run code"),
        ({"state": {"__quantized": True}}, "a quantized checkpoint, which needs the package diffq"),
        ({"state": {}}, "not a checkpoint of Demucs"),
        ({"kwargs": {"channels": "many"}}, "not a checkpoint of Demucs"),
        ({"args": ()}, "not a checkpoint of Demucs"),
    ],
)
def test_what_is_refused(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = write(tmp_path, "aaaaaaaa", package(random_network()) | change)
    with pytest.raises(WeightsError, match=says) as error:
        load(from_path(path), "cpu")
    assert path.name in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps([1, 2])])
def test_other_files_are_no_checkpoints(content: bytes, tmp_path: Path) -> None:
    for name in ("x.th", "x.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match="not a"):
            load(from_path(tmp_path / name), "cpu")


def test_a_damaged_file_is_told_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "aaaaaaaa", package(random_network()))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(WeightsError, match="its checksum is not the"):
        load(from_path(path), "cpu")


def test_a_model_of_other_sources_is_no_separator_of_ours(tmp_path: Path) -> None:
    path = write(tmp_path, "aaaaaaaa", package(random_network(sources=["kick", "snare"])))
    with pytest.raises(WeightsError, match="separates kick, snare; none of these is a stem"):
        load(from_path(path), "cpu")
    separator = load(from_path(path), "cpu", wanted=("kick", "snare"))
    assert separator.stems == ("kick", "snare")


def test_which_files_are_meant(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    file = tmp_path / "one" / "aaaaaaaa-12345678.th"
    file.touch()
    assert gather(file) == gather(tmp_path / "one") == (file,)
    bag = tmp_path / "one" / "bag.yaml"
    bag.write_text("models: [aaaaaaaa, bbbbbbbb]\n")
    with pytest.raises(WeightsError, match="one checkpoint bbbbbbbb is needed beside it; there is nothing"):
        gather(bag)
    (tmp_path / "one" / "bbbbbbbb.safetensors").touch()
    assert gather(tmp_path / "one") == gather(bag) == (bag, file, tmp_path / "one" / "bbbbbbbb.safetensors")
    (tmp_path / "one" / "aaaaaaaa.th").touch()
    with pytest.raises(WeightsError, match=r"there is aaaaaaaa-12345678\.th and aaaaaaaa\.th"):
        gather(bag)
    (tmp_path / "one" / "second.yaml").touch()
    with pytest.raises(WeightsError, match=r"found bag\.yaml, second\.yaml"):
        gather(tmp_path / "one")
    with pytest.raises(WeightsError, match="found none"):
        gather(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: 3", "no list 'models'"),
        ("[1, 2]", "it holds no table"),
        ("models: [!!python/object/apply:os.getcwd []]", "it asks for code"),
        ("a: [", r"not a YAML file \(line 1\)"),
        ("models: [aaaaaaaa]\nweights: [[x, 1, 1, 1]]", "not numbers"),
        ("models: [aaaaaaaa]\nweights: [[1, 1]]", "not one a network and source"),
        ("models: [aaaaaaaa]\nweights: [[1, 1, 1, 0]]", "not one a network and source"),
        ("models: [aaaaaaaa]\nsegment: long", "not numbers"),
    ],
)
def test_a_bag_that_is_none(text: str, says: str, tmp_path: Path) -> None:
    write(tmp_path, "aaaaaaaa", package(random_network()))
    (tmp_path / "bag.yaml").write_text(text)
    with pytest.raises(WeightsError, match=says):
        load(from_path(tmp_path, gather(tmp_path)), "cpu")
