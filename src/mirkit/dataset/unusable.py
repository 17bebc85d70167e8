"""Tracks that cannot be used, as the last run has told or as the folder shows."""

from mirkit.errors import MirkitError
from mirkit.store import read_provenance
from mirkit.track import Track
from mirkit.track.listing import is_no_file


def why_unusable(track: Track) -> str:
    """Return why a track has no values, if the last run has told it or its mix is no file; else "".

    A damaged sidecar is no such case, because values have been lost of which nobody was told.
    """
    if track.lost:
        return is_no_file(track.folder / track.lost)
    if track.info.exists():
        return ""
    try:
        stages = read_provenance(track.provenance).stages
    except MirkitError:
        return ""
    return next((entry.failed for entry in stages.values() if entry.failed), "")
