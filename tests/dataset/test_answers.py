"""Answers about folders: right while nothing changes, none when anything does, never a loss."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirkit.dataset.library import Library, answers, stamps
from mirkit.engines import processes
from mirkit.store import library_path
from mirkit.track import Track

NAMES = ("A", "B\t\n\u00e4")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)  # as if a minute had passed
    for name in NAMES:
        (tmp_path / name).mkdir()
        for file in ("full_mix.flac", "x.INFO"):
            (tmp_path / name / file).write_text("some content")
            os.utime(tmp_path / name / file, (1_000_000, 1_000_000))
    return tmp_path


def ask(root: Path, name: str, basis: object = 1) -> Any:
    track = Track(root / name)
    with Library.open(root) as library:
        return library.answers("done", basis).known([track]).get(track)


def remember(root: Path, name: str, value: object, basis: object = 1, meanwhile: Callable[[], object] = bool) -> None:
    track = Track(root / name)
    with Library.open(root) as library:
        known = library.answers("done", basis)
        known.known([track])
        meanwhile()
        known.put(track, value)
        known.save()


def test_what_was_found_is_known_by_the_next(root: Path) -> None:
    for name in NAMES:
        remember(root, name, {"found": name})
    assert [ask(root, name) for name in NAMES] == [{"found": name} for name in NAMES]
    assert ask(root, "A", basis=2) is None, "another question"
    remember(root, "A", ["long"] * 1000)
    assert ask(root, "A") == ["long"] * 1000


def test_processes_find_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(root, "A", True)
    monkeypatch.setattr(processes, "_MANY", 1)
    monkeypatch.setattr(processes, "_CHUNK", 1)
    tracks = [Track(root / name) for name in NAMES]
    time.sleep(2.1)  # the processes know of no other age at which a file is old enough
    with Library.open(root) as library:
        assert library.answers("done", 1).known(tracks, jobs=2) == {tracks[0]: True}


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
def test_any_change_is_seen(change: str, root: Path) -> None:
    remember(root, "A", True)
    CHANGES[change](root / "A")
    assert ask(root, "A") is None


@pytest.mark.parametrize("change", ["written in place, with size and time as before", "touched", "a file more"])
def test_a_change_while_it_is_looked_at_is_seen(change: str, root: Path) -> None:
    remember(root, "A", True, meanwhile=lambda: CHANGES[change](root / "A"))
    assert ask(root, "A") is None


def test_what_was_changed_just_now_is_looked_at_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the grain of the file system's clock it may change once more and look the same."""
    monkeypatch.setattr(stamps, "MIN_AGE", 60.0)
    remember(root, "A", True)
    assert ask(root, "A") is None


def test_without_inodes_the_time_of_the_content_decides(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "has_stable_inodes", lambda *_: False)
    monkeypatch.setattr(stamps, "MIN_AGE", 60.0)
    remember(root, "A", True)
    assert ask(root, "A") is True, "the files are old"
    (root / "A" / "x.INFO").write_text("new")
    remember(root, "A", True)
    assert ask(root, "A") is None


def test_loose_files_and_unclean_folders_have_none(root: Path) -> None:
    (root / "A" / ".mirkit-tmp-x").touch()
    (root / "loose.flac").touch()
    with Library.open(root) as library:
        tracks = library.find_tracks()
        known = library.answers("done", 1)
        known.known(tracks)
        for track in tracks:
            known.put(track, 1)
        known.save()
        assert [track.name for track in known.known(tracks)] == [NAMES[1]]


def test_old_questions_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_QUESTIONS", 2)
    for basis in range(5):
        remember(root, "A", basis + 1, basis)
    assert [ask(root, "A", basis) for basis in range(5)] == [None, None, None, 4, 5]
    with sqlite3.connect(library_path(root)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM answers").fetchone() == (2,)
    connection.close()


@pytest.mark.parametrize("answer", ["{", b"x", "[" * 100_000, None, float("nan")])
def test_other_content_is_no_answer(answer: object, root: Path) -> None:
    """A library may come from a stranger."""
    remember(root, "A", True)
    with sqlite3.connect(library_path(root)) as connection:
        connection.execute("UPDATE OR IGNORE answers SET answer = ?", (answer,))
        changed = connection.execute("SELECT answer FROM answers").fetchone() != ("true",)
    connection.close()
    assert not changed or ask(root, "A") is None
