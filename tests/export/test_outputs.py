"""Commands that write where the user says: no original is overwritten, whatever the options."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mido
import pytest

from library import make_track
from mirkit.cli import main
from mirkit.store import atomic

#: Words of each command that writes one file: ``{out}`` is the file, ``{data}`` the data set.
COMMANDS = {
    "stats": ["stats", "{data}", "-o", "{out}"],
    "duplicates": ["duplicates", "{data}", "--output", "{out}"],
    "split": ["split", "{data}", "--output", "{out}"],
    "csv": ["export", "csv", "{out}", "{data}"],
    "jsonl": ["export", "jsonl", "{out}", "{data}"],
    "parquet": ["export", "parquet", "{out}", "{data}"],
    "drums": ["drums", "{track}", "--output", "{out}", "--jobs", "1"],
    "adtof": ["drums", "{track}", "-o", "{out}", "--jobs", "1"],
}
ONE_FILE = pytest.mark.parametrize("name", [name for name in COMMANDS if name != "adtof"])


@pytest.fixture(scope="module")
def transcribed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_track(tmp_path_factory.mktemp("drums") / "Piece", seconds=3.0)
    assert main(["drums", str(folder), "--jobs", "1", "-q"]) == 0
    return folder


@pytest.fixture
def data(clips: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clips, tmp_path / "my_music"))


def run(name: str, out: Path, data: Path, track: Path, *more: str) -> int:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    return main([*(word.format(out=out, data=data, track=track) for word in COMMANDS[name]), "-q", *more])


def sums(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and ".mirkit" not in str(path))
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@ONE_FILE
@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_an_original_is_never_overwritten(
    name: str, more: list[str], data: Path, transcribed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack as it was: OUT is the mix, a stem or a sidecar of a track."""
    track = sorted(data.glob("[!.]*"))[0]
    (track / "drums.mid").write_bytes(b"MThd of the user's")
    disguised = Path(shutil.copyfile(track / "full_mix.flac", tmp_path / "table.csv"))
    link = tmp_path / "out.json"
    link.symlink_to(track / "full_mix.flac")
    before = sums(tmp_path)
    for out in (
        track / "full_mix.flac",
        track / "drums.flac",
        track / f"{track.name}.INFO",
        track / f"{track.name}.PROVENANCE",
        track / "drums.mid",
        disguised,
        link,
    ):
        assert run(name, out, data, transcribed, *more) == 2
        printed_output = capsys.readouterr()
        assert printed_output.err.count("\n") == 1
        assert "is not overwritten; name another file" in printed_output.err
        assert not printed_output.out
    assert link.is_symlink()
    assert sums(tmp_path) == before


@ONE_FILE
def test_other_files_only_when_asked_and_earlier_outputs_always(
    name: str, data: Path, transcribed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "some folder" / "thesis.txt"
    assert run(name, out, data, transcribed) == 0
    first = out.read_bytes()
    for _ in range(2):
        assert run(name, out, data, transcribed) == 0
    assert out.read_bytes() == first
    others = [b"Chapter one. Music", b'{"a": 1}\n', b"title,artist\nx,y\n", _midi()]
    for other in COMMANDS.keys() - {name, "adtof"}:
        assert run(other, tmp_path / other, data, transcribed) == 0
        others.append((tmp_path / other).read_bytes())
    for content in others:
        out.write_bytes(content)
        capsys.readouterr()
        assert run(name, out, data, transcribed) == 2
        assert "the file exists already, and this command did not write it" in capsys.readouterr().err
        assert out.read_bytes() == content
        assert run(name, out, data, transcribed, "--overwrite") == 0
        assert out.read_bytes() != content
        assert run(name, out, data, transcribed) == 0


def _midi() -> bytes:
    import io

    file, out = mido.MidiFile(), io.BytesIO()
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name="Verse"), mido.Message("note_on", note=36)]))
    file.save(file=out)
    return out.getvalue()


def test_a_table_to_which_a_column_was_added_is_no_earlier_output(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    assert main(["export", "csv", str(out), str(data), "-q"]) == 0
    lines = out.read_text().splitlines()
    out.write_text("\n".join([f"{lines[0]},my_rating", *(f"{line},5" for line in lines[1:])]))
    assert main(["export", "csv", str(out), str(data), "-q"]) == 2
    out = tmp_path / "t.jsonl"
    assert main(["export", "jsonl", str(out), str(data), "-q"]) == 0
    with open(out, "a") as file:
        file.write(json.dumps({"from": "x", "my_rating": 5}) + "\n")
    assert main(["export", "jsonl", str(out), str(data), "-q"]) == 2


def test_a_dry_run_says_so_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track = sorted(data.glob("[!.]*"))[0]
    assert main(["export", "csv", str(track / "full_mix.flac"), str(data), "--dry-run"]) == 2
    assert "it is an audio file" in capsys.readouterr().err


def test_configs_beside_latents_are_kept(clips: Path, latents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder of latents is the user's, and so may be a config in it."""
    mine = latents / "model_config_patch.json"
    mine.write_text('{"mine": 1}')
    before = sums(latents)
    words = ["export", "sat-latents", str(latents), str(clips), "-q"]
    assert main(words) == 2
    assert f"{mine}: the file exists already" in capsys.readouterr().err
    assert sums(latents) == before
    assert main([*words, "--overwrite"]) == 0
    assert json.loads(mine.read_text()) != {"mine": 1}
    assert main(words) == 0


def test_a_card_into_which_the_rights_were_written_is_kept(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card asks for that; the next export wrote over it."""
    pytest.importorskip("pyarrow")
    words = ["export", "hf", str(tmp_path / "b"), str(clips), "-j", "1"]
    card = tmp_path / "b" / "README.md"
    assert main(words) == 0
    first = card.read_text()
    assert main([*words, "--seed", "3"]) == 0
    assert "edited" not in capsys.readouterr().err
    assert card.read_text() != first, "one that nobody edited is written anew"
    card.write_text(first + "All rights: mine.\n")
    for _ in range(2):
        assert main([*words, "--seed", "4"]) == 0
        assert "README.md: the file was edited after the last export, so it was kept" in capsys.readouterr().err
        assert card.read_text().endswith("mine.\n")
    assert main([*words, "--seed", "4", "--overwrite"]) == 0
    assert "mine" not in card.read_text()
    assert main([*words, "--seed", "5"]) == 0
    assert "seed 5" in card.read_text()


@pytest.mark.usefixtures("in_process")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("target", ["webdataset", "sat-wds", "hf", "sa3", "csv"])
def test_what_a_killed_export_left_is_removed_by_the_next(target: str, data: Path, tmp_path: Path) -> None:
    """Killed at each step that puts a file in place; then run again, to the same bytes and nothing beside them."""
    out, peace = tmp_path / "out" / "x", tmp_path / "peace" / "x"
    words = [target, "{out}", str(data), "--val", "0.3", "--seed", "1", "--at", "/bundle", "-q", "-j", "1"]
    if target == "csv":
        words = [target, "{out}", str(data), "-q"]
    assert main(["export", *(word.format(out=peace) for word in words)]) == 0
    steps = 0
    for step in (1, 2, 3, 5, 8, 13, 21, 34, 55):
        child = os.fork()
        if not child:
            _die_at(step)
            os._exit(main(["export", *(word.format(out=out) for word in words)]))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
        steps += 1
    assert steps
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for folder in [path for path in out.parent.rglob("*") if path.is_dir()] or [out.parent]:
        (folder / f".mirkit-tmp-{atomic.machine()}-{dead.pid}-aabbccdd.tar").write_bytes(b"half a shard")
    assert main(["export", *(word.format(out=out) for word in words)]) == 0
    assert not list(out.parent.rglob(".mirkit*"))
    assert sums(out.parent) == sums(peace.parent)


def _die_at(step: int) -> None:
    """End this process, as a kill does, when it is about to put its n-th file in place; what it wrote stays."""
    left, replace = [step], atomic._replace

    def dying(temp: Path, path: Path) -> None:
        left[0] -= 1
        if not left[0]:
            os._exit(9)
        replace(temp, path)

    atomic._replace = dying


@pytest.mark.parametrize("target", ["sat", "webdataset", "sat-wds", "hf", "sa3", "csv"])
def test_a_full_disk_is_reported_as_one(
    target: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No space for a folder: one line that says so, and no bug."""
    made, mkdir = [0], Path.mkdir

    def full(self: Path, *arguments: object, **more: object) -> None:
        if tmp_path / "out" in (self, *self.parents):
            made[0] += 1
            if made[0] > allowed:
                raise OSError(28, "No space left on device")
        mkdir(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", full)
    for allowed in range(4):
        made[0] = 0
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        mkdir(tmp_path / "out")
        status = main(["export", target, str(tmp_path / "out" / "a" / "x"), str(data), "--val", "0.3", "-q", "-j", "1"])
        error = capsys.readouterr().err
        if status == 0:
            assert allowed
            return
        assert "the disk is full; free some space" in error
        assert "a bug" not in error
    assert target != "csv"
