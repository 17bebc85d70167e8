"""The export targets: one module for each trainer or format, with its writer and its validator."""

from functools import cache

from mirkit.export.targets.target import DESCRIPTIONS as DESCRIPTIONS
from mirkit.export.targets.target import Target


@cache
def targets() -> dict[str, Target]:
    """Load all targets: name -> target."""
    from mirkit.export.targets import hf, sa3, sat, sat_latents, sat_wds, tables, webdataset

    loaded = (sat.TARGET, sat_wds.TARGET, sat_latents.TARGET, sa3.TARGET, webdataset.TARGET, hf.TARGET, *tables.TARGETS)
    return {target.name: target for target in loaded}
