"""A zoo of bad weight files for every family: found once, before the first track, in one line to act on."""

# ruff: noqa: E402 (PyTorch is an extra: all of this is skipped before anything imports it)

import io
import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
for package_ in ("demucs", "onnx", "onnxruntime", "safetensors", "yaml"):
    pytest.importorskip(package_)

import yaml
from demucs.hdemucs import HDemucs

from fakes import use_models
from library import make_track
from mirkit.cli import main
from mirkit.models import registry
from mirkit.models.registry import Model
from models import (
    aesthetics_files,
    checkpoints,
    demucs_checkpoints,
    onnx_models,
    test_adtof,
    test_roformer,
)

#: What only a programmer understands.
INTERNAL = re.compile(
    r"Traceback|Errno|\w(Error|Exception)\b|\bNone(Type)?\b|<class|object at 0x|__\w+__|indices must|not subscriptable|"
    r"not iterable|keyword argument|positional|codec|utf-8|torch\.|state_dict for|bug:|char 0|\('|\bdict\b|\bstr\b"
)


class Trap:
    """Code in a pickle: it would make a file."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


def saved(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(name, content)
    return file.getvalue()


def changed(good: bytes, change: Callable[[Any], Any]) -> bytes:
    """The tensors of a checkpoint of torch.save, changed."""
    from mirkit.models.demucs.checkpoint import CLASSES  # noqa: F401 (the classes that it names must be importable)

    content = torch.load(io.BytesIO(good), weights_only=False)

    def walk(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return change(value)
        return {name: walk(item) for name, item in value.items()} if isinstance(value, dict) else value

    return saved(walk(content))


#: What is wrong -> the file, made of a good one; what the line says.
ANY: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "the file is empty"),
    "text": (lambda _: b"<html>not found</html>\n", "the file is a text"),
    "noise": (lambda _: bytes(range(256)) * 40, "something else, or damaged"),
    "cut in half": (lambda good: good[: len(good) // 2], "damaged, or its end is missing"),
    "end cut off": (lambda good: good[:-100], "damaged, or its end is missing"),
    "another zip": (lambda _: zipped("a.txt", b"hello"), "damaged, or its end is missing"),
    "pickle": (lambda _: pickle.dumps({"a": 1}), "not a checkpoint"),
    "old pickle": (lambda _: pickle.dumps({"a": 1}, 2), "not a checkpoint"),
    "code": (lambda _: saved({"state_dict": Trap()}), "refused, because reading it would run code (posix.mkdir)"),
    "code, pickle 0": (lambda _: pickle.dumps(Trap(), 0), "refused, because reading it would run code (posix.mkdir)"),
    "code, pickle 2": (lambda _: pickle.dumps(Trap(), 2), "refused, because reading it would run code (posix.mkdir)"),
    "code, pickle 5": (lambda _: pickle.dumps([Trap()]), "refused, because reading it would run code (posix.mkdir)"),
    "list": (lambda _: saved([1, 2]), "it holds no table of tensors"),
    "number": (lambda _: saved(7), "it holds no table of tensors"),
    "nothing": (lambda _: saved(None), "it holds no table of tensors"),
    "other names": (lambda _: saved({"a": torch.zeros(3), 5: "x"}), "not "),
    "names without tables": (
        lambda _: saved(dict.fromkeys(("state_dict", "hyper_parameters", "model_info", "model_weights", "klass"), 1)),
        "not ",
    ),
    "other shapes": (
        lambda good: changed(good, lambda tensor: tensor[..., :1] if tensor.ndim else tensor),
        "has the shape",
    ),
    "no tensors": (lambda good: changed(good, lambda _: 3), "it holds no table of tensors"),
    "nan": (lambda good: changed(good, lambda tensor: tensor * float("nan")), "values that are no numbers"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks: what is found once is not told twice."""
    folder = tmp_path_factory.mktemp("library")
    for name in ("One", "Two"):
        make_track(folder / name, seconds=1)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good checkpoint of each family."""
    folder = tmp_path_factory.mktemp("good")
    kit = demucs_checkpoints.random_network(HDemucs, sources=["bombo", "redoblante", "platillos", "toms"])
    roformer = test_roformer.write(folder, test_roformer.random_network(True), test_roformer.configuration(True))
    paths = {
        "demucs": demucs_checkpoints.write(
            folder, "aaaaaaaa", demucs_checkpoints.package(demucs_checkpoints.random_network())
        ),
        "drumsep": demucs_checkpoints.write(folder, "49469ca8", demucs_checkpoints.package(kit)),
        "roformer": roformer,
        "adtof": test_adtof.write(folder / "net.pth"),
        "beat_this": checkpoints.write(
            folder / "beats.ckpt", checkpoints.random_network(**checkpoints.FAST), checkpoints.FAST
        ),
    }
    return {name: path.read_bytes() for name, path in paths.items()}


def words(family: str, library: Path, path: Path) -> list[str]:
    """A command that uses a file."""
    return {
        "demucs": ["separate", str(library), "--model", str(path)],
        "roformer": ["separate", str(library), "--separation", "roformer", "--model", str(path)],
        "drumsep": ["drumsep", str(library), "--drum-model", str(path)],
        "adtof": ["adtof", str(library), "--batch", "--drum-model", str(path)],
        "beat_this": ["tempo", str(library), "--batch", "--beat-model", str(path)],
        "audiobox": ["aesthetics", str(library), "--batch"],
        "essentia": ["extract", str(library), "--backend", "classification=essentia"],
        "llama": ["music_flamingo", str(library), "--batch", "--quiet", "--model", str(path)],
        "transformers": ["music_flamingo_transformers", str(library), "--batch", "--quiet", "--model", str(path)],
    }[family]


def refused(command: list[str], library: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command ends in; nothing was begun."""
    assert main(command) == 1
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("mirkit: ")
    assert not INTERNAL.search(line), line
    assert "; " in line, f"says what to do: {line}"
    found = {path.name for path in library.rglob("*") if path.is_file() and ".mirkit" not in path.parts}
    assert found == {"full_mix.flac"}
    return line


@pytest.mark.parametrize("family", ["demucs", "drumsep", "roformer", "adtof", "beat_this"])
def test_bad_checkpoints(
    family: str, good: dict[str, bytes], library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"my{'.th' if family in ('demucs', 'drumsep') else '.ckpt'}"
    if family == "roformer":
        path.with_suffix(".yaml").write_text(yaml.dump(test_roformer.configuration(True)))
    for what, (make, says) in ANY.items():
        path.write_bytes(make(good[family]))
        line = refused(words(family, library, path), library, capsys)
        assert str(path) in line, what
        assert says in line, (what, line)
    assert not Path("sprung").exists()


def safetensors(state: dict[str, Any], **header: str) -> bytes:
    from safetensors.torch import save

    return bytes(save({name: tensor.contiguous() for name, tensor in state.items()}, header))


SAFETENSORS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "the file is empty"),
    "text": (lambda _: b"<html>not found</html>", "the file is a text"),
    "cut in half": (lambda good: good[: len(good) // 2], "not a safetensors file"),
    "end cut off": (lambda good: good[:-10], "not a safetensors file"),
    "pickle": (lambda _: saved({"a": 1}), "not a safetensors file"),
    "no header": (lambda _: safetensors({"a": torch.zeros(2)}), "it has no klass"),
    "another class": (lambda _: safetensors({}, klass="os.system"), "its class is os.system"),
    "no arguments": (lambda _: safetensors({}, klass="demucs.htdemucs.HTDemucs"), "it has no args"),
    "arguments that are none": (
        lambda _: safetensors({}, klass="demucs.htdemucs.HTDemucs", args="[", kwargs="{}"),
        "it holds something else",
    ),
    "arguments of something else": (
        lambda _: safetensors({}, klass="demucs.htdemucs.HTDemucs", args="[7]", kwargs='{"depth": "x"}'),
        "it holds something else",
    ),
}


def test_bad_safetensors(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.safetensors"
    good = demucs_checkpoints.write_safetensors(path, demucs_checkpoints.random_network()).read_bytes()
    for what, (make, says) in SAFETENSORS.items():
        path.write_bytes(make(good))
        line = refused(words("demucs", library, path), library, capsys)
        assert str(path) in line, what
        assert says in line, (what, line)


#: Each line refers to the one before nine times: what the last one stands for would not fit into any memory.
LINES = [(chr(98 + i), ", ".join([f"*{chr(97 + i)}"] * 9)) for i in range(20)]
BOMB = "a: &a {x: 1}\n" + "".join(f"{name}: &{name} [{parts}]\n" for name, parts in LINES) + "model: *u\ncls: *u\n"
MERGING = "a: &a {x: 1}\n" + "".join(f"{name}: &{name} {{<<: [{parts}]}}\n" for name, parts in LINES)

TEXTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it holds no table"),
    "no text": (bytes(range(256)), "not a YAML file"),
    "not YAML": (b"a: [1, 2\nb: }", "not a YAML file (line 2)"),
    "a list": (b"[1, 2]", "it holds no table"),
    "a number": (b"7", "it holds no table"),
    "code": (b"model: !!python/object/apply:os.mkdir [sprung]", "it asks for code (line 1)"),
    "a day that is none": (b"model: 2020-99-99", "not a YAML file"),
    "too deep": (b"[" * 5000, "not a YAML file"),
    "a bomb": (BOMB.encode(), "not a YAML file (line 7)"),
    "a bomb that merges": (MERGING.encode(), "not a YAML file (line 7)"),
    "a number of base 60": (b"model: " + b"1:" * 400_000 + b"1", "not a YAML file (line 1)"),
    "endless": (b"a" * 2_000_000, "too large"),
    "another": (b"hello: {world: 1}", ""),
}


def test_bad_yaml_of_a_bag(
    good: dict[str, bytes], library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "aaaaaaaa.th").write_bytes(good["demucs"])
    path = tmp_path / "bag.yaml"
    more = {
        "names": (b"models: [1]", "no list 'models'"),
        "names of what is not there": (b"models: [bbbbbbbb]", "one checkpoint bbbbbbbb is needed beside it"),
        "weights": (b"models: [aaaaaaaa]\nweights: [[1]]", "its weights are not one a network and source"),
        "weights that are no numbers": (b"models: [aaaaaaaa]\nweights: [[a, b, c, d]]", "are not numbers"),
    }
    for what, (content, says) in (TEXTS | more).items():
        path.write_bytes(content)
        line = refused(words("demucs", library, path), library, capsys)
        assert str(path) in line, what
        assert says in line, (what, line)
    assert not Path("sprung").exists()


def test_bad_yaml_of_a_roformer(
    good: dict[str, bytes], library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.ckpt"
    path.write_bytes(good["roformer"])
    whole = test_roformer.configuration(True)
    more = {
        "no audio": ({"model": {}}, "it has no audio"),
        "no model": ({"audio": {}, "training": {}}, "it has no model"),
        "a list": (whole | {"model": [1]}, "model is no table"),
        "no bands": (whole | {"model": whole["model"] | {"num_bands": 0}}, "not the network that my.yaml describes"),
        "other sizes": (whole | {"model": whole["model"] | {"dim": 24}}, "has the shape"),
        "instruments": (whole | {"training": {"instruments": 7}}, "it holds something else"),
        "interference": (whole | {"inference": [1]}, "it holds something else"),
        "overlap": (whole | {"inference": {"num_overlap": 0}}, "num_overlap is 0"),
        "a slow rate": (whole | {"audio": {"chunk_size": 11008, "sample_rate": 1}}, "sample_rate is 1"),
        "a segment of one sample": (whole | {"audio": {"chunk_size": 1, "sample_rate": 44100}}, "chunk_size is 1"),
        "no heads": (whole | {"model": whole["model"] | {"heads": 0}}, "model.heads or dim_head is 0"),
        "hop": (whole | {"model": whole["model"] | {"stft_hop_length": 0}}, "do not fit together"),
        "window": (whole | {"model": whole["model"] | {"stft_win_length": 4096}}, "do not fit together"),
        "rate": (whole | {"audio": {"chunk_size": 11008, "sample_rate": 0}}, "sample_rate is 0"),
    }
    texts = TEXTS | {what: (yaml.dump(content).encode(), says) for what, (content, says) in more.items()}
    for what, (content, says) in texts.items():
        path.with_suffix(".yaml").write_bytes(content)
        line = refused(words("roformer", library, path), library, capsys)
        assert "my.yaml" in line, what
        assert says in line, (what, line)
    path.with_suffix(".yaml").unlink()
    line = refused(words("roformer", library, path), library, capsys)
    assert "my.ckpt: one YAML file that describes the network is wanted beside it" in line


@pytest.mark.parametrize("family", ["demucs", "drumsep", "roformer", "adtof", "beat_this"])
def test_folders_and_files_that_are_not_there(
    family: str, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("folder", "nowhere.th", "folder/nowhere.th"):
        assert str(tmp_path / name) in refused(words(family, library, tmp_path / name), library, capsys)


@pytest.mark.parametrize("family", ["demucs", "drumsep", "roformer", "adtof", "beat_this"])
def test_files_that_may_not_be_read(
    family: str, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my.th"
    path.write_bytes(b"x")
    path.with_suffix(".yaml").write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    line = refused(words(family, library, path), library, capsys)
    assert f"{path}: cannot read: no permission; make it readable" in line


@pytest.fixture
def unpublished(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache, of files without published checksums."""
    monkeypatch.setenv("MIRKIT_OFFLINE", "1")
    rows: tuple[Model, ...] = tuple(
        replace(row, files=tuple(replace(file, sha256=None) for file in row.files)) for row in registry.model_rows()
    )
    use_models(monkeypatch, *rows)
    return home / "models"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("htdemucs", ["separate", "--model", "htdemucs"]),
        ("beat_this", ["tempo", "--batch", "--beat-model", "beat_this"]),
        ("adtof", ["adtof", "--batch"]),
        ("drumsep", ["drumsep"]),
        ("audiobox", ["aesthetics", "--batch"]),
    ],
)
def test_a_damaged_cache(
    name: str, command: list[str], home: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mirkit.models import weights
    from mirkit.models.caches import place

    row = weights.model(name)
    for file in row.files:
        place(row, file).parent.mkdir(parents=True, exist_ok=True)
        place(row, file).write_bytes(b"half of the file")
        place(row, file).with_name(file.name + ".sha256").write_bytes(b"what nobody wrote")
    line = refused([command[0], str(library), *command[1:]], library, capsys)
    assert line.endswith(f" is damaged; download it again: mirkit models fetch {name}")
    for file in row.files:
        place(row, file).rename(place(row, file).with_name(file.name + ".part"))
    line = refused([command[0], str(library), *command[1:], "--offline"], library, capsys)
    assert f"not downloaded, and downloads are off; mirkit models fetch {name}, or put it into {home}" in line


def test_bad_files_of_audiobox(unpublished: Path, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.torch import load

    config, tensors = aesthetics_files.write_own(unpublished / "audiobox")
    told, state = config.read_bytes(), tensors.read_bytes()
    named = load(state)
    zoo: list[tuple[Path, bytes, str]] = [
        *((config, content, "config.json: ") for content in (b"", b"[]", b"{", bytes(range(256)), b"7", b"null")),
        (config, b"{}", "it has no target_transform"),
        (config, b'{"target_transform": [1]}', "it holds something else"),
        (config, json.dumps(json.loads(told) | {"proj_num_layer": 9}).encode(), "the first is"),
        (config, json.dumps(json.loads(told) | {"proj_num_layer": "x"}).encode(), "it holds something else"),
        *((tensors, make(state), says) for make, says in list(SAFETENSORS.values())[:5]),
        (tensors, safetensors({"a": torch.zeros(2)}), "it has no wavlm_model"),
        (tensors, safetensors({name: tensor[..., :1] for name, tensor in named.items()}), "not the weights"),
        (tensors, safetensors({name: tensor * float("nan") for name, tensor in named.items()}), "are no numbers"),
    ]
    for path, content, says in zoo:
        whole = path.read_bytes()
        path.write_bytes(content)
        line = refused(words("audiobox", library, path), library, capsys)
        assert f"{path.parent}" in line
        assert says in line, line
        assert line.endswith("mirkit models fetch audiobox")
        path.write_bytes(whole)


def test_bad_files_of_essentia(unpublished: Path, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vggish, head, told, _, tonal = onnx_models.write_all(unpublished / "essentia")
    wide = onnx_models.write_embedding(unpublished / "wide.onnx", ("n", 96, 32)).read_bytes()
    small = onnx_models.write_head(unpublished / "small.onnx", ["a", "b"], size=64).read_bytes()
    zoo: list[tuple[Path, bytes, str]] = [
        *((path, b"", "not a model that ONNX Runtime can run") for path in (vggish, head)),
        *((path, b"<html>", "not a model that ONNX Runtime can run") for path in (vggish, head)),
        *((path, path.read_bytes()[:-50], "not a model that ONNX Runtime can run") for path in (vggish, head)),
        (vggish, bytes(range(256)), "not a model that ONNX Runtime can run"),
        (vggish, saved({"a": 1}), "not a model that ONNX Runtime can run"),
        (vggish, head.read_bytes(), "not patches of 96 times 64"),
        (vggish, wide, "not patches of 96 times 64"),
        (head, small, "do not belong together"),
        (head, vggish.read_bytes(), "do not belong together"),
        *((told, content, f"{told.name}: ") for content in (b"", b"[]", b"{", bytes(range(256)), b"{}")),
        (tonal, b'{"classes": ["a"]}', "does not say which output is 'atonal'"),
        (tonal, b'{"classes": ["a", "b", "c", "atonal"]}', "do not belong together"),
    ]
    for path, content, says in zoo:
        whole = path.read_bytes()
        path.write_bytes(content)
        line = refused(words("essentia", library, path), library, capsys)
        assert f"{path.parent}" in line
        assert says in line, line
        assert line.endswith("mirkit models fetch essentia")
        path.write_bytes(whole)


def test_bad_files_of_llama(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xllamacpp")
    model, projector = tmp_path / "my.gguf", tmp_path / "mmproj.gguf"
    projector.write_bytes(b"GGUF")
    for content, says in (
        (b"", "not a GGUF file: the file is empty"),
        (b"version https://git-lfs", "not a GGUF file: the file is a text"),
        (saved({"a": 1}), "not a GGUF file"),
        (b"GGUF" + bytes(range(256)), "llama.cpp cannot load"),
    ):
        model.write_bytes(content)
        line = refused(words("llama", library, model), library, capsys)
        assert str(model) in line
        assert says in line, line
    assert str(tmp_path / "none.gguf") in refused(words("llama", library, tmp_path / "none.gguf"), library, capsys)
    projector.unlink()
    assert "no mmproj file beside it" in refused(words("llama", library, model), library, capsys)


def test_bad_files_of_transformers(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    config = tmp_path / "config.json"
    assert "it has no config.json" in refused(words("transformers", library, tmp_path), library, capsys)
    for content, says in (
        (b"", "not a JSON file"),
        (b"[]", "it holds no table"),
        (b"{}", "is not a Music Flamingo model"),
        (b'{"architectures": [1]}', "1 is not a Music Flamingo model"),
        (b'{"architectures": ["AudioFlamingo3ForConditionalGeneration"]}', "Transformers cannot load"),
    ):
        config.write_bytes(content)
        line = refused(words("transformers", library, tmp_path), library, capsys)
        assert str(tmp_path) in line
        assert says in line, line


def test_what_was_fit_is_not_tried_again(
    good: dict[str, bytes], library: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirkit.models import preflight
    from mirkit.models.adtof import transcriber as adtof
    from mirkit.store import Settings, with_values

    path = tmp_path / "my.pth"
    path.write_bytes(good["adtof"])
    settings = with_values(Settings(), {"backends.drums": "adtof", "drums.model": str(path)}, "test")
    preflight.check_weights({"drums": "adtof"}, settings)
    tried: list[str] = []
    monkeypatch.setattr(adtof, "load", lambda *_: tried.append("again"))
    preflight.check_weights({"drums": "adtof"}, settings)
    assert not tried
    path.write_bytes(good["adtof"] + b"more")
    preflight.check_weights({"drums": "adtof"}, settings)
    assert tried == ["again"], "other content is looked at"
