"""Exports in several processes: the same bytes with any number of workers, after a kill, and beside a bad file."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from export.measured import make_clips
from mirkit import engines
from mirkit.captions.vocabulary import Word
from mirkit.cli import main
from mirkit.export import bundle, sample_prompts
from mirkit.export.audio import AudioJob, SummedFiles, convert, write_converted
from mirkit.export.item import Item
from mirkit.export.options import Options
from mirkit.export.run import export
from mirkit.store import batch, read_provenance, stamp_of
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


def test_converted_files_wait_for_the_disk_together(
    own_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sorted(own_clips.glob("*/crops/*/full_mix.flac"))
    jobs = [AudioJob(SummedFiles((path,)), tmp_path / f"{i}.wav", 1.0, rate=22050) for i, path in enumerate(sources)]
    jobs.insert(1, AudioJob(SummedFiles((tmp_path / "none.flac",)), tmp_path / "bad.wav", 1.0))
    synced: list[list[str]] = []
    at_once = batch._at_once

    def recorded(sync: Callable[[Path], None], paths: Mapping[Path, Path]) -> None:
        assert not list(tmp_path.glob("[0-9]*.wav")) or paths.keys() == {tmp_path}, (
            "a file had its name before it was synced"
        )
        synced.append(sorted(path.name for path in paths.values()))
        at_once(sync, paths)

    monkeypatch.setattr(batch, "_at_once", recorded)
    results = write_converted(jobs)
    assert [type(result) for result in results] == [int, str, *[int] * (len(sources) - 1)]
    names = [f"{i}.wav" for i in range(len(sources))]
    assert synced[0] == names
    assert len(synced) == 2  # the files, and their folder
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    alone = [convert(replace(job, target=tmp_path / "again" / job.target.name)) for job in _made(jobs, tmp_path)]
    assert alone == [result for result in results if isinstance(result, int)]
    assert content(tmp_path / "again") == {name: content(tmp_path)[name] for name in names}


def _made(jobs: list[AudioJob], folder: Path) -> list[AudioJob]:
    (folder / "again").mkdir()
    return [job for job in jobs if job.target.exists()]


@pytest.mark.parametrize(
    ("count", "seconds", "workers", "together"),
    [(0, 1.0, 2, 1), (3, 1.0, 2, 1), (80, 1.0, 2, 10), (4000, 1.0, 2, 32), (4000, 47.0, 2, 6), (4000, 400.0, 2, 1)],
)
def test_files_of_a_process_that_are_converted_together(
    count: int, seconds: float, workers: int, together: int, tmp_path: Path
) -> None:
    jobs = [AudioJob(SummedFiles((tmp_path / "a.flac",)), tmp_path / "b.flac", seconds)] * count
    assert bundle._together(jobs, workers) == together


def test_a_clip_whose_prompts_fail_costs_itself_alone(
    own_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = sorted(own_clips.glob("*/crops/*"))[2].name
    words_of = sample_prompts.words_of

    def failing(item: Item, *more: Any) -> list[Word]:
        if item.name.endswith(bad):
            raise ZeroDivisionError("planted")
        return words_of(item, *more)

    monkeypatch.setattr(sample_prompts, "words_of", failing)
    done = export(Options("sat", tmp_path / "out", own_clips, val=0.0, jobs=1))
    assert len(done.plan.samples) == 5
    (line,) = done.plan.problems
    assert bad in line
    assert "planted" in line


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


def _finished(out: Path) -> list[Path]:
    return [path for path in out.rglob("*.wav") if not path.name.startswith(".")]


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
    while len(_finished(out)) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_ino for path in _finished(out)}
    assert 10 <= len(kept) < 90
    assert json.loads((out / "mirkit_export.json").read_text())["state"] == "unfinished"
    assert main(words) == 0
    assert content(out) == whole
    assert {path: path.stat().st_ino for path in kept} == kept  # they were not written again
