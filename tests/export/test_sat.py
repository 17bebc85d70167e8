"""``mirkit export sat``: what the trainer is given, and that it takes it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from export.measured import SIZE, make_clips
from mirkit.catalog import FEATURES
from mirkit.cli import main
from mirkit.store import read_info
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="ascii"))


def content(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_tree_holds_the_mixes_alone_to_the_bit(clips: Path, sat_bundle: Path) -> None:
    listed = load(sat_bundle / "mirkit_files.json")
    assert len(listed) == 12
    sounds = {path.stem: path for path in sat_bundle.rglob("*.flac")}
    assert sounds.keys() == listed.keys()
    for name, entry in listed.items():
        assert sounds[name].parent.name == entry["split"]
        ours, _ = soundfile.read(sounds[name], dtype="int16")
        source, _ = soundfile.read(clips / entry["from"] / "full_mix.flac", dtype="int16")
        assert np.array_equal(ours, source)
    assert not [path for path in sat_bundle.rglob("*") if "drums" in path.name]


def test_a_source_is_on_one_side_only(sat_bundle: Path) -> None:
    listed = load(sat_bundle / "mirkit_files.json").values()
    sides = {(entry["source"], entry["split"]) for entry in listed}
    assert len(sides) == 3
    assert {side for _, side in sides} == {"train", "val"}


def test_every_clip_has_its_own_numbers(clips: Path, sat_bundle: Path) -> None:
    index = load(sat_bundle / "mirkit_index.json")
    listed = load(sat_bundle / "mirkit_files.json")
    assert index["sample_size"] == SIZE
    assert len(index["names"]) > 70
    for name, entry in index["files"].items():
        info = read_info(Track(clips / listed[Path(name).stem]["from"]).info)
        given = dict(zip(index["names"], entry["numbers"], strict=True))
        for key in FEATURES:
            if key.name in given and info[key.name] is not None:
                assert given[key.name] == info[key.name]
        assert given["syncopation_bass_known"] == float(info["syncopation_bass"] is not None)
        assert given["log10_spectral_flatness"] == pytest.approx(np.log10(info["spectral_flatness"]), rel=1e-5)
        assert entry["prompts"][0].startswith("House, ")
        assert all(prompt.isascii() for prompt in entry["prompts"])


def test_an_unknown_stands_at_the_minimum(clips: Path, sat_bundle: Path) -> None:
    config = load(sat_bundle / "model_config_patch.json")
    ranges = {c["id"]: c["config"] for c in config["model"]["conditioning"]["configs"]}
    index = load(sat_bundle / "mirkit_index.json")
    at = {name: i for i, name in enumerate(index["names"])}
    unknown = [e["numbers"] for e in index["files"].values() if not e["numbers"][at["syncopation_bass_known"]]]
    assert len(unknown) == 4
    assert {numbers[at["syncopation_bass"]] for numbers in unknown} == {ranges["syncopation_bass"]["min_val"]}
    summary = load(sat_bundle / "mirkit_export.json")
    assert summary["numbers"]["unknown"]["samples"] == {"syncopation_bass": 4}
    assert summary["numbers"]["left out"]["content_enjoyment"] == "unknown in all samples"
    assert ranges.keys() == set(index["names"])
    assert config["model"]["diffusion"]["cross_attention_cond_ids"] == index["names"]
    demo = config["training"]["demo"]
    assert len(demo["demo_cond"]) == demo["num_demos"] == 4
    assert all({"prompt", "seconds_start", "seconds_total", *index["names"]} == c.keys() for c in demo["demo_cond"])


def test_the_same_seed_gives_the_same_bytes(clips: Path, sat_bundle: Path, tmp_path: Path) -> None:
    words = ["export", "sat", str(tmp_path / "again"), str(clips), "--val", "0.3", "--jobs", "1", "--quiet"]
    assert main([*words, "--at", sat_bundle.resolve().as_posix()]) == 0
    one, two = (
        {p.relative_to(d): p.read_bytes() for p in d.rglob("*") if p.is_file()}
        for d in (sat_bundle, tmp_path / "again")
    )
    assert one == two


def test_a_second_run_writes_what_is_missing_and_takes_away_what_is_stale(
    clips: Path, bundle: Path, tmp_path: Path
) -> None:
    kept, lost = sorted((bundle / "train").glob("*.flac"))[:2]
    before = kept.stat().st_mtime_ns
    lost.unlink()
    stale = bundle / "train" / "Gone-0123456789.flac"
    stale.write_bytes(b"x")
    mine = bundle / "notes.md"
    mine.write_text("mine")
    assert main(["export", "sat", str(bundle), str(clips), "--val", "0.3", "--jobs", "1", "--quiet"]) == 0
    assert kept.stat().st_mtime_ns == before
    assert lost.exists()
    assert not stale.exists()
    assert mine.exists()


def test_a_damaged_file_of_an_earlier_export_is_written_again(clips: Path, sat_bundle: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(sat_bundle, tmp_path / "out"))
    damaged = min(out.rglob("*.flac"))
    before = damaged.read_bytes()
    damaged.write_text("damaged")
    assert main(["export", "sat", str(out), str(clips), "--val", "0.3", "--quiet"]) == 0
    assert damaged.read_bytes() == before


def test_drop_leaves_out_what_has_an_unknown(clips: Path, tmp_path: Path) -> None:
    words = ["export", "sat", str(tmp_path / "b"), str(clips), "--unknown", "drop", "--val", "0", "--quiet"]
    assert main([*words, "--keys", "bpm,syncopation*"]) == 0
    summary = load(tmp_path / "b" / "mirkit_export.json")
    assert len(summary["dropped"]) == 4
    assert all(why.startswith("syncopation_bass: ") for why in summary["dropped"].values())
    index = load(tmp_path / "b" / "mirkit_index.json")
    assert index["names"] == ["bpm", "syncopation", "syncopation_bass", "syncopation_drums", "syncopation_other"]
    assert len(index["files"]) == 8


def test_what_was_excluded_stays_out(clips: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(clips, tmp_path / "my_music"))
    track = sorted(data.glob("[!.]*"))[0]
    clip = sorted((sorted(data.glob("[!.]*"))[1] / "crops").iterdir())[0]
    assert main(["exclude", str(track), "--reason", "not mine", "--quiet"]) == 0
    assert main(["exclude", str(clip), "--reason", "cough", "--quiet"]) == 0
    assert main(["export", "sat", str(tmp_path / "b"), str(data), "--quiet"]) == 0
    summary = load(tmp_path / "b" / "mirkit_export.json")
    assert sum(split["files"] for split in summary["splits"].values()) == 7
    assert "cough" in summary["excluded"].values()


def test_another_rate_and_mono_become_what_the_model_takes(tmp_path: Path) -> None:
    data = make_clips(tmp_path / "data", tracks=1, clips=2, rate=48000, channels=1)
    assert main(["export", "sat", str(tmp_path / "b"), str(data), "--check", "--no-trainer", "-q", "-j", "1"]) == 0
    for path in (tmp_path / "b" / "train").iterdir():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (44100, 2, SIZE)


def test_loudness_moves_level_keys_and_nothing_else(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "loud"
    assert main(["export", "sat", str(out), str(clips), "--val", "0.3", "--loudness", "-14", "--quiet", "-j", "1"]) == 0
    listed = load(out / "mirkit_files.json")
    index = load(out / "mirkit_index.json")
    limited = 0
    for name, entry in listed.items():
        gain = entry["gain_db"]
        info = read_info(Track(clips / entry["from"]).info)
        given = dict(zip(index["names"], index["files"][f"{name}.flac"]["numbers"], strict=True))
        assert given["lufs"] == pytest.approx(info["lufs"] + gain, abs=1e-3)
        assert given["rms_energy_air"] == pytest.approx(info["rms_energy_air"] + gain, abs=1e-3)
        assert given["lra"] == info["lra"]
        loud, _ = soundfile.read(out / entry["split"] / f"{name}.flac")
        source, _ = soundfile.read(clips / entry["from"] / "full_mix.flac")
        assert loud == pytest.approx(source * 10 ** (gain / 20), abs=2e-6)
        assert np.abs(loud).max() <= 10 ** (-1 / 20)
        limited += gain < -14 - info["lufs"] - 2e-3
    assert load(out / "mirkit_export.json")["loudness"]["limited by true peak"] == limited
    assert 0 < limited < len(listed)


def test_a_dry_run_writes_nothing(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "sat", str(tmp_path / "b"), str(clips), "--dry-run"]) == 0
    listed = capsys.readouterr().out
    assert "nothing was written" in listed
    assert "files" in listed
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["sat", "{tmp}/b", "{clips}", "--keys", "tempo"], 2, "no feature has this name"),
        (["sat", "{tmp}/b", "{clips}", "--sample-size", "1000"], 2, "mirkit crop --samples 1000"),
        (["sat", "{tmp}/b", "{clips}", "--set", "short"], 1, "mirkit crop"),
        (["sat", "{tmp}/b", "{clips}", "--template", "{{tempo}}"], 2, "no field {tempo}"),
        (["sat", "{clips}", "{clips}"], 1, "holds no earlier export"),
        (["sat", "{tmp}/b", "{tmp}"], 1, "mirkit"),
        (["sat", "{tmp}/b", "{clips}", "--check-only"], 1, "there is no such file or folder"),
        (["nothing", "{tmp}/b", "{clips}"], 2, "TARGET must be one of sat, "),
    ],
)
def test_what_goes_wrong_is_one_line(
    words: list[str], status: int, expected: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *(word.format(tmp=tmp_path, clips=clips) for word in words)]) == status
    error = capsys.readouterr().err
    assert expected in error
    assert "Traceback" not in error


def test_a_base_config_is_filled_in(clips: Path, tmp_path: Path) -> None:
    base = {
        "model_type": "diffusion_cond",
        "sample_rate": 44100,
        "sample_size": 1,
        "model": {
            "conditioning": {
                "cond_dim": 768,
                "configs": [
                    {"id": "prompt", "type": "t5", "config": {"max_length": 128}},
                    {"id": "bpm", "type": "int", "config": {"min_val": 60, "max_val": 200}},
                    {"id": "seconds_total", "type": "number", "config": {"min_val": 0, "max_val": 512}},
                ],
            },
            "diffusion": {
                "cross_attention_cond_ids": ["prompt", "seconds_total"],
                "global_cond_ids": ["seconds_total", "bpm"],
            },
        },
        "training": {"demo": {"demo_every": 2000, "num_demos": 9, "demo_cond": []}},
    }
    (tmp_path / "base.json").write_text(json.dumps(base))
    words = ["export", "sat", str(tmp_path / "b"), str(clips), "--keys", "bpm,lufs", "--quiet"]
    assert main([*words, "--model-config", str(tmp_path / "base.json"), "--check", "--no-trainer"]) == 0
    config = load(tmp_path / "b" / "model_config.json")
    assert [c["id"] for c in config["model"]["conditioning"]["configs"]] == ["prompt", "seconds_total", "bpm", "lufs"]
    assert {c["type"] for c in config["model"]["conditioning"]["configs"][1:]} == {"number"}
    assert config["model"]["diffusion"]["cross_attention_cond_ids"] == ["prompt", "seconds_total", "bpm", "lufs"]
    assert config["model"]["diffusion"]["global_cond_ids"] == ["seconds_total"]
    assert config["training"]["demo"]["demo_every"] == 2000
    assert config["training"]["demo"]["num_demos"] == 4
    assert config["sample_size"] == SIZE
    base["model"]["conditioning"]["configs"].append({"id": "mood", "type": "list", "config": {}})
    (tmp_path / "base.json").write_text(json.dumps(base))
    assert main([*words, "--model-config", str(tmp_path / "base.json")]) == 2


def test_the_module_needs_nothing_but_python(bundle: Path) -> None:
    name = sorted(path.name for path in (bundle / "train").iterdir())[0]
    code = (
        "import sys, importlib.util as u; s = u.spec_from_file_location('m', sys.argv[1]); m = u.module_from_spec(s); "
        "s.loader.exec_module(m); r = m.get_custom_metadata({'relpath': sys.argv[2]}, None); "
        "print(len(r), r['prompt']); "
        "print(m.get_custom_metadata({'relpath': 'x'}, None), m.get_custom_metadata({}, None))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(bundle / "mirkit_metadata.py"), name]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert any(prompt in listed for prompt in load(bundle / "mirkit_index.json")["files"][name]["prompts"])
    assert listed.count("__reject__") == 2
