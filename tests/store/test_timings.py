"""Times of this machine that are remembered in the user's cache folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from mirkit.store import timings
from mirkit.store.timings import Timings, read_timings, write_timings
from mirkit.store.user_cache import remember, remembered, user_cache


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_nothing_is_known_at_first() -> None:
    found = read_timings()
    assert (found.rates, found.compiling) == ({}, None)
    assert found.seconds_per_minute("separate embedded") is None


def test_what_was_measured_is_read_again(home: Path) -> None:
    found = Timings(compiling=12.5)
    found.add("beats", 3.0, 2.0)
    found.add("beats", 1.0, 2.0)
    write_timings(found)
    assert read_timings().seconds_per_minute("beats") == 1.0
    assert read_timings().compiling == 12.5
    assert {path.name for path in home.iterdir()} == {"timings.json"}


def test_old_measurements_lose_weight() -> None:
    found = Timings()
    found.add("beats", 10_000.0, 10_000.0)
    found.add("beats", 180.0, 60.0)
    assert found.seconds_per_minute("beats") == pytest.approx(2.0)


def test_other_machines_keep_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        monkeypatch.setattr(timings, "cpu_name", lambda number=number: f"Processor {number}")
        write_timings(Timings({"beats": (float(number), 1.0)}))
    monkeypatch.setattr(timings, "cpu_name", lambda: "Processor 10")
    assert read_timings().rates == {"beats": (10.0, 1.0)}
    assert len(remembered("timings.json")["machines"]) == 8


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"format": 2}', '{"format": 1, "machines": 3}', '{"format": 1, "machines": {"HERE": []}}'],
)
def test_a_file_that_is_damaged_counts_as_none(content: str, home: Path) -> None:
    home.mkdir()
    (home / "timings.json").write_text(content.replace("HERE", timings._machine()))
    assert read_timings() == Timings()
    write_timings(Timings({"beats": (1.0, 1.0)}))
    assert read_timings().rates == {"beats": (1.0, 1.0)}


@pytest.mark.parametrize("wrong", [["x", 1], [1], 3, None, [float("nan"), 1], [-1, 1], [True, 1]])
def test_entries_that_are_no_times_are_left_out(wrong: Any) -> None:
    rates = {"a": wrong, "b": [2.0, 1.0]}
    remember("timings.json", {"format": 1, "machines": {timings._machine(): {"rates": rates, "compiling": "x"}}})
    assert read_timings() == Timings({"b": (2.0, 1.0)})


def test_a_cache_that_cannot_be_written_is_no_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_text("a file in its place")
    remember("timings.json", {"a": 1})
    assert remembered("timings.json") == {}
    monkeypatch.setattr("mirkit.store.user_cache.user_cache", lambda: None)
    remember("timings.json", {"a": 1})
    assert remembered("timings.json") == {}


def test_the_place_is_the_platforms_cache(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert user_cache() == home
    monkeypatch.delenv("MIRKIT_HOME")
    found = user_cache()
    assert found is not None
    assert found.name == "mirkit"


def test_the_file_holds_no_names_of_files(home: Path) -> None:
    write_timings(Timings({"separate embedded": (4.0, 1.0)}, 3.0))
    content = json.loads((home / "timings.json").read_text())
    assert content == {
        "format": 1,
        "machines": {timings._machine(): {"rates": {"separate embedded": [4.0, 1.0]}, "compiling": 3.0}},
    }
