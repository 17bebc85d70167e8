"""The model config of stable-audio-tools: number conditioners, how the model uses them, and demo conditions.

This module writes the config, merges it into a config of the user, and validates it.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from mirkit.errors import SettingsError, printable
from mirkit.export.bundle import write_json
from mirkit.export.plan import ExportPlan
from mirkit.export.splits import TRAIN
from mirkit.export.validation import CheckResult, load_json, number_faults, text_faults
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import remove_file

#: Conditioners that the trainer fills in by itself for every sample.
TRAINER_CONDITIONERS = ("seconds_start", "seconds_total")
PATCH, CONFIG = "model_config_patch.json", "model_config.json"
_DEMOS = 4
_CONDITIONER_PLACES = ("cross_attention_cond_ids", "global_cond_ids", "prepend_cond_ids", "input_concat_ids")


def patch(plan: ExportPlan) -> dict[str, Any]:
    """Build the part of a model's config that depends on the bundle.

    The numbers are conditioned by cross-attention, which changes no tensor shape of a pretrained model; classifier-free
    guidance drops them together with the prompt. As global conditioning, they would change the shape of the global
    projection, and its pretrained weights could not be loaded.
    """
    conditioners = [
        {"id": name, "type": "number", "config": {"min_val": low, "max_val": high}}
        for name, (low, high) in plan.ranges.items()
    ]
    conditioners += [
        {"id": name, "type": "list", "config": {"options": list(options)}}
        for name, options in plan.conditioners.options.items()
    ]
    return {
        "sample_rate": ANALYSIS_RATE,
        "sample_size": plan.sample_size,
        "audio_channels": 2,
        "model": {
            "conditioning": {"configs": conditioners},
            "diffusion": {"cross_attention_cond_ids": plan.conditioners.names},
        },
        "training": {"demo": demo(plan)},
    }


def demo(plan: ExportPlan) -> dict[str, Any]:
    """Build the conditions of the demos that the trainer renders at its first step; every conditioner needs a value."""
    conditions = []
    for sample in plan.shuffled(TRAIN)[:_DEMOS]:
        rows = (plan.conditioners.values(features) for features in sample.rows)
        values = next((row for row in rows if row is not None), {})
        seconds = -(-min(round(sample.item.seconds * ANALYSIS_RATE), plan.sample_size) // ANALYSIS_RATE)
        conditions.append({"prompt": sample.prompts[0], "seconds_start": 0, "seconds_total": seconds} | values)
    return {"num_demos": len(conditions), "demo_cond": conditions}


def merged(base: Mapping[str, Any], plan: ExportPlan) -> dict[str, Any]:
    """Build a complete model config by merging the patch into a base config.

    Raises
    ------
    SettingsError
        The base is not the config of a conditioned diffusion model at 44.1 kHz, or the bundle has no values for one of
        its conditioners.
    """
    config, ours = deepcopy(dict(base)), patch(plan)
    try:
        conditioning = config["model"]["conditioning"]
        diffusion = config["model"]["diffusion"]
        names = set(plan.conditioners.names)
        conditioning["configs"] = [c for c in conditioning["configs"] if c["id"] not in names]
        known = {"prompt", *TRAINER_CONDITIONERS, *names, *conditioning.get("default_keys", {})}
        without_values = [c["id"] for c in conditioning["configs"] if c["id"] not in known]
        rate = config["sample_rate"]
    except (KeyError, TypeError) as error:
        raise SettingsError(
            f"--model-config: this is not the config of a conditioned diffusion model, because it has no {error}"
        ) from error
    if without_values:
        raise SettingsError(
            f"--model-config: the bundle has no values for its conditioner {without_values[0]!r}; remove it there"
        )
    if rate != ANALYSIS_RATE:
        raise SettingsError(f"--model-config: the model has a sample rate of {rate} Hz; bundles have 44100 Hz")
    conditioning["configs"] += ours["model"]["conditioning"]["configs"]
    ids = diffusion.get("cross_attention_cond_ids", [])
    diffusion["cross_attention_cond_ids"] = [*ids, *(name for name in plan.conditioners.names if name not in ids)]
    diffusion["global_cond_ids"] = [name for name in diffusion.get("global_cond_ids", []) if name not in names]
    config["sample_size"] = plan.sample_size
    training = config.setdefault("training", {})
    training["demo"] = training.get("demo", {}) | ours["training"]["demo"]
    return config


def merged_base(plan: ExportPlan) -> dict[str, Any] | None:
    """Read the config that the user gave and merge the patch into it; None if the user gave none.

    Raises
    ------
    SettingsError
        The config cannot be read, or does not fit (see :func:`merged`).
    """
    path = plan.options.model_config
    return merged(read_base(path), plan) if path else None


def read_base(path: Path) -> dict[str, Any]:
    """Read a model's config.

    Raises
    ------
    SettingsError
        It cannot be read as JSON.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"--model-config {printable(path)}: the file cannot be read as JSON") from error
    if not isinstance(config, dict):
        raise SettingsError(f"--model-config {printable(path)}: the file holds no JSON object")
    return config


def write_model_config(plan: ExportPlan, config: dict[str, Any] | None) -> None:
    """Write the patch for the model's config, and the complete config if the user gave a base."""
    write_json(plan.options.out / PATCH, patch(plan))
    if config:
        write_json(plan.options.out / CONFIG, config)
    else:
        remove_file(plan.options.out / CONFIG)


def config_of(out: Path) -> str:
    """Name of the config file in a bundle: the whole config where there is one, else the patch."""
    return CONFIG if (out / CONFIG).exists() else PATCH


def load_config(out: Path, result: CheckResult) -> tuple[str, Any]:
    """Read the config of a bundle for a validation: the file's name, and its content or None with a fault."""
    name = config_of(out)
    return name, load_json(out / name, result.faults)


def config_faults(config: Mapping[str, Any], names: Sequence[str], where: str) -> Iterator[str]:
    """Yield what is wrong with a model's config, or with a patch for one.

    Parameters
    ----------
    config : mapping
    names : sequence of str
        Names that every sample has a value for.
    where : str
        The file, for the messages.
    """
    try:
        entries = config["model"]["conditioning"]["configs"]
        diffusion = config["model"]["diffusion"]
        ids = [entry["id"] for entry in entries]
        for entry in entries:
            yield from _conditioner_faults(entry, names, where)
    except (KeyError, TypeError) as error:
        yield f"{where}: this is not the config of a conditioned model: it has no {error}"
        return
    placed = [name for kind in _CONDITIONER_PLACES for name in diffusion.get(kind, [])]
    for name in ids:
        if name in names and name not in placed:
            yield f"{where}: {name} is not connected to the model; add it to cross_attention_cond_ids"
    for name in diffusion.get("global_cond_ids", []):
        if name in names and name not in TRAINER_CONDITIONERS:
            yield (
                f"{where}: {name} is in global_cond_ids, which changes global_cond_dim, so the "
                f"projection of a pretrained model cannot be loaded; move {name} to cross_attention_cond_ids"
            )
    demo = config.get("training", {}).get("demo", {})
    for i, conditions in enumerate(demo.get("demo_cond", []), 1):
        yield from number_faults(f"{where}: demo_cond {i}", conditions, [n for n in ids if n != "prompt"])
        yield from text_faults(f"{where}: demo_cond {i}", conditions.get("prompt"))
    if demo.get("demo_cond") and demo.get("num_demos") != len(demo["demo_cond"]):
        yield f"{where}: num_demos is {demo.get('num_demos')}, but demo_cond has {len(demo['demo_cond'])} entries"


def _conditioner_faults(entry: Mapping[str, Any], names: Sequence[str], where: str) -> Iterator[str]:
    name, kind, config = entry["id"], entry["type"], entry["config"]
    if name not in (*names, "prompt", *TRAINER_CONDITIONERS):
        yield f"{where}: no sample has a value for the conditioner {name}; the training stops at the first batch"
    low, high = config.get("min_val", 0), config.get("max_val", 512 if kind == "int" else 1)
    if kind == "number" and not (math.isfinite(low) and math.isfinite(high) and low < high):
        yield (
            f"{where}: the range of {name} is {low} to {high}; the trainer divides by the "
            "difference of these bounds, which gives NaN"
        )
    if kind == "list" and (not config["options"] or len(set(config["options"])) < len(config["options"])):
        yield f"{where}: the options of {name} are empty or repeat one another"
    if kind == "int" and low:
        yield (
            f"{where}: {name} is a conditioner of type int with min_val {low}, but the table of "
            "this type begins at 0; use type number"
        )
