"""The loading code of each trainer of songs, unmodified, reads from a bundle what mirkit has measured.

``loaders.py`` runs it, and names the stand-ins; ``loaders.txt`` tells how to fetch the sources.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.measured import STAND_IN
from export.trainers import ROOT
from mirkit.cli import main
from mirkit.store import read_info
from mirkit.track import Track

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_process")]
TRAINERS = ROOT / ".venv" / "trainers"


def export(target: str, out: Path, songs: Path) -> dict[str, Any]:
    """Export, and return the measured features of each file for training."""
    words = ["export", target, str(out), str(songs), "--val", "0.3", "-j", "1", "-q", "--trigger", "mystyle"]
    assert main(words) == 0
    listed = json.loads((out / "mirkit_files.json").read_text())
    return {
        name: read_info(Track(songs / entry["from"]).info)
        for name, entry in listed.items()
        if entry["split"] == "train"
    }


def fetched(trainer: str) -> Path:
    source = TRAINERS / trainer
    if not source.is_dir():
        pytest.skip(f"{trainer} is not in .venv/trainers; tests/export/loaders.txt tells how to fetch it")
    return source


def load(trainer: str, bundle: Path) -> Any:
    source = fetched(trainer)
    pytest.importorskip("torch")
    search = os.pathsep.join(str(path) for path in (source, TRAINERS / "lib", TRAINERS / "0.0.20", STAND_IN))
    command = [sys.executable, "-B", str(Path(__file__).with_name("loaders.py")), trainer, str(source), str(bundle)]
    environment = os.environ | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=bundle.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("trainer", ["acestep", "side-step"])
def test_acestep(trainer: str, songs: Path, tmp_path: Path) -> None:
    known = export("acestep", tmp_path / "b", songs)
    report = load(trainer, tmp_path / "b")
    assert [row["id"] for row in report["rows"]] == sorted(known)
    for row in report["rows"]:
        bpm = round(known[row["id"]]["bpm"])
        assert (row["bpm"], row["keyscale"], row["timesignature"]) == (bpm, "F# minor", "4")
        assert (row["genre"], row["language"], row["duration"], row["labeled"]) == ("House", "unknown", 10, True)
        assert row["shape"] == [2, 504_000]  # 10.5 s at 48 kHz
        assert f"\nmystyle, {row['caption']}\n" in row["prompt"]
        assert f"- bpm: {bpm}\n- timesignature: 4\n- keyscale: F# minor\n- duration: 10 seconds\n" in row["prompt"]
    if trainer == "acestep":
        assert all(row["valid"] for row in report["rows"])
        assert report["sung"] == []
    else:  # its builder reads the captions beside the audio
        assert [row["caption"] for row in report["folder"]] == [row["caption"] for row in report["rows"]]


def test_sidestep_finds_the_files_of_a_bundle_that_was_moved(songs: Path, tmp_path: Path) -> None:
    known = export("acestep", tmp_path / "b", songs)
    (tmp_path / "b").rename(tmp_path / "moved")
    assert len(load("side-step", tmp_path / "moved")["rows"]) == len(known)


def in_training_studio(folder: Path) -> Any:
    """What HOT-Step's Training Studio trains on, after it has scanned a folder."""
    source = fetched("hot-step")
    command = [source / "server/node_modules/.bin/tsx", Path(__file__).with_name("hot_step.mts"), source, folder]
    environment = os.environ | {"HOT_STEP_ROOT": str(folder.parent / "studio")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_training_studio_of_hot_step(songs: Path, tmp_path: Path) -> None:
    known = export("hot-step", tmp_path / "b", songs)
    report = in_training_studio(tmp_path / "b" / "train")
    assert report["warnings"] == []
    assert [Path(row["filename"]).stem for row in report["rows"]] == sorted(known)
    for row, built in zip(report["rows"], report["built"], strict=True):
        bpm = round(known[Path(row["filename"]).stem]["bpm"])
        assert (row["bpm"], row["keyscale"], row["timesignature"], row["duration"]) == (bpm, "F# minor", "4", 11)
        assert (built["bpm"], built["keyscale"], built["timesignature"]) == (bpm, "F# minor", "4")
        assert (row["genre"], row["customTag"], row["isInstrumental"]) == ("House", "mystyle", False)
        assert (built["labeled"], built["language"], built["duration"]) == (True, "unknown", 10.5)
        assert "mystyle" not in row["caption"]
    built = load("side-step", tmp_path / "b")["folder"]  # the same texts, read by Side-Step
    assert [(row["bpm"], row["keyscale"], row["timesignature"]) for row in built] == [
        (round(known[name]["bpm"]), "F# minor", "4") for name in sorted(known)
    ]
    assert {(row["custom_tag"], row["genre"], row["labeled"]) for row in built} == {("mystyle", "House", True)}


def test_training_studio_reads_no_tempo_from_a_bundle_of_acestep(songs: Path, tmp_path: Path) -> None:
    """If this fails, HOT-Step has learned to read dataset.json, and the target hot-step can go."""
    export("acestep", tmp_path / "b", songs)
    rows = in_training_studio(tmp_path / "b" / "train")["rows"]
    assert {(row["bpm"], row["keyscale"], row["timesignature"]) for row in rows} == {(0, "", "")}
    assert all(row["caption"] for row in rows)


def test_command_line_of_hot_step(songs: Path, tmp_path: Path) -> None:
    source = fetched("hot-step")
    if not (compiler := shutil.which("g++")) or not shutil.which("gcc"):
        pytest.skip("a compiler is not in .venv/trainers; install g++ to run the reader of the engine of HOT-Step")
    known = export("acestep", tmp_path / "b", songs)
    stand_in = "enum ggml_type { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_COUNT };\n"
    stand_in += "static inline float ggml_fp16_to_fp32(unsigned short) { return 0; }\n"
    (tmp_path / "ggml.h").write_text(stand_in)
    engine, reader = source / "engine", tmp_path / "reader"
    include = [f"-I{folder}" for folder in (tmp_path, engine / "src", engine / "vendor/yyjson")]
    subprocess.run(["gcc", "-w", "-c", engine / "vendor/yyjson/yyjson.c", "-o", tmp_path / "yyjson.o"], check=True)
    code = Path(__file__).with_name("hot_step.cpp")
    subprocess.run([compiler, "-w", "-std=c++17", *include, code, tmp_path / "yyjson.o", "-o", reader], check=True)
    shown = subprocess.run([reader, tmp_path / "b/dataset.json"], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in shown.splitlines()]
    assert [row[0] for row in rows] == sorted(known)
    for name, size, _caption, bpm, key, meter, seconds, language, instrumental, tag, lyrics in rows:
        assert int(size) == (tmp_path / "b" / "train" / f"{name}.flac").stat().st_size
        assert (int(bpm), key, meter, seconds) == (round(known[name]["bpm"]), "F# minor", "4", "10")
        assert (language, instrumental, tag, lyrics) == ("unknown", "0", "mystyle", "")


def test_ai_toolkit(songs: Path, tmp_path: Path) -> None:
    known = export("ai-toolkit", tmp_path / "b", songs)
    report = load("ai-toolkit", tmp_path / "b")
    assert [row["bpm"] for row in report["rows"]] == [round(known[name]["bpm"]) for name in sorted(known)]
    for row in report["rows"]:
        assert row["caption"].startswith("mystyle, ")
        del row["caption"], row["bpm"]
        expected = {"keyscale": "F# minor", "timesignature": "4", "duration": 10, "language": "unknown", "lyrics": ""}
        assert row == expected
    # The fault of which every export warns; if this fails, the trainer is repaired and the warning can go.
    assert report["lost"] == ["keyscale", "timesignature"]


def test_musicgen(clips: Path, tmp_path: Path) -> None:
    known = export("musicgen", tmp_path / "b", clips)
    report = load("audiocraft", tmp_path / "b")
    assert [Path(row["path"]).stem for row in report["rows"]] == sorted(known)
    for row in report["rows"]:
        assert row["bpm"] == pytest.approx(known[Path(row["path"]).stem]["bpm"], abs=0.05)
        assert (row["key"], row["genre"], row["sample_rate"]) == ("f# minor", "house", 32000)
        assert row["shape"] == [2, 11_889]  # 16,384 samples at 44.1 kHz
        assert row["description"].startswith("mystyle, ")
        assert row["artist"].startswith("Artist ")
    assert report["segments"] == [[1, 960_000]] * 4
    assert len(report["losses"]) == 2
    assert np.isfinite(report["losses"]).all()


def test_stable_audio_3(clips: Path, tmp_path: Path) -> None:
    """Every file arrives with its own text, and a LoRA is trained for two steps."""
    known = export("sa3", tmp_path / "b", clips)
    report = load("sa3", tmp_path / "b")
    assert sorted(Path(row["path"]).stem for row in report["rows"]) == sorted(known)
    for row in report["rows"]:
        assert row["own"]
        assert row["shape"] == [2, 65536]
        assert row["prompt"] == Path(row["path"]).with_suffix(".txt").read_text().strip()
        assert row["prompt"].startswith("mystyle, ")
    assert len(report["losses"]) == 2
    assert np.isfinite(report["losses"]).all()


def test_hugging_face(clips: Path, tmp_path: Path) -> None:
    known = export("hf", tmp_path / "b", clips)
    report = load("hf", tmp_path / "b")
    assert report["splits"] == {"train": len(known), "validation": 12 - len(known)}
    assert report["features"]["bpm"] == "Value('float64')"
    for row in report["rows"]:
        info = known[Path(row["path"]).stem]
        assert (row["bpm"], row["lufs"], row["key"]) == (info["bpm"], info["lufs"], info["key"])
        assert row["prompt"].startswith("mystyle, ")


def test_webdataset(clips: Path, tmp_path: Path) -> None:
    known = export("webdataset", tmp_path / "b", clips)
    rows = load("webdataset", tmp_path / "b")["rows"]
    assert len(rows) == 12
    assert {row["key"] for row in rows if row["split"] == "train"} == known.keys()
    for row in rows:
        assert (row["shape"], row["rate"]) == ([16384, 2], 44100)
        assert row["text"].startswith("mystyle, ")
        if info := known.get(row["key"]):
            assert (row["known"]["bpm"], row["known"]["mode"]) == (info["bpm"], info["mode"])


def test_simpletuner(songs: Path, tmp_path: Path) -> None:
    known = export("simpletuner", tmp_path / "b", songs)
    report = load("simpletuner", tmp_path / "b")
    assert [Path(row["path"]).stem for row in report["rows"]] == sorted(known)
    for row in report["rows"]:
        path = Path(row["path"])
        text = path.with_suffix(".txt").read_text(encoding="ascii").strip()
        assert row["caption"] == [text]  # one caption: lines would be alternatives
        assert text.startswith("mystyle, ")
        assert row["lyrics"] is None
        assert row["original"] == row["used"] == 10.5


def test_the_users_words_arrive(songs: Path, tmp_path: Path) -> None:
    """Words, language and caption that the user wrote are what each trainer reads."""
    data = Path(shutil.copytree(songs, tmp_path / "songs"))
    words = "[Verse]\nIch geh allein durch diese Stadt\nund keiner weiß was ich noch hab"
    for folder in data.glob("[!.]*"):
        (folder / "full_mix.lyrics.txt").write_text(words, encoding="utf-8")
        (folder / "full_mix.caption.txt").write_text("A dreamy song.", encoding="utf-8")
    pairs = (("acestep", "acestep"), ("acestep", "side-step"), ("ai-toolkit", "ai-toolkit"), ("hot-step", "hot-step"))
    for target, trainer in pairs:
        out = tmp_path / trainer
        more = ["--from", "tracks", "--val", "0.3", "--test", "0.3", "-j", "1", "-q"]
        assert main(["export", target, str(data), "-o", str(out), *more]) == 0
        rows = in_training_studio(out / "train")["rows"] if trainer == "hot-step" else load(trainer, out)["rows"]
        assert len(rows) == 1  # of three: one each for validation and test
        assert (rows[0]["lyrics"], rows[0]["language"]) == (words, "de")
        assert rows[0]["caption"].startswith("A dreamy song")
