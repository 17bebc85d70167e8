"""The argument parser of a command: short usage, examples in the help, and errors in one line."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from mirkit.cli.output.style import bold_headings, styled

#: A negated term of a query, such as -artist:daft.
_TERM = re.compile(r"-+(?:[A-Za-z_][\w-]*(?::|[<>=~]|!=)|\()", re.ASCII)


#: Least likeness of two names of which one may be a misspelling of the other.
_ALIKE = 0.65


class _Formatter(argparse.HelpFormatter):
    """Wraps descriptions of one line, and keeps the lines of others."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "".join(f"{indent}{line}\n" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """The parser of one command."""

    #: Name of an argument -> what is said where it is missing.
    missing: Mapping[str, str] = {}
    #: Whether a word such as -artist:daft is a term of a query and no option.
    has_query = False

    def __init__(self, title: str, description: str = "", examples: Sequence[str] = ()) -> None:
        super().__init__(
            prog=f"mirkit {title}".rstrip(), description=description, add_help=False, formatter_class=_Formatter
        )
        self.examples = tuple(examples)
        self._positionals.title = "arguments"
        #: The arguments that are no options, as the usage has them, where their names do not say it.
        self.places = ""
        #: What is printed below the examples.
        self.notes = ""

    def options(self) -> list[str]:
        """Return the options that the help lists."""
        return [
            name for action in self._actions if action.help is not argparse.SUPPRESS for name in action.option_strings
        ]

    def format_usage(self) -> str:
        """Return the usage in one line."""
        return f"usage: {self._usage()}\n"

    def format_help(self) -> str:
        """Return the help: usage, description, arguments, options, examples."""
        self.usage = self._usage().replace("%", "%%")
        lines = ["examples:", *(f"  {line}" for line in self.examples)]
        if self.notes:
            lines += ["", *self.notes.splitlines()]
        self.epilog = "\n".join(lines) + "\n" if self.examples else None
        return super().format_help()

    def _usage(self) -> str:
        words = [self.prog, "[OPTIONS]"] if any(action.option_strings for action in self._actions) else [self.prog]
        for action in self._actions:
            if action.option_strings and action.required:
                words.append(f"{action.option_strings[0]} {action.metavar}")
        places = [_positional(action) for action in self._get_positional_actions()]
        return " ".join([*words, self.places or " ".join(places)]).rstrip()

    def print_help(self, file: Any = None) -> None:
        """Print the help, with bold headings on a terminal."""
        file = file or sys.stdout
        self._print_message(bold_headings(self.format_help(), file), file)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print a help text; argparse would ignore that the reader of the output has closed the pipe."""
        if message and file is not None:
            file.write(message)

    def error(self, message: str) -> NoReturn:
        """Print one line, which names the help, and exit with status 2."""
        if match := re.fullmatch(r"the following arguments are required: ([^,]+).*", message):
            message = self.missing.get(match[1], f"{self.prog} needs {match[1]}")
        elif match := re.fullmatch(r"unrecognized arguments: (\S+).*", message, re.DOTALL):
            message = self._unknown(match[1])
        elif match := re.fullmatch(r"ambiguous option: (\S+) could match (.*)", message):
            message = f"{match[1]} is not one option: it could be {match[2]}"
        message = re.sub(r"argument (-[^: ]+)", lambda match: _long(match[1]), message)
        message = message.removeprefix("argument ").replace(": must be", " must be", 1)
        message = re.sub(r": expected (?:one|at least one) argument$", " needs a value", message)
        message = message.replace(": not allowed with", " is not allowed with", 1)
        self.exit(2, f"{styled('mirkit:', 'red', sys.stderr)} {message} (see {self.prog} --help)\n")

    def _unknown(self, word: str) -> str:
        """Describe a word that no argument takes."""
        if not word.startswith("-"):
            return f"{self.prog} does not know what to do with {word!r}"
        known = {name.lstrip("-"): name for name in self.options()}  # the dashes are no likeness
        near = difflib.get_close_matches(word.partition("=")[0].lstrip("-"), known, 1, _ALIKE)
        meant = f"; did you mean {known[near[0]]}?" if near else ""
        return f"{self.prog} has no option {word}{meant}"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Check that a value is one of the choices; the error names the nearest."""
        if action.choices is None or value in action.choices:
            return
        names = [str(name) for name in action.choices]
        near = difflib.get_close_matches(str(value), names, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        if not near and not action.option_strings and os.path.exists(value):
            meant = " and stand before the path"
        raise argparse.ArgumentError(action, f"must be one of {', '.join(names)}{meant}, not {str(value)[:80]!r}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the arguments, in any order: options may stand before, between and behind the others."""
        words = list(sys.argv[1:] if args is None else args)
        found, left = super().parse_known_args(words, namespace)
        if all(word.startswith("-") for word in left):
            return found, left
        # argparse gives the arguments that may be left out nothing if an option stands before them.
        return super().parse_known_args(self._options_first(words), None)

    def positionals(self, words: Sequence[str]) -> int:
        """Return how many of the words are neither options nor values of options."""
        return len(self._divided(list(words))[1])

    def _options_first(self, words: list[str]) -> list[str]:
        """Return the words with all options, and their values, before the other arguments."""
        options, others = self._divided(words)
        return [*options, *others]

    def _divided(self, words: list[str]) -> tuple[list[str], list[str]]:
        before: list[str] = []
        others: list[str] = []
        while words:
            word, *words = words
            if word == "--":
                others += [word, *words]
                break
            option: Any = self._parse_optional(word)
            if option is None:
                others.append(word)
                continue
            before.append(word)
            action, *_, value = option[0] if isinstance(option, list) else option
            takes = action is not None and value is None and action.nargs in (None, "?")
            if takes and words and (action.nargs is None or not words[0].startswith("-")):
                value, *words = words
                before.append(value)
        return before, others

    def _parse_optional(self, arg_string: str) -> Any:
        """Tell options from other arguments: ``--limit=3`` is an option also where a query may stand."""
        is_option = arg_string.partition("=")[0] in self._option_string_actions
        if self.has_query and not is_option and _TERM.match(arg_string):
            return None
        return super()._parse_optional(arg_string)


def _long(names: str) -> str:
    """Return the long form of an option, of its forms as argparse joins them."""
    return next((name for name in names.split("/") if name.startswith("--")), names)


def _positional(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    forms = {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} ..."}
    return forms.get(str(action.nargs), name)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the output options that every command has, such as ``--quiet``."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    group.add_argument("-q", "--quiet", action="store_true", help="print only failures")
    group.add_argument("-v", "--verbose", action="store_true", help="print a line for every track")
    group.add_argument("--debug", action="store_true", help="print the traceback of an error")
    group.add_argument("-h", "--help", action="help", help="print this help and stop")
