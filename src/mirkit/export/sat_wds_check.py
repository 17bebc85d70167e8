"""Check of a ``sat-wds`` bundle: what is in its tars, as the trainer's loader will read them."""

from pathlib import Path

from mirkit.export.sat_check import dataset_faults
from mirkit.export.shards_check import look_into, shards_of
from mirkit.export.split import TRAIN
from mirkit.export.validation import CheckResult, config_faults, load_json, number_faults, text_faults

#: What the loader puts over a sample's json, or the model takes from elsewhere.
_OF_TRAINER = ("prompt", "seconds_start", "seconds_total")


def look(out: Path, checked: CheckResult) -> None:
    """Find what is wrong with a bundle."""
    name = "model_config.json" if (out / "model_config.json").exists() else "model_config_patch.json"
    config = load_json(out / name, checked.faults)
    if config is None:
        return
    try:
        wanted = [entry["id"] for entry in config["model"]["conditioning"]["configs"]]
        wanted = [key for key in wanted if key not in _OF_TRAINER]
        size = config["sample_size"]
    except (KeyError, TypeError) as error:
        checked.faults.append(f"{name}: no config of a conditioned model ({error})")
        return
    checked.faults += config_faults(config, [*wanted, "prompt"], name)
    checked.faults += dataset_faults(out, checked, "wds", {})
    if not shards_of(out / TRAIN):
        checked.faults.append(f"{TRAIN}: no tar in it")
    for where, found in look_into(out, checked, size):
        checked.faults += number_faults(where, found, wanted)
        checked.faults += text_faults(where, found.get("text"))
