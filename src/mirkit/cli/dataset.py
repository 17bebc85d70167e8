"""Commands on what was measured: what tracks have and lack, statistics, windows; and which tracks are left out."""

import argparse
import json
from pathlib import Path

from mirkit.cli import show


def window(arguments: argparse.Namespace) -> int:
    """The features of a part of a track, or of equal slices of it."""
    from mirkit.pipeline.window import Windows

    windows = Windows.open(arguments.path)
    end = windows.duration if arguments.end is None else arguments.end
    if arguments.slices is None:
        show.window(windows.at(arguments.start, end, samples=arguments.samples), arguments)
    else:
        show.slices(windows.slices(arguments.slices, arguments.start, end, samples=arguments.samples), arguments)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """What every track has and lacks."""
    from mirkit.dataset.verify import mixed_methods, verify_all

    reports = verify_all(Path(arguments.path), crops=arguments.crops)
    mixed = mixed_methods(reports)
    if arguments.json:
        print(json.dumps(show.verify_json(reports, mixed), indent=2))
    else:
        show.verified(reports, mixed, missing=arguments.show_missing, quiet=arguments.quiet)
    return 0 if all(report.complete for report in reports) else 1


def stats(arguments: argparse.Namespace) -> int:
    """What the numbers look like, and what a conditioner should be given."""
    from mirkit.cli import show_stats
    from mirkit.dataset.statistics import as_json, statistics
    from mirkit.dataset.table import read_table
    from mirkit.store import write_whole

    found = statistics(read_table(Path(arguments.path), crops=arguments.crops))
    told = json.dumps(as_json(found), indent=1)
    if arguments.output:
        write_whole(Path(arguments.output), told.encode() + b"\n")
    if arguments.json:
        print(told)
    elif not arguments.quiet:
        show_stats.statistics(found)
    return 1 if found.unreadable else 0


def exclude(arguments: argparse.Namespace) -> int:
    """Leave tracks out of everything."""
    from mirkit.dataset.exclusion import exclude

    names = [exclude(Path(path), arguments.reason) for path in arguments.tracks]
    _told(dict.fromkeys(names, arguments.reason), "excluded", arguments)
    return 0


def include(arguments: argparse.Namespace) -> int:
    """Take tracks back in."""
    from mirkit.dataset.exclusion import include

    _told(dict.fromkeys(map(include, map(Path, arguments.tracks)), ""), "included", arguments)
    return 0


def _told(names: dict[str, str], verb: str, arguments: argparse.Namespace) -> None:
    from mirkit.store import shown

    if arguments.json:
        print(json.dumps({verb: names}, indent=2))
    elif not arguments.quiet:
        for name, why in names.items():
            print(f"{verb} {shown(name)}{f': {shown(why)}' if why else ''}")
