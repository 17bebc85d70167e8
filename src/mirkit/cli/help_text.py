"""The help of ``mirkit`` and of ``mirkit measure``: lists of commands, with a sentence for each."""

import shutil
import textwrap
from collections.abc import Iterable

from mirkit.cli.command_table import COMMANDS, HEADINGS, MEASURE_GROUPS, Command

_START = "Turn a folder of music into a training set for music generators."
_EXAMPLES = (
    "mirkit run my_music",
    "mirkit ls my_music bpm:120..130 key:Am",
    "mirkit export sat my_music -o bundle --check",
)


def overview() -> str:
    """Return the help of ``mirkit``: all commands by heading."""
    lines = ["usage: mirkit COMMAND [OPTIONS] [PATH]", "", *_wrapped(_START), ""]
    for heading, names in HEADINGS.items():
        lines += [f"{heading}:", *_table(COMMANDS[name] for name in names), ""]
    lines += ["examples:", *(f"  {line}" for line in _EXAMPLES), ""]
    lines += _wrapped("mirkit help COMMAND explains a command, with examples. mirkit --version prints the version.")
    lines += _wrapped("Exit status: 0 success, 1 a track failed or something is missing, 2 wrong usage.")
    return "\n".join(lines) + "\n"


def measure_overview() -> str:
    """Return the help of ``mirkit measure``: its groups."""
    command = COMMANDS["measure"]
    lines = ["usage: mirkit measure GROUP [OPTIONS] [PATH]", "", *_wrapped(command.description), ""]
    lines += ["groups:", *_table(MEASURE_GROUPS.values(), skip="measure "), ""]
    lines += ["examples:", *(f"  {line}" for line in command.examples), ""]
    lines += _wrapped("mirkit measure GROUP --help lists the options. mirkit extract measures all groups at once.")
    return "\n".join(lines) + "\n"


def _width() -> int:
    return max(shutil.get_terminal_size().columns - 2, 50)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _width())


def _table(commands: Iterable[Command], skip: str = "") -> list[str]:
    """Return lines with the name of each command and its description."""
    rows = [(command.title.removeprefix(skip), command.description.removesuffix(".")) for command in commands]
    start = max(max(len(name) for name, _ in rows), 10) + 4
    lines = []
    for name, text in rows:
        first, *more = textwrap.wrap(text, _width() - start)
        lines += [f"  {name}".ljust(start) + first, *(" " * start + line for line in more)]
    return lines
