"""The commands. Each returns its exit status, and raises MirkitError on an error."""

import argparse

from mirkit.cli.command_table import CAPTION_STAGES, COMMANDS
from mirkit.cli.location import READ_REMOTE, reject_urls


def execute(arguments: argparse.Namespace) -> int:
    """Run the parsed command."""
    if arguments.command in ("help", "completion"):
        from mirkit.cli.commands import help as help_commands

        return help_commands.help(arguments) if arguments.command == "help" else help_commands.completion(arguments)
    from mirkit.cli.commands import models

    if arguments.command == "doctor":  # it must run without NumPy
        return models.doctor(arguments)
    if arguments.command in ("ls", "show"):  # they compute nothing, and start without the compiled code
        from mirkit.cli.commands import listing

        return listing.ls(arguments) if arguments.command == "ls" else listing.show(arguments)
    from mirkit.cli.commands import dataset, export, organize, rights, select, track
    from mirkit.store.compiled import use_compiled

    use_compiled()
    command = COMMANDS[arguments.command]
    describes = command.stages and (command.stages == CAPTION_STAGES or getattr(arguments, "captions", False))
    reject_urls(arguments, path_too=describes or not (command.stages or arguments.command in READ_REMOTE))
    if command.stages:
        return track.run_stages(command, arguments)
    return {
        "verify": dataset.verify,
        "window": dataset.window,
        "stats": dataset.stats,
        "duplicates": dataset.duplicates,
        "split": dataset.split,
        "report": dataset.report,
        "rights": rights.rights,
        "select": select.select,
        "exclude": dataset.exclude,
        "include": dataset.include,
        "organize": organize.organize,
        "status": track.status,
        "export": export.export,
        "init": models.init,
        "models": models.models,
        "features": models.features,
        "demo": track.demo,
    }[arguments.command](arguments)
