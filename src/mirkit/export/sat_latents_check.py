"""Check of a ``sat-latents`` folder: what the trainer reads beside each latent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.export.sat import DATASET
from mirkit.export.sat_check import dataset_faults
from mirkit.export.validation import CheckResult, config_faults, load_json, number_faults, text_faults
from mirkit.store import printable


def look(out: Path, checked: CheckResult) -> None:
    """Find what is wrong with a folder of latents."""
    name = "model_config.json" if (out / "model_config.json").exists() else "model_config_patch.json"
    config = load_json(out / name, checked.faults)
    if config is None:
        return
    wanted = [entry["id"] for entry in config["model"]["conditioning"]["configs"] if entry["id"] != "prompt"]
    checked.faults += config_faults(config, [*wanted, "prompt"], name)
    if not config.get("training", {}).get("pre_encoded"):
        checked.faults.append(f"{name}: training.pre_encoded is not true; the trainer would encode the latents again")
    checked.faults += dataset_faults(out, checked, "pre_encoded", {})
    for split, dataset in DATASET.items():
        listed = out / split / "filelist.txt"
        if not (out / dataset).exists():
            continue
        if not listed.exists():
            checked.faults.append(f"{split}/filelist.txt: is missing")
            continue
        length = (load_json(out / dataset, []) or {}).get("latent_crop_length")
        for line in listed.read_text(encoding="utf-8").splitlines():
            checked.files += 1
            checked.faults += _latent_faults(listed.parent / line, length, wanted)


def _latent_faults(path: Path, length: Any, wanted: list[str]) -> Iterator[str]:
    where = printable(path.name)
    try:
        latent = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        yield f"{where}: cannot be read, so the trainer takes a random other one ({error})"
        return
    if latent.ndim != 2 or not isinstance(length, int) or latent.shape[1] < length:
        yield f"{where}: shape {latent.shape}, and latent_crop_length {length}; the trainer cannot make a batch of it"
    if not np.isfinite(latent).all():
        yield f"{where}: not a number in it"
    lines: list[str] = []
    found = load_json(path.with_suffix(".json"), lines)
    yield from lines
    if not isinstance(found, dict):
        return
    yield from number_faults(where, found, [*wanted, "seconds_start", "seconds_total"])
    yield from text_faults(where, found.get("prompt"))
    mask = found.get("padding_mask")
    if not isinstance(mask, list) or len(mask) != latent.shape[-1] or 1 not in mask:
        yield f"{where}: padding_mask must have a 0 or 1 for each of {latent.shape[-1]} frames, at least one of them 1"
