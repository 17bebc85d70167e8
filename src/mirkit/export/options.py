"""What is asked for of an export."""

from dataclasses import dataclass
from pathlib import Path

from mirkit.export.conditioners import Policy
from mirkit.export.prompts import PromptTemplate


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes
    ----------
    target : str
    out : Path
        Folder of the bundle, or file of the table.
    path : Path
        Folder of tracks, a track, or a loose file.
    whole : bool
        Whole tracks, cut at random by the trainer, instead of clips.
    clip_set : str
        Name of the set of clips.
    keys : tuple of str
        Keys or patterns of keys.
    unknown : str
        What stands where a number is unknown: ``flag``, ``fill`` or ``drop``.
    val : float
        Share of the sound that is kept for validation.
    seed : int
    sample_size : int or None
        Samples that the trainer takes at a time; None: as many as the longest clip has.
    hop : float
        Seconds between the windows whose numbers are known, for whole tracks.
    loudness : float or None
        LUFS that every clip is brought to.
    wording : PromptTemplate or None
        How prompts are made; None: as the target wants.
    model_config : Path or None
        Config of the model, to be filled in.
    link : bool
        Hard links to sound files that need no change.
    at : str
        Where the bundle will lie on the machine that trains, "" for where it is now.
    shard_bytes : int
        What a tar holds at the most.
    jobs : int
        Worker processes, 0 for one a core.
    overwrite : bool
        Whether files that are no earlier export may be replaced.
    raw : bool
        Texts in a CSV as they are, also those that a spreadsheet would run as a formula.
    """

    target: str
    out: Path
    path: Path = Path()
    whole: bool = False
    clip_set: str = ""
    keys: tuple[str, ...] = ("*",)
    unknown: Policy = "flag"
    val: float = 0.05
    seed: int = 0
    sample_size: int | None = None
    hop: float = 1.0
    loudness: float | None = None
    wording: PromptTemplate | None = None
    model_config: Path | None = None
    link: bool = False
    at: str = ""
    shard_bytes: int = 2**29
    jobs: int = 0
    overwrite: bool = False
    raw: bool = False
