"""Exports in several processes: the same bytes with any number of workers, after a kill, and beside a bad file."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from export.measured import make_clips
from mirkit import engines
from mirkit.cli import main
from mirkit.export.options import Options
from mirkit.export.run import export
from mirkit.store import read_provenance, stamp_of
from mirkit.track import Track

#: Exports of each kind: copied files, links, converted files, normalized ones, tars, tables.
WAYS = {
    "copies": ("sat",),
    "links": ("sat", "--link"),
    "wav": ("sa3",),
    "normalized": ("sat", "--loudness", "-20"),
    "tars": ("webdataset",),
    "csv": ("csv",),
}


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers copy files although there are only some."""
    monkeypatch.setattr(engines, "_FEW", 3)
    monkeypatch.setattr(engines, "_CHUNK", 2)


@pytest.fixture(scope="module")
def own_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips that no other test has linked to."""
    return make_clips(tmp_path_factory.mktemp("own") / "data", tracks=2, clips=3)


def content(out: Path) -> dict[str, str]:
    files = [out] if out.is_file() else [path for path in out.rglob("*") if path.is_file()]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("way", WAYS)
def test_one_worker_and_two_write_the_same_bytes(way: str, own_clips: Path, tmp_path: Path) -> None:
    target, *more = WAYS[way]
    written = []
    for jobs in (1, 2):
        out = tmp_path / "out"
        words = ["export", target, str(own_clips), "-o", str(out), "--val", "0.3", "-q", "-j", str(jobs), *more]
        assert main(words) == 0
        written.append(content(out))
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    assert written[0] == written[1]
    assert way == "csv" or len(written[0]) > 5


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("way", ["copies", "wav", "normalized"])
def test_bad_files_cost_themselves_alone(way: str, jobs: int, tmp_path: Path) -> None:
    target, *more = WAYS[way]
    root = make_clips(tmp_path / "data", tracks=2, clips=4)
    bad = sorted(root.glob("*/crops/*/full_mix.flac"))[1::3]
    for path in bad:
        path.write_bytes(b"fLaC" + bytes(5000))
    options = Options(target, tmp_path / "out", root, val=0.0, jobs=jobs, loudness=-20.0 if more else None)
    done = export(options)
    assert len(done.plan.samples) == 8 - len(bad)
    names = [path.parent.name for path in bad]
    assert [line.split(":")[0].rsplit("/", 1)[-1] for line in done.plan.problems] == names
    assert done.summary["failed"] == done.plan.problems


def test_links_and_copies_leave_the_clips_as_they_are(own_clips: Path, tmp_path: Path) -> None:
    clips = sorted(own_clips.glob("*/crops/*/full_mix.flac"))
    before = {path: path.read_bytes() for path in clips}
    done = export(Options("sat", tmp_path / "copies", own_clips, val=0.0, jobs=2))
    copies = sorted((tmp_path / "copies").rglob("*.flac"))
    assert len(copies) == len(clips)
    for path in copies:
        with open(path, "r+b") as file:  # a program edits the bundle in place
            file.write(b"edited")
    assert {path: path.read_bytes() for path in clips} == before
    done = export(Options("sat", tmp_path / "links", own_clips, val=0.0, jobs=2, link=True))
    assert {path.stat().st_ino for path in (tmp_path / "links").rglob("*.flac")} == {p.stat().st_ino for p in clips}
    assert not [note for note in done.plan.notes if "hard link" in note]  # clips are files of mirkit


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_link_does_not_make_its_clip_look_changed(jobs: int, tmp_path: Path) -> None:
    """Otherwise the next command would read and hash each clip."""
    root = make_clips(tmp_path / "data", tracks=2, clips=4)
    before = {path: path.read_bytes() for path in root.rglob("*.PROVENANCE")}
    export(Options("sat", tmp_path / "links", root, val=0.0, jobs=jobs, link=True))
    clips = [Track.at(folder) for folder in root.glob("*/crops/*")]
    assert len(clips) == 8
    for clip in clips:
        assert clip.mix.stat().st_nlink == 2
        record = read_provenance(clip.provenance).stages["cut"].outputs["full_mix"]
        assert record.stamp == stamp_of(clip.mix)
    changed = [path for path, data in before.items() if path.read_bytes() != data]
    assert {path.parent for path in changed} == {clip.folder for clip in clips}
    again = {path: path.stat().st_mtime_ns for path in changed}
    export(Options("sat", tmp_path / "links", root, val=0.0, jobs=jobs, link=True))
    assert {path: path.stat().st_mtime_ns for path in changed} == again


def test_every_step_of_an_export_shows_its_progress(own_clips: Path, tmp_path: Path) -> None:
    steps: list[list[str]] = []

    @contextmanager
    def progress(count: int) -> Iterator[Callable[[str], None]]:
        names: list[str] = []
        yield names.append
        assert len(names) == count
        steps.append(names)

    export(Options("sat", tmp_path / "out", own_clips, val=0.3, jobs=1), progress=progress)
    assert [len(names) for names in steps] == [6, 2, 6, 6]  # reading, comparing the tracks, levels, files
    assert all(len(set(names)) == len(names) for names in steps)


def test_texts_that_have_not_changed_are_not_written_again(own_clips: Path, tmp_path: Path) -> None:
    options = Options("sa3", tmp_path / "out", own_clips, val=0.3, jobs=1)
    export(options)
    texts = {path: path.stat().st_ino for path in (tmp_path / "out").rglob("*.txt")}
    assert len(texts) == 6
    edited, *_ = sorted(texts)
    whole = edited.read_bytes()
    edited.write_bytes(b"half")
    export(options)
    assert edited.read_bytes() == whole
    assert {path: path.stat().st_ino for path in texts if path != edited} == {
        path: inode for path, inode in texts.items() if path != edited
    }


def test_links_to_own_recordings_are_named(own_clips: Path, tmp_path: Path) -> None:
    for link in (False, True):
        options = Options("sat", tmp_path / f"{link}", own_clips, source="tracks", val=0.0, max_seconds=60.0, link=link)
        notes = [note for note in export(options).plan.notes if "hard link" in note]
        assert len(notes) == link
    assert notes[0].startswith("2 files of the bundle are hard links to your own recordings")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_export_continues(tmp_path: Path) -> None:
    root = make_clips(tmp_path / "data", tracks=3, clips=30)
    out = tmp_path / "out"
    words = ["export", "sa3", str(root), "-o", str(out), "--val", "0.3", "-q", "-j", "2"]
    assert main(words) == 0
    whole = content(out)
    shutil.rmtree(out)
    process = subprocess.Popen([sys.executable, "-m", "mirkit", *words], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(out.rglob("*.wav"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_ino for path in out.rglob("*.wav") if not path.name.startswith(".")}
    assert 10 <= len(kept) < 90
    assert json.loads((out / "mirkit_export.json").read_text())["state"] == "unfinished"
    assert main(words) == 0
    assert content(out) == whole
    assert {path: path.stat().st_ino for path in kept} == kept  # they were not written again
