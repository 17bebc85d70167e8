"""``benchmarks/frozen.py``: what counts as the same output, and what does not."""

import importlib.util
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def frozen() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "frozen.py"
    spec = importlib.util.spec_from_file_location("frozen", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["frozen"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def pieces(frozen: ModuleType, root: Path, name: str, content: bytes, renames: str = "") -> dict[str, bytes]:
    listed = root / "renames"
    root.mkdir(exist_ok=True)
    listed.write_text(renames)
    return dict(frozen.Canon(root, frozen.Renames.read(listed)).pieces(name, content))


def provenance(root: Path, when: str, seconds: float, bpm: float = 120.0) -> bytes:
    stage = {"when": when, "seconds": seconds, "mirkit_version": when, "parameters": {"bpm": bpm}, "of": f"{root}/a"}
    return json.dumps(
        {"stages": {"beats": {**stage, "inputs": {"mix": {"mtime_ns": int(seconds), "size": 1}}}}}
    ).encode()


def test_a_run_at_another_time_in_another_folder_is_the_same(frozen: ModuleType, tmp_path: Path) -> None:
    one = pieces(frozen, tmp_path / "a", "x.PROVENANCE", provenance(tmp_path / "a", "2026-01-01T01:02:03+00:00", 1.0))
    two = pieces(frozen, tmp_path / "b", "x.PROVENANCE", provenance(tmp_path / "b", "2027-11-11T11:12:13+00:00", 2.0))
    other = pieces(
        frozen, tmp_path / "b", "x.PROVENANCE", provenance(tmp_path / "b", "2027-11-11T11:12:13+00:00", 2.0, 9)
    )
    assert one == two
    assert set(one) == {"x.PROVENANCE#", "x.PROVENANCE#stages"}
    assert other["x.PROVENANCE#stages"] != two["x.PROVENANCE#stages"]


def test_seconds_are_a_result_outside_provenance(frozen: ModuleType, tmp_path: Path) -> None:
    assert pieces(frozen, tmp_path, "x.json", b'{"seconds": 1}') != pieces(
        frozen, tmp_path, "x.json", b'{"seconds": 2}'
    )


def test_the_order_of_keys_does_not_count_and_that_of_lists_does(frozen: ModuleType, tmp_path: Path) -> None:
    assert pieces(frozen, tmp_path, "x.INFO", b'{"a": 1, "b": 2}') == pieces(
        frozen, tmp_path, "x.INFO", b'{"b":2,"a":1}'
    )
    assert pieces(frozen, tmp_path, "x.json", b"[1, 2]") != pieces(frozen, tmp_path, "x.json", b"[2, 1]")


def test_the_marks_of_a_report_do_not_count(frozen: ModuleType, tmp_path: Path) -> None:
    page = '<meta name="mirkit-stamp" content="{0}{0}"><a href="audio/x/bass-{0}.mp3">'
    one, two = (pieces(frozen, tmp_path, "x.html", page.format(mark).encode()) for mark in ("0a1b2c3d", "ffffffff"))
    assert one == two
    assert b"bass-<mark>.mp3" in one["x.html"]


def tar(*members: tuple[str, bytes], mtime: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), mtime
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def test_archives_by_their_members(frozen: ModuleType, tmp_path: Path) -> None:
    members = (("a.json", b'{"bpm": 1}'), ("a.flac", b"sound"))
    one = pieces(frozen, tmp_path, "0.tar", tar(*members, mtime=1))
    assert one == pieces(frozen, tmp_path, "0.tar", tar(*members, mtime=2))
    assert set(one) == {"0.tar#order", "0.tar/a.json#", "0.tar/a.json#bpm", "0.tar/a.flac"}
    assert one != pieces(frozen, tmp_path, "0.tar", tar(*members[::-1], mtime=1)), "the trainer sees their order"

    def npz(compression: int) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            archive.writestr("onset", b"\1\2" * 100)
        return stream.getvalue()

    stored = pieces(frozen, tmp_path, "x.CURVES.npz", npz(zipfile.ZIP_STORED))
    assert stored == pieces(frozen, tmp_path, "x.CURVES.npz", npz(zipfile.ZIP_DEFLATED))
    assert stored == {"x.CURVES.npz/onset": b"\1\2" * 100}


def test_renames(frozen: ModuleType, tmp_path: Path) -> None:
    before = pieces(frozen, tmp_path, "x.json", b'{"meter": "3/4", "license": "a license"}')
    after = b'{"time_signature": "3/4", "license": "a license", "format": 3}'
    renames = "# why\nfield meter=time_signature\nfield =format\nfield license=license\ntext license=license\n"
    renamed = pieces(frozen, tmp_path, "x.json", after, renames)
    assert renamed == before
    assert frozen.Renames(paths={"splits": "split"}).path("tables/splits.json") == "tables/split.json"
    (tmp_path / "bad").write_text("color red=blue\n")
    with pytest.raises(SystemExit, match="bad, line 1"):
        frozen.Renames.read(tmp_path / "bad")


def test_the_difference(frozen: ModuleType) -> None:
    found = frozen.difference({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})
    assert found == ["gone     c", "added    d", "differs  b"]
