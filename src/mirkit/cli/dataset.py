"""Commands that read what was measured: what tracks have and lack, any window of one."""

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

    reports = verify_all(Path(arguments.path))
    mixed = mixed_methods(reports)
    if arguments.json:
        print(json.dumps(show.verify_json(reports, mixed), indent=2))
    else:
        show.verified(reports, mixed, missing=arguments.show_missing, quiet=arguments.quiet)
    return 0 if all(report.complete for report in reports) else 1
