"""The command ``mirkit rights``: show the license of every track, and write a table to complete."""

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from mirkit.cli.output import failure, note, table, unusable
from mirkit.errors import InfoError, MissingInput, counted, printable
from mirkit.track.listing import Unread

if TYPE_CHECKING:
    from mirkit.dataset.rights import Rights

_UNKNOWN = "unknown"
_WORDS = {True: "yes", False: "no", None: _UNKNOWN}


def rights(arguments: argparse.Namespace) -> int:
    """Print under which licenses the tracks of a folder are, and whether they may train generative models."""
    from mirkit.dataset.find import iter_tracks
    from mirkit.dataset.rights import RightsReader
    from mirkit.store.output import Output

    path = Path(arguments.path)
    output = None
    if arguments.output:
        theirs = "may have been completed by hand"
        output = Output(Path(arguments.output), lambda _: False, arguments.overwrite, theirs)
        output.check()
    problems: list[str] = []
    unread: list[Unread] = []
    lost: list[str] = []
    reader, tracks = RightsReader(path), {}
    for member in iter_tracks(path, unread):
        if member.track.lost:
            lost += [] if member.excluded else [member.name]
            continue
        try:
            tracks[Path(member.name).as_posix()] = reader.of(member.track)
        except (InfoError, MissingInput) as error:
            problems.append(str(error))
    lost += [os.path.relpath(one.path, path) for one in unread]
    if not (tracks or problems or lost):
        raise MissingInput(f"{printable(path)}: there is no track in this folder")
    problems += reader.unmatched()
    for line in problems:
        failure(line)
    if (line := reader.repeated()) and not (arguments.quiet or arguments.json):
        note(f"note   {line}")
    if output:
        from mirkit.export.rights import rights_csv

        output.write(rights_csv(tracks))
    if arguments.json:
        rows = {name: found.as_dict() | {"origin": dict(found.origin)} for name, found in tracks.items()}
        print(json.dumps({"tracks": rows, "failed": problems, "unusable": lost}, indent=1))
    elif not arguments.quiet:
        _show(tracks, verbose=arguments.verbose)
        unusable(lost, path)
        if output:
            note(f"note   {printable(output.path)} has a row for each track{_next_step(output.path, reader.file)}")
    return 1 if problems else 0


def _next_step(written: Path, in_place: Path) -> str:
    """What to do with the table that was written, as the end of a sentence; ``in_place``: the one that is read."""
    if os.path.realpath(written) == os.path.realpath(in_place):
        return "; complete it there"
    if in_place.exists():
        return f", with what {printable(in_place)} states; that table counts until you put the new one in its place"
    return f"; complete it, and save it as {printable(in_place)}"


def _show(tracks: "dict[str, Rights]", *, verbose: bool) -> None:
    if verbose:
        rows = [
            (
                printable(name),
                r.license or _UNKNOWN,
                _WORDS[r.ai_training],
                printable(r.attribution),
                printable(r.source),
            )
            for name, r in tracks.items()
        ]
        table(("track", "license", "AI training", "attribution", "source"), rows)
        print()
    counts = Counter(found.license or _UNKNOWN for found in tracks.values())
    permitted = Counter((found.license or _UNKNOWN, found.ai_training) for found in tracks.values())
    table(
        ("license", "tracks", "AI training: yes", "no", _UNKNOWN),
        [
            (license, count, *(permitted[license, answer] for answer in (True, False, None)))
            for license, count in counts.most_common()
        ],
    )
    for name, found in tracks.items():
        if found.conflict:
            print(f"{printable(name)}: its license is unknown, because {found.conflict}")
    print(f"{counted(len(tracks), 'track')}, {counts[_UNKNOWN]} without a license")
