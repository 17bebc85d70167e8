"""The estimate of a run: from defaults, from what was measured here, and with compiling while kernels are cold."""

from pathlib import Path

import pytest

from mirkit.pipeline import time_estimate
from mirkit.pipeline.task import TrackOutcome
from mirkit.pipeline.time_estimate import Recorder, estimate, wall_seconds
from mirkit.store import Settings

BACKENDS = {"stems": "embedded", "beats": "embedded"}
TODO = {"separate": "new", "beats": "new", "loudness": "new"}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(time_estimate, "compiled_share", lambda: 1.0)


def outcome(stages: dict[str, str] = TODO, *, seconds: float = 3.0, failed: bool = False) -> TrackOutcome:
    """A track of two minutes whose separation took ten times as long as each other part."""
    times = dict.fromkeys((*stages, "measure", "files"), seconds) | {"separate": 10 * seconds}
    failures = {"beats": "no"} if failed else {}
    return TrackOutcome("A", tuple(stages), failures=failures, seconds=times, duration=120.0)


def test_defaults_on_a_machine_that_was_not_measured() -> None:
    found = estimate({"A": TODO, "B": TODO}, 6.0, BACKENDS, Settings())
    assert found.basis == "default"
    assert found.seconds == pytest.approx(6 * (6.0 + 4.0))
    assert estimate({"A": {"separate": "new"}}, 6.0, BACKENDS, Settings()).seconds == pytest.approx(6 * 6.0)


def test_what_was_measured_here_is_remembered() -> None:
    recorder = Recorder(BACKENDS, Settings(), workers=2)
    recorder.add(outcome(), TODO)
    recorder.add(outcome(), TODO)
    recorder.save()
    found = estimate({"A": TODO, "B": TODO, "C": TODO}, 9.0, BACKENDS, Settings())
    assert found.basis == "measured"
    assert found.seconds == pytest.approx(9 * (15 + 4 * 1.5))  # separation; beats, loudness, pass, files


def test_other_work_is_still_a_default_and_says_so() -> None:
    recorder = Recorder(BACKENDS, Settings(), workers=1)
    recorder.add(outcome(), TODO)
    recorder.save()
    only = {"separate": "new"}
    assert estimate({"A": only}, 2.0, BACKENDS, Settings()).seconds == pytest.approx(2 * (15 + 1.5))
    others = estimate({"A": {"chroma": "new"}}, 2.0, BACKENDS, Settings())
    assert (others.basis, others.seconds) == ("other", pytest.approx(2 * (4.0 + 1.5)))
    again = estimate({"A": TODO | {"beats": "an older formula"}}, 2.0, BACKENDS, Settings())
    assert again.basis == "other", "what is stored already is not measured again"
    assert estimate({"A": dict.fromkeys(TODO, "overwrite")}, 2.0, BACKENDS, Settings()).basis == "measured"


@pytest.mark.parametrize(
    ("made", "stages"),
    [
        (outcome(failed=True), TODO),
        (outcome({"beats": "new"}), TODO),
        (TrackOutcome("A", tuple(TODO), seconds={"separate": 1.0}), TODO),
    ],
    ids=["failed", "not all of its stages", "no duration"],
)
def test_what_says_nothing_of_the_speed_is_not_remembered(made: TrackOutcome, stages: dict[str, str]) -> None:
    recorder = Recorder(BACKENDS, Settings(), workers=1)
    recorder.add(made, stages)
    recorder.save()
    assert estimate({"A": TODO}, 2.0, BACKENDS, Settings()).basis == "default"


def test_compiling_counts_until_the_kernels_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert estimate({"A": TODO}, 1.0, BACKENDS, Settings()).compiling == 0
    monkeypatch.setattr(time_estimate, "compiled_share", lambda: 0.0)
    assert estimate({"A": TODO}, 1.0, BACKENDS, Settings()).compiling == 20
    assert estimate({"A": {"separate": "new"}}, 1.0, BACKENDS, Settings()).compiling == 0, "it has one kernel"
    monkeypatch.setattr(time_estimate, "compiled_share", lambda: 0.75)
    assert estimate({"A": TODO}, 1.0, BACKENDS, Settings()).compiling == 5
    assert estimate({}, 0.0, BACKENDS, Settings()).compiling == 0


def test_the_time_of_compiling_is_remembered() -> None:
    recorder = Recorder(BACKENDS, Settings(), workers=2)
    for seconds in (30.0, 34.0):
        recorder.add(TrackOutcome("A", seconds={"compiling": seconds}), TODO)
    recorder.save()
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(time_estimate, "compiled_share", lambda: 0.0)
        assert estimate({"A": TODO}, 1.0, BACKENDS, Settings()).compiling == 32


def test_workers_take_whole_tracks() -> None:
    start = time_estimate.START
    assert wall_seconds(90.0, 3, 2) == start + 60
    assert wall_seconds(90.0, 3, 1) == start + 90
    assert wall_seconds(90.0, 3, 8) == start + 30
