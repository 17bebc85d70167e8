"""Splits and copies of a bundle: three splits in every target, --split, duplicates left out, PATH -o OUT."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.measured import make_clips
from mirkit.analysis import TrackAnalysis
from mirkit.audio import encode, open_audio
from mirkit.cli import main
from mirkit.export.splits import read_split
from mirkit.store import file_digest, update_provenance
from mirkit.track import MIX, Track

pytestmark = pytest.mark.usefixtures("in_process")
FEW = ("--keys", "bpm,lufs", "--unknown", "fill", "--variants", "1", "-j", "1")


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    """Run the command line with --json and return what it printed, or the error."""
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == code
    shown = capsys.readouterr()
    return json.loads(shown.out) if code == 0 else shown.err


def splits_of(out: Path) -> dict[str, str]:
    """Track -> its split, as the index of a bundle says."""
    files = json.loads((out / "mirkit_files.json").read_text())
    return {entry["source"]: entry["split"] for entry in files.values()}


@pytest.fixture(scope="module")
def songs_of_six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("six") / "my_songs", tracks=6, clips=1, samples=463_050)


@pytest.mark.parametrize(
    ("target", "files"),
    [
        ("sat", ("test_dataset.json", "test/*.flac")),
        ("sat-wds", ("test_dataset.json", "test/00000.tar")),
        ("sa3", ("test/*.wav", "test/*.txt")),
        ("acestep", ("test_dataset.json", "test/*.flac", "test/*.caption.txt")),
        ("simpletuner", ("test/*.flac", "test/*.txt")),
        ("ai-toolkit", ("test/*.flac", "test/*.txt")),
        ("hot-step", ("test/*.flac", "test/*.txt")),
        ("musicgen", ("egs/evaluate/data.jsonl.gz", "test/*.flac", "test/*.json")),
        ("webdataset", ("test/00000.tar",)),
        ("hf", ("data/test/metadata.parquet", "data/test/*.flac")),
    ],
)
def test_every_target_has_three_splits(
    target: str, files: tuple[str, ...], songs_of_six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if target == "hf":
        pytest.importorskip("pyarrow")
    out = tmp_path / "b"
    words = ["export", target, songs_of_six, "-o", out, *FEW, "--val", "0.2", "--test", "0.2", "--check"]
    result = run(capsys, *words, "--no-trainer")
    assert result["check"]["faults"] == []
    assert [result["export"]["splits"][split]["files"] for split in ("train", "val", "test")] == [4, 1, 1]
    for pattern in files:
        assert list(out.glob(pattern)), pattern
    # The validation does not depend on the test.
    assert main([*map(str, words[:-5]), "--val", "0.2", "-q"]) == 0
    with_test = {track for track, split in splits_of(out).items() if split == "val"}
    assert [len(list(out.glob(pattern))) for pattern in files] == [0] * len(files), "stale files of the test stay"
    assert with_test == {track for track, split in splits_of(out).items() if split == "val"}
    if target == "musicgen":
        assert "/egs/valid" in (out / "mirkit.yaml").read_text().splitlines()[-1]


def test_latents_have_three_splits(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [clips, *FEW, "--val", "0.3", "--test", "0.3"]
    run(capsys, "export", "sat", *words, "-o", tmp_path / "b")
    latents = tmp_path / "latents"
    latents.mkdir()
    for path in (tmp_path / "b").rglob("*.flac"):
        np.save(latents / f"{path.stem}.npy", np.zeros((8, 16), np.float32))
    result = run(capsys, "export", "sat-latents", *words, "-o", latents, "--check", "--no-trainer")
    assert result["check"]["faults"] == []
    assert len((latents / "test" / "filelist.txt").read_text().splitlines()) == 4


def test_shares_that_leave_nothing(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "csv", str(clips), "-o", str(tmp_path / "t.csv"), "--val", "0.6", "--test", "0.5"]
    assert main(words) == 2
    assert "leave nothing for training" in capsys.readouterr().err


def test_a_split_of_the_user(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = sorted(path.name for path in clips.glob("[!.]*") if path.is_dir())
    file = tmp_path / "split.json"
    file.write_text(json.dumps({"train": names[:1], "val": [], "test": [names[2]], "seed": 1}))
    out = tmp_path / "b"
    result = run(capsys, "export", "sat", clips, "-o", out, *FEW, "--split", file)
    assert splits_of(out) == {names[0]: "train", names[2]: "test"}
    assert set(result["export"]["dropped"].values()) == {"its track is not in split.json"}
    assert "The split is that of `split.json`" in (out / "README.md").read_text()


def test_a_split_that_mirkit_split_wrote(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "split.json"
    made = run(capsys, "split", clips, "-o", file, "--val", "0.34", "--test", "0.34", "--seed", "5")
    assert [len(made[name]) for name in ("train", "val", "test")] == [1, 1, 1]
    run(capsys, "export", "sat", clips, "-o", tmp_path / "b", *FEW, "--split", file)
    assert splits_of(tmp_path / "b") == {name: split for split in ("train", "val", "test") for name in made[split]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "cannot be read as JSON"),
        ("[1]", "no lists of tracks named train, val and test"),
        ('{"train": [1]}', "no lists of tracks named train, val and test"),
        ('{"train": ["a"], "val": ["a"]}', "a is in both train and val"),
        ('{"train": ["somewhere/else"]}', "the file names none of the tracks"),
        (None, "there is no such file; write it with: mirkit split"),
    ],
)
def test_splits_that_are_none(
    content: str | None, message: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "split.json"
    if content is not None:
        file.write_text(content)
    words = ["export", "csv", str(clips), "-o", str(tmp_path / "t.csv"), "--split", str(file)]
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_a_split_of_the_users_and_a_share_for_the_test_exclude_each_other(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "split.json").write_text("{}")
    words = ["export", "csv", str(clips), "-o", str(tmp_path / "t.csv"), "--split", str(tmp_path / "split.json")]
    assert main([*words, "--test", "0.1"]) == 2
    assert "--split and --test: the file of --split names the tracks of the test" in capsys.readouterr().err


def test_names_with_the_separator_of_another_system(tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    file.write_text('{"train": ["a/b"], "val": ["c"]}')
    assert read_split(file) == {"a/b": "train", "c": "val"}


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Three tracks: one in CD quality, the same as mp3, and the same at half the rate."""
    root = make_clips(tmp_path / "data", tracks=1, clips=2)
    first = next(path for path in root.glob("[!.]*") if path.is_dir())
    rng = np.random.default_rng(5)
    for name, rate, suffix in (("mp3", 44100, ".mp3"), ("slow rate", 22050, ".flac")):
        folder = Path(shutil.copytree(first, root / f"Copy {name}"))
        for path in folder.glob(f"{first.name}*"):
            path.rename(folder / path.name.replace(first.name, folder.name))
        shutil.rmtree(folder / "crops")
        (folder / "full_mix.flac").unlink()
        encode(
            folder / f"full_mix{suffix}",
            [(0.1 * rng.standard_normal((2, rate))).astype(np.float32)],
            rate=rate,
            channels=2,
        )
        update_provenance(
            Track.at(folder).provenance, [], facts={"original_name": {"value": name}}, remove=["stages/loudness"]
        )
    for folder in root.glob("[!.]*"):
        if folder.is_dir():
            measured(Track.at(folder))
    return root


def measured(track: Track) -> None:
    """Give a track feature series, which are those of one recording for all."""
    digest = file_digest(track.mix)
    from mirkit.store import ProvenanceRecord

    update_provenance(track.provenance, [ProvenanceRecord("loudness", "0", 1, inputs={MIX: digest})])
    analysis = TrackAnalysis(track, {MIX: digest})
    analysis.measure([(MIX, "chroma"), (MIX, "bands")], {})
    analysis.save_cache()


def test_the_best_copy_is_exported(
    copies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirkit.dataset.duplicates.find import Duplicates
    from mirkit.export import splits

    # How copies are found is tested in tests/dataset; here all three tracks are one recording.
    monkeypatch.setattr(splits, "find_duplicates", lambda tracks, *_: Duplicates([list(range(len(tracks)))]))
    table = tmp_path / "t.jsonl"
    result = run(capsys, "export", "jsonl", copies, "-o", table, "--from", "tracks", "--val", "0")
    best = next(path.name for path in copies.glob("[!.]*") if path.name.startswith("Artist"))
    assert [json.loads(line)["source"] for line in table.read_text().splitlines()] == [best]
    assert result["export"]["duplicates"] == {"kept": False, "left out": {"Copy mp3": best, "Copy slow rate": best}}
    assert main(["export", "jsonl", str(copies), "-o", str(table), "--from", "tracks", "--val", "0"]) == 0
    shown = capsys.readouterr().out
    assert "copies   2 tracks left out, each a copy of a recording that is exported" in shown
    assert f"Copy mp3: {best} is exported" in shown
    assert "--keep-duplicates exports all copies" in shown
    words = ["export", "jsonl", copies, "-o", table, "--from", "tracks", "--val", "0.4", "--keep-duplicates"]
    result = run(capsys, *words)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert len(rows) == 3
    assert {row["split"] for row in rows} == {"train"}  # copies are never on both sides
    assert result["export"]["duplicates"] == {"kept": True, "left out": {}}


def test_copies_are_found_by_their_feature_series(
    copies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same file twice is found by its digest; clips of the copy are left out with it."""
    first = next(path for path in copies.glob("[!.]*") if path.name.startswith("Artist"))
    again = Path(shutil.copytree(first, copies / "Zz again"))
    for path in again.glob(f"{first.name}*"):
        path.rename(again / path.name.replace(first.name, again.name))
    result = run(capsys, "export", "sat", copies, "-o", tmp_path / "b", *FEW, "--val", "0")
    assert result["export"]["duplicates"]["left out"] == {again.name: first.name}
    assert set(splits_of(tmp_path / "b")) == {first.name}


def test_the_longer_copy_wins_among_lossless_ones(tmp_path: Path) -> None:
    from mirkit.dataset.duplicates.find import best_copy

    mixes = {}
    for name, suffix, rate, seconds in (
        ("a", ".flac", 44100, 1.0),
        ("b", ".flac", 22050, 2.0),
        ("c", ".mp3", 48000, 3.0),
        ("d", ".flac", 32000, 1.9),
    ):
        path = tmp_path / f"{name}{suffix}"
        encode(path, [np.zeros((1, round(rate * seconds)), np.float32)], rate=rate, channels=1)
        assert open_audio(path).duration > 0
        mixes[name] = path
    assert best_copy(mixes) == "d"  # nearly as long as b, of a higher rate
    (tmp_path / "d.flac").write_bytes(b"damaged")
    assert best_copy(mixes) == "b"


def test_both_forms_of_the_command_line(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    assert main(["export", "csv", str(clips), "-q", "-o", str(one)]) == 0
    assert main(["export", "csv", str(two), str(clips), "-q"]) == 0
    assert one.read_bytes() == two.read_bytes()
    assert main(["export", "csv", "--check-only", "-o", str(one), "-q", "."]) == 0
    assert main(["export", "csv", str(one), "--check-only", "-q"]) == 0
    for words in (["csv", "--check-only", "-q", str(one)], ["-q", "csv", "--check-only", str(one)]):
        assert main(["export", *words]) == 0  # options may stand before the path
    assert main(["export", "sat", str(clips)]) == 2
    assert "this is a folder of tracks; name the bundle to write with -o OUT" in capsys.readouterr().err
    assert main(["export", "sat", str(clips), "more", "-o", str(tmp_path / "b")]) == 2
    assert "one folder of tracks can be exported at a time" in capsys.readouterr().err


def test_a_killed_export_continues(songs_of_six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a run wrote before it ended is kept, and the bundle is the same as that of an undisturbed run."""
    words = ["export", "musicgen", songs_of_six, *FEW, "--val", "0.2", "--test", "0.2"]
    run(capsys, *words, "-o", tmp_path / "whole")
    run(capsys, *words, "-o", tmp_path / "b")
    kept = sorted((tmp_path / "b" / "train").glob("*.flac"))
    before = kept[0].stat().st_mtime_ns
    for path in (kept[1], tmp_path / "b" / "mirkit_files.json", tmp_path / "b" / "egs" / "train" / "data.jsonl.gz"):
        path.unlink()
    (tmp_path / "b" / "mirkit_export.json").write_text('{"target": "musicgen", "state": "unfinished"}')
    run(capsys, *words, "-o", tmp_path / "b")
    assert kept[0].stat().st_mtime_ns == before
    for path in (tmp_path / "whole").rglob("*.flac"):
        assert (tmp_path / "b" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()
    lines = [gzip.decompress((tmp_path / name / "egs/train/data.jsonl.gz").read_bytes()) for name in ("whole", "b")]
    assert lines[0].replace(b"/whole/", b"/b/") == lines[1]
