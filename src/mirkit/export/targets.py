"""What can be exported to: one row a target."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the parser of the command line lists the targets, and loads nothing heavy
    from mirkit.export.bundle import Advance
    from mirkit.export.plan import ExportPlan


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes
    ----------
    name, says : str
    room : str
        Module of this package that writes it.
    folder : bool
        Whether it is a folder with sound files rather than one file.
    conditioned : bool
        Whether it has number conditioners, with a range and a policy for unknowns; others leave out what is unknown.
    whole : bool
        Whether whole tracks can be given, of which the trainer cuts what it wants.
    template, budget : str, int
        How its prompts are worded, and the tokens that its text encoder takes.
    """

    name: str
    says: str
    room: str
    folder: bool = True
    conditioned: bool = False
    whole: bool = False
    template: str = "plain"
    budget: int = 128

    @property
    def write(self) -> "Callable[[ExportPlan, Advance], None]":
        """The function that writes it."""
        found: Callable[[ExportPlan, Advance], None] = import_module(f"mirkit.export.{self.room}").write
        return found


TARGETS = {
    row.name: row
    for row in (
        Target("sat", "stable-audio-tools, audio_dir: flac tree, module, configs", "sat", conditioned=True, whole=True),
        Target("sat-wds", "stable-audio-tools, wds: shuffled tars", "sat_wds", conditioned=True),
        Target(
            "sat-latents", "stable-audio-tools, pre_encoded: json for latents in OUT", "sat_latents", conditioned=True
        ),
        Target("sa3", "Stable Audio 3: wav and txt", "sa3", template="sa3", budget=256),
        Target("webdataset", "WebDataset: shuffled tars of flac, json, txt", "webdataset"),
        Target("hf", "Hugging Face audiofolder with parquet and a card", "hf"),
        Target("csv", "a table as CSV", "tables", folder=False),
        Target("parquet", "a table as Parquet", "tables", folder=False),
        Target("jsonl", "a table as lines of JSON", "tables", folder=False),
    )
}
