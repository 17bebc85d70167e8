"""The arguments of ``mirkit export``."""

import argparse
from typing import Any

from mirkit.cli import options
from mirkit.cli.argument_parser import Parser, add_output
from mirkit.export.options import EXPORT_OPTIONS
from mirkit.export.targets import DESCRIPTIONS

#: Groups of the options of ``mirkit export``, and the fields of ``ExportOptions`` in each.
_EXPORT_GROUPS = {
    "selection": (
        *("source", "clip_set", "where", "keep_duplicates", "val", "test", "seed", "split_file"),
        *("license", "strict_rights", "overwrite", "raw"),
    ),
    "audio": (
        "stem",
        "instrumental",
        "pairs",
        "series",
        "sample_size",
        "max_seconds",
        "loudness",
        "link",
        "shard_bytes",
        "jobs",
    ),
    "numbers": ("keys", "unknown", "hop", "model_config", "at", "weight", "weights", "join"),
    "prompts": ("template", "tokens", "tokenizer", "variants", "trigger"),
}


class _Explain(argparse.Action):
    """Store the value of ``--explain``, with which TARGET and PATH may be left out.

    Arguments that are optional from the start would count as left out where an option stands before them.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        for action in parser._get_positional_actions():
            action.required = False


def add_export(parser: Parser) -> None:
    """Add the arguments of ``mirkit export``."""
    parser.has_query = True
    parser.places = "TARGET [PATH] -o OUT"
    parser.notes = "targets:\n" + "\n".join(f"  {name:<12} {text}" for name, text in DESCRIPTIONS.items())
    parser.missing = {"TARGET": "name what to export: mirkit export TARGET PATH -o OUT"}
    parser.add_argument(
        "target",
        metavar="TARGET",
        choices=tuple(DESCRIPTIONS),
        help=f"trainer, or form of the table: one of {', '.join(DESCRIPTIONS)}",
    )
    parser.add_argument(
        "places",
        metavar="PATH",
        nargs="*",
        help="folder of tracks (default: this folder); without -o, first OUT and then PATH",
    )
    parser.add_argument(
        "-o",
        "--output",
        dest="out",
        metavar="OUT",
        help="folder of the bundle to write, or the file of csv, parquet and jsonl",
    )
    options.add_hidden(parser, "--out", dest="out")
    for title, names in _EXPORT_GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            options.add_option(group, EXPORT_OPTIONS[name], default=EXPORT_OPTIONS[name].default)
        if title == "prompts":
            group.add_argument(
                "--explain",
                action=_Explain,
                metavar="CLIP",
                help="print the words for a clip or track, each with its value and threshold, and stop; with a TARGET, "
                "also those that come from the extremes of the data set",
            )
        if title == "selection":
            group.add_argument("--dry-run", action="store_true", help="print what would be written, and stop")
    checks = parser.add_argument_group("check")
    checks.add_argument(
        "--check",
        action="store_true",
        help="check the bundle after the export, also with stable-audio-tools where it is installed beside mirkit",
    )
    checks.add_argument("--check-only", action="store_true", help="check the bundle in OUT and export nothing")
    trainer = checks.add_mutually_exclusive_group()
    trainer.add_argument(
        "--trainer-python",
        metavar="PATH",
        help="Python interpreter with stable-audio-tools, which then checks the bundle too",
    )
    trainer.add_argument("--no-trainer", action="store_true", help="check without stable-audio-tools")
    add_output(parser)
