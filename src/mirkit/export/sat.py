"""Target ``sat``: a tree of flac files for stable-audio-tools' ``audio_dir``, with its module and configs."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.export.bundle import SUMMARY, Advance, clear_stale, index, summary, write_json, write_sounds
from mirkit.export.model_config import merged, patch, read_base
from mirkit.export.plan import ExportPlan
from mirkit.export.split import TRAIN, VAL
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import atomic_write, remove_file

MODULE, INDEX, WINDOWS = "mirkit_metadata.py", "mirkit_index.json", "mirkit_windows.f32"
DATASET = {TRAIN: "dataset.json", VAL: "val_dataset.json"}


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle.

    ``train/`` and ``val/`` hold one flac a clip (or a track), no stems: the loader takes every sound file for a song.
    """
    out = plan.options.out
    base = read_base(plan.options.model_config) if plan.options.model_config else None
    config = merged(base, plan) if base else None
    lengths: dict[str, int] = {}
    for split in (TRAIN, VAL):
        if plan.of(split) or split == TRAIN:
            lengths |= write_sounds(plan, plan.of(split), out / split, ".flac", advance)
    clear_stale(out, {out / sample.split / f"{sample.name}.flac" for sample in plan.samples})
    table, entries = _entries(plan, lengths)
    atomic_write(out / WINDOWS, table)
    names = {"names": plan.conditions.names, "sample_rate": ANALYSIS_RATE, "sample_size": plan.sample_size}
    write_json(out / INDEX, {**names, "hop": plan.options.hop, "files": entries}, indent=None)
    atomic_write(out / MODULE, files("mirkit.export").joinpath("sat_module.py").read_bytes())
    write_datasets(plan, {"dataset_type": "audio_dir", "random_crop": plan.options.whole}, module=MODULE)
    write_model(plan, config)
    write_json(out / "mirkit_files.json", index(plan))
    write_json(out / SUMMARY, summary(plan))


def _entries(plan: ExportPlan, lengths: dict[str, int]) -> tuple[bytes, dict[str, Any]]:
    """The table of windows, and for each file its numbers or its rows in that table."""
    rows: list[list[float]] = []
    entries: dict[str, Any] = {}
    for sample in plan.samples:
        entry: dict[str, Any] = {"prompts": list(sample.prompts)}
        if sample.windows is None:
            given = plan.conditions.given(sample.numbers)
            assert given is not None  # it would have been dropped
            entry["numbers"] = list(given.values())
        else:
            found = [plan.conditions.given(numbers) for numbers in sample.windows.rows()]
            entry |= {"samples": lengths[sample.name], "row": len(rows), "windows": len(found)}
            unknown = [float("nan")] * len(plan.conditions.names)
            rows += [unknown if given is None else list(given.values()) for given in found]
        entries[f"{sample.name}.flac"] = entry
    return np.array(rows, "<f4").tobytes(), entries


def write_datasets(plan: ExportPlan, common: dict[str, Any], *, module: str = "") -> None:
    """Write ``dataset.json``, and ``val_dataset.json`` where something is kept for validation."""
    out = plan.options.out
    place = plan.options.at.rstrip("/") or out.resolve().as_posix()
    for split, name in DATASET.items():
        if not plan.of(split):
            remove_file(out / name)
            continue
        entry = {"id": f"mirkit-{split}", "path": f"{place}/{split}"}
        if module:
            entry["custom_metadata_module"] = f"{place}/{module}"
        # A set smaller than the batch would give nothing at all.
        last = {} if split == TRAIN else {"drop_last": False}
        write_json(out / name, common | last | {"datasets": [entry]})


def write_model(plan: ExportPlan, config: dict[str, Any] | None) -> None:
    """Write the patch for the model's config, and the whole config where a base was given."""
    write_json(plan.options.out / "model_config_patch.json", patch(plan))
    path: Path = plan.options.out / "model_config.json"
    if config:
        write_json(path, config)
    else:
        remove_file(path)
