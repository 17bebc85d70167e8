"""Notes on sidecars that cannot be read, and that a run renames and writes anew."""

import glob
from pathlib import Path

from mirkit.errors import printable
from mirkit.staleness import TrackState


def asides(state: TrackState) -> set[Path]:
    """Return the damaged sidecars of a track that were renamed."""
    files = (state.track.info, state.track.provenance)
    return {aside for path in files for aside in path.parent.glob(f"{glob.escape(path.name)}.unreadable-*")}


def notes_on_damage(state: TrackState, before: set[Path]) -> list[str]:
    """Return the notes on sidecars that cannot be read; of those that were written anew, where the old file is."""
    notes = list(state.notes)
    for aside in (asides(state) - before) if notes else ():
        path = printable(aside.parent / aside.name.rpartition(".unreadable-")[0])
        notes = [
            f"{note.partition('; ')[0]}; it was renamed to {printable(aside.name)}, and a new file was written"
            if note.startswith(f"{path}: ")
            else note
            for note in notes
        ]
    return notes
