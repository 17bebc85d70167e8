"""The other targets: shards, latents, wav and txt, audiofolder, tables."""

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mirkit.cli import main
from mirkit.export.run import check
from mirkit.export.targets import DESCRIPTIONS, targets
from mirkit.store import read_info
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="ascii"))


def export(target: str, out: Path, clips: Path, *words: str) -> Path:
    again = () if target in ("csv", "parquet", "jsonl") else ("--check", "--no-trainer")
    assert main(["export", target, str(out), str(clips), "--val", "0.3", "-j", "1", "-q", *again, *words]) == 0
    return out


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def shards(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export("sat-wds", tmp_path_factory.mktemp("wds") / "b", clips, "--shard-size", "200K")


def test_shards_hold_a_flac_and_a_flat_json_a_clip(clips: Path, shards: Path) -> None:
    listed = load(shards / "mirkit_files.json")
    seen = []
    for path in sorted(shards.rglob("*.tar")):
        content = members(path)
        names = [name.removesuffix(".flac") for name in content if name.endswith(".flac")]
        assert [f"{name}{suffix}" for name in names for suffix in (".flac", ".json")] == list(content)
        assert not any("." in name for name in names)
        seen += names
        for name in names:
            assert listed[name]["split"] == path.parent.name
            found = json.loads(content[f"{name}.json"].decode("ascii"))
            assert all(isinstance(value, str if key == "text" else float) for key, value in found.items())
            info = read_info(Track(clips / listed[name]["from"]).info)
            assert found["bpm"] == info["bpm"]
            ours, _ = soundfile.read(io.BytesIO(content[f"{name}.flac"]), dtype="int16")
            source, _ = soundfile.read(clips / listed[name]["from"] / "full_mix.flac", dtype="int16")
            assert np.array_equal(ours, source)
    assert sorted(seen) == sorted(listed)
    assert len(list((shards / "train").glob("*.tar"))) > 1
    train = [name for name in seen if listed[name]["split"] == "train"]
    assert train != sorted(train)


def test_shards_of_the_same_seed_are_the_same_bytes(clips: Path, shards: Path, tmp_path: Path) -> None:
    again = export("sat-wds", tmp_path / "b", clips, "--shard-size", "200K")
    other = export("sat-wds", tmp_path / "c", clips, "--shard-size", "200K", "--seed", "7")
    tars = {path.relative_to(shards): path.read_bytes() for path in shards.rglob("*.tar")}
    assert tars == {path.relative_to(again): path.read_bytes() for path in again.rglob("*.tar")}
    assert tars != {path.relative_to(other): path.read_bytes() for path in other.rglob("*.tar")}


def test_a_second_run_leaves_shards_as_they_are(clips: Path, tmp_path: Path) -> None:
    out = export("sat-wds", tmp_path / "b", clips)
    path = next(iter((out / "train").glob("*.tar")))
    before = path.stat().st_mtime_ns
    export("sat-wds", out, clips)
    assert path.stat().st_mtime_ns == before
    export("sat-wds", out, clips, "--keys", "bpm")
    assert path.stat().st_mtime_ns != before


def test_webdataset_has_all_that_is_known(clips: Path, tmp_path: Path) -> None:
    out = export("webdataset", tmp_path / "b", clips)
    content = members(out / "train" / "00000.tar")
    assert {name.rpartition(".")[2] for name in content} == {"flac", "json", "txt"}
    for name, data in content.items():
        if name.endswith(".json"):
            found = json.loads(data)
            info = read_info(Track(clips / found["from"]).info)
            assert {key: found[key] for key in info if key in found} == {k: v for k, v in info.items() if v is not None}
            assert content[name.replace(".json", ".txt")].decode() == found["prompts"][0]


def test_whole_tracks_do_not_go_into_shards(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "sat-wds", str(tmp_path / "b"), str(clips), "--from", "tracks"]) == 2
    assert "does not report which window it cuts" in capsys.readouterr().err


def test_latents_get_their_numbers(clips: Path, latents: Path, sat_bundle: Path) -> None:
    export("sat-latents", latents, clips)
    found = load(latents / "000000.json")
    sample = load(sat_bundle / "mirkit_files.json")[Path(found["relpath"]).stem]
    info = read_info(Track(clips / sample["from"]).info)
    assert found["bpm"] == info["bpm"]
    assert found["padding_mask"] == [1] * 12 + [0] * 4
    assert found["seconds_total"] == 3
    assert found["prompt"].isascii()
    assert not {"lyrics", "x"} & found.keys()
    dataset = load(latents / "dataset.json")
    assert (dataset["dataset_type"], dataset["latent_crop_length"]) == ("pre_encoded", 16)
    listed = (latents / "train" / "filelist.txt").read_text().split()
    assert len(listed) == 8
    assert all((latents / "train" / line).exists() for line in listed)
    assert load(latents / "mirkit_export.json")["latents"]["of no clip"] == ["other.npy"]
    assert load(latents / "model_config_patch.json")["training"]["pre_encoded"] is True


def test_a_latent_of_another_length_is_left_out(clips: Path, latents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(latents / "000003.npy", np.zeros((8, 9), np.float32))
    assert main(["export", "sat-latents", str(latents), str(clips), "--val", "0.3", "-q"]) == 1
    assert "cannot put" in capsys.readouterr().err
    assert len(load(latents / "mirkit_files.json")) == 11


def test_sa3_has_a_text_for_every_wav(clips: Path, tmp_path: Path) -> None:
    out = export("sa3", tmp_path / "b", clips, "--variants", "1")
    wavs = sorted(out.rglob("*.wav"))
    assert len(wavs) == 12
    for path in wavs:
        assert soundfile.info(path).samplerate == 44100
        text = path.with_suffix(".txt").read_text(encoding="ascii")
        assert text.startswith("TrackType: Music, Genre: House, BPM: ")
        assert "Key: F# minor" in text
        assert len(text) < 1000


def test_hf_has_a_row_a_file(clips: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = export("hf", tmp_path / "b", clips)
    rows = parquet.read_table(out / "data" / "train" / "metadata.parquet").to_pylist()
    assert {row["file_name"] for row in rows} == {path.name for path in (out / "data" / "train").glob("*.flac")}
    for row in rows:
        info = read_info(Track(clips / row["from"]).info)
        assert {key: row[key] for key in info} == info
    card = (out / "README.md").read_text()
    assert card.startswith("---\n")
    assert 'path: "data/validation/**"' in card


def test_tables_hold_what_the_info_holds(clips: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for target in ("csv", "jsonl", "parquet"):
        export(target, tmp_path / f"t.{target}", clips)
        assert main(["export", target, str(tmp_path / f"t.{target}"), "--check-only", "-q"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text(encoding="ascii").splitlines()]
    cells = list(csv.DictReader((tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()))
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert len(lines) == len(cells) == len(rows) == 12
    for line, cell, row in zip(lines, cells, rows, strict=True):
        info = read_info(Track(clips / line["from"]).info)
        assert line["title"].startswith("Träck")
        for key, value in info.items():
            assert line.get(key, None) == row[key] == value
            assert (cell[key] if isinstance(value, str) else float(cell[key]) if cell[key] else None) == value


@pytest.mark.parametrize("target", ["csv", "jsonl", "parquet"])
def test_a_table_has_the_features_that_are_named(target: str, clips: Path, tmp_path: Path) -> None:
    if target == "parquet":
        pytest.importorskip("pyarrow")
    path = export(target, tmp_path / "t", clips, "--keys", "bpm,chroma_*,key")
    if target == "csv":
        names = set(next(csv.reader(path.read_text(encoding="utf-8").splitlines())))
    elif target == "jsonl":
        names = json.loads(path.read_text().splitlines()[0]).keys()
    else:
        names = set(pytest.importorskip("pyarrow.parquet").read_schema(path).names)
    assert {"bpm", "key", "chroma_11", "source", "title"} <= names
    assert not {"lufs", "mode", "beat_count", "vocals_share"} & names
    assert main(["export", target, str(path), "--check-only", "-q"]) == 0
    export(target, path, clips, "--keys", "lufs")  # an earlier table is recognized, and replaced
    export(target, path, clips)


def test_names_of_features_are_checked_for_every_target(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target in ("csv", "sat", "hf", "sa3"):
        assert main(["export", target, str(clips), "-o", str(tmp_path / "b"), "--keys", "bpmm"]) == 2
        assert "no feature has this name (did you mean bpm?)" in capsys.readouterr().err
    assert main(["export", "musicgen", str(clips), "-o", str(tmp_path / "b"), "--keys", "bpm", "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert "musicgen has fields of its own and no other features, so --keys changes nothing" in shown.out + shown.err
    export("hf", tmp_path / "hf", clips, "--keys", "bpm,key")
    assert "where the clip is from, bpm, key, tags" in (tmp_path / "hf" / "README.md").read_text()


def test_a_message_about_an_item_names_it(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "acestep", str(clips), "-o", str(tmp_path / "b")]) == 1
    error = capsys.readouterr().err
    assert f"{sorted(path.name for path in clips.glob('[!.]*'))[0]}/crops/" in error
    assert "it has 0.37 s; the trainer needs at least 10 s (11 more items left out)" in error


def test_tables_of_whole_tracks(clips: Path, tmp_path: Path) -> None:
    out = export("jsonl", tmp_path / "t.jsonl", clips, "--from", "tracks")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["from"] for line in lines] == sorted(path.name for path in clips.glob("[!.]*"))


@pytest.mark.parametrize("target", [name for name in DESCRIPTIONS if name != "sat-latents"])  # OUT has to hold latents
def test_every_target_writes_what_its_check_accepts_and_misses_a_file(
    target: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    clips = request.getfixturevalue("songs" if targets()[target].shortest else "clips")
    if target in ("hf", "parquet"):
        pytest.importorskip("pyarrow")
    out = tmp_path / "bundle"
    for _ in range(2):  # the second export updates the first
        assert main(["export", target, str(out), str(clips), "--val", "0.3", "-j", "1", "-q"]) == 0
        checked = check(target, out, trainer=False)
        assert checked.faults == []
        assert checked.files == (3 if targets()[target].shortest else 12)
    if targets()[target].is_folder:
        for path in sorted(out.rglob("*")):
            if path.suffix in (".flac", ".wav", ".tar"):
                path.unlink()
        assert check(target, out, trainer=False).faults


def test_the_command_line_lists_all_targets_without_loading_them() -> None:
    assert tuple(targets()) == tuple(DESCRIPTIONS)
    for name, target in targets().items():
        assert target.name == name
        assert target.description
