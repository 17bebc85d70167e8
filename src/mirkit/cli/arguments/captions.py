"""The arguments of the commands that write captions."""

import argparse

from mirkit.cli import options
from mirkit.cli.argument_parser import Parser, add_output
from mirkit.cli.arguments.tracks import add_tracks
from mirkit.settings import SETTINGS


def add_captions(parser: Parser, method: str) -> None:
    """Add the options of a caption command; ``method`` is the backend that the command's name fixes, or ""."""
    tracks = add_tracks(
        parser, overwrite="ask again for captions that exist; your own captions are replaced too", urls=False
    )
    tracks.add_argument("--only", metavar="FIELDS", help="make only these captions, e.g. full,genre_mood")
    model = parser.add_argument_group("model")
    model_only = ("model", "projector", "program", "parallel", "one_call", "timeout", "url", "profile")
    for name in model_only:
        of_server = name in ("url", "profile") and method
        if name == "model" or not (of_server or method == "transformers"):
            options.add_option(model, SETTINGS[f"texts.{name}"])
    if method == "transformers":
        model.add_argument(
            "--flash-attention",
            dest="texts.attention",
            action="store_const",
            const="flash_attention_2",
            help="use FlashAttention 2, which must be installed",
        )
    else:
        model.add_argument(
            "--method",
            choices=options.BackendNames("texts"),
            metavar="BACKEND",
            default=method or None,
            help="backend that runs the model: one of %(choices)s",
        )
    options.add_option(model, SETTINGS["run.device"])
    model.add_argument("--offline", action="store_true", help=argparse.SUPPRESS)  # no download here
    options.add_option(model, SETTINGS["run.commercial_safe"])
    options.add_section(parser.add_argument_group("captions"), "texts", model_only)
    add_output(parser)
