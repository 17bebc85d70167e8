"""The arguments of commands on a data set: checks, statistics, choices of tracks, report."""

import argparse
import os

from mirkit.cli import options
from mirkit.cli.argument_parser import Parser, add_output
from mirkit.cli.output import quoted
from mirkit.dataset.duplicates import GROUP_KEYS
from mirkit.features.audit.findings import FAULTS, NOTICES
from mirkit.settings import validators as v

_TRACKS_OR_URL = "a track, a folder of tracks, or its s3:// or gs:// URL (default: this folder)"


def add_verify(parser: Parser) -> None:
    """Add the arguments of ``mirkit verify``."""
    options.add_place(parser, _TRACKS_OR_URL)
    parser.add_argument("--crops", action="store_true", help="also check the training clips")
    parser.add_argument(
        "--deep", action="store_true", help="read every audio file and compare it with its recorded digest"
    )
    parser.add_argument("--show-missing", action="store_true", help="list the missing features of every track")
    add_output(parser)


def add_status(parser: Parser) -> None:
    """Add the arguments of ``mirkit status``."""
    options.add_place(parser, "folder of the data set, or its URL (default: this folder)")
    add_output(parser)


def add_stats(parser: Parser) -> None:
    """Add the arguments of ``mirkit stats``."""
    options.add_place(parser, _TRACKS_OR_URL)
    parser.add_argument("--crops", action="store_true", help="use the training clips instead of the tracks")
    options.add_query(parser, "tracks, or with --crops clips,")
    options.add_json_file(parser)
    add_output(parser)


def add_duplicates(parser: Parser) -> None:
    """Add the arguments of ``mirkit duplicates``."""
    options.add_place(parser)
    parser.add_argument(
        "--exclude",
        action="store_true",
        help="exclude all copies but the best of each recording (undo: mirkit include)",
    )
    options.add_json_file(parser)
    add_output(parser)


def add_split(parser: Parser) -> None:
    """Add the arguments of ``mirkit split``."""
    options.add_place(parser)
    parser.add_argument("--val", type=float, default=0.05, metavar="SHARE", help="share for validation (default: 0.05)")
    parser.add_argument("--test", type=float, default=0.0, metavar="SHARE", help="share for a test (default: 0)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the split (default: 0)")
    parser.add_argument(
        "--together",
        type=options.reader(v.names(*GROUP_KEYS)),
        default=GROUP_KEYS,
        metavar="TAGS",
        help="also keep tracks with the same artist or album together: artist,album (default), artist, album or none",
    )
    options.add_json_file(parser)
    add_output(parser)


def _count(text: str) -> int:
    """Read the number of tracks; a folder in its place is named."""
    if os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"name the number first, and then the folder: mirkit select N {quoted(text)}")
    return int(options.reader(v.whole(1, 10**6))(text))


def add_select(parser: Parser) -> None:
    """Add the arguments of ``mirkit select``."""
    parser.add_argument("count", metavar="N", type=_count, help="number of tracks or clips to choose")
    options.add_place(parser)
    parser.add_argument("--crops", action="store_true", help="choose training clips instead of tracks")
    parser.add_argument(
        "--cap",
        action="append",
        default=[],
        type=options.cap,
        metavar="GROUP=N",
        help="at most N of the same artist, genre, tempo (bands of 10 BPM) or key; the option may be repeated",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed that decides between equal tracks (default: 0)"
    )
    parser.add_argument("--exclude", action="store_true", help="exclude all others (undo: mirkit include)")
    options.add_query(parser, "tracks or clips")
    options.add_json_file(parser)
    add_output(parser)


def add_rights(parser: Parser) -> None:
    """Add the arguments of ``mirkit rights``."""
    options.add_place(parser, "a folder of tracks, or a track (default: this folder)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write a table of all tracks, to complete (CSV)")
    parser.add_argument("--overwrite", action="store_true", help="allow --output to replace an existing file")
    add_output(parser)


def add_report(parser: Parser) -> None:
    """Add the arguments of ``mirkit report``."""
    options.add_place(parser)
    parser.add_argument(
        "-o", "--output", dest="out", metavar="DIR", help="folder to write (default: mirkit-report in PATH)"
    )
    options.add_hidden(parser, "--out", dest="out")
    options.add_query(parser, "tracks")
    parser.add_argument("--with-audio", action="store_true", help="copy the audio into the report as mp3")
    parser.add_argument(
        "--overwrite",
        "--force",
        action="store_true",
        help="write all pages again, and replace files in DIR that are not part of a report",
    )
    options.add_jobs(parser)
    add_output(parser)


def add_exclude(parser: Parser) -> None:
    """Add the arguments of ``mirkit exclude``."""
    parser.add_argument("--reason", metavar="WHY", help="reason, which is written into mirkit.toml")
    parser.add_argument(
        "--audit",
        choices=(FAULTS, NOTICES),
        help="exclude the tracks below TRACK whose source has faults, or only notices; what was found is the reason",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be excluded, and change nothing")
    _add_tracks(parser, "a track folder, a loose file, or a clip's folder")


def add_include(parser: Parser) -> None:
    """Add the arguments of ``mirkit include``."""
    _add_tracks(parser, "an excluded track or clip")


def _add_tracks(parser: Parser, what: str) -> None:
    parser.add_argument("tracks", metavar="TRACK", nargs="+", help=f"{what}; with --where a folder of tracks")
    options.add_query(parser, "tracks below TRACK")
    add_output(parser)


def add_window(parser: Parser) -> None:
    """Add the arguments of ``mirkit window``."""
    parser.add_argument("path", metavar="PATH", help="a track, its full_mix file, a loose file, or a clip")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="start in seconds (default: 0)")
    parser.add_argument("--end", type=float, metavar="S", help="end in seconds (default: the end of the track)")
    parser.add_argument("--slices", type=int, metavar="N", help="show the values of N equal slices of the window")
    parser.add_argument("--samples", action="store_true", help="also decode the audio, which the timbre features need")
    add_output(parser)
