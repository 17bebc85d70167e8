"""Key, mode and time signature as ``list`` conditioners: in the config, in every sample, and in the trainer itself."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.measured import SIZE
from export.trainers import RELEASES, search_path
from mirkit.catalog import NUMBERS, feature
from mirkit.cli import main
from mirkit.export.conditioners import UNKNOWN, choose_conditioners
from mirkit.export.options import Options
from mirkit.export.run import check, export
from mirkit.store import read_info, update_info
from mirkit.track import Track
from mirkit.window_tables import WindowTable

pytestmark = pytest.mark.usefixtures("in_process")
KEYS = ("bpm", "key", "mode", "time_signature")
PLANTED = (
    {"key": "A#", "mode": "major", "time_signature": "3/4"},
    {"key": "C", "mode": "minor", "time_signature": None},
    {"key": None, "mode": None, "time_signature": "other"},
    {"key": "B", "mode": "minor", "time_signature": "12/8"},
)


@pytest.fixture
def varied(clips: Path, tmp_path: Path) -> Path:
    """The clips with other keys and meters."""
    folder = Path(shutil.copytree(clips, tmp_path / "music"))
    for i, info in enumerate(sorted(folder.rglob("crops/*/*.INFO"))):
        update_info(info, PLANTED[i % len(PLANTED)])
    return folder


def expected(info: Mapping[str, Any]) -> dict[str, str]:
    return {name: info[name] if info[name] in feature(name).categories else UNKNOWN for name in KEYS[1:]}


def test_every_sample_has_its_categories(varied: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    done = export(Options("sat", out, varied, val=0.3, keys=KEYS))
    assert not done.plan.problems
    index = json.loads((out / "mirkit_index.json").read_text())
    origin = json.loads((out / "mirkit_files.json").read_text())
    assert index["names"] == list(KEYS)
    for name, entry in index["files"].items():
        info = read_info(Track(varied / origin[Path(name).stem]["from"]).info)
        given = dict(zip(index["names"], entry["numbers"], strict=True))
        assert {key: given[key] for key in KEYS[1:]} == expected(info)
    rows = json.loads((out / "model_config_patch.json").read_text())["model"]["conditioning"]["configs"]
    assert [(row["id"], row["type"]) for row in rows] == [("bpm", "number"), *((key, "list") for key in KEYS[1:])]
    assert {row["id"]: tuple(row["config"]["options"]) for row in rows[1:]} == {
        key: feature(key).categories for key in KEYS[1:]
    }
    assert check("sat", out, trainer=False).faults == []
    first = next(iter(index["files"]))
    index["files"][first]["numbers"][1] = "H"
    (out / "mirkit_index.json").write_text(json.dumps(index))
    assert any("key is 'H', which is not one of C, C#" in line for line in check("sat", out, trainer=False).faults)


def test_windows_have_their_own(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tables(tracks: Mapping[str, Path], *_: object, hop: float, **__: object) -> dict[str, WindowTable]:
        rows = np.full((len(PLANTED), len(NUMBERS)), np.nan)
        rows[:, 0] = 100 + np.arange(len(PLANTED))
        known = [{name: str(value) for name, value in row.items() if value} for row in PLANTED]
        return {name: WindowTable(hop, rows, known) for name in tracks}

    monkeypatch.setattr("mirkit.window_tables.tables", tables)
    out = tmp_path / "bundle"
    export(Options("sat", out, clips, source="tracks", val=0, sample_size=SIZE, hop=0.1, keys=KEYS))
    spec = importlib.util.spec_from_file_location("module_of_categories", out / "mirkit_metadata.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    index = json.loads((out / "mirkit_index.json").read_text())
    name, entry = next(iter(index["files"].items()))
    for i, planted in enumerate(PLANTED[:-1]):
        start = 0.1 * i * 44100 / entry["samples"]
        given = module.get_custom_metadata({"relpath": name, "timestamps": (start, 1.0)}, None)
        assert given["bpm"] == 100 + i
        assert {key: given[key] for key in KEYS[1:]} == expected(planted)


def test_what_never_varies_is_left_out() -> None:
    samples = [{"bpm": 100.0 + i, "key": "C"} for i in range(4)]
    chosen = choose_conditioners(samples, ["*"], "flag")
    assert chosen.left_out["key"] == "always C"
    assert chosen.left_out["mode"] == "unknown in all samples"
    assert "duration_seconds" not in chosen.left_out, "only by its name"
    assert "key" in choose_conditioners(samples, ["key"], "flag").names
    some = choose_conditioners([*samples, {"bpm": 99.0, "key": "D"}, {"bpm": 98.0}], ["*"], "drop")
    assert some.values({"bpm": 120.0}) == {"bpm": 120.0, "key": UNKNOWN}, "an unknown category drops nothing"
    assert some.unknown == {"key": 1}


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
def test_the_trainer_takes_every_category(
    release: str, varied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", search_path(release))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    out = tmp_path / "bundle"
    assert main(["export", "sat", str(varied), "-o", str(out), "--keys", ",".join(KEYS), "--val", "0.3", "-q"]) == 0
    words = ["export", "sat", str(out), "--check-only", "--json", "--trainer-python", sys.executable]
    capsys.readouterr()
    assert main(words) == 0
    assert "2 training steps, loss " in json.loads(capsys.readouterr().out)["check"]["trainer"]
