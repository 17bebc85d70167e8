"""The arguments of commands beside tracks: organize, init, models, demo."""

from mirkit.cli import options
from mirkit.cli.argument_parser import Parser, add_output


def add_organize(parser: Parser) -> None:
    """Add the arguments of ``mirkit organize``."""
    parser.add_argument("path", metavar="PATH", help="folder of loose audio files")
    parser.add_argument("--copy", action="store_true", help="keep the originals where they are")
    parser.add_argument(
        "--video-sound", action="store_true", help="also take files with a moving picture, for their sound"
    )
    parser.add_argument(
        "--cue", action="store_true", help="also cut albums in one file into tracks, by the cue sheet beside them"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print for what each file is taken and what would be moved, and stop"
    )
    parser.add_argument(
        "--undo", action="store_true", help="move the files back; their results stay beside them and are listed"
    )
    add_output(parser)


def add_init(parser: Parser) -> None:
    """Add the arguments of ``mirkit init``."""
    options.add_place(parser, "folder of the data set (default: this folder)")
    options.add_backend(parser)
    parser.add_argument("--force", action="store_true", help="change methods that mirkit.toml already names")
    add_output(parser)


def add_models(parser: Parser) -> None:
    """Add the arguments of ``mirkit models``."""
    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=("list", "fetch", "path", "verify", "remove"),
        default="list",
        help="what to do: list (default), fetch, path, verify or remove",
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="name of a model (default: for list and verify all models)"
    )
    parser.add_argument(
        "--cite", nargs="?", const="", metavar="NAME", help="print BibTeX of a backend or model, or of all"
    )
    options.add_weights(parser)
    add_output(parser)


def add_demo(parser: Parser) -> None:
    """Add the arguments of ``mirkit demo``."""
    parser.add_argument("path", metavar="PATH", nargs="?", default="demo", help="folder to make (default: demo)")
    add_output(parser)
