"""Any window from the kept curves: equal to the same stretch cut out and measured, and without decoding."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cut_reference import TOLERANCES, from_curves, on_the_cut, onsets_in, outside
from library import make_track, write
from mirkit import WindowAnalyzer, features_at
from mirkit.catalog import FEATURES, INFO_SPECS, stage
from mirkit.demo import demo_tracks
from mirkit.errors import MissingInput, SettingsError
from mirkit.features.types import Unknown, Value, Window
from mirkit.pipeline.task import TrackJob
from mirkit.pipeline.track_task import process
from mirkit.stages.window import FROM_SERIES, widened
from mirkit.store import Settings
from mirkit.track import Track

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}


def measured(folder: Path) -> Path:
    outcome = process(TrackJob(folder, FROM_SERIES, BACKENDS, Settings()))
    assert outcome.ok, outcome.failures
    return folder


@dataclass
class Pair:
    """A window both ways, and the onsets of its signals."""

    name: str
    curves: dict[str, Value]
    cut: dict[str, Value]
    onsets: dict[str, int]


def both_ways(folder: Path, start: float, end: float, temp: Path) -> Pair:
    window = Window(round(start * 44100) / 44100, round(end * 44100) / 44100)
    temp.mkdir()
    name = f"{folder.name} {start}-{end}"
    return Pair(name, from_curves(folder, window), on_the_cut(folder, window, temp), onsets_in(folder, window))


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "House"
    piece = next(iter(demo_tracks()))
    for stem, samples in piece.stems.items():
        write(folder / f"{stem}.flac", samples)
    write(folder / "full_mix.flac", sum(piece.stems.values()))
    return measured(folder)


@pytest.fixture(scope="module")
def synthetic_pairs(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    temp = tmp_path_factory.mktemp("cuts")
    return [both_ways(synthetic, *times, temp / f"{times[0]}") for times in ((4.11, 14.93), (9.0, 21.0))]


@pytest.fixture(scope="module")
def real_pairs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    temp = tmp_path_factory.mktemp("real")
    pairs = []
    for name, times in (("MusicDelta_Rock", (1.09, 11.99)), ("MusicDelta_Zeppelin", (2.3, 13.1))):
        folder = Path(shutil.copytree(shared_data / "mdb" / name, temp / name, copy_function=shutil.copyfile))
        folder.chmod(0o755)
        pairs.append(both_ways(measured(folder), *times, temp / f"{name} cut"))
    return pairs


def check(key: str, pairs: list[Pair]) -> None:
    for pair in pairs:
        curves, cut, n = pair.curves[key], pair.cut[key], pair.onsets[key]
        off = outside(key, curves, cut, n)
        assert off is None or off <= 1, f"{pair.name}: {curves} from the curves, {cut} from the cut, {n} onsets"


@pytest.mark.slow
@pytest.mark.parametrize("key", TOLERANCES)
def test_a_window_of_synthetic_music_is_its_cut(key: str, synthetic_pairs: list[Pair]) -> None:
    check(key, synthetic_pairs)


@pytest.mark.slow
@pytest.mark.parametrize("key", TOLERANCES)
def test_a_window_of_real_music_is_its_cut(key: str, real_pairs: list[Pair]) -> None:
    check(key, real_pairs)


def test_most_keys_have_a_value_to_compare(synthetic_pairs: list[Pair]) -> None:
    compared = {key for key, value in synthetic_pairs[0].curves.items() if not isinstance(value, Unknown)}
    assert len(compared) >= 60


def test_every_key_has_a_tolerance() -> None:
    from_sound = {*stage("timbral").keys, *stage("aesthetics").keys, "position"}
    assert TOLERANCES.keys() | from_sound == {row.name for row in FEATURES}


def test_nothing_is_decoded(synthetic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sound(*_: object, **__: object) -> None:
        raise AssertionError("the sound was opened")

    for module in ("mirkit.analysis", "mirkit.windows"):
        monkeypatch.setattr(f"{module}.open_audio", no_sound)
    values = features_at(synthetic, 4, 16)
    assert list(values) == [row.name for row in INFO_SPECS]
    assert values["bpm"] == pytest.approx(124, abs=0.2)
    assert values["position"] == pytest.approx(4 / 30)


def test_what_needs_the_sound_says_so(synthetic: Path) -> None:
    found = WindowAnalyzer.open(synthetic).at(4, 8)
    assert found.reasons["depth"] == "it is computed from the audio, which was not decoded (see --samples)"
    assert found.reasons["content_enjoyment"]
    assert {key for key, value in found.values.items() if value is None} == set(found.reasons)


def test_timbre_of_a_window_is_that_of_its_samples(synthetic: Path, tmp_path: Path) -> None:
    values = WindowAnalyzer.open(synthetic).at(4, 8, samples=True).values
    import soundfile

    from mirkit.features.timbre import timbre

    samples = soundfile.read(synthetic / "full_mix.flac", dtype="float32")[0].T[:, 4 * 44100 : 8 * 44100]
    expected = timbre(samples)
    assert values["depth"] == pytest.approx(expected.depth)
    assert values["hardness"] == pytest.approx(expected.hardness)


def test_the_whole_track_is_a_window_too(synthetic: Path) -> None:
    from mirkit.store import read_info

    info = read_info(Track.at(synthetic).info)
    for key, value in features_at(synthetic, 0, 30).items():
        if isinstance(info.get(key), str):
            assert value == info[key]
        elif key in info:
            assert value == (None if info[key] is None else pytest.approx(info[key], rel=1e-5)), key


def test_short_windows_have_no_loudness_range(synthetic: Path) -> None:
    found = WindowAnalyzer.open(synthetic).at(10, 12.9)
    assert found.reasons["lra"] == found.reasons["danceability"] == "too short"
    assert found.values["lufs"] is not None
    assert WindowAnalyzer.open(synthetic).at(26.93, 30).values["lra"] is not None, "3 s have one, also at the very end"


def test_slices_measure_such_values_over_more_time_and_say_so(synthetic: Path) -> None:
    found = WindowAnalyzer.open(synthetic).slices(16)
    assert found.widened == {
        **{key: 3.0 for key in found.values if key.startswith("lra")},
        "danceability": 10.0,
        "atonality": 10.0,
    }
    assert len(found.edges) == 17
    assert all(len(values) == 16 for values in found.values.values())
    assert None not in found.values["danceability"]
    windows = WindowAnalyzer.open(synthetic)
    middle = windows.at(found.edges[8], found.edges[9]).values
    assert [values[8] for key, values in found.values.items() if key not in found.widened] == [
        value for key, value in middle.items() if key not in found.widened
    ]
    center = (found.edges[8] + found.edges[9]) / 2
    assert found.values["danceability"][8] == windows.at(center - 5, center + 5).values["danceability"]
    assert found.reasons["depth"] == ["it is computed from the audio, which was not decoded (see --samples)"] * 16


def test_slices_of_a_window(synthetic: Path) -> None:
    found = WindowAnalyzer.open(synthetic).slices(4, 2.0, 22.0)
    assert found.edges == pytest.approx((2, 7, 12, 17, 22))
    assert found.values["position"] == pytest.approx([2 / 30, 7 / 30, 12 / 30, 17 / 30])


@pytest.mark.parametrize("seconds", [0.3, 3.0, 10.0, 40.0])
def test_widened_windows_stay_within_the_track(seconds: float) -> None:
    for start in np.arange(0, 29.9, 0.7):
        wide = widened(Window(start, start + 0.1), seconds, 30.0)
        assert 0 <= wide.start <= start
        assert start + 0.1 <= wide.end <= 30.0
        assert wide.duration == pytest.approx(min(seconds, 30.0))


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (5, 5), (7, 3), (0, 31), (30, 40), (float("nan"), 3)])
def test_what_is_no_window(start: float, end: float, synthetic: Path) -> None:
    with pytest.raises(SettingsError, match="is outside"):
        features_at(synthetic, start, end)


def test_an_unmeasured_track_names_the_command(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "New", seconds=2.0)
    with pytest.raises(MissingInput, match="mirkit extract"):
        features_at(folder, 0, 1)


@pytest.mark.parametrize("what", ["no curves", "another mix", "no grid", "torn curves"])
def test_stale_curves_name_the_command(what: str, synthetic: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(synthetic, tmp_path / "House"))
    track = Track.at(folder)
    if what == "no curves":
        track.feature_series.unlink()
    elif what == "another mix":
        shutil.copyfile(folder / "drums.flac", folder / "full_mix.flac")
    elif what == "no grid":
        track.grid.unlink()
    else:
        track.feature_series.write_bytes(track.feature_series.read_bytes()[:999])
    with pytest.raises(MissingInput, match="mirkit extract") as error:
        features_at(folder, 0, 1)
    assert "\n" not in str(error.value)


def test_deleted_curves_are_made_anew(synthetic: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(synthetic, tmp_path / "House"))
    before = features_at(folder, 3, 15)
    Track.at(folder).feature_series.unlink()
    assert features_at(measured(folder), 3, 15) == before
