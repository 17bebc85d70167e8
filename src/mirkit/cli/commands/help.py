"""The commands ``mirkit help`` and ``mirkit completion``."""

import argparse
import json
import sys

from mirkit.cli.completion import script
from mirkit.cli.help_text import measure_overview, overview
from mirkit.cli.output.style import bold_headings
from mirkit.cli.parser import find_command, parser_of, wrong_group


def help(arguments: argparse.Namespace) -> int:
    """Print the list of commands, or the help of one."""
    text = _text(arguments.topic)
    print(json.dumps({"help": text}) if arguments.json else bold_headings(text, sys.stdout), end="")
    return 0


def _text(topic: list[str]) -> str:
    if not topic:
        return overview()
    name, rest = find_command([word for word in topic if word != "mirkit"] or ["help"])
    if name == "measure":
        if rest:
            wrong_group(rest[0])
        return measure_overview()
    return parser_of(name).format_help()


def completion(arguments: argparse.Namespace) -> int:
    """Print the script with which a shell completes the words of ``mirkit``."""
    print(script(arguments.shell), end="")
    return 0
