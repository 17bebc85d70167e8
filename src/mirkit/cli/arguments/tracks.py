"""The arguments of commands that run stages on tracks."""

import argparse

from mirkit.cli import options
from mirkit.cli.argument_parser import Parser, add_output
from mirkit.cli.command_table import Command
from mirkit.settings import SETTINGS
from mirkit.settings import validators as v


def add_tracks(parser: Parser, *, overwrite: str, urls: bool) -> "argparse._ArgumentGroup":
    """Add the arguments that select tracks, and the options that select what is computed again."""
    last = "a folder of tracks, or the s3:// or gs:// URL of one" if urls else "or a folder of tracks"
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help=f"a track folder, its full_mix file, a loose audio file, {last} (default: this folder, if it is a data "
        "set already)",
    )
    tracks = parser.add_argument_group("tracks")
    tracks.add_argument("--batch", action="store_true", help=argparse.SUPPRESS)  # of the user manual: no longer needed
    options.add_query(parser, "tracks", tracks)
    again = tracks.add_mutually_exclusive_group()
    again.add_argument("--skip-existing", action="store_true", help="skip results that are up to date (the default)")
    again.add_argument("--overwrite", "--force", action="store_true", help=overwrite)
    tracks.add_argument("--dry-run", action="store_true", help="print the plan and the time it would take, and stop")
    return tracks


def add_tracks_command(parser: Parser, command: Command) -> None:
    """Add the arguments of a command that runs stages, other than captions."""
    tracks = add_tracks(
        parser, overwrite="compute up-to-date results again; your own stems and MIDI are kept", urls=True
    )
    _add_replace(tracks, command)
    if command.name == "run":
        _add_run(tracks)
    if command.name == "run" or "beats" in command.stages:
        options.add_section(parser.add_argument_group("rhythm"), "rhythm")
    if "separate" in command.stages:
        _add_separation(parser, command)
    if command.name == "crop":
        options.add_section(parser.add_argument_group("clips"), "crop")
    if "drums" in command.stages:
        drums = parser.add_argument_group("drums")
        options.add_section(drums, "drums")
        if command.name != "run":
            drums.add_argument("-o", "--output", metavar="FILE", help="write a copy of the MIDI file to this path")
    if command.name == "chords":
        parser.add_argument_group("files").add_argument(
            "--jams",
            metavar="OUT",
            help="also write chords, beats and key as JAMS: to this file, which ends in .jams, or to a file for each "
            "track in this folder",
        )
    _add_work(parser.add_argument_group("work"), command)
    add_output(parser)


def _add_replace(tracks: "argparse._ArgumentGroup", command: Command) -> None:
    replaced = "even where you have put your own, which are renamed to NAME.replaced-1"
    if "separate" in command.stages:
        tracks.add_argument("--replace-stems", action="store_true", help=f"make stems {replaced}")
    if "drums" in command.stages:
        tracks.add_argument("--replace-midi", action="store_true", help=f"make drum MIDI files {replaced}")


def _add_run(tracks: "argparse._ArgumentGroup") -> None:
    tracks.add_argument("--samples", action="store_true", help="also process the one-shots of a sample pack")
    tracks.add_argument(
        "--organize",
        choices=("move", "copy", "off"),
        help="move or copy loose files into track folders first, or leave them (default: ask on a terminal)",
    )
    tracks.add_argument(
        "--notes", action="store_true", help="also write the notes of bass, other and vocals as MIDI files"
    )
    tracks.add_argument("--tags", action="store_true", help="also find instruments, genre and mood")
    tracks.add_argument(
        "--captions",
        action="store_true",
        help="then also write captions, with the model that mirkit describe would use",
    )


def _add_work(group: "argparse._ArgumentGroup", command: Command) -> None:
    options.add_option(group, SETTINGS["run.device"])
    options.add_option(group, SETTINGS["run.jobs"])
    # Where only stems are made, -n names the method.
    options.add_backend(group, is_listed=command.name not in ("separate", "crop") and not command.fixed)
    group.add_argument(
        "--time-limit",
        type=options.reader(v.seconds()),
        metavar="S",
        help="stop a track after S seconds; it then counts as failed (default: no limit)",
    )
    group.add_argument(
        "--memory",
        type=options.reader(v.size()),
        metavar="SIZE",
        help="memory for all workers together, e.g. 8G for 8 GiB (default: most of what the machine has)",
    )
    group.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="run on this machine (default) or on a Ray cluster"
    )
    group.add_argument(
        "--address", metavar="HOST:PORT", help="address of the Ray cluster (default: the one of this machine)"
    )
    options.add_weights(group)


#: Options that stand for a format of the stems, and their format and number of bits.
_FORMATS = {
    "--mp3": ("mp3", None, "write stems as mp3, the same as --format mp3"),
    "--flac": ("flac", None, "write stems as flac, the same as --format flac (the default)"),
    "--float32": ("wav", 32, "write stems as wav files of 32-bit floating-point samples"),
    "--int24": ("wav", 24, "write stems as wav files of 24-bit samples"),
}


class _StemFormat(argparse.Action):
    """Store the format and the number of bits that an option such as ``--float32`` stands for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        form, bits, _ = _FORMATS[option_string or ""]
        setattr(namespace, "separation.format", form)
        if bits:
            setattr(namespace, "separation.bits", bits)


def _add_separation(parser: Parser, command: Command) -> None:
    group = parser.add_argument_group("separation")
    options.add_option(group, SETTINGS["separation.model"])
    options.add_hidden(
        group, "--separation", choices=options.BackendNames("stems", "auto"), metavar="BACKEND", dest="separation"
    )
    options.add_option(group, SETTINGS["separation.two_stems"])
    form = group.add_mutually_exclusive_group()
    options.add_option(form, SETTINGS["separation.format"])
    for name, (_, _, text) in _FORMATS.items():
        form.add_argument(name, action=_StemFormat, nargs=0, dest="stem_format", help=text)
    options.add_section(group, "separation", ("model", "two_stems", "format"))
    if command.name != "run":
        group.add_argument(
            "-o", "--output", metavar="DIR", help="also copy the stems to this folder, as DIR/TRACK/vocals.flac"
        )
