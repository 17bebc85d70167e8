"""Target ``webdataset``: shuffled tars of flac, txt and json for any reader of WebDataset."""

import json

from mirkit.export.bundle import SUMMARY, Advance, index, summary, write_json
from mirkit.export.facts import known
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.shards import write_shards


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: the json holds all that is known of a clip, and what is not known is not in it."""
    out = plan.options.out

    def beside(sample: Sample) -> dict[str, bytes]:
        told = {"prompts": list(sample.prompts)} | known(sample)
        return {
            ".json": json.dumps(told, ensure_ascii=True, allow_nan=False).encode("ascii"),
            ".txt": sample.prompts[0].encode("ascii"),
        }

    write_shards(plan, beside, advance)
    write_json(out / "mirkit_files.json", index(plan))
    write_json(out / SUMMARY, summary(plan))
