"""The commands ``mirkit ls`` and ``mirkit show``."""

import argparse
import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from mirkit.cli.location import is_url, resolve_location
from mirkit.cli.output import listing as output
from mirkit.cli.output import print_table, quoted, unusable
from mirkit.cli.output.columns import fitted, terminal_width
from mirkit.cli.output.show import show as print_track
from mirkit.cli.output.show import show_json
from mirkit.cli.progress import reading
from mirkit.dataset.library import Library, TableName
from mirkit.dataset.library.library import no_track
from mirkit.dataset.query import (
    Query,
    QueryField,
    choose_fields,
    fields_in,
    from_arguments,
    parse,
    parse_sort,
    query_fields,
)
from mirkit.dataset.ranks import ranks_of
from mirkit.dataset.selection import Selection, select
from mirkit.dataset.shown import DEFAULT_COLUMNS, DEFAULT_FIELDS
from mirkit.dataset.track_summary import summarize
from mirkit.errors import MissingInput, SettingsError, counted, printable
from mirkit.track import Track, is_track
from mirkit.track.clip import cut_in

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMED = 10
#: Width of the list of fields in a file, and the least room for the meaning of a field.
_WIDE, _LEAST_ROOM = 160, 30


def ls(arguments: argparse.Namespace) -> int:
    """Print the tracks or clips of a data set that match a query."""
    if arguments.list_fields:
        _list_fields()
        return 0
    place, words = _split(arguments.words)
    query = parse(from_arguments(words))
    if arguments.sort:
        query = Query(query.condition, parse_sort(arguments.sort))
    form = "json" if arguments.json else arguments.format or "table"
    fields = _fields(arguments.fields, form)
    kind: TableName = "clips" if arguments.crops else "tracks"
    with resolve_location(place, to="read") as location, Library.open(location.path) as library:
        extra = [query_fields()["state"], query_fields()["mode"]]  # the mode is that of the key
        with reading(shown=not arguments.quiet) as advance:
            found = select(library, query, [*fields, *extra], table=kind, limit=arguments.limit, advance=advance)
        if not found.rows and place == "." and (folder := next(filter(os.path.isdir, words[1:]), "")):
            others = [word for word in words if word != folder]
            raise MissingInput(f"name the folder first: mirkit ls {quoted(folder)} {' '.join(map(quoted, others))}")
        if not found.rows and (name := _mistyped(place, words)):
            raise _nothing_named(name, found, "clip" if arguments.crops else "track")
        if not (found.searched or found.excluded or library.unread):
            raise no_track(location.path, crops=arguments.crops)
        modes = [row[-1] for row in found.rows]
        # A table says beside each row whose audio was replaced that its values are not those of the present audio.
        is_marked = form == "table" and found.outdated and extra[0] not in fields
        found.rows = [row[: -1 if is_marked else -2] for row in found.rows]
        found.fields = (*fields, extra[0]) if is_marked else tuple(fields)
        below = _names(found, library)
        found.unreadable = [location.with_url(line) for line in [*library.problems, *found.unreadable]]
        found.unusable += [os.path.relpath(one.path, library.scope) for one in library.unread]
    paths = [_joined(place, name) for name in below]
    if arguments.paths or arguments.null:
        output.print_paths(paths, ends_with_null=arguments.null)
    elif form == "json":
        output.listing_json(found, paths)
    elif form == "csv":
        output.listing_csv(found, paths)
    elif found.rows:
        print_table(output.listing_table(found, [_shown(name, place) for name in below], modes))
    output.failures(found)
    if not arguments.quiet:
        sys.stdout.flush()
        output.summary(found, "clip" if arguments.crops else "track", place, limit=arguments.limit)
        if not {"state", "problem", "failed"} & fields_in(query):
            unusable(found.unusable, place)
    return 1 if found.unreadable else 0


def _fields(names: str | None, form: str) -> list[QueryField]:
    if names:
        return choose_fields(name.strip() for name in names.split(","))
    return choose_fields(DEFAULT_FIELDS if form == "table" else DEFAULT_COLUMNS)


def _split(words: "Sequence[str]") -> tuple[str, list[str]]:
    """Return the path that the words begin with, this folder if they do not, and the words of the query."""
    if words and (is_url(words[0]) or os.path.lexists(words[0])):
        return words[0], list(words[1:])
    if words and os.sep in words[0] and ":" not in words[0] and not words[0].startswith(("-", "^", "(", '"')):
        raise MissingInput(f"{printable(words[0])}: there is no such file or folder")
    return ".", list(words)


def _mistyped(place: str, words: "Sequence[str]") -> str:
    """Return the first word of a query without a path that may have been meant as a path, or ""."""
    first = words[0] if words and place == "." else ""
    return "" if any(sign in first for sign in ':=<>~"()^') or first in ("AND", "OR", "NOT", ",") else first


def _nothing_named(name: str, found: Selection, what: str) -> MissingInput:
    """Return the error that a word is no path, and that no track matches it."""
    where = f"no {what} in this folder matches it as a word ({found.searched} searched)"
    return MissingInput(f"{printable(name)}: there is no such file or folder, and {where}")


def _names(found: Selection, library: Library) -> list[str]:
    """Return the paths of the rows from the folder, or from the track, that was named."""
    if library.several:
        return [library.name_of(key) for key in found.keys]
    return [os.path.relpath(path, library.scope) for path in found.paths]


def _joined(place: str, name: str) -> str:
    """Return the path of a track as the user can use it where the command was started."""
    if name == ".":
        return place
    if place == ".":
        return f".{os.sep}{name}" if name.startswith("-") else name
    return f"{place.rstrip('/')}/{name}" if is_url(place) else os.path.join(place, name)


def _shown(name: str, place: str) -> str:
    return os.path.basename(os.path.abspath(place)) if name == "." else name.replace(os.sep, "/")


def _list_fields() -> None:
    """Print a table of the fields; their meaning is wrapped, and not shortened, to fit the terminal."""
    fields = query_fields().values()
    head = ("field", "also", "kind", "unit")
    columns = [[field.name, ", ".join(field.aliases), field.kind, field.unit] for field in fields]
    lines = list(fitted(head, list(zip(*columns, strict=True)), numbers=[False] * len(head), width=None))
    left = max(map(len, lines)) + 2
    room = max((terminal_width() or _WIDE) - left, _LEAST_ROOM)
    for line, text in zip(lines, ("meaning", "-" * 7, *(field.description for field in fields)), strict=True):
        first, *more = textwrap.wrap(text, room)
        print(line.ljust(left) + first)
        for rest in more:
            print(" " * left + rest)


def show(arguments: argparse.Namespace) -> int:
    """Print what is known about a track."""
    if not arguments.words:
        raise SettingsError(
            "name a track: mirkit show TRACK; or a query that one track matches: mirkit show [PATH] QUERY"
        )
    if is_url(arguments.words[0]):
        raise SettingsError(f"{printable(arguments.words[0])}: mirkit show takes local folders; copy the track first")
    shown = not (arguments.quiet or arguments.json)
    track = _find_track(arguments.words, shown=shown)
    if not track.info.exists():
        track.readable()
    found = summarize(track)
    with reading(shown=shown) as advance:
        ranks, others = ranks_of(track, found, is_clip=cut_in(track.folder) is not None, advance=advance)
    if arguments.json:
        show_json(found, ranks)
    elif not arguments.quiet:
        compared = counted(others, f"other {'clip' if cut_in(track.folder) else 'track'}") if ranks else ""
        print_track(found, ranks, compared, verbose=arguments.verbose)
    return 1 if found.problems or not found.is_measured else 0


def _find_track(words: "Sequence[str]", *, shown: bool) -> Track:
    """Return the track that a path names, or the only one that matches a query.

    Raises
    ------
    MissingInput
        No track matches.
    SettingsError
        Several tracks match.
    """
    place, rest = _split(words)
    path = Path(place)
    if not rest and (not path.is_dir() or is_track(path)):
        return Track.at(path)
    text = from_arguments(rest)
    query = parse(text)
    with Library.open(path) as library, reading(shown=shown) as advance:
        found = select(library, query, choose_fields(["name"]), advance=advance)
    if not found.rows and (name := _mistyped(place, rest)):
        raise _nothing_named(name, found, "track")
    if not found.rows:
        raise MissingInput(
            f"{printable(place)}: no track matches {printable(text)!r} ({counted(found.searched, 'track')} searched)"
        )
    exact = [path for path, (name,) in zip(found.paths, found.rows, strict=True) if rest and name == " ".join(rest)]
    paths = exact if len(exact) == 1 else found.paths
    if len(paths) > 1:
        named = "; ".join(printable(os.path.relpath(path, library.scope)) for path in paths[:_MOST_NAMED])
        more = f"; and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
        raise SettingsError(f"{len(paths)} tracks match; name one of them: {named}{more}")
    return Track.at(paths[0])
