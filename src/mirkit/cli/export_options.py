"""Options of ``mirkit export``."""

import argparse

from mirkit.cli import argument_types

#: Targets, as ``mirkit.export.targets`` has them.
EXPORTS = ("sat", "sat-wds", "sat-latents", "sa3", "webdataset", "hf", "csv", "parquet", "jsonl")


def add(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of ``mirkit export``."""
    parser.add_argument("target", metavar="TARGET", choices=EXPORTS, help=", ".join(EXPORTS))
    parser.add_argument("out", metavar="OUT", help="folder of the bundle; csv, parquet and jsonl: a file")
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="a folder of tracks (default: .)")
    what = parser.add_argument_group("what")
    what.add_argument(
        "--from",
        dest="source",
        choices=("clips", "tracks"),
        default="clips",
        help="clips that mirkit crop has cut (default), or whole tracks, of which the trainer cuts what it wants",
    )
    what.add_argument("--set", default="", metavar="NAME", help="the set of clips (default: the one without a name)")
    what.add_argument("--val", type=float, default=0.05, metavar="SHARE", help="share for validation (default: 0.05)")
    what.add_argument("--seed", type=int, default=0, metavar="N", help="of split, order and wordings (default: 0)")
    what.add_argument("--overwrite", action="store_true", help="replace files in the way that are no earlier export")
    what.add_argument("--dry-run", action="store_true", help="only say what would be written")
    what.add_argument(
        "--raw",
        action="store_true",
        help="csv: no apostrophe before texts that a spreadsheet would run as a formula",
    )
    sound = parser.add_argument_group("sound")
    sound.add_argument("--sample-size", type=int, metavar="N", help="samples that the model takes at a time")
    sound.add_argument("--loudness", type=float, metavar="LUFS", help="bring all to this loudness, at most -1 dBTP")
    sound.add_argument("--link", action="store_true", help="hard links to files that need no change")
    sound.add_argument(
        "--shard-size", type=argument_types.size, default=2**29, metavar="SIZE", help="of a tar (default: 512M)"
    )
    sound.add_argument(
        "--jobs", "-j", type=argument_types.jobs, default=0, metavar="N", help="worker processes (default: one a core)"
    )
    numbers = parser.add_argument_group("numbers")
    numbers.add_argument("--keys", default="*", metavar="KEYS", help="e.g. bpm,lufs,chroma_* (default: all that vary)")
    numbers.add_argument(
        "--unknown",
        choices=("flag", "fill", "drop"),
        default="flag",
        help="an unknown number: its range's minimum and <key>_known 0 (default), the minimum alone, or drop the clip",
    )
    numbers.add_argument("--hop", type=float, default=1.0, metavar="S", help="--from tracks: a window every S seconds")
    numbers.add_argument("--model-config", metavar="FILE", help="the model's config, to be filled in")
    prompts = parser.add_argument_group("prompts")
    prompts.add_argument("--template", help='clauses, e.g. "{genre}; {bpm} BPM; {key}; {full}"')
    prompts.add_argument("--tokens", type=int, metavar="N", help="budget of a prompt (default: the target's)")
    prompts.add_argument(
        "--tokenizer", metavar="FILE", help="tokenizer.json to count with (default: an upper estimate)"
    )
    prompts.add_argument("--variants", type=int, default=4, metavar="N", help="wordings of a clip (default: 4)")
    prompts.add_argument("--trigger", default="", metavar="WORD", help="a word that every prompt begins with")
    checks = parser.add_argument_group("check")
    checks.add_argument(
        "--check",
        action="store_true",
        help="then check the bundle, with stable-audio-tools itself where it is installed beside mirkit",
    )
    checks.add_argument("--check-only", action="store_true", help="export nothing, check what is in OUT")
    asked = checks.add_mutually_exclusive_group()
    asked.add_argument(
        "--trainer-python",
        metavar="PATH",
        help="the Python interpreter where stable-audio-tools is installed: the check runs it there",
    )
    asked.add_argument("--no-trainer", action="store_true", help="leave the trainer out of the check")
    checks.add_argument("--at", default="", metavar="DIR", help="where the bundle will lie when it is trained on")
