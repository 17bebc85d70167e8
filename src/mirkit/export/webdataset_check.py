"""Check of a ``webdataset`` bundle."""

from pathlib import Path

from mirkit.export.shards_check import look_into, shards_of
from mirkit.export.split import TRAIN
from mirkit.export.validation import CheckResult, text_faults


def look(out: Path, checked: CheckResult) -> None:
    """Find what is wrong with a bundle."""
    if not shards_of(out / TRAIN):
        checked.faults.append(f"{TRAIN}: no tar in it")
    for where, found in look_into(out, checked, None, flat=False):
        prompts = found.get("prompts") or [None]
        for text in prompts:
            checked.faults += text_faults(where, text)
        for name, value in found.items():
            if value is None:
                checked.faults.append(f"{where}: {name} is null")
