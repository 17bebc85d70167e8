"""``--two-stems``: one stem and the rest of the mix, also where other stems exist, and what is up to date."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirkit
from library import make_track
from mirkit import models
from mirkit.audio import encode, open_audio
from mirkit.catalog import STEMS
from mirkit.cli import main
from mirkit.features.types import FloatArray
from mirkit.models.backend import Weights
from mirkit.models.separation.separator import Separator
from mirkit.pipeline import time_estimate
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.settings import SeparationSettings
from mirkit.store import Settings, read_provenance, with_values
from mirkit.track import Track, find_all
from models.test_stems import FakeNetwork
from pipeline.test_neural_stems import FakeSeparator


def quiet_track(folder: Path, seconds: float = 3) -> Path:
    """Make a track at half level, so that the mix without a stem is below full scale, too."""
    track = make_track(folder, seconds=seconds)
    mix = 0.5 * sound(track / "full_mix.flac")
    encode(track / "full_mix.flac", [mix], rate=44100, channels=len(mix), bits=16)
    return track


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return quiet_track(tmp_path / "library" / "Track")


def sound(path: Path) -> FloatArray:
    return open_audio(path, rate=None).samples()


def audio_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.flac"))


def separate(track: Path, *words: str, stem: str = "vocals") -> int:
    return main(["separate", str(track), "--model", "embedded", "--two-stems", stem, "--quiet", *words])


def check_sum(track: Path, stem: str = "vocals", beside: str = "") -> None:
    mix = track if beside else track / "full_mix.flac"
    parts = [f"{beside}_{stem}.flac", f"{beside}_no-{stem}.flac"] if beside else [f"{stem}.flac", f"no_{stem}.flac"]
    folder = track.parent if beside else track
    np.testing.assert_allclose(sum(sound(folder / name) for name in parts), sound(mix), atol=1e-7)


@pytest.mark.parametrize("stem", STEMS)
def test_a_stem_and_the_rest_add_up_to_the_mix(stem: str, track: Path) -> None:
    whole = quiet_track(track.parent / "Four")
    assert main(["separate", str(whole), "--model", "embedded", "--quiet"]) == 0
    assert separate(track, stem=stem) == 0
    assert audio_of(track) == sorted(["full_mix.flac", f"{stem}.flac", f"no_{stem}.flac"])
    check_sum(track, stem)
    np.testing.assert_array_equal(sound(track / f"{stem}.flac"), sound(whole / f"{stem}.flac"))
    entry = read_provenance(track / "Track.PROVENANCE").stages["separate"]
    assert entry.parameters["two_stems"] == stem
    assert set(entry.outputs) == {stem, f"no_{stem}"}


def test_a_second_run_does_nothing_and_a_run_without_the_option_makes_all_stems(
    track: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert separate(track) == 0
    times = {path: path.stat().st_mtime_ns for path in track.glob("*.flac")}
    assert main(["separate", str(track), "--model", "embedded", "--two-stems", "vocals"]) == 0
    assert "1 up to date" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in track.glob("*.flac")} == times
    assert main(["separate", str(track), "--model", "embedded", "--quiet"]) == 0
    assert audio_of(track) == sorted(["full_mix.flac", "no_vocals.flac", *(f"{stem}.flac" for stem in STEMS)])
    check_sum(track)
    assert not read_provenance(track / "Track.PROVENANCE").stages["separate"].parameters.get("two_stems")


def test_of_four_stems_none_is_lost_or_made_again(track: Path) -> None:
    assert main(["separate", str(track), "--model", "embedded", "--quiet"]) == 0
    times = {path: path.stat().st_mtime_ns for path in track.glob("*.flac")}
    assert separate(track) == 0
    assert audio_of(track) == sorted(["full_mix.flac", "no_vocals.flac", *(f"{stem}.flac" for stem in STEMS)])
    assert {path: path.stat().st_mtime_ns for path in times} == times
    check_sum(track)
    assert separate(track, stem="drums") == 0
    check_sum(track, "drums")
    check_sum(track)
    before = (track / "no_vocals.flac").stat().st_mtime_ns
    assert separate(track) == 0
    assert (track / "no_vocals.flac").stat().st_mtime_ns == before


def test_the_rest_of_the_users_own_stem(track: Path) -> None:
    own = 0.5 * sound(track / "full_mix.flac")
    encode(track / "vocals.flac", [own], rate=44100, channels=len(own), bits=16)
    content = (track / "vocals.flac").read_bytes()
    assert separate(track) == 0
    assert audio_of(track) == ["full_mix.flac", "no_vocals.flac", "vocals.flac"]
    assert (track / "vocals.flac").read_bytes() == content
    check_sum(track)
    encode(track / "vocals.flac", [0.5 * own], rate=44100, channels=len(own), bits=16)
    assert separate(track) == 0
    check_sum(track)


def test_a_stem_of_another_length_has_no_rest(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encode(track / "vocals.flac", [sound(track / "full_mix.flac")[:, :5000]], rate=44100, channels=2, bits=16)
    assert separate(track) == 1
    error = capsys.readouterr().err
    assert "vocals.flac: this stem does not have the length and the channels of the mix" in error
    assert not (track / "no_vocals.flac").exists()


def test_the_users_own_rest_is_kept(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (track / "full_mix.flac").read_bytes()
    (track / "no_vocals.flac").write_bytes(content)
    assert separate(track) == 1
    assert "no_vocals.flac: a file of your own, kept as found" in capsys.readouterr().err
    assert (track / "no_vocals.flac").read_bytes() == content
    assert audio_of(track) == ["full_mix.flac", "no_vocals.flac"]


def test_the_plan_tells_of_a_file_in_the_place_of_the_rest(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (track / "no_vocals.flac").write_bytes((track / "full_mix.flac").read_bytes())
    words = ["separate", str(track), "--model", "embedded", "--two-stems", "vocals", "--dry-run"]
    assert main(words) == 0
    assert "Track/no_vocals.flac: a file of your own, so this track will fail" in capsys.readouterr().out
    (track / "no_vocals.flac").unlink()
    assert main(words) == 0
    assert "will fail" not in capsys.readouterr().out


def test_a_damaged_rest_is_not_called_the_users(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert separate(track) == 0
    data = (track / "no_vocals.flac").read_bytes()
    (track / "no_vocals.flac").write_bytes(data[: len(data) // 2])
    assert separate(track) == 1
    assert (
        "no_vocals.flac: its content has changed since mirkit wrote it (edited, or damaged)" in capsys.readouterr().err
    )


def test_the_estimate_counts_the_networks_that_are_computed() -> None:
    chosen = {"backends.stems": "demucs", "separation.model": "htdemucs_ft"}
    four = time_estimate.seconds_per_minute({"stems": "demucs"}, with_values(Settings(), chosen, "test"))
    one = time_estimate.seconds_per_minute(
        {"stems": "demucs"}, with_values(Settings(), chosen | {"separation.two_stems": "vocals"}, "test")
    )
    assert four["separate"] == 4 * one["separate"]
    chosen["separation.model"] = "mdx_extra"  # each of its networks makes all stems
    all_of = time_estimate.seconds_per_minute({"stems": "demucs"}, with_values(Settings(), chosen, "test"))
    two = with_values(Settings(), chosen | {"separation.two_stems": "vocals"}, "test")
    assert time_estimate.seconds_per_minute({"stems": "demucs"}, two) == all_of


def test_files_of_the_user_with_such_names_matter_only_with_the_option(
    track: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in ("flac", "wav"):
        (track / f"no_vocals.{suffix}").write_bytes((track / "full_mix.flac").read_bytes())
    assert main(["separate", str(track), "--model", "embedded", "--quiet"]) == 0
    assert separate(track) == 1
    assert "could each be the no_vocals; keep one of them" in capsys.readouterr().err


def test_a_loose_file(tmp_path: Path) -> None:
    """``Say_no_vocals.flac`` is the vocals of ``Say_no.flac``, and not the rest of ``Say.flac``."""
    source = quiet_track(tmp_path / "made", 2) / "full_mix.flac"
    folder = tmp_path / "songs"
    folder.mkdir()
    for name in ("Say.flac", "Say_no.flac"):
        (folder / name).write_bytes(source.read_bytes())
    assert separate(folder, "--batch") == 0
    assert audio_of(folder) == [
        "Say.flac", "Say_no-vocals.flac", "Say_no.flac", "Say_no_no-vocals.flac", "Say_no_vocals.flac",
        "Say_vocals.flac",
    ]  # fmt: skip
    check_sum(folder / "Say.flac", beside="Say")
    check_sum(folder / "Say_no.flac", beside="Say_no")
    assert [track.name for track in find_all(folder, [], [])] == ["Say", "Say_no"]
    assert main(["organize", str(folder), "--quiet"]) == 0
    found = next(folder.rglob("full_mix.flac")).parent
    assert {"vocals.flac", "no_vocals.flac"} <= set(audio_of(found))
    assert set(Track.at(found).rests) == {"no_vocals"}
    assert main(["organize", str(folder), "--undo", "--quiet"]) == 0
    assert len(audio_of(folder)) == 6


def test_a_stem_that_a_model_separates_needs_no_embedded_method(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSeparator({"vocals": 0.25})
    monkeypatch.setattr(models, "load", lambda _task, _settings: fake)
    settings = with_values(Settings(), {"backends.stems": "demucs", "separation.two_stems": "vocals"}, "test")
    outcome = process(TrackJob(track, ("separate",), {"stems": "demucs"}, settings))
    assert outcome.ok, outcome.failures
    assert not outcome.notes
    mix = sound(track / "full_mix.flac")
    np.testing.assert_allclose(sound(track / "vocals.flac"), mix / 4, atol=2**-15)
    np.testing.assert_allclose(sound(track / "no_vocals.flac"), 0.75 * mix, atol=2**-14)


def test_only_the_networks_of_the_stem_are_computed(tmp_path: Path) -> None:
    """In a bag with one network per stem, as htdemucs_ft, the others do not contribute."""
    networks = [FakeNetwork() for _ in STEMS]
    made = Separator(networks, np.eye(4), Weights("fake", (), ""), "cpu")
    rng = np.random.default_rng(0)
    encode(tmp_path / "x.wav", [rng.standard_normal((2, 44100)).astype(np.float32) / 9], rate=44100, channels=2)

    def stems(**values: Any) -> dict[str, FloatArray]:
        blocks = list(
            made.separate(open_audio(tmp_path / "x.wav", rate=None), replace(SeparationSettings(), **values)).blocks()
        )
        return {stem: np.concatenate([block[stem] for block in blocks], axis=1) for stem in made.stems}

    every = stems()
    assert all(network.batches for network in networks)
    counts = [len(network.batches) for network in networks]
    one = stems(two_stems="other")
    np.testing.assert_array_equal(one["other"], every["other"])
    assert [len(network.batches) - count for network, count in zip(networks, counts, strict=True)] == [
        0, 0, counts[2], 0,
    ]  # fmt: skip


def test_two_stems_in_python() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 44100)).astype(np.float32) / 9
    four = mirkit.separate((noise, 44100), backend="embedded")
    two = mirkit.separate((noise, 44100), backend="embedded", two_stems="drums")
    assert list(two) == ["drums", "no_drums"]
    np.testing.assert_array_equal(two["drums"], four["drums"])
    np.testing.assert_allclose(two["drums"] + two["no_drums"], noise, atol=1e-6)
    with pytest.raises(mirkit.errors.MirkitError, match=r"drums, bass, other, vocals"):
        mirkit.separate((noise, 44100), backend="embedded", two_stems="guitar")
