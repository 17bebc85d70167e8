"""The arguments of commands that need nothing of the settings: they start fast."""

from mirkit.cli.argument_parser import Parser, add_output

SHELLS = ("bash", "zsh", "fish")


def add_completion(parser: Parser) -> None:
    """Add the arguments of ``mirkit completion``."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="the shell: bash, zsh or fish")
    add_output(parser)


def add_help(parser: Parser) -> None:
    """Add the arguments of ``mirkit help``."""
    parser.add_argument("topic", metavar="COMMAND", nargs="*", help="the command to explain (default: list all)")
    add_output(parser)


def add_doctor(parser: Parser) -> None:
    """Add the arguments of ``mirkit doctor``."""
    parser.add_argument(
        "--report",
        nargs="?",
        const=".",
        metavar="FOLDER",
        help="print a Markdown block for a bug report, with the last run of a data set (default: this folder) and "
        "without names of files; nothing is sent anywhere",
    )
    add_output(parser)


def add_features(parser: Parser) -> None:
    """Add the arguments of ``mirkit features``."""
    add_output(parser)


def add_measure(parser: Parser) -> None:
    """Add the arguments of ``mirkit measure``, as far as they are the same for all groups."""
    parser.add_argument("group", metavar="GROUP", help="the group of features: mirkit help measure lists all")
    parser.add_argument("path", metavar="PATH", nargs="?", help="a track, or a folder of tracks")
    add_output(parser)
