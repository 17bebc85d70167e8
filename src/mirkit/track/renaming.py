"""Renaming files of a track: results of a folder that was renamed, and files of the user that make room for results."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mirkit.audio import read_tags
from mirkit.errors import InfoError, as_error, pasted, printable, system_errors
from mirkit.store.atomic import free_name
from mirkit.store.midi import is_our_midi
from mirkit.track.names import SIDECARS, STEM_MARK, is_audio_name
from mirkit.track.track import Track


def former_name(track: Track) -> str:
    """Return the name that a track folder had when it was measured, if it was renamed since; else ``""``.

    It is returned only if it is certain: the folder has no ``.PROVENANCE`` of its own name, and all other sidecars in
    it have one other name.
    """
    if track.loose or track.provenance.exists():
        return ""
    others = {base for base, _ in _present(track)} - {_own(track)}
    return others.pop() if len(others) == 1 else ""


def as_measured(track: Track) -> Track:
    """Return a track whose results are found: under their former name, if its folder was renamed and they were not."""
    old = former_name(track)
    return replace(track, former=old) if old else track


def rename_hint(track: Track) -> str:
    """Return a message for a folder that was renamed; ``""`` if it was not."""
    old = former_name(track)
    if not old:
        return ""
    return (
        f"{printable(track.folder)}: renamed since it was measured, but its results are still named {printable(old)}; "
        f"rename them with: mirkit run {pasted(track.folder)}"
    )


def follow_rename(track: Track) -> str:
    """Rename the sidecars in a track folder that was renamed after it was measured (:func:`former_name`).

    Files that already exist under the new name are kept. After a kill, the next call renames the rest.

    Returns
    -------
    str
        A note for the user; ``""`` if nothing was renamed.

    Raises
    ------
    InfoError
        A file could not be renamed.
    """
    old = former_name(track)
    if not old:
        return ""
    present = _present(track)
    for kind in SIDECARS:  # the provenance is renamed last, so that an interrupted call is repeated
        if (old, kind) in present and (_own(track), kind) not in present:
            with system_errors(track.path_of(kind), "write"):
                os.rename(track.folder / f"{old}.{kind}", track.path_of(kind))
    return f"the folder was renamed, so its results were renamed from {printable(old)}"


def _own(track: Track) -> str:
    return track.info.name.removesuffix(".INFO")


def _present(track: Track) -> set[tuple[str, str]]:
    """Return base and kind of each sidecar in the folder."""
    return {
        (name.removesuffix(f".{kind}"), kind)
        for name in os.listdir(track.folder)
        for kind in SIDECARS
        if name.endswith(f".{kind}") and not name.startswith(".")
    }


def is_marked(path: Path) -> bool:
    """Return whether a stem or MIDI file has the mark that mirkit writes into its own."""
    if is_audio_name(path.name):
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
        aside = free_name(path, "replaced")
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
        with system_errors(aside, "move"):
            if not os.path.lexists(path):
                os.rename(aside, path)
