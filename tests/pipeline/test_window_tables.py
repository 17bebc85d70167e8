"""Tables of windows: what features_at says of each, and timbre of the nearest half length."""

from pathlib import Path

import numpy as np
import pytest

from library import make_track
from mirkit import WindowAnalyzer
from mirkit.catalog import NUMBERS, stage
from mirkit.pipeline.task import TrackJob
from mirkit.pipeline.track_task import process
from mirkit.stages.window import FROM_SERIES
from mirkit.store import Settings
from mirkit.window_tables import Timbre, table, tables

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}
NAMES = [key.name for key in NUMBERS]


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_track(tmp_path_factory.mktemp("t") / "Piece", seconds=8.0)
    assert process(TrackJob(folder, FROM_SERIES, BACKENDS, Settings())).ok
    return folder


def test_every_window_has_its_own_numbers(track: Path) -> None:
    found, timbre_rows = table(track, 4.0, 1.0)
    assert len(timbre_rows) == 3
    assert found.values.shape == (5, len(NUMBERS))
    windows = WindowAnalyzer.open(track)
    timbre = set(stage("timbral").keys)
    halves = {start: windows.at(start, start + 4, samples=True).values for start in (0.0, 2.0, 4.0)}
    for start, row in zip((0.0, 1.0, 2.0, 3.0, 4.0), found.values, strict=True):
        values = windows.at(start, start + 4).values
        near = halves[0.0 if start < 2 else 2.0 if start < 4 else 4.0]
        for name, number in zip(NAMES, row, strict=True):
            expected = (near if name in timbre else values).get(name)
            assert np.isnan(number) if expected is None else number == expected


def test_a_short_track_has_one_window(track: Path) -> None:
    found, _ = table(track, 30.0, 1.0)
    assert found.values.shape[0] == 1
    assert found.values[0, NAMES.index("position")] == 0


def test_several_windows_at_once_are_those_one_by_one(track: Path) -> None:
    windows = WindowAnalyzer.open(track)
    bounds = [(0.0, 3.0), (0.5, 4.25), (2.0, 8.0)]
    for samples in (False, True):
        one_by_one = [WindowAnalyzer.open(track).at(*each, samples=samples) for each in bounds]
        assert list(windows.each(bounds, samples=samples)) == one_by_one


def test_timbre_that_is_known_needs_no_audio(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Timbre] = {}
    problems: list[str] = []
    first = tables({"a": track}, 4.0, problems, print, jobs=1, keep=kept.__setitem__)
    assert len(kept["a"]) == 3
    with monkeypatch.context() as without:
        without.setattr("mirkit.windows.open_audio", lambda *_, **__: pytest.fail("the audio was decoded"))
        again, _ = table(track, 4.0, 1.0, kept["a"])
    np.testing.assert_array_equal(again.values, first["a"].values)
    for damaged in ([], kept["a"][:2], [[1.0]] * 3, "abc"):
        found, timbre = table(track, 4.0, 1.0, damaged)  # type: ignore[arg-type]
        assert timbre == kept["a"]
        np.testing.assert_array_equal(found.values, first["a"].values)


def test_failures_are_in_the_order_of_the_tracks(track: Path, tmp_path: Path) -> None:
    problems: list[str] = []
    names = {"z": tmp_path / "z", "b": track, "a": tmp_path / "a"}
    found = tables(names, 30.0, problems, print, jobs=2)
    assert list(found) == ["b"]
    assert [line[0] for line in problems] == ["z", "a"]
