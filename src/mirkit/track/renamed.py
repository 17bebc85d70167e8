"""Sidecars of a track folder that was renamed after it was measured."""

import os

from mirkit.store.os_errors import as_error, printable
from mirkit.track.names import SIDECARS
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


def rename_hint(track: Track) -> str:
    """Return a message for a folder that was renamed; ``""`` if it was not."""
    old = former_name(track)
    if not old:
        return ""
    return (
        f"{printable(track.folder)}: renamed since it was measured, but its results are still named {printable(old)}; "
        f'rename them with: mirkit run "{printable(track.folder)}"'
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
            try:
                os.rename(track.folder / f"{old}.{kind}", track.sidecar(kind))
            except OSError as error:
                raise as_error(error, track.sidecar(kind), "write") from error
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
