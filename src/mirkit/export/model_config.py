"""What a model's config needs: number conditioners, their place in the model, a demo that has all of them."""

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from mirkit.errors import SettingsError
from mirkit.export.plan import ExportPlan
from mirkit.export.split import TRAIN
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import printable

#: What the trainer gives to every sample by itself.
OF_TRAINER = ("seconds_start", "seconds_total")
_DEMOS = 4


def patch(plan: ExportPlan) -> dict[str, Any]:
    """The part of a model's config that a bundle decides.

    The numbers go in by cross-attention: that changes no shape of a pretrained model, and guidance drops them together
    with the prompt. As globals they would make the model lose its global projection.
    """
    conditioners = [
        {"id": name, "type": "number", "config": {"min_val": low, "max_val": high}}
        for name, (low, high) in plan.conditions.ranges.items()
    ]
    return {
        "sample_rate": ANALYSIS_RATE,
        "sample_size": plan.sample_size,
        "audio_channels": 2,
        "model": {
            "conditioning": {"configs": conditioners},
            "diffusion": {"cross_attention_cond_ids": plan.conditions.names},
        },
        "training": {"demo": demo(plan)},
    }


def demo(plan: ExportPlan) -> dict[str, Any]:
    """Conditions of the demos, which the trainer makes at its first step: they have every conditioner's key."""
    picked = plan.shuffled(TRAIN)[:_DEMOS]
    conds = []
    for sample in picked:
        given = next((found for numbers in sample.rows if (found := plan.conditions.given(numbers)) is not None), {})
        seconds = -(-min(round(sample.item.seconds * ANALYSIS_RATE), plan.sample_size) // ANALYSIS_RATE)
        conds.append({"prompt": sample.prompts[0], "seconds_start": 0, "seconds_total": seconds} | given)
    return {"num_demos": len(conds), "demo_cond": conds}


def merged(base: Mapping[str, Any], plan: ExportPlan) -> dict[str, Any]:
    """A whole model config: the base with the patch worked in.

    Raises
    ------
    SettingsError
        The base is no config of a conditioned diffusion model at 44.1 kHz, or it has a conditioner that nothing in the
        bundle would feed.
    """
    config, ours = deepcopy(dict(base)), patch(plan)
    try:
        conditioning = config["model"]["conditioning"]
        diffusion = config["model"]["diffusion"]
        names = set(plan.conditions.names)
        conditioning["configs"] = [c for c in conditioning["configs"] if c["id"] not in names]
        fed = {"prompt", *OF_TRAINER, *names, *conditioning.get("default_keys", {})}
        lone = [c["id"] for c in conditioning["configs"] if c["id"] not in fed]
        rate = config["sample_rate"]
    except (KeyError, TypeError) as error:
        raise SettingsError(f"--model-config: no config of a conditioned diffusion model (no {error})") from error
    if lone:
        raise SettingsError(f"--model-config: nothing in the bundle feeds its conditioner {lone[0]!r}; take it out")
    if rate != ANALYSIS_RATE:
        raise SettingsError(f"--model-config: a model of {rate} Hz; bundles have 44100 Hz")
    conditioning["configs"] += ours["model"]["conditioning"]["configs"]
    ids = diffusion.get("cross_attention_cond_ids", [])
    diffusion["cross_attention_cond_ids"] = [*ids, *(name for name in plan.conditions.names if name not in ids)]
    diffusion["global_cond_ids"] = [name for name in diffusion.get("global_cond_ids", []) if name not in names]
    config["sample_size"] = plan.sample_size
    training = config.setdefault("training", {})
    training["demo"] = training.get("demo", {}) | ours["training"]["demo"]
    return config


def read_base(path: Path) -> dict[str, Any]:
    """Read a model's config.

    Raises
    ------
    SettingsError
        It cannot be read as JSON.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"--model-config {printable(path)}: cannot be read as JSON") from error
    if not isinstance(found, dict):
        raise SettingsError(f"--model-config {printable(path)}: no JSON object")
    return found
