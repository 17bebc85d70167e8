"""Target ``sat-latents``: a json beside every latent that is there, for stable-audio-tools' ``pre_encoded``."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.errors import MissingInput
from mirkit.export.bundle import SUMMARY, Advance, index, read_summary, summary, write_json
from mirkit.export.model_config import merged, patch, read_base
from mirkit.export.options import Options
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.sat import DATASET, write_datasets
from mirkit.export.sat_wds import prompt_of
from mirkit.export.split import TRAIN, VAL
from mirkit.store import atomic_write, make_folder, printable
from mirkit.store.output import Output

#: All files that are written beside the latents' own.
_FILES = (
    *DATASET.values(),
    *(f"{split}/filelist.txt" for split in DATASET),
    "model_config_patch.json",
    "model_config.json",
    "mirkit_files.json",
    SUMMARY,
)


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the json files, the lists of latents of either split, and the configs.

    A latent belongs to the clip whose exported file it was encoded from: its own name, or ``relpath`` or ``path`` in
    the json that is there, tells. A latent that belongs to none is in no list.

    Raises
    ------
    MissingInput
        No latent belongs to any clip.
    """
    out = plan.options.out
    base = read_base(plan.options.model_config) if plan.options.model_config else None
    if ".npy" in out.resolve().as_posix():
        raise MissingInput(f"{printable(out)}: .npy in the folder's name; the trainer looks for the json elsewhere")
    if not out.is_dir():
        raise MissingInput(f"{printable(out)}: no folder of latents; encode the clips of mirkit export sat first")
    by_name = {sample.name: sample for sample in plan.samples}
    found: dict[str, tuple[Path, int, dict[str, Any]]] = {}
    lone = []
    for path in sorted(out.rglob("*.npy")):
        told = _beside(path)
        sample = by_name.get(_name(path, told))
        if sample is None:
            lone.append(path.relative_to(out).as_posix())
        else:
            found[sample.name] = path, _length(path), told
    if not found:
        raise MissingInput(f"{printable(out)}: no latent of a clip of {printable(plan.options.path)} in it")
    _take(plan.options)
    length = Counter(n for _, n, _ in found.values()).most_common(1)[0][0]
    for sample in list(plan.samples):
        advance(sample.item.name)
        why = "no latent of it" if sample.name not in found else _unlike(found[sample.name][1], length)
        if why:
            plan.problems.append(f"{sample.item.name}: {why}")
            plan.samples.remove(sample)
    for sample in plan.samples:
        path, frames, told = found[sample.name]
        write_json(path.with_suffix(".json"), _metadata(plan, sample, frames, told), indent=None)
    for split in (TRAIN, VAL):
        listed = "".join(f"../{found[s.name][0].relative_to(out).as_posix()}\n" for s in plan.of(split))
        if listed:
            atomic_write(make_folder(out / split) / "filelist.txt", listed.encode("utf-8"))
    write_datasets(plan, {"dataset_type": "pre_encoded", "latent_crop_length": length, "random_crop": False})
    ours = patch(plan)
    ours["training"]["pre_encoded"] = True
    write_json(out / "model_config_patch.json", ours)
    if base:
        config = merged(base, plan)
        config["training"]["pre_encoded"] = True
        write_json(out / "model_config.json", config)
    write_json(out / "mirkit_files.json", index(plan))
    write_json(out / SUMMARY, summary(plan, latents={"length": length, "of no clip": lone}))


def _take(options: Options) -> None:
    """Make sure that no file of another program's is overwritten; from then on the folder is known as ours."""
    before = read_summary(options.out)
    ours = before is not None and before.get("target") == options.target
    for name in _FILES:
        Output(options.out / name, lambda _: ours, options.overwrite).check()
    if not ours:
        write_json(options.out / SUMMARY, {"target": options.target, "state": "unfinished"})


def _beside(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _name(path: Path, told: Mapping[str, Any]) -> str:
    """Name of the file that a latent was encoded from."""
    for key in ("relpath", "path"):
        if isinstance(where := told.get(key), str):
            return where.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
    return path.stem


def _length(path: Path) -> int:
    """Frames of a latent; 0 where it is none."""
    try:
        shape: tuple[int, ...] = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError):
        return 0
    return shape[1] if len(shape) == 2 else 0


def _unlike(frames: int, length: int) -> str:
    """Why a latent cannot be in a batch with the others, or is not all of its clip."""
    if not frames:
        return "its latent is no array of channels and frames"
    if frames < length:
        return f"its latent has {frames} frames, the others {length}; the trainer cannot make a batch of them"
    return f"its latent has {frames} frames, of which the trainer would take {length}" if frames > length + 1 else ""


def _metadata(plan: ExportPlan, sample: Sample, frames: int, told: Mapping[str, Any]) -> dict[str, Any]:
    """What is there, as far as it is fit to be read, and what we know."""
    kept = {key: value for key, value in told.items() if isinstance(value, str | int) or _is_number(value)}
    mask = told.get("padding_mask")
    whole = isinstance(mask, list) and len(mask) == frames and set(mask) <= {0, 1} and 1 in mask
    given = plan.conditions.given(sample.numbers)
    assert given is not None  # it would have been dropped
    seconds = {"seconds_start": 0, "seconds_total": math.ceil(sample.item.seconds)}
    seconds |= {key: told[key] for key in seconds if _is_number(told.get(key))}
    return {
        **kept,
        **seconds,
        "padding_mask": mask if whole else [1] * frames,
        "prompt": prompt_of(plan, sample),
        **given,
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
