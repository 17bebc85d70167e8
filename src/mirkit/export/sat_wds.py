"""Target ``sat-wds``: shuffled tars for stable-audio-tools' ``wds``. No module is needed: the loader reads the json."""

import json
import random

from mirkit.export.bundle import SUMMARY, Advance, index, summary, write_json
from mirkit.export.model_config import merged, read_base
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.sat import write_datasets, write_model
from mirkit.export.shards import write_shards


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: flac and flat json without nulls, ``text`` and every conditioner's number in it."""
    out = plan.options.out
    base = read_base(plan.options.model_config) if plan.options.model_config else None
    config = merged(base, plan) if base else None

    def beside(sample: Sample) -> dict[str, bytes]:
        given = plan.conditions.given(sample.numbers)
        assert given is not None  # it would have been dropped
        told = {"text": prompt_of(plan, sample)} | given
        return {".json": json.dumps(told, ensure_ascii=True, allow_nan=False).encode("ascii")}

    write_shards(plan, beside, advance)
    write_datasets(plan, {"dataset_type": "wds", "random_crop": False})
    write_model(plan, config)
    write_json(out / "mirkit_files.json", index(plan))
    write_json(out / SUMMARY, summary(plan))


def prompt_of(plan: ExportPlan, sample: Sample) -> str:
    """One of a sample's prompts, by seed: there is room for one."""
    return random.Random(f"{plan.options.seed} {sample.item.mark or sample.name}").choice(sample.prompts)
