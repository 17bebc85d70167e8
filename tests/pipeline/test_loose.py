"""A loose file is as good a track as a folder: the same songs, once loose and once organized, give the same results."""

import csv
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from library import beat_music
from mirkit import engines
from mirkit.audio import encode
from mirkit.cli import main
from mirkit.engines import run_serially
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import read_feature_series, read_info, read_provenance
from mirkit.track import ORIGINAL_NAME, SOURCES, Track, find_all
from mirkit.track.clip import clip_folders

#: File -> tempo, seed, tags. Two are one recording, two are called the same, one has no tags.
SONGS: dict[str, tuple[float, int, dict[str, str]]] = {
    "01 first.flac": (120.0, 0, {"artist": "Anna", "album": "One", "title": "First"}),
    "02 second.mp3": (96.0, 1, {"artist": "Bert", "album": "Two", "title": "Second"}),
    "sub/fourth.flac": (110.0, 3, {}),
    "sub/fourth.wav": (84.0, 4, {}),
    "sub/deeper/again.wav": (120.0, 0, {"artist": "Dora", "title": "Again"}),
}


@dataclass(frozen=True)
class Sets:
    """The two data sets, both measured and cut."""

    loose: Path
    organized: Path

    def __iter__(self) -> Iterator[Path]:
        return iter((self.loose, self.organized))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sets]:
    base = tmp_path_factory.mktemp("loose")
    found = Sets(base / "loose", base / "organized")
    for name, (bpm, seed, tags) in SONGS.items():
        path = found.loose / name
        path.parent.mkdir(parents=True, exist_ok=True)
        music = sum(beat_music(seconds=5.0, bpm=bpm, seed=seed).values())
        encode(path, [music * np.float32(0.8 if "again" in name else 1.0)], rate=ANALYSIS_RATE, channels=2, tags=tags)
    shutil.copytree(found.loose, found.organized)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
        assert main(["run", str(found.loose), "-q"]) == 0
        assert main(["run", str(found.organized), "-q", "--organize", "move"]) == 0
        for root in found:
            assert main(["crop", str(root), "--seconds", "1.5", "-q"]) == 0
        yield found


def by_song(root: Path) -> dict[str, Track]:
    """Tracks by the file that each was made of."""
    found = {}
    for track in find_all(root):
        place = track.path.parent.relative_to(root)
        name = track.loose or read_provenance(track.provenance).facts[ORIGINAL_NAME]["value"]
        found[(place / name).as_posix()] = track
    return found


def pairs(sets: Sets) -> Iterator[tuple[str, Track, Track]]:
    loose, organized = by_song(sets.loose), by_song(sets.organized)
    assert loose.keys() == organized.keys() == SONGS.keys()
    for song, track in loose.items():
        yield song, track, organized[song]


def same_files(one: Track, other: Track) -> None:
    assert read_info(one.info) == read_info(other.info)
    assert {part: path.read_bytes() for part, path in one.sources.items()} == {
        part: path.read_bytes() for part, path in other.sources.items()
    }
    for kind in ("grid", "onsets"):
        assert getattr(one, kind).read_bytes() == getattr(other, kind).read_bytes()


def test_numbers_stems_grids_curves_and_midi(sets: Sets) -> None:
    for song, loose, organized in pairs(sets):
        same_files(loose, organized)
        assert len(loose.stems) == 4, song
        curves = [read_feature_series(track.feature_series) for track in (loose, organized)]
        assert curves[0].keys() == curves[1].keys()
        assert all(np.array_equal(curves[0][name], curves[1][name], equal_nan=True) for name in curves[0])
        assert loose.drums_midi.read_bytes() == organized.drums_midi.read_bytes()
        facts = [read_provenance(track.provenance).facts for track in (loose, organized)]
        assert facts[0] == {name: fact for name, fact in facts[1].items() if name != ORIGINAL_NAME}


def test_clips(sets: Sets) -> None:
    total = 0
    for _, loose, organized in pairs(sets):
        ours, theirs = clip_folders(loose), clip_folders(organized)
        assert len(ours) == len(theirs) > 0
        for one, other in zip(ours, theirs, strict=True):
            same_files(Track.at(one), Track.at(other))
        total += len(ours)
    assert total == len(list(sets.loose.rglob("crops/*"))), "no two songs share a folder"


def test_a_second_run_and_a_second_crop_do_nothing(sets: Sets, capsys: pytest.CaptureFixture[str]) -> None:
    for root in sets:
        capsys.readouterr()
        assert main(["run", str(root)]) == 0
        assert main(["crop", str(root), "--seconds", "1.5"]) == 0
        assert capsys.readouterr().out.count("0 done, 5 skipped, 0 failed") == 2


def test_clips_of_one_loose_file_are_not_taken_for_those_of_another(tmp_path: Path) -> None:
    """``a`` in the set ``b`` and ``a_b`` in the plain one would have folders of one name."""
    for seed, name in enumerate(("a", "a_b")):
        samples = [sum(beat_music(seconds=5.0, seed=seed).values())]
        encode(tmp_path / f"{name}.wav", samples, rate=ANALYSIS_RATE, channels=2)
    patch = ["--seconds", "2", "--jobs", "1", "-q"]
    assert main(["crop", str(tmp_path / "a.wav"), "--name", "b", *patch]) == 0
    before = (tmp_path / "crops" / "a_b_001" / "full_mix.flac").read_bytes()
    assert main(["crop", str(tmp_path / "a_b.wav"), *patch]) == 1
    assert (tmp_path / "crops" / "a_b_001" / "full_mix.flac").read_bytes() == before
    assert main(["crop", str(tmp_path / "a_b.wav"), "--name", "c", *patch]) == 0


def told(sets: Sets, capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> list[Any]:
    """What a command prints as JSON, of each of the sets."""
    found = []
    for root in sets:
        capsys.readouterr()
        assert main([words[0], str(root), *words[1:], "--json"]) == status
        found.append(json.loads(capsys.readouterr().out))
    return found


def names_of(root: Path) -> dict[str, str]:
    """What a track is called in a data set -> the file that it was made of."""
    return {track.path.relative_to(root).as_posix(): song for song, track in by_song(root).items()}


@pytest.mark.parametrize("share", ["0.2", "0.5"])
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_split(sets: Sets, seed: str, share: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(sets, capsys, "split", "--val", share, "--seed", seed)
    sides = []
    for root, content in zip(sets, found, strict=True):
        names = names_of(root)
        sides.append({side: {names[Path(name).as_posix()] for name in content[side]} for side in ("train", "val")})
    assert sides[0] == sides[1]
    assert sides[0]["val"]


def test_duplicates(sets: Sets, capsys: pytest.CaptureFixture[str]) -> None:
    groups = []
    for root, content in zip(sets, told(sets, capsys, "duplicates"), strict=True):
        names = names_of(root)
        groups.append([sorted(names[Path(name).as_posix()] for name in group) for group in content["groups"]])
    assert groups[0] == groups[1] == [["01 first.flac", "sub/deeper/again.wav"]]


def test_verify(sets: Sets, capsys: pytest.CaptureFixture[str]) -> None:
    reports = []
    for content in told(sets, capsys, "verify", "--crops"):
        assert all(track.pop("complete") for track in content["tracks"])
        placeless = ({**track, "name": "", "path": ""} for track in content["tracks"])
        reports.append(sorted(json.dumps(track, sort_keys=True) for track in placeless))
    assert reports[0] == reports[1]


def alike(one: Any, other: Any) -> bool:
    """Whether statistics agree: sums over tracks in another order may differ in the last of the six digits printed."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1.1e-5)
    return bool(one == other)


@pytest.mark.parametrize("options", [[], ["--crops"]])
def test_stats(sets: Sets, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    loose, organized = (content["keys"] for content in told(sets, capsys, "stats", *options))
    assert loose.keys() == organized.keys()
    for key, row in loose.items():
        assert row.keys() == organized[key].keys()
        for what, value in row.items():
            if what == "extreme":  # rows with names
                assert sorted(number for _, number in value) == sorted(number for _, number in organized[key][what])
            else:
                assert alike(value, organized[key][what]), (key, what)


def test_status(sets: Sets, capsys: pytest.CaptureFixture[str]) -> None:
    for root in sets:
        capsys.readouterr()
        assert main(["status", str(root)]) == 0
        assert "5 of 5 done" in capsys.readouterr().out


def shown(page: Path) -> str:
    """What a page draws, without what names the track's place; the files that it plays exist."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    data = json.loads(found[1])
    audio = data.pop("audio")
    assert data.pop("path")
    assert set(audio) == set(SOURCES)
    assert all((page.parent / unquote(address)).resolve().is_file() for address in audio.values())
    for row in (*data["crops"], *data["midi"]):
        row.pop("name", None)
        row.pop("file", None)
    assert data["crops"]
    assert data["midi"]
    return json.dumps(data, sort_keys=True)


def test_report(sets: Sets, tmp_path: Path) -> None:
    pages = []
    for root in sets:
        out = tmp_path / root.name
        assert main(["report", str(root), "--out", str(out), "-q"]) == 0
        found = sorted((out / "tracks").glob("*.html"))
        assert len(found) == len(SONGS)
        pages.append(sorted(map(shown, found)))
        before = [path.stat().st_mtime_ns for path in found]
        assert main(["report", str(root), "--out", str(out), "-q"]) == 0
        assert [path.stat().st_mtime_ns for path in found] == before, "all are up to date"
    assert pages[0] == pages[1]


def test_a_page_is_made_again_only_where_its_own_track_has_changed(sets: Sets, tmp_path: Path) -> None:
    from mirkit import report

    root = tmp_path / "set"
    shutil.copytree(sets.loose, root, ignore=shutil.ignore_patterns("crops"))
    list(report.write_report(report.plan_report(root)))
    assert not report.plan_report(root).pending
    shutil.copyfile(root / "01 first.INFO", root / "02 second.INFO")
    assert [page.name for page in report.plan_report(root).pending] == ["02 second.mp3"]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a table, without what names the track's place."""
    with open(path, newline="") as file:
        rows = [{k: v for k, v in row.items() if k not in ("from", "source")} for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


@pytest.mark.parametrize("kind", ["clips", "tracks"])
def test_tables(sets: Sets, kind: str, tmp_path: Path) -> None:
    tables = []
    for root in sets:
        out = tmp_path / f"{root.name}.csv"
        assert main(["export", "csv", str(out), str(root), "--from", kind, "--val", "0.4", "-q"]) == 0
        tables.append(rows_of(out))
    assert tables[0] == tables[1]
    recordings = len(SONGS) - 1  # two songs are one recording, of which one copy is exported
    assert len(tables[0]) == recordings if kind == "tracks" else len(tables[0]) > recordings
    assert {row["split"] for row in tables[0]} == {"train", "val"}


def contents(bundle: Path) -> list[tuple[str, str, str]]:
    """Side, kind and content of every sound and caption of a bundle, in no order."""
    found = []
    for path in bundle.rglob("*"):
        side = path.relative_to(bundle).parts[0]
        if path.suffix in (".flac", ".wav", ".txt"):
            found.append((side, path.suffix, sha256(path.read_bytes()).hexdigest()))
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                for member in tar.getmembers():
                    file = tar.extractfile(member)
                    if file and not member.name.endswith(".json"):
                        found.append((side, Path(member.name).suffix, sha256(file.read()).hexdigest()))
    return sorted(found)


@pytest.mark.parametrize("target", ["sat", "sat-wds", "sa3", "webdataset"])
def test_bundles(sets: Sets, target: str, tmp_path: Path) -> None:
    bundles = []
    for root in sets:
        out = tmp_path / root.name
        assert main(["export", target, str(out), str(root), "--val", "0.4", "-q"]) == 0
        bundles.append(contents(out))
        assert main(["export", target, str(out), str(root), "--check-only", "--no-trainer", "-q"]) == 0
    assert bundles[0] == bundles[1]
    assert len({side for side, *_ in bundles[0]}) == 2


def test_hugging_face(sets: Sets, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    tables = []
    for root in sets:
        out = tmp_path / root.name
        assert main(["export", "hf", str(out), str(root), "--val", "0.4", "-q"]) == 0
        rows = [row for path in sorted(out.rglob("*.parquet")) for row in parquet.read_table(path).to_pylist()]
        left_out = ("file_name", "from", "source")
        tables.append(sorted(json.dumps({k: v for k, v in row.items() if k not in left_out}) for row in rows))
    assert tables[0] == tables[1]


def test_window(sets: Sets, capsys: pytest.CaptureFixture[str]) -> None:
    for _, loose, organized in pairs(sets):
        found = []
        for track in (loose, organized):
            capsys.readouterr()
            assert main(["window", str(track.path), "--start", "1", "--end", "4", "--samples", "--json"]) == 0
            found.append(json.loads(capsys.readouterr().out))
        assert found[0]["values"] == found[1]["values"]


def test_excluding_one(sets: Sets, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "set"
    shutil.copytree(sets.loose, root)
    for song in ("01 first.flac", "sub/fourth.wav"):
        assert main(["exclude", str(root / song), "--reason", "no"]) == 0
    capsys.readouterr()
    assert main(["stats", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tracks"] == len(SONGS) - 2
    assert main(["split", str(root), "--json"]) == 0
    parted = json.loads(capsys.readouterr().out)
    assert len(parted["train"]) + len(parted["val"]) == len(SONGS) - 2
    out = tmp_path / "out.csv"
    assert main(["export", "csv", str(out), str(root), "--from", "tracks", "-q"]) == 0
    left = set(SONGS) - {"01 first.flac", "sub/fourth.wav"}
    assert {row["from"] for row in csv.DictReader(out.open())} == left
    for song in ("01 first.flac", "sub/fourth.wav"):
        assert main(["include", str(root / song)]) == 0


def test_organizing_says_which_clips_stay_behind(
    sets: Sets, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    shutil.copytree(sets.loose, root)
    count = len(clip_folders(Track.at(root / "01 first.flac")))
    capsys.readouterr()
    assert main(["organize", str(root)]) == 0
    assert f"{root / 'crops'}: {count} clips of 01 first.flac stay there; cut them again" in capsys.readouterr().err


def test_one_loose_file_alone(sets: Sets, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What takes one track takes one loose file, also where it shares its folder with others."""
    loose, organized = by_song(sets.loose)["sub/fourth.wav"], by_song(sets.organized)["sub/fourth.wav"]
    counts = []
    for track in (loose, organized):
        out = tmp_path / f"{len(counts)}.csv"
        assert main(["export", "csv", str(out), str(track.path), "--from", "clips", "-q"]) == 0
        counts.append(rows_of(out))
        assert main(["verify", str(track.path), "--crops"]) == 0
        assert main(["report", str(track.path), "--out", str(tmp_path / f"report {len(counts)}"), "-q"]) == 0
    assert counts[0] == counts[1]
