"""Number conditioners: scales, duplicates, and what is left out."""

import math
from typing import Any

import numpy as np
import pytest

from mirkit.export.conditioners import Conditioner, choose_conditioners

Row = dict[str, float]


def samples(count: int, rng: np.random.Generator) -> list[Row]:
    density = rng.uniform(1, 8, count)
    return [
        {
            "bpm": float(rng.uniform(80, 160)),
            "onset_count": round(200 * d),
            "onset_density": float(d),
            "ioi_mean": float(1 / d),
            "reverberation": float(86 - rng.exponential(4)),
            "danceability": float(rng.uniform(0.3, 0.6)),
        }
        for d in density
    ]


def chosen(rows: list[Row], *patterns: str, tracks: int) -> dict[str, Conditioner]:
    found = choose_conditioners(rows, patterns or ("*",), "fill", tracks=tracks)
    return {row.name: row for row in found.rows}


def test_a_small_set_gets_log_odds(rng: np.random.Generator) -> None:
    rows = samples(40, rng)
    found = chosen(rows, tracks=40)["logodds_reverberation"]
    assert found.value({"reverberation": 80.0}) == pytest.approx(math.log(4))
    assert found.min_val < found.max_val
    values = [found.value(row) for row in rows]
    assert np.mean([found.min_val <= v <= found.max_val for v in values if v is not None]) > 0.9
    assert found.value({}) is None


def test_from_fifty_tracks_on_percentiles(rng: np.random.Generator) -> None:
    rows = samples(200, rng)
    found = chosen(rows, tracks=50)
    assert "logodds_reverberation" not in found
    row = found["percentile_reverberation"]
    assert (row.min_val, row.max_val) == (0, 1)
    values = np.array([row.value(features) for features in rows])
    assert np.histogram(values, 4, (0, 1))[0] == pytest.approx(50, abs=3)
    order = np.argsort([features["reverberation"] for features in rows])
    assert (np.diff(values[order]) >= 0).all()


def test_duplicates_are_left_out_unless_named(rng: np.random.Generator) -> None:
    rows = samples(60, rng)
    assert {"onset_count", "ioi_mean"}.isdisjoint(chosen(rows, tracks=60))
    assert {"onset_count", "ioi_mean"} <= chosen(rows, "onset_density", "onset_count", "ioi_mean", tracks=60).keys()
    found = choose_conditioners(rows, ("*",), "fill", tracks=60)
    assert found.left_out["onset_count"] == "repeats onset_density, times the length"
    assert found.left_out["ioi_mean"] == "repeats onset_density (rank correlation -1.00)"
    few = choose_conditioners(rows[:20], ("*",), "fill", tracks=20)
    assert "ioi_mean" not in few.left_out
    assert "onset_count" in few.left_out


def test_a_constant_value_has_no_percentiles(rng: np.random.Generator) -> None:
    rows: list[Any] = [row | {"danceability": 0.5} for row in samples(60, rng)]
    assert "danceability" in choose_conditioners(rows, ("*",), "fill", tracks=60).left_out
    assert "logodds_danceability" in chosen(rows, "danceability", tracks=60)
