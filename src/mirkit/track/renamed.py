"""A folder that got a new name takes its sidecars along."""

import os

from mirkit.store.mishap import mishap, shown
from mirkit.track.names import SIDECARS
from mirkit.track.track import Track


def follow_rename(track: Track) -> str:
    """Rename the sidecars in a track folder that was renamed after it was measured.

    Done only where no doubt is left: the folder has no ``.PROVENANCE`` of its own name, and all other sidecars in it
    are of one other name. What exists under the new name already is kept. A kill on the way is made good the next time.

    Returns
    -------
    str
        A note for the user; "" where nothing was to be done.

    Raises
    ------
    InfoError
        A file could not be renamed.
    """
    if track.loose or track.provenance.exists():
        return ""
    present = {
        (name.removesuffix(f".{kind}"), kind)
        for name in os.listdir(track.folder)
        for kind in SIDECARS
        if name.endswith(f".{kind}") and not name.startswith(".")
    }
    own = track.info.name.removesuffix(".INFO")
    others = {base for base, _ in present} - {own}
    if len(others) != 1:
        return ""
    (old,) = others
    for kind in SIDECARS:  # the provenance last: until it is there, the rest is not done
        if (old, kind) in present and (own, kind) not in present:
            try:
                os.rename(track.folder / f"{old}.{kind}", track.sidecar(kind))
            except OSError as error:
                raise mishap(error, track.sidecar(kind), "write") from error
    return f"the folder was renamed: its results, called {shown(old)} until now, took its name"
