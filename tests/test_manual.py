"""Every command line of the user manual runs, verbatim, from the repository's root."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from library import beat_music, make_track, write
from manual_commands import ENVIRONMENT, LINES, NOT_OURS, SHELL, TRACK, Line
from mirkit.models import registry

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.usefixtures("in_process")
#: Short, but with everything that the stages look for.
SECONDS = 3.0
BUILT = {(row.task, row.name) for row in registry.built_in()}
needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="the manual's loops are for a POSIX shell")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a working directory that stands for the repository's root, with the libraries of the manual's examples."""
    place = tmp_path_factory.mktemp("manual")
    mix = sum(beat_music(SECONDS).values())
    for track in ("Artist - Track", "Track Name", "Some trance - Track"):
        write(place / "my_music" / track / "full_mix.flac", mix)
    make_track(place / TRACK, seconds=SECONDS, stems=True)
    write(place / "path/to/audio/Loose - One.flac", mix)
    write(place / "path/to/data/Artist - Two/full_mix.flac", mix)
    write(place / "path/to/audio.flac", mix)
    write(place / "audio/Artist - Three/full_mix.flac", mix)
    write(place / "track/full_mix.mp3", mix)
    (place / "track/track.INFO").write_text('{"mine": "kept"}\n')
    for library in ("my_music", "path/to/audio", "path/to/data", "audio"):  # in this process: no time for workers
        (place / library / "mirkit.toml").write_text("[run]\njobs = 1\n")
    return place


def words(line: str, place: Path) -> list[str]:
    """Split a command as the shell does, with the manual's placeholders pointed into ``place``."""
    line = line.replace("$TRACK", TRACK).replace(" [options]", "")
    line = line.replace("<audio_path>", f'"{TRACK}"').replace("<input_dir>", "my_music/")
    line = line.replace("/path/to/", f"{place.as_posix()}/path/to/")
    return shlex.split(line)


def run_script(argv: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run ``python SCRIPT ...`` in this process, as if it had been started in ``place``."""
    script = ROOT / argv[1]
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", argv[1:])
    monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(script), run_name="__main__")
    assert sys.path[0] == str(ROOT / "src"), "a launcher puts src in its own place"
    return stop.value.code if isinstance(stop.value.code, int) else 1


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.text)
def test_command(line: Line, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if "verify_features" in line.text:  # the tests may run in any order: what it looks at must be there
        extract = "python scripts/extract_all_features.py /path/to/audio/ --batch"
        assert run_script(words(extract, place), place, monkeypatch) == 0
    status = run_script(words(line.text, place), place, monkeypatch)
    out, error = capsys.readouterr()
    assert "Traceback" not in out + error
    if line.backend is None:
        assert status == 0, error
    elif status or line.backend not in BUILT:
        # The model is missing: one line states this.
        assert status == 1
        assert len(error.splitlines()) == 1, error


def shell(text: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``text`` in bash, in a folder that looks like the repository's root."""
    for name in ("src", "scripts"):
        if not (place / name).exists():
            (place / name).symlink_to(ROOT / name)
    tools = place / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    if not shutil.which("parallel"):  # parallel -j 4 COMMAND: once for each line
        (tools / "parallel").write_text('#!/bin/sh\nwhile read -r l; do eval "${3%%{\\}*}\\"$l\\"${3##*{\\}}"; done\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    path = os.pathsep.join((str(tools), os.environ["PATH"]))
    return subprocess.run(
        ["bash", "-c", text],
        cwd=place,
        env=os.environ | environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@needs_shell
def test_setup_script_prints_what_it_checked(place: Path) -> None:
    result = shell(SHELL[0], place)
    assert result.returncode == 0, result.stderr
    assert "Nothing to clone" in result.stdout
    assert "numpy" in result.stdout


@needs_shell
@pytest.mark.slow
@pytest.mark.parametrize("text", SHELL[1:], ids=["find-while", "find-parallel"])
def test_shell_loops(text: str, place: Path) -> None:
    result = shell(text, place)
    assert "Traceback" not in result.stdout + result.stderr
    tracks = 1 if "trance" in text else 5  # find also lists my_music itself, which is no track
    if ("stems", "demucs") not in BUILT:
        # `find` hands over the folder of the run logs too, which is no track.
        lines = [line for line in result.stderr.splitlines() if "/.mirkit:" not in line]
        assert len(lines) == tracks, result.stderr


@needs_shell
@pytest.mark.slow
def test_a_script_path_with_the_environment_of_the_manual(place: Path) -> None:
    result = shell('python src/rhythm/rhythm_analysis.py "my_music/Artist - Album - Track"', place, **ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    info = json.loads((place / TRACK / "Artist - Album - Track.INFO").read_text())
    assert {"bpm", "bpm_is_defined", "beat_count", "onset_count", "ioi_std"} <= info.keys()
    assert (place / TRACK / "Artist - Album - Track.BEATS_GRID").exists()


CUSTOM_EXTRACTION = """
from core.json_handler import read_json, write_json
from rhythm.rhythm_analysis import analyze_rhythm
from pathlib import Path

# Load existing features
info_file = Path("track/track.INFO")
features = read_json(info_file)

# Extract custom features
new_features = analyze_rhythm(Path("track/full_mix.mp3"))

# Merge and save
features.update(new_features)
write_json(info_file, features)
"""


@pytest.mark.slow
def test_custom_feature_extraction(place: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", CUSTOM_EXTRACTION], cwd=place, env=environment, timeout=300, check=True)
    features = json.loads((place / "track/track.INFO").read_text())
    assert features["mine"] == "kept"
    assert len(features) == 19  # the fourteen of rhythm_analysis.py, four beside the 78, and that one
    assert features["onset_count"] > 0


def test_verification_script_of_the_manual(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "src"))
    from core.file_utils import get_info_path, get_organized_folders

    folders = get_organized_folders(place / "my_music")
    names = [folder.name for folder in folders]
    assert names == ["Artist - Album - Track", "Artist - Track", "Some trance - Track", "Track Name"]
    assert get_info_path(folders[0]) == place / TRACK / "Artist - Album - Track.INFO"


@pytest.mark.parametrize("script", sorted({words(line.text, ROOT)[1] for line in LINES}))
def test_a_library_needs_no_option(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``my_music`` without ``--batch``: it is a folder of tracks, whose only track cannot be read."""
    track = tmp_path / "my_music" / "Artist - Track"
    track.mkdir(parents=True)
    (track / "full_mix.flac").touch()
    status = run_script(["python", script, "my_music/"], tmp_path, monkeypatch)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "--batch" not in error
    if Path(script).name != "file_organizer.py":  # no file is loose
        assert status == 1


def test_the_list_is_the_manual() -> None:
    manual = ROOT.parent / "shared" / "spec" / "user_manual.md"
    if not manual.is_file():
        pytest.skip("the user manual is not available")
    text = manual.read_text()
    known = {line.text for line in LINES} | set(NOT_OURS) | set(SHELL)
    known |= {f"export {name}={value}" for name, value in ENVIRONMENT.items()}
    shown = set()
    for block in re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        code = re.sub(r"^\s*#.*\n|[ \t]+#.*$", "", block, flags=re.MULTILINE)
        code = code.split("Options:")[0]
        loops = re.findall(r"^find .*?^done$", code, re.DOTALL | re.MULTILINE)
        for loop in loops:
            code = code.replace(loop, "")
        lines = re.findall(r"(?:.*\\\n)*.+", code)
        shown |= set(loops) | {line.strip() for line in lines}
    shown |= set(re.findall(r"`(pip install [^`]*)`", text))
    assert shown == known
    for name, example in (("CUSTOM_EXTRACTION", CUSTOM_EXTRACTION),):
        assert example.strip() in text, name
