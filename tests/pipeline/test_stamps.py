"""When a file is read to see whether it is the one that was measured: whenever it may not be, and no more than once."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import beat_music, make_track, write
from mirkit import engines
from mirkit.analysis import TrackAnalysis
from mirkit.catalog import MEASURED
from mirkit.cli import main
from mirkit.engines import run_serially
from mirkit.organize import apply, plan, undo
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.staleness import TrackState
from mirkit.store import Settings, digests, file_digest, read_info, read_provenance, with_values
from mirkit.track import Track

BACKENDS = {"stems": "embedded", "beats": "embedded", "drums": "embedded"}
STAGES = ("loudness", "spectral_shape")
AUDIO = ["bass.wav", "drums.wav", "full_mix.wav", "other.wav", "vocals.wav"]
#: Sidecars that the user may correct.
EDITABLE = ["Song.CHORDS", "Song.SECTIONS"]


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read as a whole."""
    found: list[str] = []
    read = digests.hash_file

    def counted(path: Path) -> Any:
        found.append(path.name)
        return read(path)

    monkeypatch.setattr(digests, "hash_file", counted)
    return found


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sounds that are decoded to be measured."""
    found: list[str] = []
    decode = TrackAnalysis._open

    def counted(self: TrackAnalysis, part: str) -> Any:
        found.append(part)
        return decode(self, part)

    monkeypatch.setattr(TrackAnalysis, "_open", counted)
    return found


@pytest.fixture(params=["with inodes", "size and time alone"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "size and time alone":
        monkeypatch.setattr(digests, "has_stable_inodes", lambda *_: False)
    return str(request.param)


def sound(gain: float = 1.0) -> np.ndarray:
    return gain * sum(beat_music(3.0).values())


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A measured track, its mix a wav: equal length is equal size."""
    folder = tmp_path / "set"
    write(folder / "Song" / "full_mix.wav", sound())
    for stem, samples in beat_music(3.0).items():
        write(folder / "Song" / f"{stem}.wav", samples)
    assert main(["extract", str(folder), "--batch", "--quiet"]) == 0
    return folder


def replace_in_place(path: Path, gain: float = 1 / 8) -> None:
    """Put other sound into a file: same size, same time of change, same inode."""
    before = path.stat()
    written = write(path.parent.parent / "quieter.wav", sound(gain))
    data = written.read_bytes()
    written.unlink()
    with open(path, "r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


def lufs(library: Path) -> float:
    value: Any = read_info(library / "Song" / "Song.INFO")["lufs"]
    return float(value)


def told(library: Path) -> set[str]:
    """Hash of the mix, as all stages have it."""
    stages = read_provenance(library / "Song" / "Song.PROVENANCE").stages.values()
    return {entry.inputs["full_mix"].sha256 for entry in stages if "full_mix" in entry.inputs}


@pytest.mark.parametrize("index", ["kept", "removed"])
def test_sound_replaced_in_place_is_measured_anew(library: Path, index: str) -> None:
    before = lufs(library)
    assert main(["extract", str(library), "--batch", "--quiet"]) == 0  # writes the index
    replace_in_place(library / "Song" / "full_mix.wav")
    if index == "removed":
        shutil.rmtree(library / ".mirkit")
    assert main(["verify", str(library), "--quiet"]) == 1
    assert main(["extract", str(library), "--batch", "--quiet"]) == 0
    assert lufs(library) == pytest.approx(before - 18.06, abs=0.01)
    assert told(library) == {file_digest(library / "Song" / "full_mix.wav").sha256}
    assert main(["verify", str(library), "--quiet"]) == 0


def test_overwrite_reads_and_measures_whatever_files_look_like(library: Path, file_system: str) -> None:
    before = lufs(library)
    main(["extract", str(library), "--batch", "--quiet"])
    replace_in_place(library / "Song" / "full_mix.wav")
    assert main(["loudness", str(library), "--batch", "--overwrite", "--quiet"]) == 0
    assert lufs(library) == pytest.approx(before - 18.06, abs=0.01)
    entry = read_provenance(library / "Song" / "Song.PROVENANCE").stages["loudness"]
    assert entry.inputs["full_mix"] == file_digest(library / "Song" / "full_mix.wav")


def test_overwrite_recalls_no_curves(library: Path, measured: list[str]) -> None:
    job = TrackJob(library / "Song", STAGES, BACKENDS, Settings(), overwrite=True)
    assert process(job).done == STAGES
    assert set(measured) == {"full_mix", "drums", "bass", "other", "vocals"}


def test_deep_verification_reads_what_looks_the_same(
    library: Path, file_system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(library), "--deep"]) == 0
    replace_in_place(library / "Song" / "full_mix.wav")
    plain = main(["verify", str(library)])
    assert plain == (1 if file_system == "with inodes" else 0)
    capsys.readouterr()
    assert main(["verify", str(library), "--deep"]) == 1
    assert "audio changed after it was measured: " in capsys.readouterr().out


def test_deep_verification_compares_what_mirkit_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_track(tmp_path / "Song", seconds=2.0)
    settings = with_values(Settings(), {"backends.drums": "embedded", "backends.beats": "embedded"}, "test")
    assert process(TrackJob(folder, ("separate", *MEASURED, "drums"), BACKENDS, settings)).ok
    assert main(["verify", str(folder), "--deep"]) == 0
    midi = folder / "drums.mid"
    midi.write_bytes(midi.read_bytes()[:-1] + b"\x01")
    capsys.readouterr()
    assert main(["verify", str(folder), "--quiet"]) == 0
    assert main(["verify", str(folder), "--deep"]) == 1
    assert "content differs from the recorded digest: drums.mid" in capsys.readouterr().out
    assert main(["verify", "s3://bucket/set", "--deep"]) == 2


def test_another_machine_costs_a_hash_a_file_and_no_measurement(
    library: Path, tmp_path: Path, hashed: list[str], measured: list[str]
) -> None:
    copy = Path(shutil.copytree(library, tmp_path / "other machine"))
    before = (copy / "Song" / "Song.INFO").read_bytes()
    hashed.clear()
    assert main(["extract", str(copy), "--batch", "--quiet"]) == 0
    assert sorted(hashed) == sorted([*EDITABLE, *AUDIO])
    assert measured == []
    assert (copy / "Song" / "Song.INFO").read_bytes() == before
    hashed.clear()
    for command in (["extract", "--batch"], ["loudness", "--batch"], ["verify"]):  # each with an index of its own
        shutil.rmtree(copy / ".mirkit", ignore_errors=True)
        assert main([command[0], str(copy), *command[1:], "--quiet"]) == 0
    assert hashed == []


@pytest.mark.parametrize("where", ["another machine", "touched"])
@pytest.mark.parametrize("whose", ["as measured", "changed by hand"])
def test_sidecars_that_the_user_may_correct_are_hashed_once(
    library: Path, tmp_path: Path, hashed: list[str], measured: list[str], where: str, whose: str
) -> None:
    notes = [f"{stem}.mid" for stem in ("bass", "other", "vocals")]
    commands = ("extract", "notes", "verify")

    def run() -> None:
        for command in commands:
            options = [] if command == "verify" else ["--batch"]
            assert main([command, str(library), *options, "--quiet"]) == 0

    assert main(["notes", str(library), "--batch", "--quiet"]) == 0
    if whose == "changed by hand":
        row = {"start": 0, "end": 3, "symbol": "A:min"}
        (library / "Song" / "Song.CHORDS").write_text(json.dumps({"chords": [row]}))
        row = {"start": 0, "end": 3, "label": "B"}
        (library / "Song" / "Song.SECTIONS").write_text(json.dumps({"sections": [row]}))
        (library / "Song" / "bass.mid").write_bytes((library / "Song" / "other.mid").read_bytes())
    run()
    if where == "touched":
        for path in (library / "Song").iterdir():
            path.touch()
    else:
        library = Path(shutil.copytree(library, tmp_path / "other machine"))
    shutil.rmtree(library / ".mirkit", ignore_errors=True)
    files = [path for path in (library / "Song").iterdir() if path.suffix != ".PROVENANCE"]
    before = {path: path.read_bytes() for path in files}
    for expected in (sorted([*EDITABLE, *notes, *AUDIO]), []):
        hashed.clear()
        measured.clear()
        run()
        assert sorted(hashed) == expected
        assert measured == []
        assert {path: path.read_bytes() for path in files} == before
        shutil.rmtree(library / ".mirkit", ignore_errors=True)


def test_clips_on_another_machine(library: Path, tmp_path: Path, hashed: list[str]) -> None:
    assert main(["crop", str(library), "--seconds", "1", "--align", "free", "--quiet"]) == 0
    copy = Path(shutil.copytree(library, tmp_path / "other machine"))
    hashed.clear()
    assert main(["verify", str(copy), "--crops", "--quiet"]) == 0
    clips = len(list((copy / "Song" / "crops").iterdir()))
    assert clips > 1
    assert sorted(hashed) == sorted([*EDITABLE, *AUDIO, *(clips * [name.replace("wav", "flac") for name in AUDIO])])
    hashed.clear()
    assert main(["verify", str(copy), "--crops", "--quiet"]) == 0
    assert main(["crop", str(copy), "--seconds", "1", "--align", "free", "--quiet"]) == 0
    assert hashed == []


def test_a_provenance_of_an_older_version_is_hashed_once(library: Path, hashed: list[str], measured: list[str]) -> None:
    import re

    path = library / "Song" / "Song.PROVENANCE"
    path.write_text(re.sub(r'"(ctime_ns|inode)": \d+, ', "", path.read_text()))
    assert read_provenance(path).stages["loudness"].inputs["full_mix"].inode == 0
    track = Track.at(library / "Song")
    for expected in (5, 0):
        hashed.clear()
        assert process(TrackJob(track.path, STAGES, BACKENDS, Settings())).done == ()
        assert len(hashed) == expected
    assert measured == []
    assert read_provenance(path).stages["loudness"].inputs["full_mix"].inode == track.mix.stat().st_ino


def test_an_entry_that_is_out_of_date_costs_no_hash_each_time(library: Path, hashed: list[str]) -> None:
    replace_in_place(library / "Song" / "full_mix.wav")
    assert process(TrackJob(library / "Song", ("loudness",), BACKENDS, Settings())).done == ("loudness",)
    hashed.clear()
    assert process(TrackJob(library / "Song", ("loudness",), BACKENDS, Settings())).done == ()
    assert hashed == [], "the other stages still have the older sound"


def test_own_moves_and_links_are_not_hashed_again(tmp_path: Path, hashed: list[str]) -> None:
    loose = write(tmp_path / "Song.wav", sound())
    for stem, samples in beat_music(3.0).items():
        write(tmp_path / f"Song_{stem}.wav", samples)
    job = TrackJob(loose, STAGES, BACKENDS, Settings())
    assert process(job).ok
    apply(plan(tmp_path))
    hashed.clear()
    folder = tmp_path / "Song"
    assert process(TrackJob(folder, STAGES, BACKENDS, Settings())).done == ()
    undo(tmp_path)
    assert process(job).done == ()
    assert hashed == []
    assert len(TrackState.of(Track.at(loose)).digests) == 5


def test_copies_that_organize_makes_are_not_hashed_again(tmp_path: Path, hashed: list[str]) -> None:
    loose = write(tmp_path / "Song.wav", sound())
    assert process(TrackJob(loose, STAGES, BACKENDS, Settings())).ok
    apply(plan(tmp_path), copy=True)
    hashed.clear()
    assert process(TrackJob(tmp_path / "Song", STAGES, BACKENDS, Settings())).done == ()
    assert process(TrackJob(loose, STAGES, BACKENDS, Settings())).done == ()
    assert hashed == []


def test_hard_links_of_an_export_are_not_hashed_again(tmp_path: Path, hashed: list[str]) -> None:
    folder = make_track(tmp_path / "set" / "Song", seconds=4.0)
    assert main(["extract", str(folder.parent), "--quiet"]) == 0
    assert main(["crop", str(folder), "--seconds", "2", "--align", "free", "--quiet"]) == 0
    hashed.clear()
    for _ in range(2):
        out = tmp_path / "out"
        assert main(["export", "sat", str(out), str(folder.parent), "--link", "--quiet"]) == 0
    linked = [path for path in out.rglob("*.flac") if path.stat().st_nlink > 1]
    assert linked
    assert main(["verify", str(folder.parent), "--crops", "--quiet"]) == 0
    assert hashed == []


def test_a_moved_file_that_was_not_the_recorded_one_is_not_taken_for_it(tmp_path: Path) -> None:
    loose = write(tmp_path / "Song.wav", sound())
    assert process(TrackJob(loose, STAGES, BACKENDS, Settings())).ok
    replace_in_place(loose)
    apply(plan(tmp_path))
    assert process(TrackJob(tmp_path / "Song", STAGES, BACKENDS, Settings())).done == STAGES


def test_where_inodes_say_nothing_size_and_time_decide(library: Path, hashed: list[str], file_system: str) -> None:
    path = library / "Song" / "full_mix.wav"
    aside = path.with_name("aside")
    shutil.copy2(path, aside)  # another inode
    os.replace(aside, path)
    hashed.clear()
    assert process(TrackJob(library / "Song", STAGES, BACKENDS, Settings())).done == ()
    assert hashed == (["full_mix.wav"] if file_system == "with inodes" else [])


@pytest.mark.parametrize(
    ("kind", "lasting"),
    [
        *((kind, True) for kind in ("ext4", "apfs", "fuseblk", "")),
        *((kind, False) for kind in ("nfs4", "cifs", "fuse.sshfs", "fuse", "vfat", "9p")),
    ],
)
def test_which_file_systems_have_inodes_that_last(kind: str, lasting: bool) -> None:
    assert digests._has_stable_inodes(kind) is lasting


def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_mounts", lambda: {"/": "ext4", "/mnt/music": "nfs4"})
    assert digests._file_system("/mnt/music/a/b.wav") == "nfs4"
    assert digests._file_system("/mnt/musical/b.wav") == "ext4"
    monkeypatch.setattr(digests, "_mounts", dict)
    assert digests._file_system("/mnt/music") == ""
