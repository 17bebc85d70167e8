"""Options of the command line, generated from the declarations of the settings.

An option of a setting is stored under the setting's name, e.g. ``separation.shifts``, and only where it was given.
"""

import argparse
from collections.abc import Callable, Collection, Iterator
from typing import Any

from mirkit.catalog import TASKS
from mirkit.cli.argument_parser import Parser
from mirkit.errors import SettingsError
from mirkit.settings import SETTINGS, Setting
from mirkit.settings import validators as v


class BackendNames:
    """Choices of an option: some fixed words, then the backends of a task, which are looked up only when needed."""

    def __init__(self, task: str, *words: str) -> None:
        self._task, self._words = task, words

    def __iter__(self) -> Iterator[str]:
        from mirkit.models import registry

        return iter((*self._words, *(row.name for row in registry.backends_of(self._task))))

    def __contains__(self, name: object) -> bool:
        return name in tuple(self)


def reader(check: v.Check, unit: str = "") -> Callable[[str], Any]:
    """Return a function that parses the text of an option; argparse reports its errors under the option's name."""

    def read(text: str) -> Any:
        try:
            return check.from_text(text, unit)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"must be {error}") from error

    return read


def cap(text: str) -> tuple[str, int]:
    """Parse the text of ``--cap``, for example ``artist=3``."""
    name, _, number = text.partition("=")
    if not (name and number.isascii() and number.isdigit() and int(number)):
        raise argparse.ArgumentTypeError(f"must be a group and a number, such as artist=3, not {text!r}")
    return name, int(number)


def add_option(group: "argparse._ActionsContainer", setting: Setting, dest: str = "", default: Any = None) -> None:
    """Add the option of a setting, or one option per unit; an option that is not given has the value ``default``."""
    if not setting.option and not setting.units:
        return
    dest = dest or setting.name
    shown = f" (default: {setting.default_text})" if setting.default_text else ""
    text = (setting.help + shown).replace("%", "%%")
    if setting.units:
        group = group.add_mutually_exclusive_group()
    for option, unit in setting.units.items():
        read = reader(setting.check, unit)
        group.add_argument(option, dest=dest, type=read, metavar="N", help=f"length of a clip in {_UNITS[unit]}")
    if not setting.option:
        return
    kinds: dict[str, Any]
    if setting.is_switch:
        kinds = {"action": "store_true"}
    else:
        kinds = {"type": _device if setting.name == "run.device" else reader(setting.check)}
        kinds["metavar"] = setting.check.metavar
    listed = (setting.short, setting.option) if setting.short else (setting.option,)
    group.add_argument(*listed, dest=dest, default=default, help=text, **kinds)
    if setting.aliases:
        add_hidden(group, *setting.aliases, dest=dest, **kinds)


def add_hidden(group: "argparse._ActionsContainer", *names: str, **kinds: Any) -> None:
    """Add other spellings of an option, which are accepted and not listed."""
    group.add_argument(*names, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **kinds)


_UNITS = {"s": "seconds", "samples": "samples at 44.1 kHz, the model's sample_size (default: 2097152)", "bars": "bars"}


def _device(text: str) -> str:
    """Parse a device; ``amd``, the user manual's name for a ROCm GPU, becomes ``cuda``, and a note says so."""
    return text if text == "amd" else str(reader(SETTINGS["run.device"].check)(text))


def add_section(group: "argparse._ActionsContainer", section: str, without: Collection[str] = ()) -> None:
    """Add the options of all settings of a section, except those in ``without``."""
    for name, setting in SETTINGS.items():
        if name.startswith(f"{section}.") and name.partition(".")[2] not in without:
            add_option(group, setting)


def add_place(parser: Parser, what: str = "a folder of tracks (default: this folder)") -> None:
    """Add PATH for a command that reads a data set: this folder, if it is not given."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help=what)


def add_jobs(group: "argparse._ActionsContainer") -> None:
    """Add ``--jobs`` for a command that reads no settings."""
    add_option(group, SETTINGS["run.jobs"], "jobs", 0)


def add_weights(group: "argparse._ActionsContainer") -> None:
    """Add the options that say which weights may be used."""
    add_option(group, SETTINGS["run.offline"])
    add_option(group, SETTINGS["run.commercial_safe"])


def add_backend(group: "argparse._ActionsContainer", *, is_listed: bool = True) -> None:
    """Add ``--backend``."""
    text = f"backend to use for a task; the tasks are {', '.join(TASKS)}; the option may be repeated"
    group.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="TASK=NAME",
        help=text if is_listed else argparse.SUPPRESS,
    )


def add_json_file(parser: Parser) -> None:
    """Add the options of commands that write their result to a file."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write the whole result to this file as JSON")
    parser.add_argument(
        "--overwrite", action="store_true", help="allow --output to replace a file that another program wrote"
    )


def add_query(parser: Parser, what: str, group: "argparse._ArgumentGroup | None" = None) -> None:
    """Add ``--where``, with which a command works on a part of a data set."""
    parser.has_query = True
    (group or parser).add_argument(
        "--where", metavar="QUERY", help=f"only {what} that match a query, as in mirkit ls, e.g. 'bpm:120..130 key:Am'"
    )


def overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings that options have given: ``section.key`` -> value."""
    return {name: value for name, value in vars(arguments).items() if name in SETTINGS and value is not None}


def backend_choices(pairs: list[str]) -> dict[str, str]:
    """Parse the ``TASK=NAME`` pairs of ``--backend``.

    Raises
    ------
    SettingsError
        A pair names an unknown task, or a backend that the task does not have.
    """
    chosen = {}
    for pair in pairs:
        task, _, name = pair.partition("=")
        names = BackendNames(task, "auto")
        if task not in TASKS or name not in names:
            expected = f"one of {', '.join(names)}" if task in TASKS else f"TASK=NAME with a task of {', '.join(TASKS)}"
            raise SettingsError(f"--backend {pair}: expected {expected}")
        chosen[task] = name
    return chosen
