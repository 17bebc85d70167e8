"""Tracks that are left out, and taken back in."""

from pathlib import Path

import pytest

from library import beat_music, make_track, write
from mirkit.dataset.find import exclude, include, reason
from mirkit.dataset.verify import verify_all
from mirkit.errors import MissingInput, SettingsError
from mirkit.pipeline import RunRequest, make_plan
from mirkit.store import read_settings
from mirkit.track import Track


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("A", "B", "Sub/A"):
        make_track(tmp_path / "music" / name, seconds=1.0)
    write(tmp_path / "music" / "loose.flac", beat_music(1.0)["drums"])
    (tmp_path / "music" / "mirkit.toml").write_text("# mine\n[run]\njobs = 1\n")
    return tmp_path / "music"


def left_out(library: Path) -> dict[str, str]:
    return {report.name: report.excluded for report in verify_all(library) if report.excluded}


def planned(library: Path) -> list[str]:
    return [
        track.path.relative_to(library).as_posix() for track in make_plan(RunRequest(library, ("bands",), True)).tracks
    ]


def test_an_excluded_track_is_left_out_of_stages_and_told_by_verify(library: Path) -> None:
    assert exclude(library / "B", "clipped") == "B"
    assert planned(library) == ["A", "Sub/A", "loose.flac"]
    assert left_out(library) == {"B": "clipped"}
    assert (library / "mirkit.toml").read_text().startswith("# mine\n[run]\njobs = 1\n"), "the rest stays"
    assert any("B: clipped" in notice for notice in make_plan(RunRequest(library, ("bands",), True)).notices)


def test_tracks_of_the_same_name_are_told_apart(library: Path) -> None:
    assert exclude(library / "Sub" / "A", "a copy") == "Sub/A"
    assert planned(library) == ["A", "B", "loose.flac"]
    settings = read_settings(library)
    assert not reason(Track.at(library / "A"), library, settings.exclude)


def test_a_name_in_the_settings_means_every_track_of_that_name(library: Path) -> None:
    (library / "mirkit.toml").write_text('[exclude]\nA = "by hand"\n')
    assert planned(library) == ["B", "loose.flac"]


def test_a_loose_file(library: Path) -> None:
    assert exclude(library / "loose.flac", "speech") == "loose"
    assert "loose.flac" not in planned(library)
    assert include(library / "loose.flac") == "loose"
    assert "loose.flac" in planned(library)


@pytest.mark.parametrize("name", ["Drôle d'été", "絆 🎵", 'say "x"', "a.b = [c] # d", "tab\there", "O'Brien \\ Co"])
def test_any_name(name: str, library: Path) -> None:
    make_track(library / name, seconds=1.0)
    assert exclude(library / name, 'with "quotes"\nand lines') == name
    assert left_out(library) == {name: 'with "quotes"\nand lines'}
    assert include(library / name) == name
    assert not left_out(library)


@pytest.mark.parametrize(
    "text", ["# mine\n[run]\njobs = 1\n", "", "[exclude]\n# why\n\n[run]\njobs = 1 # one\n", "# mine\n"]
)
def test_taken_back_in_it_leaves_no_trace(text: str, library: Path) -> None:
    (library / "mirkit.toml").write_text(text)
    for name in ("A", "B"):
        exclude(library / name, "noise")
    include(library / "A")
    assert left_out(library) == {"B": "noise"}
    include(library / "B")
    assert (library / "mirkit.toml").read_text() == text


def test_a_track_that_is_gone_can_be_included(library: Path) -> None:
    (library / "mirkit.toml").write_text('[exclude]\nGone = "lost"\n"Sub/Gone too" = "lost"\n')
    assert include(library / "Gone") == "Gone"
    assert include(library / "Sub" / "Gone too") == "Sub/Gone too"
    assert not (library / "mirkit.toml").read_text()


def test_what_goes_wrong(library: Path) -> None:
    with pytest.raises(SettingsError, match="reason"):
        exclude(library / "A", "  ")
    with pytest.raises(MissingInput, match="no such"):
        exclude(library / "Nowhere", "lost")
    with pytest.raises(MissingInput, match="not excluded"):
        include(library / "A")
    (library / "mirkit.toml").write_text("[run\n")
    with pytest.raises(SettingsError):
        exclude(library / "A", "noise")
