"""The commands of the tutorials run in the order in which they are printed, and the notebook is executed."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from export.test_loaders import TRAINERS, load
from export.trainers import search_path
from library import beat_music, write
from mirkit.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_process")]

DOCS = Path(__file__).resolve().parents[2] / "docs"
TUTORIALS = DOCS / "tutorials"
#: Lines that start the training of a trainer, which is not part of the tests: what comes before it is its dry run.
TRAINING = ("python train.py", "sidestep ")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three songs with words for one of them, a quieter copy of a song, and a short blip: loose files, measured."""
    folder = tmp_path_factory.mktemp("tutorials") / "my_music"
    for name, bpm, seed in (
        ("Ann - First Song", 100.0, 1),
        ("Ben - Second Song", 124.0, 2),
        ("Cleo - Third", 140.0, 3),
    ):
        stems = beat_music(seconds=14, bpm=bpm, seed=seed)
        stems["other"] *= 1 + 0.8 * np.sin(np.arange(stems["other"].shape[1]) / 44100 * bpm / 40).astype(np.float32)
        write(folder / f"{name}.flac", sum(stems.values()))
        if name.startswith("Ann"):
            write(folder / "Ann - First Song again.flac", 0.4 * sum(stems.values()))
    write(folder / "Dan - Blip.flac", sum(beat_music(seconds=3.5, seed=4).values()))
    (folder / "Ann - First Song.lrc").write_text("[00:02.00]The first line\n[00:08.00]The second\n")
    (folder / "Ann - First Song.caption.txt").write_text("slow folk ballad with fingerpicked guitar\n")
    assert main(["run", str(folder), "--organize", "copy", "--jobs", "1", "--quiet"]) == 0
    return folder


def commands(page: Path) -> list[str]:
    """Return the lines of the blocks that a reader would type, with continued lines joined."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def run(line: str, folder: Path, *, trainer: bool) -> None:
    """Run a line as a shell would, in this process."""
    tolerated = line.endswith("|| true")
    words = shlex.split(line.removesuffix("|| true"), comments=True)
    assert words[0] == "mirkit", f"a tutorial may only run mirkit: {line}"
    words = words[1:]
    if "$TRAINER_PYTHON" in words:
        at = words.index("$TRAINER_PYTHON")
        words[at - 1 : at + 1] = ["--trainer-python", sys.executable] if trainer else ["--no-trainer"]
    globbed = [[str(path) for path in sorted(folder.glob(word))][:1] if "/*/" in word else [word] for word in words]
    status = main([word for group in globbed for word in group])
    assert status == 0 or (tolerated and status == 1), f"{line}: status {status}"


@pytest.mark.parametrize("page", ["stable_audio", "ace_step", "clean_a_folder", "choose_tracks"])
def test_commands_of_a_tutorial_run(
    page: str, measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(measured, tmp_path / "my_music")
    if page == "clean_a_folder":
        (tmp_path / "my_music" / "broken.mp3").write_bytes(b"not audio at all" * 100)
        (tmp_path / "my_music" / "empty.wav").touch()
    monkeypatch.chdir(tmp_path)
    try:
        monkeypatch.setenv("PYTHONPATH", search_path("0.0.19"))
        trainer = True
    except pytest.skip.Exception:  # the rest of the tutorial works without a trainer
        trainer = False
    lines = [line for line in commands(TUTORIALS / f"{page}.md") if not line.startswith(TRAINING)]
    assert len(lines) >= 4
    for line in lines:
        run(line, tmp_path, trainer=trainer)
    printed = capsys.readouterr()
    check = {
        "stable_audio": lambda: any((tmp_path / "bundle" / "train").glob("*.flac")),
        "ace_step": lambda: any(
            "slow folk" in file.read_text() for file in (tmp_path / "songs").rglob("*.caption.txt")
        ),
        "clean_a_folder": lambda: "broken" in printed.err and (tmp_path / "rights_to_complete.csv").exists(),
        "choose_tracks": lambda: len(json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))["train"]) > 0,
    }[page]
    assert check()
    if page == "stable_audio" and trainer:  # the dry run of the training
        assert printed.out.count("; 2 training steps, loss ") == 2
    if (
        page == "ace_step" and trainer and (TRAINERS / "acestep").is_dir()
    ):  # the loading code of the trainer reads the bundle
        assert [row["valid"] for row in load("acestep", tmp_path / "songs")["rows"]] == [True, True]


def test_every_tutorial_is_run() -> None:
    pages = {path.stem for path in TUTORIALS.glob("*.md")} - {"index"}
    assert pages == {"stable_audio", "ace_step", "clean_a_folder", "choose_tracks"}


def test_the_notebook_runs(measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib").use("agg")
    shutil.copytree(measured, tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((TUTORIALS / "explore.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["values"]["bpm"] == pytest.approx(120, abs=0.1)  # type: ignore[index]
