"""The parser of the command line: finds the command, and parses its arguments.

The parser of a command is built only when it is used, and no large package is imported, so that ``mirkit --help``
starts quickly.
"""

import argparse
import difflib
import os
from collections.abc import Sequence

from mirkit import __version__
from mirkit.cli.argument_parser import Parser
from mirkit.cli.arguments import add_arguments
from mirkit.cli.command_table import ALIASES, COMMANDS, HEADINGS, MEASURE_GROUPS, canonical

_HELP = ("-h", "--help")


def parser_of(name: str) -> Parser:
    """Return the parser of a command, or of a group of ``mirkit measure``."""
    command = COMMANDS[canonical(name)]
    parser = Parser(command.title, command.description, command.examples)
    add_arguments(parser, command)
    parser.set_defaults(command=command.name)
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the words after ``mirkit``; without any, the help is asked for.

    Raises
    ------
    SystemExit
        They are wrong, or help or the version was asked for and printed.
    """
    words = list(words)
    if not words or words[0] in _HELP:
        return parser_of("help").parse_args(words[1:])
    if words[0] in ("-V", "--version"):
        print(f"mirkit {__version__}")
        raise SystemExit(0)
    name, rest = find_command(words)
    if name == "measure":
        if not rest or rest[0] in _HELP:
            return parser_of("help").parse_args(["measure"])
        wrong_group(rest[0])
    return parser_of(name).parse_args(rest)


def find_command(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the command that words begin with, and the words after it.

    Raises
    ------
    SystemExit
        There is no such command.
    """
    first, *rest = words
    name = canonical(first)
    if name in ALIASES:
        name, *more = ALIASES[name]
        rest = [*more, *rest]
    if name == "measure" and rest and canonical(rest[0]) in MEASURE_GROUPS:
        return canonical(rest[0]), rest[1:]
    if name not in COMMANDS:
        _wrong_command(first)
    return name, rest


def _wrong_command(word: str) -> None:
    """Report a word that is no command, with the one that was probably meant."""
    parser = Parser("")
    if word.startswith("-"):
        parser.error(f"the first word is a command, and not the option {word}")
    if os.path.exists(word):
        parser.error(f"{word!r} is not a command; to process this file or folder: mirkit run {word!r}")
    listed = [name for names in HEADINGS.values() for name in names]
    near = difflib.get_close_matches(canonical(word), [*listed, *MEASURE_GROUPS, *ALIASES], 1)
    title = COMMANDS[near[0]].title if near and near[0] in COMMANDS else near[0] if near else ""
    parser.error(f"there is no command {word!r}" + (f"; did you mean mirkit {title}?" if title else ""))


def wrong_group(word: str) -> None:
    """Report a word that is no group of ``mirkit measure``."""
    parser = Parser("measure")
    near = difflib.get_close_matches(canonical(word), MEASURE_GROUPS, 1)
    meant = f"; did you mean mirkit {MEASURE_GROUPS[near[0]].title}?" if near else ""
    if word.startswith("-") or os.path.exists(word):
        meant = "; name the group first, as in mirkit measure tempo PATH; mirkit extract PATH measures all of them"
    parser.error(f"{word!r} is not a group of features{meant}")
