"""Which files of a track have been replaced since its values were computed, from the attributes of the files."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mirkit.errors import MirkitError, MissingInput
from mirkit.store import hash_file, readable_provenance
from mirkit.track import MIX, Track
from mirkit.track.clip import CUT


def outdated_files(stages: Mapping[str, Any], track: Track) -> list[str]:
    """Return the files of a track that are not those from which its values were computed.

    A file with the size and the time that were recorded is taken for the same, as after a copy of the data set; one of
    the same size with another time is read.

    Parameters
    ----------
    stages : mapping
        The object ``stages`` of its ``.PROVENANCE``. Records without a digest say nothing.
    track : Track

    Returns
    -------
    list of str
        ``full_mix``, and names of stems.
    """
    recorded: dict[str, list[Mapping[str, Any]]] = {}
    for name, entry in stages.items():
        digests = entry.get("outputs" if name == CUT else "inputs")
        for source, digest in digests.items() if isinstance(digests, dict) else ():
            if isinstance(digest, dict) and isinstance(digest.get("sha256"), str):
                recorded.setdefault(source, []).append(digest)
    if not recorded:
        return []
    try:
        present = track.sources
    except MissingInput:  # several files could be the mix; reported when the track is processed
        return []
    return [source for source in sorted(recorded, key=_order) if not _is_same(present.get(source), recorded[source])]


def _order(source: str) -> tuple[bool, str]:
    return source != MIX, source


def _is_same(file: Path | None, recorded: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a file has the content of all digests that were recorded of it."""
    recorded = list(recorded)
    contents = {(digest["sha256"], digest.get("size")) for digest in recorded}
    if file is None or len(contents) != 1:
        return False
    ((sha256, size),) = contents
    try:
        now = os.stat(file)
        if now.st_size != size:
            return False
        if any(digest.get("mtime_ns") == now.st_mtime_ns for digest in recorded):
            return True
        return bool(hash_file(file).sha256 == sha256)
    except OSError:
        return False


def outdated_stages(stages: Mapping[str, Any], clip: Path, source: str) -> list[str]:
    """Return the stages of the track of a clip that have changed since the values of the clip were computed."""
    from mirkit.staleness import changed_since

    needs = stages[CUT].get("needs")
    if not isinstance(needs, dict):
        return []
    with suppress(MirkitError):
        track = Track.at(os.path.normpath(clip / source))
        if readable_provenance(track.provenance).stages:
            return list(changed_since(track, needs))
    return []
