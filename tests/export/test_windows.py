"""Whole tracks with random crops: the module gives the numbers of the very stretch that the trainer has cut."""

import importlib.util
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.measured import SIZE
from mirkit.audio import probe
from mirkit.catalog import NUMBERS
from mirkit.export.options import Options
from mirkit.export.run import check, export
from mirkit.window_tables import WindowTable

RATE = 44100
HOP = 0.1
NAMES = [key.name for key in NUMBERS]


def known_tables(
    tracks: Mapping[str, Path],
    seconds: float,
    problems: list[str],
    advance: Callable[[str], None],
    *,
    hop: float,
    jobs: int,
    **_: object,
) -> dict[str, WindowTable]:
    """Windows whose bpm is 100 + their start, and whose lufs is unknown in the last one."""
    tables = {}
    for name, mix in tracks.items():
        last = max(0.0, probe(mix).duration - seconds)
        starts = np.minimum(np.arange(0, last + HOP, HOP), last)
        rows = np.full((len(starts), len(NAMES)), np.nan)
        rows[:, NAMES.index("bpm")] = 100 + starts
        rows[:, NAMES.index("lufs")] = -20 - starts
        rows[-1, NAMES.index("lufs")] = np.nan
        tables[name] = WindowTable(HOP, rows)
    return tables


@pytest.fixture(autouse=True)
def _known_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirkit.window_tables.tables", known_tables)


def bundle(clips: Path, out: Path, **changes: Any) -> tuple[Path, Any]:
    options = Options(
        "sat", out, clips, source="tracks", val=0.3, sample_size=SIZE, hop=HOP, keys=("bpm", "lufs"), **changes
    )
    done = export(options)
    assert not done.plan.problems
    spec = importlib.util.spec_from_file_location("module_of_bundle", out / "mirkit_metadata.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return out, module


def cut_at(name: str, samples: int, first: int) -> dict[str, Any]:
    """What the trainer tells of a crop: PadCrop_Normalized_T."""
    most = max(0, samples - SIZE)
    return {"relpath": name, "timestamps": (first / (most + SIZE), (first + SIZE) / (most + SIZE)), "padding_mask": "m"}


@pytest.mark.parametrize("policy", ["fill", "flag"])
def test_a_crop_gets_the_nearest_window(policy: str, clips: Path, tmp_path: Path) -> None:
    out, module = bundle(clips, tmp_path / "b", unknown=policy)
    index = json.loads((out / "mirkit_index.json").read_text())
    assert index["names"] == (["bpm", "lufs"] if policy == "fill" else ["bpm", "lufs", "lufs_known"])
    assert json.loads((out / "dataset.json").read_text())["random_crop"] is True
    for name, entry in index["files"].items():
        samples = entry["samples"]
        last = (samples - SIZE) / RATE
        starts = np.array([*np.arange(0, last, HOP), last])
        for first in range(0, samples - SIZE + 1, 997):
            given = module.get_custom_metadata(cut_at(name, samples, first), None)
            off = abs(given["bpm"] - 100 - first / RATE)
            assert off == pytest.approx(np.abs(starts - first / RATE).min(), abs=6e-4)  # kept with six digits
            assert off <= HOP / 2 + 6e-4
            assert given["padding_mask"] == ["m"]
            assert all(math.isfinite(given[key]) for key in index["names"])
    assert check("sat", out, trainer=False).faults == []


def test_drop_rejects_the_crops_whose_number_is_unknown(clips: Path, tmp_path: Path) -> None:
    out, module = bundle(clips, tmp_path / "b", unknown="drop")
    for name, entry in json.loads((out / "mirkit_index.json").read_text())["files"].items():
        samples = entry["samples"]
        assert module.get_custom_metadata(cut_at(name, samples, samples - SIZE), None) == {"__reject__": True}
        assert module.get_custom_metadata(cut_at(name, samples, 0), None)["lufs"] == pytest.approx(-20)
    assert check("sat", out, trainer=False).faults == []


def test_prompts_tell_no_tempo_that_changes(clips: Path, tmp_path: Path) -> None:
    out, _ = bundle(clips, tmp_path / "b")
    files = json.loads((out / "mirkit_index.json").read_text())["files"].values()
    all_prompts = [prompt for entry in files for prompt in entry["prompts"]]
    assert not [
        prompt for prompt in all_prompts if "BPM" in prompt and "100 BPM" not in prompt and "101 BPM" not in prompt
    ]


def test_a_cut_table_is_found(clips: Path, tmp_path: Path) -> None:
    out, module = bundle(clips, tmp_path / "b")
    table = out / "mirkit_windows.f32"
    table.write_bytes(table.read_bytes()[:-4])
    assert any("mirkit_windows.f32" in line for line in check("sat", out, trainer=False).faults)
    name = list(json.loads((out / "mirkit_index.json").read_text())["files"])[-1]
    table.unlink()
    assert module.get_custom_metadata(cut_at(name, 4 * SIZE, 0), None) == {"__reject__": True}
