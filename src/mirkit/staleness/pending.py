"""What has changed since values were computed from it: edits that no run has seen, tracks newer than their clips."""

import os
from collections.abc import Mapping
from functools import lru_cache

from mirkit.catalog import STAGES
from mirkit.errors import InfoError
from mirkit.staleness.edits import value_digests
from mirkit.store import FileDigest, JsonObject, ProvenanceRecord, file_digest, read_info, readable_provenance
from mirkit.track import Track

#: Stages on request, whose results the clips of a track have too, once they have run on it.
ON_REQUEST = ("drums", "notes", "tags")


def requested_identities(stages: Mapping[str, ProvenanceRecord]) -> dict[str, str]:
    """Return the stages on request that have run on a track: name of the record -> identity of the result."""
    names = [name for name, record in stages.items() if name.partition("/")[0] in ON_REQUEST and not record.failed]
    return {name: stages[name].identity for name in sorted(names)}


def editable_files(track: Track, stages: Mapping[str, ProvenanceRecord]) -> dict[str, FileDigest]:
    """Return the present digests of the sidecars of a track that the user may edit.

    Parameters
    ----------
    track : Track
    stages : mapping
        Stage -> its record in the provenance of the track.

    Returns
    -------
    dict
        Suffix or name of a file that a recorded stage has written, and that exists -> its digest.
    """
    found = {}
    for row in STAGES:
        entry = stages.get(row.name)
        for suffix in row.editable_files if entry else ():
            path = track.path_of(suffix)
            if entry and path.is_file():
                known = (entry.user.get(suffix), entry.outputs.get(suffix))
                found[suffix] = file_digest(path, *(digest for digest in known if digest))
    return found


def pending_edits(
    info: JsonObject, files: Mapping[str, FileDigest], stages: Mapping[str, ProvenanceRecord]
) -> dict[str, str]:
    """Return what the user has edited since the stage that wrote it ran, so that other values are those of before.

    Parameters
    ----------
    info : mapping
        The present ``.INFO`` of a track.
    files : mapping
        Present digests of its sidecars, see :func:`editable_files`.
    stages : mapping
        Stage -> its record in the provenance of the track.

    Returns
    -------
    dict
        Key of the ``.INFO``, or suffix of a file -> stage that wrote it.
    """
    changed: dict[str, str] = {}
    for row in STAGES:
        if (entry := stages.get(row.name)) is None:
            continue
        recorded = {**entry.outputs, **entry.user}
        present = value_digests(info, row.editable) if entry.stage_version == row.version else {}
        present |= {suffix: files[suffix] for suffix in row.editable_files if suffix in files}
        changed |= {name: row.name for name, now in present.items() if recorded.get(name) not in (None, now)}
    return changed


def changed_since(track: Track, needs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the stages of a track that have changed since the values of one of its clips were computed.

    ``mirkit crop`` computes the values of such a clip again. This is what ``verify`` and ``export`` say of it.

    Parameters
    ----------
    track : Track
        The track that the clip was cut from.
    needs : mapping
        Stage -> its identity when the values of the clip were computed, as the clip's record has it.

    Returns
    -------
    tuple of str
        Stages whose result is another now, or that wrote something which the user has edited since; and stages on
        request that have run since.
    """
    sidecars = [track.provenance, track.info, *(track.path_of(f) for row in STAGES for f in row.editable_files)]
    identities, edited, requested = _present_state(track, tuple(_stamp(os.fspath(path)) for path in sidecars))
    changed = [name for name, before in needs.items() if identities.get(name) != before or name in edited]
    return (*changed, *(name for name in requested if name not in needs))


@lru_cache(64)  # a track may have hundreds of clips
def _present_state(
    track: Track, stamps: tuple[tuple[int, int], ...]
) -> tuple[Mapping[str, str], frozenset[str], tuple[str, ...]]:
    """Return the state of a track whose sidecars have these stamps.

    It is stage -> identity, the stages with pending edits, and the stages on request that have run.
    """
    stages = readable_provenance(track.provenance).stages
    try:
        edited = pending_edits(read_info(track.info), editable_files(track, stages), stages)
    except InfoError:
        edited = {}
    identities = {name: entry.identity for name, entry in stages.items()}
    return identities, frozenset(edited.values()), tuple(requested_identities(stages))


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
