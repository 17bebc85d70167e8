"""The index of what is known of folders: right while nothing changes, silent when anything does, never a loss."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mirkit.store import TEMP_PREFIX, folder_cache, machine
from mirkit.store.folder_cache import FOLDER, FolderCache


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("A", "B\t\n\u00e4"):
        (tmp_path / name).mkdir()
        for file in ("full_mix.flac", "x.INFO"):
            (tmp_path / name / file).write_text("some content")
            os.utime(tmp_path / name / file, (1_000_000, 1_000_000))
    return tmp_path


def ask(library: Path, name: str, basis: object = 1) -> object:
    return FolderCache(library, "done", basis).get(library / name)


def remember(library: Path, name: str, value: object, basis: object = 1) -> None:
    known = FolderCache(library, "done", basis)
    known.get(library / name)
    known.put(library / name, value)
    known.save()


def test_what_was_found_is_known_by_the_next(library: Path) -> None:
    for name in ("A", "B\t\n\u00e4"):
        remember(library, name, {"found": name})
    assert ask(library, "A") == {"found": "A"}
    assert ask(library, "B\t\n\u00e4") == {"found": "B\t\n\u00e4"}
    assert ask(library, "A", basis=2) is None, "another question"


def in_place(folder: Path) -> None:
    (folder / "x.INFO").write_text("same length.")
    os.utime(folder / "x.INFO", (1_000_001, 1_000_001))


def in_place_at_the_same_time(folder: Path) -> None:
    (folder / "x.INFO").write_text("same length.")
    os.utime(folder / "x.INFO", (1_000_000, 1_000_000))


CHANGES: dict[str, Callable[[Path], object]] = {
    "written in place": in_place,
    "written in place, with size and time as before": in_place_at_the_same_time,
    "touched": lambda folder: os.utime(folder / "full_mix.flac", (1_000_002, 1_000_002)),
    "a file more": lambda folder: (folder / "drums.flac").touch(),
    "a file less": lambda folder: (folder / "x.INFO").unlink(),
    "another name": lambda folder: (folder / "x.INFO").rename(folder / "y.INFO"),
    "a folder in place of a file": lambda folder: ((folder / "x.INFO").unlink(), (folder / "x.INFO").mkdir()),
    "gone": shutil.rmtree,
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_seen(change: str, library: Path) -> None:
    remember(library, "A", True)
    CHANGES[change](library / "A")
    assert ask(library, "A") is None


def test_what_was_changed_just_now_is_looked_at_again(library: Path) -> None:
    """Within the grain of the file system's clock it may change once more and look the same."""
    (library / "A" / "x.INFO").write_text("new")
    remember(library, "A", True)
    assert ask(library, "A") is None


def test_a_change_while_it_is_looked_at_is_seen(library: Path) -> None:
    known = FolderCache(library, "done", 1)
    known.get(library / "A")
    in_place(library / "A")
    known.put(library / "A", value=True)
    known.save()
    assert ask(library, "A") is None


def test_it_may_be_deleted_and_damaged_at_any_time(library: Path) -> None:
    remember(library, "A", True)
    (path,) = (library / FOLDER).iterdir()
    whole = path.read_bytes()
    for damage in (b"", b"\0\xff\t\t\n", whole[:-3], whole.replace(b"true", b"{"), b"[" * 100_000):
        path.write_bytes(damage)
        assert ask(library, "A") is None
    path.unlink()
    assert ask(library, "A") is None


def test_where_it_cannot_be_written_nothing_is_lost(library: Path) -> None:
    (library / ".mirkit").write_text("a file")
    remember(library, "A", True)
    assert ask(library, "A") is None


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_it_is_not_written_where_a_link_leads(library: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (library / ".mirkit").symlink_to(outside)
    remember(library, "A", True)
    assert not list(outside.iterdir())


def test_old_ones_go(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_cache, "MAX_CACHES", 2)
    for basis in range(5):
        remember(library, "A", basis, basis)
    assert len(list((library / FOLDER).iterdir())) == 2
    assert ask(library, "A", 4) == 4


def test_what_a_killed_writer_left_goes(library: Path) -> None:
    remember(library, "A", True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = library / FOLDER / f"{TEMP_PREFIX}{machine()}-{ended.pid}-0011aabb.jsonl"
    for value in (True, None):  # whether or not there is something new to write
        left.write_text("half a l")
        known = FolderCache(library, "done", 1)
        known.get(library / "A")
        if value:
            known.put(library / "A", value)
        known.save()
        assert not left.exists()
    assert ask(library, "A") is True
