"""Values of stages on request are wherever other values are, once their stage has run."""

import json
from pathlib import Path

import numpy as np
import pytest

from library import make_track
from mirkit.catalog import NUMBERS, REQUESTED, stage
from mirkit.cli import main
from mirkit.dataset.statistics import read_table, statistics
from mirkit.export.conditioners import choose_conditioners
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.stages.window import FROM_SERIES
from mirkit.store import Settings
from mirkit.window_tables import table
from mirkit.windows import WindowAnalyzer

BACKENDS = {"beats": "embedded", "classification": "embedded", "aesthetics": ""}
KEYS = [row.name for row in REQUESTED if row.stage == "notes"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks with true stems, the second without notes."""
    root = tmp_path_factory.mktemp("library")
    for name, stages in (("One", (*FROM_SERIES, "source", "music_facts", "notes")), ("Two", FROM_SERIES)):
        path = make_track(root / name, seconds=8, bpm=120, stems=True)
        assert process(TrackJob(path, stages, BACKENDS, Settings())).ok
    return root


def test_a_window_has_them_with_reasons(library: Path) -> None:
    found = WindowAnalyzer.open(library / "One").at(2, 6)
    assert set(KEYS) <= found.values.keys()
    assert found.values["polyphony_other"] > 2
    assert found.values["note_density_vocals"] == 0
    assert found.reasons["pitch_median_vocals"] == "no notes"
    assert not set(KEYS) & WindowAnalyzer.open(library / "Two").at(2, 6).values.keys()


def test_slices_have_them(library: Path) -> None:
    found = WindowAnalyzer.open(library / "One").slices(4)
    whole = json.loads((library / "One" / "One.INFO").read_text())
    assert np.mean(found.values["note_density_other"]) == pytest.approx(whole["note_density_other"], rel=0.3)
    assert found.reasons["pitch_range_vocals"] == ["no notes"] * 4


def test_a_table_of_windows_has_columns_for_them(library: Path) -> None:
    column = [row.name for row in NUMBERS].index("polyphony_other")
    assert (table(library / "One", 4.0, 2.0)[0].values[:, column] > 2).all()
    assert np.isnan(table(library / "Two", 4.0, 2.0)[0].values[:, column]).all()


def test_statistics_have_those_that_some_track_has(library: Path) -> None:
    found = {row.key: row for row in statistics(read_table(library)).keys}
    assert found["polyphony_other"].coverage == 0.5
    assert found["polyphony_other"].nulls == {"not measured": 1}
    assert found["pitch_median_vocals"].nulls == {"no notes": 1, "not measured": 1}
    assert not set(KEYS) & {row.key for row in statistics(read_table(library / "Two")).keys}


def test_conditioners_can_be_made_of_them() -> None:
    samples = [{"lufs": -9.0 - i, "note_density_other": 2.0 + i} for i in range(10)]
    chosen = choose_conditioners(samples, ("*",), "fill")
    assert {row.key for row in chosen.rows} == {"lufs", "note_density_other"}
    # What was not asked for is not mentioned, but for a full name.
    assert "polyphony_other" not in chosen.left_out
    assert choose_conditioners(samples, ("polyphony_other",), "fill").left_out == {
        "polyphony_other": "unknown in all samples"
    }


def test_the_report_shows_them(library: Path, tmp_path: Path) -> None:
    assert main(["report", str(library), "--out", str(tmp_path / "report"), "--jobs", "1", "--quiet"]) == 0
    one, two = (next((tmp_path / "report" / "tracks").glob(f"{name}-*.html")).read_text() for name in ("one", "two"))
    assert 'data-key="polyphony_other"' in one
    assert 'data-key="polyphony_other"' not in two
    keys = json.loads((tmp_path / "report" / "data" / "keys.js").read_text().split("=", 1)[1].removesuffix(";\n"))
    assert {*KEYS} <= {row["key"] for row in keys["keys"]}


def test_every_descriptor_on_request_belongs_to_a_stage() -> None:
    assert all(row.name in stage(row.stage).keys for row in REQUESTED)
