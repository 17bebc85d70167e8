"""What many tracks still want, with the library and without: the same."""

from pathlib import Path

import pytest

from library import make_track
from mirkit import engines
from mirkit.cli import main
from mirkit.dataset import verify as verify_module
from mirkit.dataset.library import stamps
from mirkit.dataset.verify import verify_all
from mirkit.engines import processes, run_serially
from mirkit.pipeline import RunRequest, make_plan
from mirkit.staleness import TrackState
from mirkit.store import library_path, update_info

STAGES = ("loudness", "bands")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)  # as if a minute had passed
    for number, name in enumerate("AB"):
        make_track(tmp_path / name, seconds=1.0, seed=number)
    assert main(["extract", str(tmp_path), "--batch", "--quiet"]) == 0
    return tmp_path


def todo(library: Path, **more: object) -> set[str]:
    plan = make_plan(RunRequest(library, STAGES, batch=True, **more))  # type: ignore[arg-type]
    return {Path(name).name for name in plan.todo}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tracks whose files are read."""
    found: list[str] = []
    of = TrackState.of

    def counted(track: object, **more: bool) -> TrackState:
        found.append(track.name)  # type: ignore[attr-defined]
        return of(track, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(TrackState, "of", counted)
    return found


def test_the_files_of_what_is_done_are_not_read_again(library: Path, looks: list[str]) -> None:
    assert todo(library) == set()
    assert looks == ["A", "B"]
    assert todo(library) == set()
    assert looks == ["A", "B"], "known from the library"
    update_info(library / "B" / "B.INFO", {"mine": 1}, remove=["lufs"])
    assert todo(library) == {"B"}
    assert looks == ["A", "B", "B"]


def test_other_questions_are_asked_of_the_files(library: Path, looks: list[str]) -> None:
    assert todo(library) == set()
    assert todo(library, overwrite=True) == {"A", "B"}
    assert todo(library, overrides={"rhythm.bpm": 120.0}) == set()
    assert looks == ["A", "B"] * 3


def test_it_may_be_deleted(library: Path, looks: list[str]) -> None:
    assert todo(library) == set()
    library_path(library).unlink()
    assert todo(library) == set()
    assert looks == ["A", "B", "A", "B"]


def test_processes_find_the_same(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update_info(library / "B" / "B.INFO", {"mine": 1}, remove=["lufs"])
    (library / "A" / "full_mix.mp3").write_bytes(b"a second mix")
    here, reports = make_plan(RunRequest(library, STAGES, batch=True)), verify_all(library)
    library_path(library).unlink(missing_ok=True)
    monkeypatch.setattr(processes, "_MANY", 1)
    there = make_plan(RunRequest(library, STAGES, batch=True, jobs=2))
    assert (there.todo, there.unreadable) == (here.todo, here.unreadable)
    assert here.todo
    assert here.unreadable
    assert verify_all(library) == reports


def test_verify_says_the_same_from_the_library(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = verify_all(library)
    assert all(report.complete for report in fresh)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_module, "verify", lambda *_, **__: pytest.fail("a track was read"))
        assert verify_all(library) == fresh
    (library / "B" / "full_mix.flac").write_bytes((library / "A" / "full_mix.flac").read_bytes())
    a, b = verify_all(library)
    assert a == fresh[0]
    assert b.stale
    assert not verify_all(library)[1].complete, "what is wrong is looked at each time"
