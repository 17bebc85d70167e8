"""The arguments of ``mirkit ls`` and ``mirkit show``."""

from mirkit.cli import options
from mirkit.cli.argument_parser import Parser, add_output
from mirkit.settings import validators as v

_QUERY = """\
A query is a list of terms, all of which have to match: FIELD:VALUE, or words that are
searched in the path and the tags.
  bpm:120..130  bpm:..90  bpm>=120  bpm:null     numbers, ranges, unknown and (bpm:*) known values
  key:Am  key:F#  key:Bb,Gm  mode:minor          keys; a comma between values means or
  artist:daft  artist:=Air  title:~^re?mix       part of a text, all of it, a regular expression
  duration:3:00..4:30  added:-7d  added:2026-11  lengths, dates, times before now
  -key:C  ^key:C  NOT key:C                      negation
  a b OR c   a , b   (a OR b) c                  or; parentheses
  sort:bpm-,artist                               order, - for the highest first
docs/reference/query.md explains all of it; mirkit ls --list-fields lists the fields."""


def add_ls(parser: Parser) -> None:
    """Add the arguments of ``mirkit ls``."""
    parser.places = "[PATH] [QUERY ...]"
    parser.notes = _QUERY
    parser.has_query = True
    parser.add_argument(
        "words",
        metavar="PATH QUERY",
        nargs="*",
        help="a folder of tracks or a track (default: this folder), then a query (default: everything)",
    )
    choice = parser.add_argument_group("what is printed")
    choice.add_argument("--crops", action="store_true", help="list the training clips instead of the tracks")
    choice.add_argument(
        "--sort", metavar="FIELDS", help="order, e.g. bpm-,artist: by falling tempo, then by artist; as sort: in QUERY"
    )
    choice.add_argument(
        "-n", "--limit", type=options.reader(v.whole(1, 2**62)), metavar="N", help="print N rows at most"
    )
    choice.add_argument(
        "--fields",
        metavar="FIELDS",
        help="fields to print, e.g. artist,bpm,lufs*; all prints every field (default: tempo, key, meter, length, "
        "loudness and share of vocals)",
    )
    form = choice.add_mutually_exclusive_group()
    form.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        help="form of the output: table (default), csv or json; csv and json hold all digits",
    )
    form.add_argument("--paths", action="store_true", help="print the paths only, one per line")
    form.add_argument(
        "-0", "--null", action="store_true", help="print the paths only, each with a NUL at its end, for xargs -0"
    )
    choice.add_argument("--list-fields", action="store_true", help="list the fields of queries, and stop")
    add_output(parser)


def add_show(parser: Parser) -> None:
    """Add the arguments of ``mirkit show``."""
    parser.places = "TRACK"
    parser.has_query = True
    parser.add_argument(
        "words",
        metavar="TRACK",
        nargs="*",
        help="a track folder, its full_mix file, a loose file or a clip; or a query that one track matches (mirkit "
        "ls), after the folder that is searched (default: this folder)",
    )
    add_output(parser)
