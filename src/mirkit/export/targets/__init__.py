"""The export targets: one module for each trainer or format, with its writer and its validator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirkit.export.parallel import Advance
    from mirkit.export.plan import ExportPlan
    from mirkit.export.validation import CheckResult


#: Name of a target -> its description for ``--help``. It is here because loading a target imports numpy, which makes
#: the command line slow.
DESCRIPTIONS = {
    "sat": "for audio_dir of stable-audio-tools: flac files, a metadata module, configs",
    "sat-wds": "for wds of stable-audio-tools: shuffled tars",
    "webdataset": "shuffled tars of flac, json and txt for any reader of WebDataset",
    "sat-latents": "for pre_encoded of stable-audio-tools: json files beside the latents in OUT",
    "sa3": "for Stable Audio 3: wav and txt files",
    "acestep": "for ACE-Step 1.5, Side-Step and HOT-Step: dataset.json, flac, captions and lyrics",
    "hot-step": "for HOT-Step's Training Studio, and Side-Step: flac with key: value texts",
    "simpletuner": "for SimpleTuner: flac, captions and lyrics, multidatabackend.json",
    "ai-toolkit": "for ACE-Step 1.5 in ai-toolkit: flac, tagged texts, a configuration",
    "musicgen": "for MusicGen in audiocraft: flac and json files, manifests",
    "hf": "a Hugging Face audiofolder with Parquet and a data set card",
    "csv": "a table as CSV",
    "parquet": "a table as Parquet",
    "jsonl": "a table as JSON, one row per line",
}


@dataclass(frozen=True)
class Target:
    """One trainer or file format that mirkit exports to.

    Attributes
    ----------
    name : str
        Its name on the command line, a key of :data:`DESCRIPTIONS`.
    write : callable
        ``write(plan, advance)`` writes the bundle and calls ``advance`` with the name of each item that is done.
    validate : callable
        ``validate(out, result)`` checks what is in ``out`` and adds files, faults and notes to ``result``.
    numbers : callable or None
        ``numbers(out)`` reads the numbers that the trainer gets with each file: name without suffix -> conditioner's
        name -> value. None where there are none, or where they are in tars.
    is_folder : bool
        Whether the target is a folder with audio files; otherwise it is one file, a table.
    needs_bundle_folder : bool
        Whether the folder must be empty, new, or an earlier bundle. ``sat-latents`` writes beside existing latents.
    has_conditioners : bool
        Whether it has number conditioners, with a range and a policy for unknown values. Other targets omit unknown
        values.
    has_columns : bool
        Whether it has a field for each feature; such a target and one with conditioners has the features of ``--keys``.
    takes_tracks : bool
        Whether it accepts whole tracks, from which the trainer takes random crops.
    takes_several : bool
        Whether several bundles, each with a weight, may be trained together.
    takes_weights : bool
        Whether its trainer draws some files more often than others.
    sample_rate : int
        Sample rate of its audio (Hz).
    shortest : float
        Shortest audio that the trainer takes (s).
    longest : float or None
        Longest audio that the trainer takes (s): longer tracks are cut into pieces. None: any length.
    suffix : str
        Suffix of its audio files, "" if they are in tars.
    stable_audio_tools : bool
        Whether stable-audio-tools trains on the bundle, so that its code can check it.
    trigger_apart : bool
        Whether the trainer itself puts the trigger word before a prompt.
    template : str
        Name of its prompt template in :data:`mirkit.export.prompts.TEMPLATES`.
    token_budget : int
        Largest number of tokens of its text encoder.
    bytes_per_second : int
        Size of a second of its audio, for the estimate of a dry run; 0 for tables.
    """

    name: str
    write: "Callable[[ExportPlan, Advance], None]"
    validate: "Callable[[Path, CheckResult], None]"
    numbers: "Callable[[Path], Mapping[str, Mapping[str, Any]]] | None" = None
    is_folder: bool = True
    needs_bundle_folder: bool = True
    has_conditioners: bool = False
    has_columns: bool = False
    takes_tracks: bool = False
    takes_several: bool = False
    takes_weights: bool = False
    sample_rate: int = 44100
    shortest: float = 0.0
    longest: float | None = None
    suffix: str = ".flac"
    stable_audio_tools: bool = False
    trigger_apart: bool = False
    template: str = "plain"
    token_budget: int = 128
    bytes_per_second: int = 100_000

    @property
    def description(self) -> str:
        """Short description of the target."""
        return DESCRIPTIONS[self.name]


@cache
def targets() -> dict[str, Target]:
    """Load all targets: name -> target, in the order of :data:`DESCRIPTIONS`."""
    from mirkit.export.targets import (
        acestep,
        ai_toolkit,
        hf,
        hot_step,
        musicgen,
        sa3,
        sat,
        sat_latents,
        simpletuner,
        tables,
        webdataset,
    )

    modules = (sat, webdataset, sat_latents, sa3, acestep, hot_step, simpletuner, ai_toolkit, musicgen, hf, tables)
    return {target.name: target for module in modules for target in module.TARGETS}
