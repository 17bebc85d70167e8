"""A folder that got a new name takes its sidecars along."""

import os

from mirkit.store.os_errors import as_error, printable
from mirkit.track.names import SIDECARS
from mirkit.track.track import Track


def former_name(track: Track) -> str:
    """Give the name that a track folder had when it was measured, if it was renamed since; else "".

    Told only where no doubt is left: the folder has no ``.PROVENANCE`` of its own name, and all other sidecars in it
    are of one other name.
    """
    if track.loose or track.provenance.exists():
        return ""
    others = {base for base, _ in _present(track)} - {_own(track)}
    return others.pop() if len(others) == 1 else ""


def rename_hint(track: Track) -> str:
    """What to do about a folder that was renamed; "" where it was not."""
    old = former_name(track)
    if not old:
        return ""
    return (
        f"{printable(track.folder)}: renamed since it was measured, its results are still called {printable(old)}; "
        f'carry them over with: mirkit run "{printable(track.folder)}"'
    )


def follow_rename(track: Track) -> str:
    """Rename the sidecars in a track folder that was renamed after it was measured (:func:`former_name`).

    What exists under the new name already is kept. A kill on the way is made good the next time.

    Returns
    -------
    str
        A note for the user; "" where nothing was to be done.

    Raises
    ------
    InfoError
        A file could not be renamed.
    """
    old = former_name(track)
    if not old:
        return ""
    present = _present(track)
    for kind in SIDECARS:  # the provenance last: until it is there, the rest is not done
        if (old, kind) in present and (_own(track), kind) not in present:
            try:
                os.rename(track.folder / f"{old}.{kind}", track.sidecar(kind))
            except OSError as error:
                raise as_error(error, track.sidecar(kind), "write") from error
    return f"the folder was renamed: its results, called {printable(old)} until now, took its name"


def _own(track: Track) -> str:
    return track.info.name.removesuffix(".INFO")


def _present(track: Track) -> set[tuple[str, str]]:
    """Name and kind of each sidecar in its folder."""
    return {
        (name.removesuffix(f".{kind}"), kind)
        for name in os.listdir(track.folder)
        for kind in SIDECARS
        if name.endswith(f".{kind}") and not name.startswith(".")
    }
