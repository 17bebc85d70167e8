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
from mirkit.window_tables import table

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
