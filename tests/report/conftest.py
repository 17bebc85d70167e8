"""A small data set that has been measured, cut and described, and its report."""

import json
import shutil
from pathlib import Path

import mido
import pytest

from library import make_track
from mirkit import engines
from mirkit.cli import main
from mirkit.engines import run_serially
from mirkit.report import FOLDER

HOSTILE = "<script>document.title='broken'</script>"


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks: one with stems, clips, drums as MIDI and a text; one with a hostile title."""
    root = tmp_path_factory.mktemp("report") / "my music"
    make_track(root / "A - One", stems=True, seconds=9.0)
    make_track(root / "B - Two", seconds=6.0, bpm=100.0)
    with pytest.MonkeyPatch.context() as patch:  # in this process: no time for workers
        patch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
        assert main(["extract", str(root), "--jobs", "1", "--quiet"]) == 0
    assert main(["crop", str(root / "A - One"), "--seconds", "3", "--align", "free", "--jobs", "1", "--quiet"]) == 0
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.Message("note_on", note=36, velocity=90, time=480)]))
    file.save(root / "A - One" / "drums.mid")
    for folder, key, text in (
        ("A - One", "music_flamingo_full", "A calm beat."),
        ("B - Two", "music_flamingo_full", HOSTILE),
    ):
        path = root / folder / f"{folder}.INFO"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: text}))
    path = root / "B - Two" / "B - Two.PROVENANCE"
    content = json.loads(path.read_text())
    content["facts"]["tags"] = {"value": {"title": HOSTILE, "artist": HOSTILE}}
    path.write_text(json.dumps(content))
    return root


@pytest.fixture
def music(measured: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; times of change are kept."""
    return Path(shutil.copytree(measured, tmp_path / "my music"))


@pytest.fixture(scope="session")
def site(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    music = Path(shutil.copytree(measured, tmp_path_factory.mktemp("site") / "my music"))
    with pytest.MonkeyPatch.context() as patch:  # in this process: no time for workers
        patch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
        assert main(["report", str(music), "--jobs", "1", "--quiet"]) == 0
    return music / FOLDER
