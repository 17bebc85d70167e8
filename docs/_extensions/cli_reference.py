"""The reference of the command line, written from the parser and the table of commands at each build.

One page for each heading of ``mirkit --help``, in ``reference/cli``, which git ignores.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from mirkit.cli.command_table import COMMANDS, HEADINGS, MEASURE_GROUPS, Command
from mirkit.cli.parser import parser_of

#: Heading -> sentence below it.
INTRODUCTIONS = {
    "Start": "Commands for the first hour: one does everything, and the others prepare a data set.",
    "Measure": "Commands that compute results from the audio. They skip what is up to date.",
    "Look": "Commands that show results and change nothing.",
    "Clean": "Commands that find problems, and leave tracks out.",
    "Train": "Commands that turn measured tracks into training data.",
    "Models": "Neural models: which ones there are, and their weights.",
    "Advanced": "Commands that few people need.",
}


def escape(text: str) -> str:
    """Return a text as Markdown that shows it unchanged, with options as code."""
    text = re.sub(r"([\\`*_<>\[\]{}$])", r"\\\1", text)
    return re.sub(r"(?<![\w`-])(--?[a-z][\w-]*)", r"`\1`", text)


Row = tuple[str, str]


def arguments(parser: argparse.ArgumentParser) -> dict[str, list[Row]]:
    """Return the arguments of a command: title of the group -> argument as it is typed, and its description."""
    formatter = parser._get_formatter()
    found: dict[str, list[Row]] = {}
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.help is argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
                continue
            text = escape(formatter._expand_help(action)) if action.help else "\N{NO-BREAK SPACE}"
            row = (formatter._format_action_invocation(action), text)
            found.setdefault((group.title or "options").capitalize(), []).append(row)
    return found


def listed(rows: dict[str, list[Row]]) -> list[str]:
    """Return arguments as definition lists."""
    lines: list[str] = []
    for title, items in rows.items():
        lines += [f"**{title}**", ""]
        for shown, text in items:
            lines += [f"`{shown}`", f": {text}", ""]
    return lines


def head(command: Command, level: str = "##") -> list[str]:
    """Return the heading of a command, its sentence and its examples."""
    lines = [f"{level} mirkit {command.title}", "", escape(command.description), ""]
    return [*lines, "```bash", *command.examples, "```", ""]


def usage(parser: argparse.ArgumentParser) -> list[str]:
    """Return the line that shows how a command is called."""
    return ["```text", re.sub(r"^usage: ", "", parser.format_usage()).strip(), "```", ""]


def section(command: Command) -> list[str]:
    """Return the section of a command."""
    parser = parser_of(command.name)
    return [*head(command), *usage(parser), *listed(arguments(parser))]


def measure_section() -> list[str]:
    """Return the section of ``mirkit measure``: its groups, the options that all have, and those of single groups."""
    groups = {name: arguments(parser_of(name)) for name in MEASURE_GROUPS}
    every = [{row for rows in found.values() for row in rows} for found in groups.values()]
    common = set.intersection(*every)
    first = next(iter(groups.values()))
    shared = {title: [row for row in rows if row in common] for title, rows in first.items()}
    lines = [*head(COMMANDS["measure"]), "| group | what it does |", "|---|---|"]
    for name, command in MEASURE_GROUPS.items():
        lines.append(
            f"| [`{command.title.removeprefix('measure ')}`](#mirkit-measure-{name.replace('_', '-')}) | "
            f"{escape(command.description)} |"
        )
    lines += ["", "### Options of all groups", "", *listed({title: rows for title, rows in shared.items() if rows})]
    for name, command in MEASURE_GROUPS.items():
        own = {title: [row for row in rows if row not in common] for title, rows in groups[name].items()}
        lines += [*head(command, "###"), *listed({title: rows for title, rows in own.items() if rows})]
    return lines


def pages() -> dict[str, str]:
    """Return the pages of the command line: name -> Markdown."""
    found = {}
    for heading, names in HEADINGS.items():
        lines = [f"# {heading}", "", INTRODUCTIONS[heading], ""]
        for name in names:
            lines += measure_section() if name == "measure" else section(COMMANDS[name])
        found[heading.lower()] = "\n".join(lines) + "\n"
    return found


def write(app: Sphinx) -> None:
    """Write the pages that have changed, so that a second build reads no other."""
    folder = Path(app.srcdir) / "reference" / "cli"
    folder.mkdir(exist_ok=True)
    texts = pages()
    for old in folder.glob("*.md"):
        if old.stem not in texts:
            old.unlink()
    for name, text in texts.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
