"""Target ``sat-latents``: a JSON beside every existing latent, for stable-audio-tools' ``pre_encoded``."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.errors import MissingInput, printable
from mirkit.export.bundle import SUMMARY, encode_json, finish_bundle, read_summary, write_json
from mirkit.export.joined import DATASETS as DATASET
from mirkit.export.model_config import CONFIG, PATCH, config_faults, load_config, merged, patch, read_base
from mirkit.export.options import Options
from mirkit.export.parallel import Advance
from mirkit.export.plan import FILES, ExportPlan, Sample
from mirkit.export.splits import SPLITS
from mirkit.export.targets import Target
from mirkit.export.targets.sat import dataset_faults, sat_readme, write_datasets
from mirkit.export.validation import CheckResult, load_json, number_faults, text_faults
from mirkit.store import FileBatch, as_number, atomic_write, make_folder
from mirkit.store.output import Output

FILE_LIST = "filelist.txt"
#: All files that are written, apart from the JSON of each latent.
_FILES = (*DATASET.values(), *(f"{split}/{FILE_LIST}" for split in DATASET), PATCH, CONFIG, FILES, SUMMARY)


@dataclass(frozen=True)
class _Latent:
    """A latent: its file, its number of frames (0 where it cannot be read), and the metadata in its JSON."""

    path: Path
    frames: int
    metadata: Mapping[str, Any]


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the JSON files, the lists of latents of either split, and the configs.

    A latent belongs to the clip from whose exported file it was encoded. The name of that file is the name of the
    latent, or stands in the latent's JSON as ``relpath`` or ``path``. A latent that belongs to no clip is in no list.

    Raises
    ------
    MissingInput
        No latent belongs to any clip.
    """
    out = plan.options.out
    base = read_base(plan.options.model_config) if plan.options.model_config else None
    if ".npy" in out.resolve().as_posix():
        raise MissingInput(
            f"{printable(out)}: the path of the folder contains .npy, so the trainer would not "
            "find the json files; rename the folder"
        )
    if not out.is_dir():
        raise MissingInput(
            f"{printable(out)}: there is no folder of latents; encode the clips of mirkit export sat first"
        )
    latents, unused = _latents(out, plan.samples)
    if not latents:
        raise MissingInput(f"{printable(out)}: the folder holds no latent of a clip of {printable(plan.options.path)}")
    _claim_folder(plan.options)
    length = Counter(latent.frames for latent in latents.values()).most_common(1)[0][0]
    for sample in list(plan.samples):
        advance(sample.item.name)
        latent = latents.get(sample.name)
        if problem := _length_problem(latent.frames, length) if latent else "the folder holds no latent of this clip":
            plan.problems.append(f"{sample.item.name}: {problem}")
            plan.samples.remove(sample)
    with FileBatch() as batch:
        for sample in plan.samples:
            latent = latents[sample.name]
            content = encode_json(_metadata(plan, sample, latent), indent=None)
            batch.write(latent.path.with_suffix(".json"), content)
    for split in SPLITS:
        lines = "".join(f"../{latents[s.name].path.relative_to(out).as_posix()}\n" for s in plan.of(split))
        if lines:
            atomic_write(make_folder(out / split) / FILE_LIST, lines.encode("utf-8"))
    if plan.options.series:
        from mirkit.export.series import write_series  # loads the analysis

        places = {sample.name: (latents[sample.name].path, latents[sample.name].frames) for sample in plan.samples}
        write_series(plan, places, lambda _name: None)
    write_datasets(plan, {"dataset_type": "pre_encoded", "latent_crop_length": length, "random_crop": False})
    for name, config in ((PATCH, patch(plan)), (CONFIG, merged(base, plan) if base else None)):
        if config:
            config["training"]["pre_encoded"] = True
            write_json(out / name, config)
    finish_bundle(plan, sat_readme(plan), latents={"length": length, "of no clip": unused})


def _latents(out: Path, samples: list[Sample]) -> tuple[dict[str, _Latent], list[str]]:
    """Return sample's name -> its latent, and the paths of latents that belong to no sample."""
    names = {sample.name for sample in samples}
    latents: dict[str, _Latent] = {}
    unused = []
    for path in sorted(out.rglob("*.npy")):
        metadata = _read_metadata(path)
        name = _encoded_from(path, metadata)
        if name in names:
            latents[name] = _Latent(path, _frames(path), metadata)
        else:
            unused.append(path.relative_to(out).as_posix())
    return latents, unused


def _claim_folder(options: Options) -> None:
    """Check that no file of another program would be overwritten, and mark the folder as an export."""
    before = read_summary(options.out)
    is_export = before is not None and before.get("target") == options.target
    for name in _FILES:
        Output(options.out / name, lambda _: is_export, options.overwrite).check()
    if not is_export:
        write_json(options.out / SUMMARY, {"target": options.target, "state": "unfinished"})


def _read_metadata(path: Path) -> dict[str, Any]:
    """Read the JSON beside a latent; empty if it is missing or damaged."""
    try:
        content = json.loads(path.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _encoded_from(path: Path, metadata: Mapping[str, Any]) -> str:
    """Name, without suffix, of the file that a latent was encoded from."""
    for key in ("relpath", "path"):
        if isinstance(source := metadata.get(key), str):
            return source.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
    return path.stem


def _frames(path: Path) -> int:
    """Number of frames of a latent; 0 if the file does not hold an array of channels and frames."""
    try:
        shape: tuple[int, ...] = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError):
        return 0
    return shape[1] if len(shape) == 2 else 0


def _length_problem(frames: int, length: int) -> str:
    """Why the length of a latent prevents batching or would be cropped; "" if it is right."""
    if not frames:
        return "its latent is not an array of channels and frames"
    if frames < length:
        return f"its latent has {frames} frames, the others {length}; the trainer cannot put them into one batch"
    return f"its latent has {frames} frames, of which the trainer would take {length}" if frames > length + 1 else ""


def _metadata(plan: ExportPlan, sample: Sample, latent: _Latent) -> dict[str, Any]:
    """Return the existing metadata of a latent that the trainer can read, with the numbers and the prompt added."""
    before = latent.metadata
    kept = {key: value for key, value in before.items() if isinstance(value, str | int) or _is_finite(value)}
    mask = before.get("padding_mask")
    valid = isinstance(mask, list) and len(mask) == latent.frames and set(mask) <= {0, 1} and 1 in mask
    values = plan.conditioners.values(sample.values)
    assert values is not None  # samples without values have been dropped
    seconds = {"seconds_start": 0, "seconds_total": math.ceil(sample.item.seconds)}
    seconds |= {key: before[key] for key in seconds if _is_finite(before.get(key))}
    return {
        **kept,
        **seconds,
        "padding_mask": mask if valid else [1] * latent.frames,
        "prompt": plan.prompt_of(sample),
        **values,
    }


def _is_finite(value: Any) -> bool:
    number = as_number(value)
    return number is not None and math.isfinite(number)


def validate(out: Path, result: CheckResult) -> None:
    """Check the configs, the lists, and what the trainer reads beside each latent."""
    name, config = load_config(out, result)
    if config is None:
        return
    names = [entry["id"] for entry in config["model"]["conditioning"]["configs"] if entry["id"] != "prompt"]
    result.faults += config_faults(config, [*names, "prompt"], name)
    if not config.get("training", {}).get("pre_encoded"):
        result.faults.append(f"{name}: training.pre_encoded is not true; the trainer would encode the latents again")
    result.faults += dataset_faults(out, result, "pre_encoded", {})
    for split, dataset in DATASET.items():
        listed = out / split / FILE_LIST
        if not (out / dataset).exists():
            continue
        if not listed.exists():
            result.faults.append(f"{split}/{FILE_LIST}: the file is missing")
            continue
        length = (load_json(out / dataset, []) or {}).get("latent_crop_length")
        for line in listed.read_text(encoding="utf-8").splitlines():
            result.files += 1
            result.faults += _latent_faults(listed.parent / line, length, names)


def _latent_faults(path: Path, length: Any, names: list[str]) -> Iterator[str]:
    where = printable(path.name)
    try:
        latent = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        yield f"{where}: the latent cannot be read, so the trainer replaces it by another file at random ({error})"
        return
    if latent.ndim != 2 or not isinstance(length, int) or latent.shape[1] < length:
        yield (
            f"{where}: the latent has shape {latent.shape}, and latent_crop_length is {length}; the trainer cannot "
            "put it into a batch"
        )
    if not np.isfinite(latent).all():
        yield f"{where}: the latent holds a value that is not a finite number"
    lines: list[str] = []
    content = load_json(path.with_suffix(".json"), lines)
    yield from lines
    if not isinstance(content, dict):
        return
    yield from number_faults(where, content, [*names, "seconds_start", "seconds_total"])
    yield from text_faults(where, content.get("prompt"))
    mask = content.get("padding_mask")
    if not isinstance(mask, list) or len(mask) != latent.shape[-1] or 1 not in mask:
        yield (
            f"{where}: padding_mask must have a 0 or 1 for each of the {latent.shape[-1]} frames, and at least one 1"
        )


TARGETS = (
    Target(
        "sat-latents",
        write,
        validate,
        needs_bundle_folder=False,
        suffix="",
        bytes_per_second=0,
        has_conditioners=True,
        stable_audio_tools=True,
    ),
)
