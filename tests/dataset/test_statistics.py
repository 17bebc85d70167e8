"""Statistics of a data set: known answers, missing keys, planted faults."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirkit.catalog import DESCRIPTORS, TRACK_KEYS
from mirkit.dataset.library.row import NOT_MEASURED
from mirkit.dataset.statistics import (
    FeatureStatistics,
    Range,
    Statistics,
    as_json,
    read_table,
    statistics,
)
from mirkit.errors import MissingInput

N = 60


def track(folder: Path, info: Mapping[str, Any], stages: Mapping[str, Any] | None = None, **facts: Any) -> Path:
    """Write the sidecars of a track; its sound is never opened."""
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").touch()
    (folder / f"{folder.name}.INFO").write_text(json.dumps(info))
    content = {"stages": stages or {}, "facts": {name: {"value": value} for name, value in facts.items()}}
    (folder / f"{folder.name}.PROVENANCE").write_text(json.dumps(content))
    return folder


@pytest.fixture
def library(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Sixty tracks with planted faults."""
    root = tmp_path / "music"
    for i in range(N):
        info: dict[str, Any] = {name: round(float(rng.uniform(0.2, 0.8)), 6) for name in TRACK_KEYS}
        info |= {"bpm": 100.0 + i, "beat_count": 400 + 4 * i, "danceability": 0.5, "bpm_is_defined": int(i % 3 > 0)}
        info |= {"lufs": -14.0 + 0.01 * i, "spectral_flatness": 10 ** (-3 + i / 60), "content_enjoyment": None}
        info |= {"my_own": "text", "lra": 5.0 + i % 7}
        stages = {"beats": {"backend": "beat_this" if i < 5 else "embedded"}, "separate": {"backend": "embedded"}}
        stages["aesthetics"] = {"backend": None, "reasons": {"content_enjoyment": "model unavailable"}}
        if i == 7:
            info["lufs"] = -60.0
        if i == 9:
            info["lra"] = 55.0
        if i == 11:
            info |= {"bpm": None, "warmth": None}
            stages["beats"]["reasons"] = {"bpm": "no steady pulse"}
        if i == 13:
            del info["depth"]
        info |= {"key": "C" if i % 2 else "A", "mode": "major", "time_signature": "4/4" if i else None}
        track(root / f"T{i:02d}", info, stages)
    return root


@pytest.fixture
def found(library: Path) -> Statistics:
    return statistics(read_table(library))


def of(found: Statistics, name: str) -> FeatureStatistics:
    return next(row for row in found.keys if row.key == name)


def test_numbers_of_a_key(found: Statistics) -> None:
    bpm = of(found, "bpm")
    values = np.array([100.0 + i for i in range(N) if i != 11])
    assert bpm.count == N - 1
    assert bpm.coverage == pytest.approx((N - 1) / N)
    assert (bpm.mean, bpm.std) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    assert (bpm.low, bpm.high) == (100, 159)
    assert bpm.percentiles["50"] == np.median(values)
    assert sum(bpm.histogram) <= bpm.count
    assert bpm.range is not None
    assert (bpm.range.min_val, bpm.range.max_val) == (100, 159)


def test_why_there_are_none(found: Statistics) -> None:
    assert of(found, "bpm").nulls == {"no steady pulse": 1}
    assert of(found, "warmth").nulls == {"no reason given": 1}
    assert of(found, "depth").nulls == {NOT_MEASURED: 1}
    assert of(found, "content_enjoyment").nulls == {"model unavailable": N}
    assert of(found, "content_enjoyment").range is None


def test_outliers_are_named_though_keys_are_missing_elsewhere(found: Statistics) -> None:
    """A track without a key must not shift the names of those behind it."""
    assert of(found, "lufs").extreme[0] == ("T07", -60.0)
    assert of(found, "lra").extreme == (("T09", 55.0),)
    assert of(found, "bpm").outliers == 0


def test_out_of_range(found: Statistics) -> None:
    assert of(found, "lra").outside == pytest.approx(1 / N)
    assert of(found, "lra").range is not None
    assert of(found, "lra").range.max_val <= 11.1  # type: ignore[union-attr]  # what is invalid stretches no range


def test_constant_and_alike(found: Statistics) -> None:
    assert [row.key for row in found.keys if row.constant] == ["danceability"]
    assert dict(of(found, "bpm").alike).keys() == {"beat_count", "spectral_flatness", "lufs"}
    assert ("bpm", pytest.approx(1.0, abs=1e-3)) in of(found, "beat_count").alike
    assert of(found, "spectral_flatness").range.scale == "log"  # type: ignore[union-attr]
    assert of(found, "reverberation").range == Range(0.0, 1.0, "percentile")


def test_duplicates_are_named_with_the_feature_that_is_kept(found: Statistics) -> None:
    """By rank, so that neither the scale nor an outlier hides them; counts repeat rates in any set."""
    assert found.duplicates == {
        "beat_count": "bpm, times the length",
        "onset_count": "onset_density, times the length",
        "lufs": "bpm (rank correlation 1.00)",
        "spectral_flatness": "bpm (rank correlation 1.00)",
    }


def test_classes_and_methods(found: Statistics) -> None:
    assert of(found, "bpm_is_defined").counts == {"0": N // 3, "1": N - N // 3}
    assert found.classes == {"key": {"A": 30, "C": 30}, "mode": {"major": N}, "time_signature": {"4/4": N - 1}}
    assert found.mixed == {"beats": {"beat_this": 5, "embedded": N - 5}}


def test_json_is_plain_and_rounded(found: Statistics) -> None:
    content = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert content["tracks"] == N
    assert content["keys"]["bpm"]["range"] == {"min_val": 100, "max_val": 159, "scale": "linear"}
    descriptors = [row.name for row in DESCRIPTORS if row.is_number]
    assert list(content["keys"]) == [*TRACK_KEYS, *descriptors]


def test_excluded_and_unreadable_tracks_are_no_rows(library: Path) -> None:
    (library / "mirkit.toml").write_text('[exclude]\nT07 = "far too quiet"\n')
    (library / "T08" / "T08.INFO").write_text('{"bpm": 12')
    (library / "T09" / "T09.PROVENANCE").write_text('{"stages": {"beats": 3}}')
    found = statistics(read_table(library))
    assert found.tracks == N - 3
    assert found.excluded == {"T07": "far too quiet"}
    assert len(found.unreadable) == 2
    assert not of(found, "lufs").extreme


@pytest.mark.parametrize("value", ["loud", True, [1], {"a": 1}, "NaN", "Infinity", "1e999"])
def test_what_is_no_number_is_none(value: Any, tmp_path: Path) -> None:
    folder = track(tmp_path / "Odd", {"bpm": 120, "lufs": -9})
    text = value if isinstance(value, str) and value != "loud" else json.dumps(value)
    (folder / "Odd.INFO").write_text(f'{{"bpm": 120, "lufs": {text}}}')
    table = read_table(folder)
    values = dict(zip(table.keys, table.values[0], strict=True))
    assert values["bpm"] == 120
    assert np.isnan(values["lufs"])


def test_one_track_and_no_track(library: Path, tmp_path: Path) -> None:
    assert statistics(read_table(library / "T00")).tracks == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInput):
        read_table(tmp_path / "empty")
    with pytest.raises(MissingInput, match="mirkit crop"):
        read_table(library, crops=True)


def test_thresholds_count_tracks_and_not_their_clips(tmp_path: Path, rng: np.random.Generator) -> None:
    """As in an export: a hundred clips of two tracks get no percentiles, and no near copies by correlation."""
    for number in range(100):
        values = {"atonality": float(rng.uniform(0.1, 0.9)), "bpm": 100 + number, "lufs": -20 + number / 10}
        cut = {"cut": {"parameters": {"source": "../.."}}}
        name = f"T{number % 2}"
        track(tmp_path / name / "crops" / f"{name}_{number:03d}", values, cut)
    for name in ("T0", "T1"):
        (tmp_path / name / "full_mix.flac").touch()
    found = statistics(read_table(tmp_path, crops=True))
    bounds = of(found, "atonality").range
    assert found.tracks == 100
    assert bounds is not None
    assert bounds.scale != "percentile"
    assert "lufs" not in found.duplicates


def test_clips_instead_of_tracks(library: Path) -> None:
    for number in (1, 2):
        cut = {"cut": {"parameters": {"source": "../.."}}}
        track(library / "T00" / "crops" / f"T00_{number:03d}", {"bpm": 100 + number, "position": 0.5}, cut)
    track(library / "T01" / "crops" / "not cut by us", {"bpm": 3})
    found = statistics(read_table(library, crops=True))
    assert found.tracks == 2
    assert of(found, "bpm").low == 101
    assert of(found, "position").count == 2
    assert statistics(read_table(library)).tracks == N
    (library / "mirkit.toml").write_text('[exclude]\n"T00/crops/T00_001" = "a cough"\n')
    assert statistics(read_table(library, crops=True)).tracks == 1
    (library / "mirkit.toml").write_text('[exclude]\nT00 = "not ours"\n')
    with pytest.raises(MissingInput):
        read_table(library, crops=True)
