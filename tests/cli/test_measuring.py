"""Commands that measure: which values they print, and where they put stems."""

import json
from pathlib import Path

import pytest

from library import beat_music, make_track, write
from mirkit.audio import probe
from mirkit.cli import main
from mirkit.cli.command_table import COMMANDS
from mirkit.cli.commands.track import build_request
from mirkit.cli.parser import parse
from mirkit.store import read_info

pytestmark = pytest.mark.usefixtures("in_process")
STEMS = ("bass", "drums", "other", "vocals")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with two tracks and a loose file."""
    folder = tmp_path_factory.mktemp("library") / "my_music"
    for name in ("A", "B"):
        make_track(folder / name, seconds=3.0, stems=True)
    write(folder / "Loose.flac", sum(beat_music(seconds=3.0).values()))
    (folder / "mirkit.toml").write_text("[run]\njobs = 1\n")
    return folder


def run(*words: object) -> int:
    return main([*map(str, words)])


def test_a_track_is_told_from_a_folder_and_values_are_printed(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("measure", "loudness", music) == 0
    table = capsys.readouterr().out.splitlines()
    (head,) = [line for line in table if line.startswith("path ")]
    assert head.split()[:3] == ["path", "lufs", "lra"]
    rows = [line.split()[0] for line in table[table.index(head) + 2 :]]
    assert rows == ["A", "B", "Loose.flac"]
    info = read_info(music / "A" / "A.INFO")
    for _ in range(2):  # also where nothing is left to do
        assert run("loudness", music / "A") == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["lufs", f"{info['lufs']:.1f}", "LUFS"] in lines
        assert ["A"] in lines
    assert run("loudness", music / "A", "--quiet") == 0
    assert not capsys.readouterr().out


def test_unknown_values_have_their_reason(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("measure", "loudness", music / "Loose.flac") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  lufs_drums ")]
    assert line.split(maxsplit=2)[1:] == ["-", "stem missing"]


def test_json_holds_the_values_of_all_tracks(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("measure", "loudness", music, "--quiet") == 0
    assert run("measure", "loudness", music, "--json") == 0
    tracks = json.loads(capsys.readouterr().out)["tracks"]
    assert [entry["track"] for entry in tracks] == ["A", "B", "Loose.flac"]
    assert tracks[0]["values"]["lufs"] == read_info(music / "A" / "A.INFO")["lufs"]
    assert tracks[2]["values"]["lufs_bass"] is None
    assert tracks[2]["reasons"]["lufs_bass"] == "stem missing"
    assert tracks[0]["skipped"] == ["loudness"]
    assert tracks[0]["ok"]


def test_a_query_limits_the_table(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("measure", "level", music, "--where", "name:=B") == 0
    out = capsys.readouterr().out
    assert "\nB  " in out
    assert "\nA  " not in out


def test_a_data_set_may_be_this_folder(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(music)
    assert run("measure", "loudness", "--quiet") == 0
    monkeypatch.chdir(tmp_path)
    assert run("run") == 2
    assert capsys.readouterr().err.startswith("mirkit: name a track or a folder: mirkit run PATH, or mirkit run . ")


@pytest.mark.parametrize(
    ("option", "suffix", "codec"),
    [
        ("--float32", ".wav", "pcm_f32le"),
        ("--int24", ".wav", "pcm_s24le"),
        ("--mp3", ".mp3", "mp3"),
        ("--flac", ".flac", "flac"),
    ],
)
def test_formats_of_stems(option: str, suffix: str, codec: str, tmp_path: Path) -> None:
    song = tmp_path / "Song.flac"
    write(song, sum(beat_music(seconds=1.0).values()))
    assert run("separate", song, "-n", "embedded", "-q", option) == 0
    stems = sorted(path for path in tmp_path.glob("Song_*") if path.suffix == suffix)
    assert [path.stem for path in stems] == [f"Song_{stem}" for stem in STEMS]
    assert {probe(path).codec for path in stems} == {codec}
    assert run("separate", song, "-n", "embedded", "-q", option) == 0  # and they are up to date


def test_flac_has_no_32_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "Song.flac", sum(beat_music(seconds=1.0).values()))
    (tmp_path / "mirkit.toml").write_text("[separation]\nbits = 32\n")
    assert run("separate", tmp_path / "Song.flac", "-n", "embedded") == 2
    assert "flac holds at most 24 bits per sample; 32 bits need the format wav" in capsys.readouterr().err
    assert run("separate", tmp_path / "Song.flac", "-n", "embedded", "--format", "wav", "-q") == 0


def test_stems_are_copied_to_a_folder(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "stems"
    for _ in range(2):  # what is there already is no obstacle
        assert run("separate", music, "-n", "embedded", "-o", out, "-q") == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.flac")) == [
        f"{track}/{stem}.flac" for track in ("A", "B", "Loose") for stem in STEMS
    ]
    assert (out / "Loose" / "bass.flac").read_bytes() == (music / "Loose_bass.flac").read_bytes()
    mine = out / "Loose" / "bass.flac"
    write(mine, beat_music(seconds=1.0)["bass"])
    before = mine.read_bytes()
    capsys.readouterr()
    assert run("separate", music, "-n", "embedded", "-o", out, "-q") == 1
    assert "the file exists already, and mirkit did not write it" in capsys.readouterr().err
    assert mine.read_bytes() == before
    assert run("separate", music, "-o", mine) == 2


def fixed(line: str) -> tuple[str, object]:
    arguments = parse(line.split())
    request = build_request(COMMANDS[arguments.command], arguments, Path(arguments.path))
    return request.fixed.get("stems", ""), request.overrides.get("separation.model")


def test_one_option_chooses_the_separator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("checkpoint.ckpt", "demucs.th", "plain.safetensors", "community.safetensors"):
        Path(name).touch()
    Path("community.yaml").write_text("audio:\n  chunk_size: 1\nmodel:\n  dim: 8\n")
    Path("bag.yaml").write_text("models: ['a', 'b']\n")
    assert fixed("separate x -n embedded") == ("embedded", None)
    assert fixed("separate x -n demucs") == ("demucs", None)
    assert fixed("run x --separation roformer") == fixed("run x --backend stems=roformer") == ("roformer", None)
    assert fixed("separate x -n htdemucs") == ("demucs", "htdemucs")
    assert fixed("demucs_sep x") == ("demucs", None)
    assert fixed("demucs_sep x --model embedded") == ("embedded", None)
    assert fixed("separate x") == ("", None)
    for name in ("demucs.th", "plain.safetensors", "bag.yaml"):
        assert fixed(f"separate x -n {name}") == ("demucs", name)
    for name in ("checkpoint.ckpt", "community.safetensors", "community.yaml", "."):
        assert fixed(f"separate x -n {name}") == ("roformer", name)
    assert fixed("separate x --separation demucs -n checkpoint.ckpt") == ("demucs", "checkpoint.ckpt")


def test_two_separators_exclude_each_other(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("separate", music, "--separation", "demucs", "-n", "embedded") == 2
    assert "--separation demucs and --model embedded exclude each other" in capsys.readouterr().err


def test_swapped_places_of_an_export(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "csv", music, "table.csv") == 2
    error = capsys.readouterr().err
    assert "did you swap them?" in error
    assert f'mirkit export csv "{music}" -o "table.csv"' in error


def test_a_folder_before_the_target_of_an_export(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", music, "csv", "-o", "table.csv") == 2
    assert "and stand before the path, not" in capsys.readouterr().err
    assert run("export", "nowhere", "csv", "-o", "table.csv") == 2
    assert "stand before" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["separate", "drums"])
def test_copies_are_made_from_local_tracks(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "s3://bucket/music", "-o", tmp_path / "out") == 2
    assert "files are copied from tracks on this machine" in capsys.readouterr().err


def test_values_of_a_track_that_failed_are_not_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.flac").write_bytes(b"no sound")
    assert run("measure", "loudness", tmp_path / "bad.flac") == 1
    assert "lufs" not in capsys.readouterr().out
