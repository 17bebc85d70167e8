"""Comparing the stems that a user brought with their mix, before they are used."""

from collections.abc import Mapping
from typing import Any

from mirkit import __version__
from mirkit.catalog import STEMS, stage
from mirkit.errors import AudioError
from mirkit.features.types import ANALYSIS_RATE
from mirkit.pipeline.task import TrackLog, now
from mirkit.stages.stem_check import check_stems, length_difference
from mirkit.staleness import TrackState
from mirkit.staleness.stem_match import LEAST_LENGTH, STEM_MATCH, misfit_line, recorded_match
from mirkit.store import FileDigest, ProvenanceRecord, update_provenance
from mirkit.track import MIX


def belong(state: TrackState, stems: Mapping[str, FileDigest], log: TrackLog) -> bool:
    """Compare the user's stems with the mix, unless this was done before; a shift, or another length, is a note."""
    files = {source: digest for source, digest in state.digests.items() if source in (MIX, *stems)}
    if not stems or recorded_match(state.provenance, files):
        return True
    paths = {stem: state.track.stems[stem] for stem in stems}
    try:
        match = check_stems(state.track.mix, paths)
        longer = length_difference(state.track.mix, paths)
    except AudioError:  # measuring reports it
        return True
    if match is None and abs(longer) < LEAST_LENGTH:
        return True
    # A bass or a voice alone may be too pure for a sharp peak: it is not rejected.
    unsure = match is None or (len(stems) < len(STEMS) and "drums" not in stems)
    same = True if match and match.is_same else None if unsure else False
    value: dict[str, Any] = {
        "same": same,
        "offset": round(match.offset / ANALYSIS_RATE, 6) if match else None,
        "peak": round(match.peak, 2) if match else None,
        "residual_db": round(match.residual_db, 2) if match else None,
        "longer": round(longer, 3),
        "of": {source: digest.sha256 for source, digest in files.items()},
    }
    state.provenance = update_provenance(state.track.provenance, facts={STEM_MATCH: {"value": value}})
    if line := misfit_line(state.provenance, files):
        log.notes.append(f"{line}; correct them, or make new ones with: mirkit separate --replace-stems")
    if match and match.peak < 0 and match.is_same:
        log.notes.append("the polarity of the stems is inverted against the mix")
    return same is not False


def refuse(state: TrackState, log: TrackLog) -> None:
    """Record that stems are of another recording; they stay where they are and are not used."""
    message = (
        "the stems beside the mix are of another recording, so they are not used; move them elsewhere, or replace them "
        "with: mirkit separate --replace-stems"
    )
    log.failures["separate"] = message
    failed = ProvenanceRecord("separate", __version__, stage("separate").version, failed=message, when=now())
    update_provenance(state.track.provenance, [failed])
