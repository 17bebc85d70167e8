"""Commands that read what is measured: any window of a track."""

import argparse

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
