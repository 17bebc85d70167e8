"""The options of an export: each is declared once, with its default, check, help text and name on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mirkit.catalog import STEMS
from mirkit.settings import declared, setting
from mirkit.settings import validators as v

#: What a trainer gets where a number is unknown.
Policy = Literal["flag", "fill", "drop"]
#: Name of the mix without vocals.
INSTRUMENTAL = "instrumental"
#: The features that are exported by default: all.
ALL_KEYS = ("*",)


@dataclass(frozen=True)
class Options:
    """What is exported, to where, and how.

    Attributes
    ----------
    target : str
        Name of the target.
    out : Path
        Folder of the bundle, or file of the table.
    path : Path
        Folder of tracks, a track, or a loose file.
    """

    target: str
    out: Path
    path: Path = Path()
    source: Literal["clips", "tracks"] = setting(
        "clips",
        v.one_of("clips", "tracks"),
        "export the clips that mirkit crop has cut, or whole tracks, of which the trainer cuts random parts",
        "--from",
    )
    clip_set: str = setting("", v.set_name(), "set of clips (default: the one without a name)", "--set")
    where: str = setting(
        "",
        v.any_text("QUERY"),
        "export only the clips, or with --from tracks the tracks, that match a query, e.g. 'bpm:120..130 key:Am'",
        "--where",
    )
    val: float = setting(0.05, v.number(0, 0.999, "SHARE"), "share of the tracks for validation", "--val")
    test: float = setting(0.0, v.number(0, 0.999, "SHARE"), "share of the tracks for a test", "--test")
    split_file: Path | None = setting(
        None, v.path(), "use the split of this file, which mirkit split -o writes, instead of drawing one", "--split"
    )
    keep_duplicates: bool = setting(
        False,
        v.flag(),
        "export all copies of a recording (default: the best one, which is lossless, longer, of a higher rate)",
        "--keep-duplicates",
    )
    seed: int = setting(
        0, v.whole(-(2**63), 2**63 - 1), "seed of the split, the order and the variants of prompts", "--seed"
    )
    overwrite: bool = setting(False, v.flag(), "replace existing files that are not an earlier export", "--overwrite")
    raw: bool = setting(
        False,
        v.flag(),
        "for csv: write texts as they are, also those that a spreadsheet would run as a formula, without an apostrophe",
        "--raw",
    )
    stem: str = setting(
        "", v.one_of("", *STEMS), "export this stem instead of the mix: drums, bass, other or vocals", "--stem"
    )
    instrumental: bool = setting(
        False, v.flag(), "export the mix without vocals: the sum of the other three stems", "--instrumental"
    )
    pairs: bool = setting(
        False, v.flag(), "with --stem or --instrumental: also export the mix, aligned with it", "--pairs"
    )
    series: str = setting(
        "",
        v.one_of("", "sat", "sa3"),
        "also write values over time beside each file, at the rate of the latents of stable-audio-tools (sat,"
        " 21.53 per second) or Stable Audio 3 (sa3: 10.77)",
        "--series",
    )
    sample_size: int | None = setting(
        None,
        v.whole(1, 2**40),
        "number of samples that the model takes at a time (default: those of the longest clip)",
        "--sample-size",
    )
    max_seconds: float | None = setting(
        None,
        v.number(1, 86400, "S"),
        "longest audio file: longer tracks are cut at bars, longer clips are left out (default: the target's limit)",
        "--max-seconds",
    )
    loudness: float | None = setting(
        None,
        v.number(-70, 0, "LUFS"),
        "normalize all audio to this loudness, with a true peak of at most -1 dBTP",
        "--loudness",
    )
    link: bool = setting(False, v.flag(), "make hard links to audio files that need no change", "--link")
    shard_bytes: int = setting(2**29, v.size(), "largest size of a tar file", "--shard-size")
    jobs: int = setting(0, v.whole(0, 4096), "number of worker processes, 0 for one per core", "--jobs", short="-j")
    keys: tuple[str, ...] = setting(
        ALL_KEYS, v.patterns(), "features to export, e.g. bpm,lufs,chroma_*; * means all that vary", "--keys"
    )
    unknown: Policy = setting(
        "flag",
        v.one_of("flag", "fill", "drop"),
        "where a number is unknown: write the minimum of its range and set <key>_known to 0 (flag), write the minimum "
        "alone (fill), or leave out the clip (drop)",
        "--unknown",
    )
    hop: float = setting(
        1.0, v.number(0.001, 1, "S"), "with --from tracks: seconds from one window to the next", "--hop"
    )
    model_config: Path | None = setting(
        None, v.path(), "configuration of the model, into which the conditioners are written", "--model-config"
    )
    at: str = setting("", v.any_text("DIR"), "folder of the bundle on the machine that trains", "--at")
    template: str | None = setting(
        None,
        v.any_text("TEXT"),
        'clauses of a prompt, e.g. "{genre}; {bpm} BPM; {key}; {full}" (default: those of the target)',
        "--template",
    )
    tokens: int | None = setting(
        None, v.whole(1, 100_000), "largest number of tokens of a prompt (default: the target's)", "--tokens"
    )
    tokenizer: Path | None = setting(
        None,
        v.path(),
        "tokenizer.json that counts the tokens (default: an estimate that is never too low)",
        "--tokenizer",
    )
    variants: int = setting(4, v.whole(1, 1000), "number of variants of a prompt", "--variants")
    trigger: str = setting("", v.any_text("WORD"), "word at the beginning of every prompt", "--trigger")
    weight: float = setting(
        1.0,
        v.number(0.001, 1000, "W"),
        "for sat: how often this bundle is drawn in relation to the bundles of --join, per file",
        "--weight",
    )
    weights: Path | None = setting(
        None,
        v.path(),
        "for sat and acestep: draw each training file as often as this file says, which mirkit select -o writes",
        "--weights",
    )
    join: tuple[str, ...] = setting(
        (),
        v.folders(),
        "for sat: other sat bundles, separated by commas, that are trained together with this one",
        "--join",
    )
    license: tuple[str, ...] = setting(
        (),
        v.licenses(),
        "export only tracks with one of these licenses, e.g. cc0,cc-by; mirkit rights shows them",
        "--license",
    )
    strict_rights: bool = setting(
        False,
        v.flag(),
        "leave out tracks of which nobody states the license, or whether AI training is allowed",
        "--strict-rights",
    )

    @property
    def audio(self) -> str:
        """Name of what is exported instead of the mix, "" for the mix."""
        return INSTRUMENTAL if self.instrumental else self.stem

    @property
    def whole(self) -> bool:
        """Whether whole tracks are exported instead of clips."""
        return self.source == "tracks"

    @property
    def random_crops(self) -> bool:
        """Whether the trainer cuts random parts of whole tracks."""
        return self.whole and self.max_seconds is None


#: Name of a field -> its option.
EXPORT_OPTIONS = declared(Options)
