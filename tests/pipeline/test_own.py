"""Stems and MIDI that the user put there: kept whatever is done again, moved aside only when that was asked for."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from library import beat_music, make_track, write
from mirkit import engines
from mirkit.audio import encode
from mirkit.catalog import STEMS
from mirkit.cli import main
from mirkit.engines import run_serially
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_provenance, update_provenance, with_values
from mirkit.track import Track, find_all, is_marked, move_aside, move_back

EMBEDDED = with_values(Settings(), {"backends.drums": "embedded", "backends.beats": "embedded"}, "test")
BACKENDS = {"stems": "embedded", "beats": "embedded", "drums": "embedded"}
REPLACE = frozenset({"separate"})


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_track(tmp_path_factory.mktemp("made") / "Song", seconds=3.0, stems=True)
    (folder / "drums.mid").write_bytes(b"MThd played by hand")
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    """A data set with a track whose stems and MIDI are the user's."""
    shutil.copytree(made, tmp_path / "set" / "Song")
    return tmp_path / "set"


def job(folder: Path, *stages: str, **more: Any) -> TrackJob:
    return TrackJob(folder, stages, BACKENDS, EMBEDDED, **more)


def own(folder: Path) -> dict[str, str]:
    """Hashes of the user's files."""
    names = [*(f"{stem}.flac" for stem in STEMS), "drums.mid"]
    return {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}


def run(*arguments: str) -> int:
    return main([*arguments, *(() if "--json" in arguments else ("-v",))])


def test_run_overwrite_measures_again_and_leaves_what_is_the_users(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = own(library / "Song")
    for _ in range(2):
        assert run("run", str(library), "--overwrite", "--backend", "drums=embedded") == 0
        assert own(library / "Song") == before
        out = "".join(capsys.readouterr())
        assert "kept     your own stems in 1 track; to rename them and make new ones, add --replace-stems" in out
        assert "kept     your own drum MIDI in 1 track; to rename them and make new ones, add --replace-midi" in out
        assert "drums.flac, bass.flac, other.flac, vocals.flac: your own stems, kept as found; --replace-stems" in out
        assert "drums.mid: your own MIDI, kept as found; --replace-midi" in out
    stages = read_provenance(library / "Song" / "Song.PROVENANCE").stages
    assert stages["separate"].backend == stages["drums"].backend == "external"
    assert "loudness" in stages


def test_the_plan_counts_and_touches_nothing(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_track(library / "No stems", seconds=1.0)
    before = own(library / "Song")
    options = ("--backend", "drums=embedded", "--dry-run")
    assert run("run", str(library), "--replace-stems", "--replace-midi", *options) == 0
    out = capsys.readouterr().out
    assert "replaced your own stems in 1 track: the files are renamed to NAME.replaced-1, and new ones are made" in out
    assert "replaced your own drum MIDI in 1 track: the files are renamed to NAME.replaced-1" in out
    assert own(library / "Song") == before
    assert run("run", str(library), "--overwrite", *options, "--json") == 0
    assert json.loads(capsys.readouterr().out)["own"] == {"stems": 1, "midi": 1}


def test_replaced_files_are_moved_aside_and_counted_nowhere(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, folder = own(library / "Song"), library / "Song"
    assert run("run", str(library), "--replace-stems", "--replace-midi", "--backend", "drums=embedded") == 0
    now = own(folder)
    assert not set(before.values()) & set(now.values())
    aside = {name: sha256((folder / f"{name}.replaced-1").read_bytes()).hexdigest() for name in before}
    assert aside == before
    assert "drums.mid: this file of your own was renamed to drums.mid.replaced-1" in "".join(capsys.readouterr())
    assert [track.path for track in find_all(library)] == [folder]
    assert set(Track.at(folder).stems) == set(STEMS)
    # what is mirkit's now is made again without a word, and nothing more is moved
    assert run("run", str(library), "--overwrite", "--replace-stems", "--backend", "drums=embedded") == 0
    assert own(folder) == now
    assert not list(folder.glob("*.replaced-2"))
    assert "your own" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("command", "option", "says"),
    [("separate", "--replace-stems", "your own stems"), ("drums", "--replace-midi", "your own MIDI")],
)
def test_a_command_for_them_alone_fails_without_the_option(
    library: Path, command: str, option: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = own(library / "Song")
    fixed = ("--backend", "drums=embedded") if command == "drums" else ("--model", "embedded")
    assert run(command, str(library), "--batch", "--overwrite", *fixed) == 1
    assert own(library / "Song") == before
    err = capsys.readouterr().err
    assert says in err
    assert option in err
    assert run(command, str(library), "--batch", *fixed) == 0  # without --overwrite nothing is asked for
    assert own(library / "Song") == before
    assert run(command, str(library), "--batch", option, *fixed) == 0
    changed = {name for name, digest in own(library / "Song").items() if digest != before[name]}
    assert changed == ({"drums.mid"} if command == "drums" else {f"{stem}.flac" for stem in STEMS})


def test_ours_are_made_again_beside_one_of_the_users(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Song", seconds=3.0)
    assert process(job(folder, "separate")).ok
    mine = write(folder / "vocals.flac", beat_music(3.0, seed=5)["drums"]).read_bytes()
    outcome = process(job(folder, "separate", overwrite=True))
    assert outcome.done == ("separate",)
    assert "vocals.flac: your own stems" in outcome.failures["separate"]
    assert (folder / "vocals.flac").read_bytes() == mine
    assert process(job(folder, "separate", replaces=REPLACE)).ok
    assert (folder / "vocals.flac.replaced-1").read_bytes() == mine


def test_another_format_leaves_no_two_candidates(library: Path) -> None:
    ogg = with_values(EMBEDDED, {"separation.format": "ogg"}, "test")
    made = process(TrackJob(library / "Song", ("separate",), BACKENDS, ogg, replaces=REPLACE))
    assert made.ok
    assert set(Track.at(library / "Song").stems) == set(STEMS)
    assert (library / "Song" / "drums.flac.replaced-1").exists()


def test_what_fails_puts_them_back(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = own(library / "Song")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mirkit.separation.separate", full)
    monkeypatch.setattr("mirkit.stages.transcription.format_midi", full)
    everything = frozenset({"separate", "drums"})
    outcome = process(job(library / "Song", "separate", "drums", overwrite=True, replaces=everything))
    assert set(outcome.failures) == {"separate", "drums"}
    assert own(library / "Song") == before
    assert not list((library / "Song").glob("*.replaced-*"))


def test_a_loose_file(tmp_path: Path) -> None:
    loose = write(tmp_path / "Song.flac", sum(beat_music(3.0).values()))
    mine = {stem: write(tmp_path / f"Song_{stem}.flac", samples) for stem, samples in beat_music(3.0).items()}
    before = {stem: path.read_bytes() for stem, path in mine.items()}
    assert process(job(loose, "separate", replaces=REPLACE)).ok
    assert {stem: path.with_name(f"{path.name}.replaced-1").read_bytes() for stem, path in mine.items()} == before
    assert [track.path for track in find_all(tmp_path)] == [loose]


def test_nothing_aside_is_ever_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "drums.mid"
    for number in (1, 2, 3):
        path.write_text(str(number))
        moved = move_aside([path])
    assert [(tmp_path / f"drums.mid.replaced-{number}").read_text() for number in (1, 2, 3)] == ["1", "2", "3"]
    path.write_text("new")
    move_back(moved)
    assert path.read_text() == "new"
    assert moved[path].read_text() == "3"


# what mirkit made, and nothing tells so but its mark


def test_without_provenance_our_files_are_made_again_and_not_called_the_users(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Song", seconds=3.0)
    everything = job(folder, "separate", "drums")
    assert process(everything).ok
    before = own(folder)
    (folder / "Song.PROVENANCE").unlink()
    assert main(["verify", str(folder), "--quiet", "--json"]) == 1
    outcome = process(everything)
    assert set(outcome.done) >= {"separate", "drums"}
    assert outcome.notes == ()
    stages = read_provenance(folder / "Song.PROVENANCE").stages
    assert (stages["separate"].backend, stages["drums"].backend) == ("embedded", "embedded")
    assert own(folder) == before


def test_verify_does_not_call_them_external(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_track(tmp_path / "Song", seconds=2.0)
    assert process(job(folder, "separate", "loudness")).ok
    update_provenance(folder / "Song.PROVENANCE", remove=["stages/separate"])
    main(["verify", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)["tracks"][0]["methods"]["separate"] == "mirkit, method unknown"


def test_our_files_that_the_user_edited_stay_with_their_mark(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Song", seconds=3.0)
    assert process(job(folder, "separate", "drums")).ok
    for stem, samples in beat_music(3.0).items():  # an editor keeps the tags
        encode(
            folder / f"{stem}.flac", [0.9 * samples], rate=44100, channels=2, tags={"artist": "mirkit", "title": stem}
        )
    (folder / "drums.mid").write_bytes((folder / "drums.mid").read_bytes() + b"edited")
    assert is_marked(folder / "drums.flac")
    assert is_marked(folder / "drums.mid")
    before = own(folder)
    outcome = process(job(folder, "separate", "loudness", "drums", overwrite=True))
    assert outcome.ok
    assert own(folder) == before


@pytest.mark.parametrize("content", [b"", b"MThd my own", b"MThd\0\0\0\6\0\1\0\2\3\xc0MTrk\0\0\0\1\0\xff\3\4mine"])
def test_other_midi_has_no_mark(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "drums.mid").write_bytes(content)
    assert not is_marked(tmp_path / "drums.mid")
    assert not is_marked(tmp_path / "absent.mid")


def test_ogg_stems_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Song", seconds=3.0)
    ogg = with_values(EMBEDDED, {"separation.format": "ogg"}, "test")
    found = []
    for _ in range(2):
        assert process(TrackJob(folder, ("separate",), BACKENDS, ogg, overwrite=True)).done == ("separate",)
        found.append({stem: path.read_bytes() for stem, path in Track.at(folder).stems.items()})
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 4


# a newer version


def test_what_a_newer_version_did_is_left_and_reported(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = library / "Song"
    assert main(["extract", str(library), "--batch", "--quiet"]) == 0
    path = folder / "Song.PROVENANCE"
    content = json.loads(path.read_text())
    content["stages"]["complexity"]["stage_version"] = 99
    path.write_text(json.dumps(content))
    before = (path.read_bytes(), (folder / "Song.INFO").read_bytes())
    for _ in range(2):
        assert main(["extract", str(library), "--batch"]) == 0
        assert (
            "the results of 1 track were computed by a newer version of mirkit and are kept" in capsys.readouterr().out
        )
        assert (path.read_bytes(), (folder / "Song.INFO").read_bytes()) == before
    assert main(["rhythm", str(library), "--batch", "--overwrite", "--quiet"]) == 0
    assert read_provenance(path).stages["complexity"].stage_version < 99
