"""``.BEATS_GRID`` and ``.ONSETS``: written exactly, read strictly, older forms too."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirkit.errors import InfoError, MissingInput
from mirkit.store import BeatGrid, format_grid, format_onsets, read_grid, read_onsets, write_sidecar
from properties import tries

EMPTY = np.array([])
TIMES = st.lists(st.integers(0, 10**11), unique=True, max_size=30).map(lambda us: np.sort(us) / 1e6)
same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=tries(40)
)


def test_the_file_is_the_one_of_the_design(tmp_path: Path) -> None:
    path = tmp_path / "x.BEATS_GRID"
    write_sidecar(path, format_grid(BeatGrid(np.array([0.1234567, 0.5, 1.0]), np.array([0.5]), 142.191919)))
    assert json.loads(path.read_text()) == {
        "beats": [0.123457, 0.5, 1.0],
        "downbeats": [0.5],
        "bpm": 142.192,
        "total_beats": 3,
    }
    assert list(json.loads(path.read_text())) == ["beats", "downbeats", "bpm", "total_beats"]


@same_folder
@given(beats=TIMES, downbeats=TIMES, bpm=st.none() | st.floats(1, 1000))
def test_round_trip(tmp_path: Path, beats: np.ndarray, downbeats: np.ndarray, bpm: float | None) -> None:
    path = tmp_path / "x.BEATS_GRID"
    write_sidecar(path, format_grid(BeatGrid(beats, downbeats, bpm)))
    grid = read_grid(path)
    np.testing.assert_array_equal(grid.beats, np.round(beats, 6))
    np.testing.assert_array_equal(grid.downbeats, np.round(downbeats, 6))
    assert grid.bpm == (None if bpm is None else pytest.approx(bpm, rel=1e-5))
    assert format_grid(grid) == path.read_bytes()


def test_a_tempo_map_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.BEATS_GRID"
    parts = ((0.5, 24.0, 100.0), (24.0, 44.25, 120.5))
    path.write_bytes(format_grid(BeatGrid(np.array([0.5, 1.1]), EMPTY, None, parts)))
    assert json.loads(path.read_text())["tempo_map"][1] == {"start": 24.0, "end": 44.25, "bpm": 120.5}
    assert read_grid(path).tempo_map == parts


@pytest.mark.parametrize("bad", ['"x"', "[1]", '[{"start": 0}]', '[{"start": 0, "end": 1, "bpm": -1}]'])
def test_a_damaged_tempo_map_is_refused(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "x.BEATS_GRID"
    path.write_text('{"beats": [0.5, 1.0], "tempo_map": ' + bad + "}")
    with pytest.raises(InfoError, match="not a beat grid"):
        read_grid(path)


def test_no_beats_are_a_grid_too(tmp_path: Path) -> None:
    write_sidecar(tmp_path / "x", format_grid(BeatGrid(EMPTY, EMPTY)))
    grid = read_grid(tmp_path / "x")
    assert (len(grid.beats), len(grid.downbeats), grid.bpm) == (0, 0, None)


@pytest.mark.parametrize(
    "text",
    [
        "0.123000\n0.545000\n0.967000\n",
        "0.123\r\n0.545\r\n0.967",
        "\ufeff# beats\n\n0.123\n  0.545  \n0.967 # the last\n\n",
        '{"beats": [0.123, 0.545, 0.967], "bpm": 142.19, "total_beats": 3}',
        '\ufeff \n{"beats": [0.123, 0.545, 0.967], "mine": {}}',
    ],
)
def test_older_forms_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.BEATS_GRID"
    path.write_bytes(text.encode())
    grid = read_grid(path)
    np.testing.assert_array_equal(grid.beats, [0.123, 0.545, 0.967])
    assert len(grid.downbeats) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n\n",
        b"0.5\n0.4\n",
        b"0.5\n0.5\n",
        b"0.5\nnan\n",
        b"0.5 1\n",
        b"half\n",
        b"\xff\xfe\x00",
        b"{",
        b"[0.5]",
        b'{"bpm": 120}',
        b'{"beats": 3}',
        b'{"beats": null}',
        b'{"beats": ["0.5"]}',
        b'{"beats": [true]}',
        b'{"beats": [NaN]}',
        b'{"beats": [null]}',
        b'{"beats": [[0.5]]}',
        b'{"beats": [1, 0]}',
        b'{"beats": [' + b"9" * 400 + b"]}",
        b'{"beats": [0.5], "bpm": "fast"}',
        b'{"beats": [0.5], "bpm": -3}',
        b'{"beats": [0.5], "downbeats": {}}',
    ],
)
def test_a_damaged_grid_is_told_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.BEATS_GRID"
    path.write_bytes(data)
    with pytest.raises(InfoError, match=r"x\.BEATS_GRID: ") as caught:
        read_grid(path)
    assert "\n" not in str(caught.value)


def test_a_missing_one_says_what_makes_it(tmp_path: Path) -> None:
    for read in (read_grid, read_onsets):
        with pytest.raises(MissingInput, match="mirkit measure rhythm"):
            read(tmp_path / "x")


@same_folder
@given(st.binary(max_size=200) | st.text(alphabet='0123456789.eE+-#\n {}[]":,beatsnNaIi', max_size=80).map(str.encode))
def test_any_bytes_are_a_grid_or_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    for read in (read_grid, read_onsets):
        try:
            found = read(path)
        except InfoError:
            continue
        times = found.beats if isinstance(found, BeatGrid) else found
        assert np.all(np.isfinite(times))
        assert np.all(np.diff(times) > 0)


@pytest.mark.parametrize(
    "grid",
    [
        lambda: BeatGrid(np.array([1.0, 0.5]), EMPTY),
        lambda: BeatGrid(np.array([np.nan]), EMPTY),
        lambda: BeatGrid(np.zeros((2, 2)), EMPTY),
        lambda: BeatGrid(EMPTY, EMPTY, math.nan),
        lambda: BeatGrid(EMPTY, EMPTY, 0.0),
        lambda: format_grid(BeatGrid(np.array([0.5, 0.5 + 1e-9]), EMPTY)),
        lambda: format_onsets([0.5, 0.1]),
        lambda: format_onsets([math.inf]),
    ],
)
def test_no_nonsense_is_written(grid: object) -> None:
    with pytest.raises(ValueError, match=r"times must|not a tempo"):
        grid()  # type: ignore[operator]


def test_onsets_are_one_time_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.ONSETS"
    write_sidecar(path, format_onsets([0.1234567, 1, 100.5]))
    assert path.read_bytes() == b"0.123457\n1.000000\n100.500000\n"
    np.testing.assert_array_equal(read_onsets(path), [0.123457, 1, 100.5])
    write_sidecar(path, format_onsets(iter([])))
    assert path.read_bytes() == b""
    assert len(read_onsets(path)) == 0


def test_minus_zero_is_zero() -> None:
    assert format_onsets([-0.0]) == format_onsets([-1e-9]) == b"0.000000\n"
