"""The arguments of each command, added to its parser."""

from collections.abc import Callable
from importlib import import_module

from mirkit.cli.argument_parser import Parser
from mirkit.cli.command_table import CAPTION_STAGES, Command

__all__ = ["add_arguments"]

#: Command that runs no stages -> the module of this package, and the function in it, that adds its arguments.
_ARGUMENTS = {
    "ls": "listing:add_ls",
    "show": "listing:add_show",
    "verify": "dataset:add_verify",
    "status": "dataset:add_status",
    "stats": "dataset:add_stats",
    "duplicates": "dataset:add_duplicates",
    "split": "dataset:add_split",
    "select": "dataset:add_select",
    "rights": "dataset:add_rights",
    "report": "dataset:add_report",
    "exclude": "dataset:add_exclude",
    "include": "dataset:add_include",
    "window": "dataset:add_window",
    "export": "export:add_export",
    "organize": "tools:add_organize",
    "init": "tools:add_init",
    "models": "tools:add_models",
    "demo": "tools:add_demo",
    "completion": "light:add_completion",
    "help": "light:add_help",
    "doctor": "light:add_doctor",
    "features": "light:add_features",
    "measure": "light:add_measure",
}


def add_arguments(parser: Parser, command: Command) -> None:
    """Add the arguments of a command; only the modules that it needs are imported."""
    if command.stages == CAPTION_STAGES:
        from mirkit.cli.arguments.captions import add_captions

        add_captions(parser, dict(command.fixed).get("texts", ""))
    elif command.stages:
        from mirkit.cli.arguments.tracks import add_tracks_command

        add_tracks_command(parser, command)
    else:
        module, _, name = _ARGUMENTS[command.name].partition(":")
        add: Callable[[Parser], None] = getattr(import_module(f"{__name__}.{module}"), name)
        add(parser)
