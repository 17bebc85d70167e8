"""Target ``sat-wds``: shuffled tars for stable-audio-tools' ``wds``. The loader reads the JSON itself."""

from pathlib import Path

from mirkit.export.bundle import Advance, finish_bundle
from mirkit.export.model_config import TRAINER_CONDITIONERS, config_faults, load_config, merged_base, write_model_config
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.shards import json_bytes, validate_shards, write_shards
from mirkit.export.targets.sat import dataset_faults, write_datasets
from mirkit.export.targets.target import Target
from mirkit.export.validation import CheckResult, number_faults, text_faults


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: a flac and a flat JSON without nulls, with ``text`` and the number of every conditioner."""
    config = merged_base(plan)

    def make_files(sample: Sample) -> dict[str, bytes]:
        values = plan.conditioners.values(sample.features)
        assert values is not None  # samples without values have been dropped
        return {".json": json_bytes({"text": plan.prompt_of(sample)} | values)}

    write_shards(plan, make_files, advance)
    write_datasets(plan, {"dataset_type": "wds", "random_crop": False})
    write_model_config(plan, config)
    finish_bundle(plan)


def validate(out: Path, result: CheckResult) -> None:
    """Check the tars and the configs of a bundle."""
    name, config = load_config(out, result)
    if config is None:
        return
    try:
        names = [entry["id"] for entry in config["model"]["conditioning"]["configs"]]
        names = [key for key in names if key not in ("prompt", *TRAINER_CONDITIONERS)]
        size = config["sample_size"]
    except (KeyError, TypeError) as error:
        result.faults.append(f"{name}: it is no config of a conditioned model ({error})")
        return
    result.faults += config_faults(config, [*names, "prompt"], name)
    result.faults += dataset_faults(out, result, "wds", {})
    for where, content in validate_shards(out, result, size):
        result.faults += number_faults(where, content, names)
        result.faults += text_faults(where, content.get("text"))


TARGET = Target(
    "sat-wds",
    write,
    validate,
    has_conditioners=True,
    stable_audio_tools=True,
)
