"""Telling files that mirkit made from those of the user, and renaming the latter to make room."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mirkit.audio import read_tags
from mirkit.errors import InfoError
from mirkit.store.midi import is_our_midi
from mirkit.store.os_errors import as_error
from mirkit.track.names import STEM_MARK, is_sound


def is_marked(path: Path) -> bool:
    """Return whether a stem or MIDI file has the mark that mirkit writes into its own."""
    if is_sound(path.name):
        return read_tags(path).artist == STEM_MARK
    return path.is_file() and is_our_midi(path)


def move_aside(paths: Iterable[Path]) -> dict[Path, Path]:
    """Rename files to ``<name>.replaced-<n>``, which is no audio suffix. Nothing is overwritten.

    Returns
    -------
    dict
        Old path -> new path.

    Raises
    ------
    InfoError
        A file could not be renamed; all files have their old names.
    """
    moved: dict[Path, Path] = {}
    for path in paths:
        number = 1
        while os.path.lexists(aside := path.with_name(f"{path.name}.replaced-{number}")):
            number += 1
        try:
            os.rename(path, aside)
        except OSError as error:
            with suppress(InfoError):  # the first failure is reported
                move_back(moved)
            raise as_error(error, path, "move") from error
        moved[path] = aside
    return moved


def move_back(moved: Mapping[Path, Path]) -> None:
    """Undo :func:`move_aside`, for files whose old name is free.

    Raises
    ------
    InfoError
        A file could not be renamed.
    """
    for path, aside in moved.items():
        try:
            if not os.path.lexists(path):
                os.rename(aside, path)
        except OSError as error:
            raise as_error(error, aside, "move") from error
