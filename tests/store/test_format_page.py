"""``docs/reference/format.md`` describes each file and each key that mirkit writes."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirkit.audio import encode
from mirkit.catalog import INFO_SPECS, STEMS, TEXT_KEYS
from mirkit.cli import main
from mirkit.demo import demo_tracks
from mirkit.store import SIDECARS, feature_series, provenance
from text_server import text_server

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "format.md").read_text(encoding="utf-8")
#: What the page names as code, also the parts of `a, b` and of arrays such as `full_mix/beats/times`.
NAMED = {word for code in re.findall(r"`([^`\n]+)`", PAGE) for word in [code, *re.split(r"[/ ,]+", code)]}
#: Objects whose keys are names of something else: features, stages, sources, files, instruments, tasks.
BY_NAME = {
    *("stages", "inputs", "outputs", "needs", "reasons", "clipped", "strokes", "adopted", "methods", "seconds"),
    *("parameters", "failures", "files", "words"),
}
#: A file as the page names it -> what its name looks like.
KINDS = {
    **{f"N.{kind}": rf".+\.{re.escape(kind)}" for kind in SIDECARS},
    "full_mix.*": r"full_mix\.flac",
    **{f"{stem}.*": rf"{stem}\.flac" for stem in STEMS},
    "drums.mid": r"drums\.mid",
    "mirkit.toml": r"mirkit\.toml",
    ".mirkit-organize.jsonl": r"\.mirkit-organize\.jsonl",
    ".mirkit/log/*.jsonl": r"\d{8}T\d+-\d+\.jsonl",
    ".mirkit/library.sqlite": r"library\.sqlite",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first track of the demo set, shortened, after every command that writes."""
    root = tmp_path_factory.mktemp("format") / "lib"
    piece = next(iter(demo_tracks()))
    loose = root / f"{piece.name}.flac"
    loose.parent.mkdir()
    encode(loose, [piece.samples[:, : 12 * piece.rate]], rate=piece.rate, channels=2, tags={"artist": piece.artist})
    assert main(["organize", str(root)]) == 0
    (folder,) = (path for path in root.iterdir() if path.is_dir())
    assert main(["run", str(root), "--batch", "--jobs", "1", "--quiet"]) == 0
    assert main(["crop", str(root), "--batch", "--jobs", "1", "--seconds", "8", "--quiet"]) == 0
    assert main(["verify", str(root)]) == 0
    assert main(["stats", str(root), "--quiet"]) == 0
    with text_server() as server:
        assert main(["describe", str(folder), "--url", server.url, "--quiet"]) == 0
    assert main(["export", "sat", str(root.parent / "bundle"), str(root), "--loudness", "-20", "--no-trainer"]) == 0
    return root


def keys(value: Any, at: str = "") -> Iterator[str]:
    """Yield every key of nested objects, except names of something else."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if at not in BY_NAME:
                yield key
            yield from keys(inner, key if at not in BY_NAME else "")
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, at)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def undescribed(names: Any) -> set[str]:
    return set(names) - NAMED


def test_every_key_of_the_sidecars_is_described(library: Path) -> None:
    for path in library.rglob("*.PROVENANCE"):
        content = json.loads(path.read_text())
        assert content["format"] == provenance.FORMAT
        assert not undescribed(content["facts"]), path
        assert not undescribed(keys(content)), path
        for record in content["stages"].values():
            assert not undescribed(key for name in ("method",) for key in record.get(name, {}))
        if "cut" in content["stages"]:
            assert not undescribed(content["stages"]["cut"]["parameters"])
    for path in library.rglob("*.BEATS_GRID"):
        assert not undescribed(json.loads(path.read_text()))
    known = {feature.name for feature in INFO_SPECS} | set(TEXT_KEYS)
    for path in library.rglob("*.INFO"):
        assert json.loads(path.read_text()).keys() <= known


def test_every_array_of_the_curves_is_described(library: Path) -> None:
    (path,) = library.rglob("*.CURVES.npz")
    with np.load(path) as archive:
        header = json.loads(archive["header.json"])
        assert header.pop("format") == feature_series.FORMAT
        arrays = {name: archive[name] for name in archive.files if name != "header.json"}
    rows = re.findall(r"^\| (`[^|]+`) \| (\w+) \(([^)]*)\) \|", PAGE, re.MULTILINE)
    described = {}
    for names, kind, shape in rows:
        first, *others = re.findall(r"`([^`]+)`", names)
        for name in [first, *(f"{first.rpartition('/')[0]}/{other}" for other in others)]:
            described[name] = kind, [length.strip() for length in shape.split(",") if length.strip()]
    for name, array in arrays.items():
        kind, shape = described.get(name) or described[f"*/{name.partition('/')[2]}"]
        assert array.dtype == kind, name
        assert len(shape) == array.ndim, name
        assert all(length == "n" or int(length) == n for length, n in zip(shape, array.shape, strict=True)), name
    assert {key for note in header.values() for key in note} <= NAMED


def test_every_other_file_is_described(library: Path) -> None:
    for path in (library / ".mirkit" / "log").iterdir():
        assert not undescribed(key for line in lines(path) for key in keys(line))
        assert {line["event"] for line in lines(path)} <= {"start", "track", "end"}
    assert not undescribed(key for line in lines(library / ".mirkit-organize.jsonl") for key in line)
    with sqlite3.connect(library / ".mirkit" / "library.sqlite") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert "tracks" in tables
    assert not undescribed(tables)
    bundle = library.parent / "bundle"
    assert not undescribed(json.loads((bundle / "mirkit_export.json").read_text()))
    files = json.loads((bundle / "mirkit_files.json").read_text())
    assert files
    assert not undescribed(key for entry in files.values() for key in entry)


def test_every_file_is_described(library: Path) -> None:
    for named in KINDS:
        assert f"`{named}`" in PAGE, named
    for path in library.rglob("*"):
        if path.is_file():
            assert any(re.fullmatch(pattern, path.name) for pattern in KINDS.values()), path


def test_the_page_names_the_formats() -> None:
    assert f'`"format": {provenance.FORMAT}`' in PAGE
    assert provenance.FORMAT == feature_series.FORMAT == 1
