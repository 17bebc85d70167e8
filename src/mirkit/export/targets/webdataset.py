"""Target ``webdataset``: shuffled tars of flac, txt and JSON for any reader of WebDataset."""

from pathlib import Path

from mirkit.export.bundle import Advance, finish_bundle
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.shards import json_bytes, validate_shards, write_shards
from mirkit.export.targets.tables import table_row
from mirkit.export.targets.target import Target
from mirkit.export.validation import CheckResult, text_faults


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: the JSON holds all known values of a clip; unknown values are left out."""

    def make_files(sample: Sample) -> dict[str, bytes]:
        return {
            ".json": json_bytes({"prompts": list(sample.prompts)} | table_row(sample)),
            ".txt": sample.prompts[0].encode("ascii"),
        }

    write_shards(plan, make_files, advance)
    finish_bundle(plan)


def validate(out: Path, result: CheckResult) -> None:
    """Check the tars of a bundle."""
    for where, content in validate_shards(out, result, None, flat=False):
        for text in content.get("prompts") or [None]:
            result.faults += text_faults(where, text)
        for name, value in content.items():
            if value is None:
                result.faults.append(f"{where}: {name} is null")


TARGET = Target("webdataset", write, validate)
