"""The command line: exit statuses, what is printed where, and the settings that flags change."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from library import beat_music, make_track, write
from mirkit.cli import main
from mirkit.cli.output.markdown import features_page
from mirkit.store import read_info, read_provenance, read_settings

#: Of the first thing that is missing: the extra, then the weights.
AESTHETICS = "Audiobox" if find_spec("torch") else "mirkit[aesthetics]"

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "my_music"
    for name in ("A", "B"):
        make_track(root / name, seconds=5.0)
    return root


def noise() -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((1, 44100)).astype(np.float32)


def run(*words: object) -> int:
    return main([*map(str, words), "--jobs", "1"])


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["no-such-command"], 2, "there is no command"),
        (["loudness"], 2, "name a track or a folder: mirkit measure loudness PATH"),
        (["loudness", "{library}/A/nothing"], 1, "no such file or folder"),
        (["loudness", "{library}/nowhere"], 1, "no such file or folder"),
        (["loudness", "{library}", "--batch", "--jobs", "-1"], 2, "--jobs"),
        (
            ["loudness", "{library}", "--batch", "--overwrite", "--skip-existing"],
            2,
            "--skip-existing is not allowed with --overwrite",
        ),
        (["rhythm", "{library}", "--batch", "--bpm-range", "fast"], 2, "--bpm-range must be two tempos"),
        (["rhythm", "{library}", "--batch", "--bpm-range", "160-120"], 2, "--bpm-range must be two tempos"),
        (["drums", "{library}", "--batch", "--quantize", "99"], 2, "--quantize must be a whole number"),
        (["describe", "{library}", "--batch", "--slots", "0"], 2, "--slots must be"),
        (["extract", "{library}", "--backend", "stems=magic"], 2, "expected one of"),
        (["extract", "{library}", "--backend", "beats"], 2, "expected"),
        (["extract", "{library}", "--device", "gpu"], 2, "--device must be auto, cpu, cuda"),
        (["demucs_sep", "{library}", "--batch"], 1, "--model embedded"),
        (["aesthetics", "{library}", "--batch"], 1, AESTHETICS),
        (["adtof", "{library}", "--batch"], 1, "ADTOF"),
        (["drumsep", "{library}"], 1, "drum"),
        (["music_flamingo", "{library}", "--batch", "--model", "Q6_K"], 1, "Music Flamingo"),
        (["verify", "{library}/nowhere"], 1, "nowhere"),
    ],
)
def test_what_goes_wrong_is_one_line(
    words: list[str], status: int, says: str, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(library=library) for word in words]) == status
    out, err = capsys.readouterr()
    assert says in err
    assert "Traceback" not in err
    if status == 1:
        assert err.count("\n") == 1
        assert not out


def test_a_batch(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("loudness", library, "--batch") == 0
    assert "2 done" in capsys.readouterr().out
    assert read_info(library / "A" / "A.INFO")["lufs"] is not None
    assert run("loudness", library, "--batch") == 0
    assert "2 skipped" in capsys.readouterr().out


def test_one_rotten_track_does_not_stop_the_others(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "A" / "full_mix.flac").write_bytes(b"rotten")
    assert run("loudness", library, "--batch") == 1
    out, err = capsys.readouterr()
    assert "1 done" in out
    assert "1 failed" in out
    assert "FAILED A: " in err
    assert read_info(library / "B" / "B.INFO")["lufs"] is not None


def test_json_is_all_that_is_printed(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("loudness", library, "--batch", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summary"]["done"] == 2
    assert {track["track"] for track in told["tracks"]} == {"A", "B"}


def test_quiet_prints_nothing(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("loudness", library, "--batch", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_path_may_be_a_folder_its_mix_or_a_loose_file(library: Path) -> None:
    loose = write(library.parent / "loose.wav", noise())
    assert run("bands", library / "A") == 0
    assert run("bands", library / "B" / "full_mix.flac") == 0
    assert run("bands", loose) == 0
    assert "rms_energy_bass" in read_info(library / "B" / "B.INFO")
    assert "rms_energy_bass" in read_info(library.parent / "loose.INFO")


def test_the_first_run_writes_its_methods_down(library: Path) -> None:
    assert run("beats", library, "--batch") == 0
    assert read_settings(library).backends.beats == "embedded"


def test_a_method_that_is_gone_stops_the_run(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "mirkit.toml").write_text('[backends]\nclassification = "essentia"\n')
    assert run("classification", library, "--batch") == 1
    assert "mirkit init" in capsys.readouterr().err


def test_init(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(library)]) == 0
    assert "stems embedded" in capsys.readouterr().out
    assert main(["init", str(library), "--backend", "stems=demucs"]) == 2
    assert "--force" in capsys.readouterr().err


def test_flags_go_before_the_settings_file(library: Path) -> None:
    (library / "mirkit.toml").write_text("[rhythm]\nbpm = 60\n")
    assert run("beats", library, "--batch", "--bpm", "120") == 0
    entry = read_provenance(library / "A" / "A.PROVENANCE").stages["beats"]
    assert entry.parameters["bpm"] == 120


def test_an_unknown_setting_names_the_nearest(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "mirkit.toml").write_text("[rhythm]\nbpm_rnage = [60, 90]\n")
    assert run("beats", library, "--batch") == 2
    assert "bpm_range" in capsys.readouterr().err


def test_an_amd_card_is_called_cuda(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bands", library, "--batch", "--device", "amd") == 0
    assert "--device cuda" in capsys.readouterr().err


def test_excluded_tracks_are_left_out(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "mirkit.toml").write_text('[exclude]\nA = "wrong master"\n')
    assert run("bands", library, "--batch") == 0
    assert not (library / "A" / "A.INFO").exists()
    assert "mirkit.toml excludes 1 track" in capsys.readouterr().out


def test_organize_and_undo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "Song.wav", noise())
    assert main(["organize", str(tmp_path), "--dry-run"]) == 0
    assert (tmp_path / "Song.wav").exists()
    assert main(["organize", str(tmp_path)]) == 0
    assert (tmp_path / "Song" / "full_mix.wav").exists()
    assert main(["organize", str(tmp_path), "--undo"]) == 0
    assert (tmp_path / "Song.wav").exists()
    assert "moved back" in capsys.readouterr().out


@pytest.mark.slow
def test_run_organizes_separates_measures_and_verify_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "Song.flac", sum(beat_music(seconds=11.0).values()))
    assert run("run", tmp_path, "--organize", "move") == 0
    assert main(["verify", str(tmp_path)]) == 0
    assert "1 complete" in capsys.readouterr().out
    (tmp_path / "Song" / "Song.INFO").unlink()
    assert main(["verify", str(tmp_path), "--show-missing"]) == 1
    assert "bpm" in capsys.readouterr().out


def test_verify_as_json(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(library), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert all("bpm" in track["missing"] for track in told["tracks"])


def test_verify_sees_what_is_out_of_range_and_mixed(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("extract", library)
    info = library / "A" / "A.INFO"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"bpm": 900}))
    provenance = library / "B" / "B.PROVENANCE"
    content = json.loads(provenance.read_text())
    content["stages"]["beats"]["backend"] = "beat_this"
    provenance.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(["verify", str(library)]) == 1
    out, error = capsys.readouterr()
    assert "OUTSIDE A: " in out
    assert "out of range: bpm = 900" in out
    assert "mixed   beats" in out
    assert error.startswith("FAILED A: bpm is 900, but must be a number of at least ")
    assert error.rstrip().endswith(f'measure again with: mirkit extract "{library / "A"}"')


def test_verify_says_what_to_do_about_a_value_that_cannot_be_right(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        "bpm": (-5, "bpm is -5, but must be a number of at least 40 and at most 300"),
        "key": ("H", "key is H, but must be one of C, C#, "),
        "mode": ("dorian", "mode is dorian, but must be one of major, minor"),
        "lufs": ("loud", "lufs is loud, but must be a number"),
        "bpm_is_defined": (3, "bpm_is_defined is 3, but must be a number of at least 0 and at most 1"),
    }
    run("extract", library)
    info = library / "A" / "A.INFO"
    before = json.loads(info.read_text())
    for key, (value, says) in wrong.items():
        info.write_text(json.dumps(before | {key: value}))
        capsys.readouterr()
        for words in ([library], [library, "--quiet"], [library / "A"]):
            assert main(["verify", *map(str, words)]) == 1
            error = capsys.readouterr().err
            assert error.count("\n") == 1
            assert says in error
    info.write_text(json.dumps({name: value for name, value in before.items() if name not in wrong}))
    run("extract", library / "A")  # as the message says
    assert json.loads(info.read_text()) == before
    assert main(["verify", str(library), "--quiet"]) == 0


def test_a_crash_in_a_worker_is_told(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mirkit.pipeline import track_task as module

    monkeypatch.setattr(module, "process", lambda job: 1 / 0)
    assert run("bands", library, "--batch") == 1


@pytest.mark.parametrize("command", ["doctor", "models", "features"])
def test_tools_print(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    assert "embedded" in capsys.readouterr().out


def test_doctor_says_why_a_method_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["methods"]["stems"]["used"]
    assert all(told["methods"]["stems"]["not used"].values())


def test_the_features_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reference" / "feature_list.md").read_text() == features_page(), (
        "write it: mirkit features > docs/reference/feature_list.md"
    )


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'numba', 'av', 'rich'}"
    code = f"import sys, mirkit.cli; mirkit.cli.main(['--help']); sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONPATH": str(ROOT / "src")})


def test_two_workers_give_what_one_gives(library: Path, tmp_path: Path) -> None:
    twin = Path(shutil.copytree(library, tmp_path / "twin"))
    assert run("extract", library) == 0
    assert main(["extract", str(twin), "--jobs", "2", "--quiet"]) == 0
    for name in ("A", "B"):
        assert (library / name / f"{name}.INFO").read_bytes() == (twin / name / f"{name}.INFO").read_bytes()


def test_doctor_works_where_a_package_is_missing() -> None:
    code = "import sys; sys.modules['numpy'] = None; import mirkit.cli; sys.exit(mirkit.cli.main(['doctor']))"
    environment = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "Traceback" not in done.stderr
    assert "pip install" in done.stderr
    assert done.returncode == 1


def test_verify_sees_what_failed_and_what_is_stale(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extract", library) == 0
    assert main(["verify", str(library)]) == 0
    write(library / "A" / "full_mix.flac", noise())
    provenance = library / "B" / "B.PROVENANCE"
    content = json.loads(provenance.read_text())
    content["stages"]["bands"]["failed"] = "it broke"
    provenance.write_text(json.dumps(content))
    capsys.readouterr()
    assert main(["verify", str(library)]) == 1
    out = capsys.readouterr().out
    assert "audio changed after it was measured" in out
    assert "bands failed: it broke" in out


def test_analyze_knows_its_groups(library: Path) -> None:
    from mirkit import analyze
    from mirkit.errors import SettingsError

    assert set(analyze(library / "A", "bands")) == {f"rms_energy_{band}" for band in ("bass", "body", "mid", "air")}
    for group in ("nonsense", "separate", "describe"):
        with pytest.raises(SettingsError):
            analyze(library / "A", group)
