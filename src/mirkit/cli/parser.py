"""The parser of the command line: a command for each stage, group and tool, derived from the catalog.

No large package is imported here, so that ``mirkit --help`` starts quickly.
"""

import argparse
from dataclasses import dataclass

from mirkit import __version__
from mirkit.catalog import GROUPS, STAGES
from mirkit.cli import listing, options
from mirkit.cli.options import Parser
from mirkit.dataset.duplicates import GROUP_KEYS
from mirkit.settings import SETTINGS
from mirkit.settings import validators as v

#: Stages of the caption commands, which have options of their own.
CAPTION_STAGES = ("describe",)
_FLAMINGO = "music_flamingo_transformers"


@dataclass(frozen=True)
class Command:
    """A command that works on tracks: the stages it runs and the backends that its name fixes.

    ``several``: PATH may be a folder of tracks without ``--batch``.
    """

    name: str
    stages: tuple[str, ...]
    description: str
    several: bool = False
    fixed: tuple[tuple[str, str], ...] = ()


def _commands() -> dict[str, Command]:
    rows = [Command(stage.name, (stage.name,), stage.description) for stage in STAGES]
    rows += [Command(group.name, group.stages, group.description, several=group.name == "extract") for group in GROUPS]
    extract = next(group.stages for group in GROUPS if group.name == "extract")
    rows += [
        Command(
            "run",
            ("separate", *extract, "drums"),
            "separate stems, measure all features, and transcribe drums to MIDI",
            True,
        ),
        Command("separate", ("separate",), "separate the mix into drums, bass, other and vocals", several=True),
        Command(
            "demucs_sep",
            ("separate",),
            "separate stems with Demucs, or with --model embedded",
            fixed=(("stems", "demucs"),),
        ),
        Command("notes", ("notes",), "write the notes of bass, other and vocals as MIDI files", several=True),
        Command("tags", ("tags",), "find instruments, genre and mood, with probabilities", several=True),
        Command("crop", ("crop",), "cut mix and stems into training clips with their own features", several=True),
        Command("adtof", ("drums",), "transcribe drums to MIDI with ADTOF", fixed=(("drums", "adtof"),)),
        Command(
            "drumsep",
            ("drums",),
            "transcribe drums to MIDI with DrumSep",
            several=True,
            fixed=(("drums", "drumsep"),),
        ),
        Command(
            "music_flamingo",
            ("describe",),
            "write five captions for each track with llama.cpp",
            fixed=(("texts", "llama"),),
        ),
        Command(
            _FLAMINGO,
            ("describe",),
            "write five captions for each track with Transformers",
            fixed=(("texts", "transformers"),),
        ),
    ]
    return {row.name: row for row in rows}


COMMANDS = _commands()


def _track_command(sub: "argparse._SubParsersAction[Parser]", command: Command) -> None:
    parser = sub.add_parser(command.name, help=command.description, description=command.description)
    if command.stages == CAPTION_STAGES:
        options.add_captions(parser, dict(command.fixed).get("texts", ""))
        options.add_output(parser)
        return
    tracks = options.add_tracks(
        parser, overwrite="compute up-to-date results again; your own stems and MIDI are kept", urls=True
    )
    replaced = "even where you have put your own, which are renamed to NAME.replaced-1"
    if "separate" in command.stages:
        tracks.add_argument("--replace-stems", action="store_true", help=f"make stems {replaced}")
    if "drums" in command.stages:
        tracks.add_argument("--replace-midi", action="store_true", help=f"make drum MIDI files {replaced}")
    if command.name == "run":
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
    options.add_option(tracks, SETTINGS["run.jobs"])
    tracks.add_argument(
        "--time-limit",
        type=options.reader(v.seconds()),
        metavar="S",
        help="stop a track after S seconds; it then counts as failed (default: no limit)",
    )
    tracks.add_argument(
        "--memory",
        type=options.reader(v.size()),
        metavar="SIZE",
        help="memory for all workers together, e.g. 8G for 8 GiB (default: most of what the machine has)",
    )
    tracks.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="run on this machine (default) or on a Ray cluster"
    )
    tracks.add_argument(
        "--address", metavar="HOST:PORT", help="address of the Ray cluster (default: the one of this machine)"
    )
    options.add_option(tracks, SETTINGS["run.device"])
    options.add_weights(tracks)
    if command.name == "run" or "beats" in command.stages:
        options.add_section(parser.add_argument_group("rhythm"), "rhythm")
    if "separate" in command.stages:
        stems = parser.add_argument_group("separation")
        stems.add_argument(
            "--separation",
            choices=options.BackendNames("stems", "auto"),
            metavar="BACKEND",
            help="method of separation: one of %(choices)s (default: the data set's)",
        )
        options.add_section(stems, "separation")
    if command.name == "crop":
        options.add_section(parser.add_argument_group("clips"), "crop")
    if "drums" in command.stages:
        drums = parser.add_argument_group("drums")
        options.add_section(drums, "drums")
        if command.name != "run":
            drums.add_argument("--output", "-o", metavar="FILE", help="write a copy of the MIDI file to this path")
    if command.name == "chords":
        files = parser.add_argument_group("files")
        files.add_argument(
            "--jams",
            metavar="OUT",
            help="also write chords, beats and key as JAMS: to this file, which ends in .jams, or to a file for each "
            "track in this folder",
        )
    if command.name in ("run", "extract", "drums", "notes", "tags"):
        options.add_backend(parser)
    options.add_output(parser)


def build() -> Parser:
    """Build the complete parser."""
    parser = Parser(
        prog="mirkit",
        description="Turn a folder of music into a training set for music generators.",
        epilog="Exit status: 0 success, 1 a track failed or something is missing, 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"mirkit {__version__}")
    sub = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in ("run", "separate", "extract"):
        _track_command(sub, COMMANDS[name])

    organize = sub.add_parser("organize", help="move or copy loose audio files into track folders")
    organize.add_argument("path", metavar="PATH", help="folder of loose audio files")
    organize.add_argument("--copy", action="store_true", help="keep the originals where they are")
    organize.add_argument(
        "--video-sound", action="store_true", help="also take files with a moving picture, for their sound"
    )
    organize.add_argument(
        "--cue", action="store_true", help="also cut albums in one file into tracks, by the cue sheet beside them"
    )
    organize.add_argument(
        "--dry-run", action="store_true", help="print for what each file is taken and what would be moved, and stop"
    )
    organize.add_argument(
        "--undo", action="store_true", help="move the files back; their results stay beside them and are listed"
    )
    options.add_output(organize)

    listing.add_ls(sub)
    listing.add_show(sub)

    verify = sub.add_parser("verify", help="check every track for missing, outdated and out-of-range values")
    verify.add_argument("path", metavar="PATH", help="a track, a folder of tracks, or its s3:// or gs:// URL")
    verify.add_argument("--crops", action="store_true", help="also check the training clips")
    verify.add_argument(
        "--deep", action="store_true", help="read every audio file and compare it with its recorded digest"
    )
    verify.add_argument("--show-missing", action="store_true", help="list the missing features of every track")
    options.add_output(verify)

    status = sub.add_parser("status", help="show the runs of a data set: progress, failures, speed, time left")
    status.add_argument("path", metavar="PATH", nargs="?", default=".", help="the data set's folder, or its URL")
    options.add_output(status)

    stats = sub.add_parser("stats", help="show the statistics of all features, and ranges for conditioners")
    stats.add_argument("path", metavar="PATH", help="a track, a folder of tracks, or its s3:// or gs:// URL")
    stats.add_argument("--crops", action="store_true", help="use the training clips instead of the tracks")
    options.add_query(stats, "tracks, or with --crops clips,")
    options.add_json_file(stats)
    options.add_output(stats)

    duplicates = sub.add_parser("duplicates", help="find tracks that are the same recording, also altered copies")
    split = sub.add_parser(
        "split", help="split tracks into training, validation and test, with related tracks on one side"
    )
    for tool in (duplicates, split):
        tool.add_argument("path", metavar="PATH", help="a folder of tracks")
        options.add_json_file(tool)
        options.add_output(tool)
    duplicates.add_argument(
        "--exclude",
        action="store_true",
        help="exclude all copies but the best of each recording (undo: mirkit include)",
    )
    split.add_argument("--val", type=float, default=0.05, metavar="SHARE", help="share for validation (default: 0.05)")
    split.add_argument("--test", type=float, default=0.0, metavar="SHARE", help="share for a test (default: 0)")
    split.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the split (default: 0)")
    split.add_argument(
        "--together",
        type=options.reader(v.names(*GROUP_KEYS)),
        default=GROUP_KEYS,
        metavar="TAGS",
        help="also keep tracks with the same artist or album together: artist,album (default), artist, album or none",
    )

    select = sub.add_parser("select", help="choose few tracks or clips that cover a data set")
    select.add_argument(
        "count", metavar="N", type=options.reader(v.whole(1, 10**6)), help="number of tracks or clips to choose"
    )
    select.add_argument("path", metavar="PATH", nargs="?", default=".", help="a folder of tracks (default: this one)")
    select.add_argument("--crops", action="store_true", help="choose training clips instead of tracks")
    select.add_argument(
        "--cap",
        action="append",
        default=[],
        type=options.cap,
        metavar="GROUP=N",
        help="at most N of the same artist, genre, tempo (bands of 10 BPM) or key; the option may be repeated",
    )
    select.add_argument("--seed", type=int, default=0, metavar="N", help="decides between equals (default: 0)")
    select.add_argument("--exclude", action="store_true", help="exclude all others (undo: mirkit include)")
    options.add_query(select, "tracks or clips")
    options.add_json_file(select)
    options.add_output(select)

    rights = sub.add_parser("rights", help="show the license of every track, from tags and the table rights.csv")
    rights.add_argument("path", metavar="PATH", nargs="?", default=".", help="a folder of tracks, or a track")
    rights.add_argument("--output", "-o", metavar="FILE", help="write a table of all tracks, to complete (CSV)")
    rights.add_argument("--overwrite", action="store_true", help="allow --output to replace an existing file")
    options.add_output(rights)

    report = sub.add_parser("report", help="write web pages about a data set, which open without a server")
    report.add_argument("path", metavar="PATH", nargs="?", default=".", help="a folder of tracks (default: this one)")
    report.add_argument("--out", metavar="DIR", help="folder to write (default: mirkit-report in PATH)")
    options.add_query(report, "tracks")
    report.add_argument("--with-audio", action="store_true", help="copy the audio into the report as mp3")
    report.add_argument(
        "--overwrite",
        "--force",
        action="store_true",
        help="write all pages again, and replace files in DIR that are not part of a report",
    )
    options.add_jobs(report)
    options.add_output(report)

    exclude = sub.add_parser("exclude", help="exclude tracks or clips from all commands, with a reason")
    exclude.add_argument("--reason", required=True, metavar="WHY", help="reason, which is written into mirkit.toml")
    include = sub.add_parser("include", help="include tracks again that were excluded")
    for tool, what in (
        (exclude, "a track folder, a loose file, or a clip's folder"),
        (include, "an excluded track or clip"),
    ):
        tool.add_argument("tracks", metavar="TRACK", nargs="+", help=f"{what}; with --where a folder of tracks")
        options.add_query(tool, "tracks below TRACK")
        options.add_output(tool)

    window = sub.add_parser("window", help="show the features of a track or of a part of it")
    window.add_argument("path", metavar="PATH", help="a track, its full_mix file, a loose file, or a clip")
    window.add_argument("--start", type=float, default=0.0, metavar="S", help="start in seconds (default: 0)")
    window.add_argument("--end", type=float, metavar="S", help="end in seconds (default: the end of the track)")
    window.add_argument("--slices", type=int, metavar="N", help="show the values of N equal slices of the window")
    window.add_argument("--samples", action="store_true", help="also decode the audio, which the timbre features need")
    options.add_output(window)

    export = sub.add_parser("export", help="export a bundle for a trainer, or a table")
    options.add_export(export)
    options.add_output(export)

    init = sub.add_parser("init", help="write the settings file mirkit.toml of a data set")
    init.add_argument("path", metavar="PATH", nargs="?", default=".", help="the data set's folder")
    options.add_backend(init)
    init.add_argument(
        "--force",
        action="store_true",
        help="change methods that mirkit.toml already names",
    )
    options.add_output(init)

    doctor = sub.add_parser("doctor", help="show what is installed, which methods would be used, and why not others")
    options.add_output(doctor)

    models = sub.add_parser("models", help="list the neural models; download, find, check and remove their weights")
    models.add_argument("action", nargs="?", choices=("list", "fetch", "path", "verify", "remove"), default="list")
    models.add_argument("name", metavar="NAME", nargs="?", help="name of a model (verify: default is all)")
    models.add_argument(
        "--cite", nargs="?", const="", metavar="NAME", help="print BibTeX of a backend or model, or of all"
    )
    options.add_weights(models)
    options.add_output(models)

    features = sub.add_parser("features", help="print the list of all features as Markdown")
    options.add_output(features)

    demo = sub.add_parser("demo", help="make a demo set, process it, and compare with its true values")
    demo.add_argument("path", metavar="PATH", nargs="?", default="demo", help="folder to make (default: demo)")
    options.add_output(demo)

    for name, command in COMMANDS.items():
        if name not in sub.choices:
            _track_command(sub, command)
    return parser
