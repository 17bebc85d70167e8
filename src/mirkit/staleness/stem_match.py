"""What was found about the stems that a user brought: whether they belong to the mix, and their offset."""

from collections.abc import Mapping
from typing import Any

from mirkit.store import FileDigest, Provenance

#: Metadata in a track's provenance.
STEM_MATCH = "stem_match"
#: Smallest offset that is reported (s).
LEAST_OFFSET = 0.001
#: Smallest difference of the lengths of stems and mix that is reported (s); codecs pad by less.
LEAST_LENGTH = 0.5


def recorded_match(provenance: Provenance, digests: Mapping[str, FileDigest]) -> dict[str, Any] | None:
    """Return what was found about the stems; None if nothing is recorded, or of other files.

    Parameters
    ----------
    provenance : Provenance
    digests : mapping of str to FileDigest
        ``full_mix`` and the stems.

    Returns
    -------
    dict or None
        ``same`` (whether they belong to the mix; None where this cannot be told), ``offset`` (s), ``peak``,
        ``residual_db``, ``longer`` (s), and ``of``: source -> SHA-256 of the files.
    """
    value: Any = provenance.facts.get(STEM_MATCH, {}).get("value")
    if not (isinstance(value, dict) and isinstance(value.get("of"), dict) and value["of"]):
        return None
    known = {source: digest.sha256 for source, digest in digests.items()}
    return value if all(known.get(source) == sha for source, sha in value["of"].items()) else None


def rejected_stems(provenance: Provenance, digests: Mapping[str, FileDigest]) -> tuple[str, ...]:
    """Return the stems that are of another recording than the mix."""
    match = recorded_match(provenance, digests)
    return () if match is None or match.get("same") is not False else tuple(set(match["of"]) - {"full_mix"})


def misfit_line(provenance: Provenance, digests: Mapping[str, FileDigest]) -> str:
    """Describe the offset of the stems, and how their length differs from that of the mix, or "" if they fit."""
    match = recorded_match(provenance, digests) or {}
    offset = match.get("offset") if match.get("same") is True else None
    longer = match.get("longer") if match.get("same") is not False else None
    parts = []
    if isinstance(offset, int | float) and abs(offset) >= LEAST_OFFSET:
        parts.append(f"{abs(offset) * 1000:.1f} ms {'later' if offset > 0 else 'earlier'}")
    if isinstance(longer, int | float) and abs(longer) >= LEAST_LENGTH:
        parts.append(f"{abs(longer):.1f} s {'longer' if longer > 0 else 'shorter'}")
    return f"the stems are {' and '.join(parts)} than the mix" if parts else ""
