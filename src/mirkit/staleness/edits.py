"""What the user has edited: values of the ``.INFO`` and sidecars that are kept instead of mirkit's."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from mirkit.catalog import Stage
from mirkit.store import FileDigest, JsonValue, ProvenanceRecord, digest_of_text

#: Reason of a null that the user has written.
SET_BY_USER = "set to null by hand"


def value_digests(info: Mapping[str, JsonValue], names: Iterable[str]) -> dict[str, FileDigest]:
    """Return the digests of values of an ``.INFO``, for its record in the provenance; absent values are left out."""
    return {name: digest_of_text(json.dumps(info[name])) for name in names if name in info}


def edited(present: Mapping[str, FileDigest], record: ProvenanceRecord | None) -> dict[str, FileDigest]:
    """Return what the user has edited.

    Parameters
    ----------
    present : mapping
        Output of a stage (a file, or a key of the ``.INFO``) that exists -> its present digest.
    record : ProvenanceRecord or None
        The stage's record, whose ``outputs`` hold the digests of what mirkit wrote.

    Returns
    -------
    dict
        Output that mirkit did not write as it is -> its present digest. What is deleted is not edited: it is computed
        and written again.
    """
    written = record.outputs if record else {}
    return {name: digest for name, digest in present.items() if written.get(name) != digest}


#: Values that are one statement: whoever edits one of them vouches for both.
_TOGETHER = frozenset({"key", "mode"})


def keep_edits(
    row: Stage,
    record: ProvenanceRecord,
    measured: Mapping[str, JsonValue],
    info: Mapping[str, JsonValue],
    before: ProvenanceRecord | None,
) -> tuple[ProvenanceRecord, dict[str, JsonValue]]:
    """Keep what the user has edited in an ``.INFO`` when a stage measures it again.

    Parameters
    ----------
    row : Stage
    record : ProvenanceRecord
        Its new record.
    measured : mapping
        Its new values.
    info : mapping
        The present ``.INFO``.
    before : ProvenanceRecord or None
        Its last record.

    Returns
    -------
    record : ProvenanceRecord
        With the digests of the values that may be edited, and of those that were.
    values : dict
        What takes the place of measured values.
    """
    written = value_digests(measured, row.editable)
    # A run that was killed may have written values without their record: what was measured again is no edit.
    present = edited(value_digests(info, row.editable), before)
    edits = {name: digest for name, digest in present.items() if written[name] != digest}
    record = replace(record, outputs={**record.outputs, **written}, user={**record.user, **edits})
    if not edits:
        return record, {}
    # Key and mode belong together, so the one that was not edited is kept too. The user is certain.
    names = edits.keys() | (_TOGETHER if edits.keys() & _TOGETHER else ())
    kept = {name: info[name] for name in row.editable if name in names and name in info}
    certain = {f"{name}_confidence": None if value is None else 1.0 for name, value in kept.items()}
    kept |= {name: value for name, value in certain.items() if name in row.keys}
    reasons = {name: why for name, why in record.reasons.items() if name not in kept}
    reasons |= {name: SET_BY_USER for name, value in kept.items() if value is None}
    return replace(record, reasons=reasons), kept


def keep_file(
    suffix: str, record: ProvenanceRecord, written: FileDigest, present: FileDigest | None
) -> ProvenanceRecord:
    """Record a sidecar that the user may edit.

    Parameters
    ----------
    suffix : str
        Such as ``SECTIONS``.
    record : ProvenanceRecord
        New record of its stage.
    written : FileDigest
        Digest of the content that was measured.
    present : FileDigest or None
        Digest of the user's file, which stays; None if the measured content was written.

    Returns
    -------
    ProvenanceRecord
        With both digests, by which a later run recognizes the user's file.
    """
    user = {} if present is None else {suffix: present}
    return replace(record, outputs={**record.outputs, suffix: written}, user={**record.user, **user})


def edit_note(row: Stage, record: ProvenanceRecord) -> str:
    """Return the note that values or files of the user are kept."""
    files = [name if "." in name else f".{name}" for name in record.user if name in row.editable_files]
    values = [name for name in record.user if name not in row.editable_files]
    notes = (
        [f"{', '.join(files)}: changed by hand, and kept; remove the file to have it written again"] if files else []
    )
    if values:
        notes.append(
            f"{', '.join(values)}: changed by hand in the .INFO, and kept; remove it there to measure it again"
        )
    return "; ".join(notes)
