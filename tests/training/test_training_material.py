"""What training may use: licenses, files of the index alone, never the real multitracks, both sides of the split."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from training.material import Material, MaterialError, credits_text, index, read, songs

from training import material

ROOT = Path(__file__).resolve().parents[2]
HEAD = ["path", "class", "instrument", "articulation", "midi_note", "drum_class", "source", "license", "attribution"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder: two basses, one of them held out, a drum, and two songs of which one has no bass."""
    rows = [
        *(("bass", "swag", str(note), "", "CC0-1.0", "A") for note in (30, 40, 50)),
        *(("bass", "yamaha_yr", str(note), "", "CC-BY-4.0", "B, C") for note in (30, 40, 50)),
        ("drums", "rumpf", "", "kick", "CC-BY-3.0", "D"),
        *((kind, "stems", "", "", "CC0-1.0", "E") for kind in ("drums", "bass", "synth", "voice")),
    ]
    folder = tmp_path / "data"
    table = []
    for i, (kind, instrument, note, drum, name, author) in enumerate(rows):
        names = ("eif1_a_w0", "eif2_lithium_w0") if instrument == "stems" else (str(i),)
        for j, file in enumerate(names):
            if (kind, file) == ("bass", "eif1_a_w0"):
                continue
            path = folder / "samples" / kind / instrument / f"{file}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            sound = np.full((22050 + i, 1 + j), 0.01 * (i + 1), np.float32)
            soundfile.write(path, sound, 44100)
            table.append([path.relative_to(folder / "samples"), kind, instrument, "", note, drum, "", name, author])
    write(folder / "samples" / "index.csv", table)
    return folder


def write(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    material._index.cache_clear()


@pytest.mark.parametrize(
    "license_name", ["CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", "CC-BY-ND-4.0", "GPL-3.0", "proprietary", ""]
)
def test_a_license_that_is_not_listed_is_refused(tmp_path: Path, license_name: str) -> None:
    row: list[object] = ["a.flac", "bass", "x", "", "40", "", "", "CC0-1.0", "A"]
    write(tmp_path / "samples" / "index.csv", [row, ["b.flac", *row[1:7], license_name, "B"]])
    with pytest.raises(MaterialError, match=r"b\.flac: the license .* is not one that allows shipping"):
        Material(tmp_path)
    write(tmp_path / "samples" / "index.csv", [row])
    assert Material(tmp_path).instruments("bass", tonal=False) == ["x"]


def test_the_license_of_midi_is_checked_too(data: Path) -> None:
    (data / "midi").mkdir()
    (data / "midi" / "index.csv").write_text("path,kind,split,licence,attribution\na.mid,drums,train,CC-BY-NC-4.0,A\n")
    with pytest.raises(MaterialError, match=r"a\.mid: the license 'CC-BY-NC-4\.0'"):
        Material(data)


@pytest.mark.parametrize(
    "path", ["../mdb/MusicDelta_Rock/drums.flac", "../truth/mdbraw_Punk/bass.ogg", "x/MusicDelta_Punk_Drum.flac"]
)
def test_an_index_cannot_name_the_real_multitracks(tmp_path: Path, path: str) -> None:
    write(tmp_path / "samples" / "index.csv", [[path, "drums", "x", "", "", "kick", "", "CC0-1.0", "A"]])
    with pytest.raises(MaterialError, match="the real multitracks are for scoring alone"):
        Material(tmp_path)


def test_nor_can_a_link_or_the_data_folder_lead_there(tmp_path: Path) -> None:
    real = tmp_path / "mdb" / "MusicDelta_Rock"
    real.mkdir(parents=True)
    soundfile.write(real / "drums.flac", np.zeros(100), 44100)
    folder = tmp_path / "samples"
    write(folder / "index.csv", [["kick.flac", "drums", "x", "", "", "kick", "", "CC0-1.0", "A"]])
    try:
        os.symlink(real / "drums.flac", folder / "kick.flac")
    except OSError:
        pytest.skip("links need rights there")
    with pytest.raises(MaterialError, match="scoring alone"):
        Material(tmp_path)
    with pytest.raises(MaterialError, match="scoring alone"):
        read(real / "drums.flac", tmp_path)
    write(real / "samples" / "index.csv", [["kick.flac", "drums", "x", "", "", "kick", "", "CC0-1.0", "A"]])
    with pytest.raises(MaterialError, match="scoring alone"):
        Material(real)


def test_only_files_in_the_folder_are_opened(data: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "else.flac", np.zeros(100), 44100)
    with pytest.raises(MaterialError, match="is not in"):
        read(tmp_path / "else.flac", data / "samples")
    write(data / "samples" / "index.csv", [["../../else.flac", "drums", "x", "", "", "kick", "", "CC0-1.0", "A"]])
    with pytest.raises(MaterialError, match="is not in"):
        index(data / "samples")


def test_training_and_validation_share_nothing(data: Path) -> None:
    training, validation = Material(data), Material(data, held_out=True)
    assert (training.instruments("bass"), validation.instruments("bass")) == (["swag"], ["yamaha_yr"])
    assert [s.note for s in training.samples("bass", "swag")] == [30, 40, 50]
    assert training.instruments("drums") == []
    assert training.instruments("drums", tonal=False) == ["rumpf"]
    assert training.sound(training.samples("drums", "rumpf")[0]).shape == (22056,)
    assert list(songs(data, validation=False)) == ["eif1_a_w0"]
    assert list(songs(data, validation=True)) == ["eif2_lithium_w0"]


def test_stems_of_a_song_have_one_length_and_two_channels(data: Path) -> None:
    song = songs(data, validation=False)["eif1_a_w0"]
    assert list(song) == list(material.STEMS)
    assert {stem: sound.shape for stem, sound in song.items()} == dict.fromkeys(material.STEMS, (2, 22057))
    assert not song["bass"].any()
    np.testing.assert_allclose(song["vocals"], 0.11, atol=1e-4)


def test_a_file_at_another_rate_has_its_length_in_seconds(data: Path) -> None:
    path = data / "samples" / "drums" / "low.flac"
    soundfile.write(path, np.zeros(11025), 22050)
    assert read(path, data / "samples").shape == (1, 22050)


def test_credits_name_every_author_once(data: Path) -> None:
    (data / "midi").mkdir()
    (data / "midi" / "index.csv").write_text("path,kind,split,licence,attribution\na.mid,drums,train,MIT,F\n")
    lines = credits_text(data, [("MIT", "G")]).splitlines()
    assert lines[2:] == ["CC-BY-3.0: D.", "CC-BY-4.0: B, C.", "CC0-1.0: A; E.", "MIT: F; G."]


def test_notice_carries_the_credits(shared_data: Path) -> None:
    if not (shared_data / "samples" / "index.csv").exists():
        pytest.skip(f"no test data at {shared_data / 'samples'}; set MIRKIT_TEST_DATA")
    from training.soundfonts import ALLOWED

    expected = credits_text(shared_data, [(font.license, font.attribution) for font in ALLOWED])
    assert expected in (ROOT / "NOTICE").read_text(encoding="utf-8"), "python -m training.material --credits"
