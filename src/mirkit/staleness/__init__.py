"""Decisions on what is up to date, for runs, clips, captions, reports and exports.

The package does not import the analysis, so a run with nothing to do starts fast.
"""

from mirkit.staleness.edits import SET_BY_USER, edit_note, edited, keep_edits, keep_file, value_digests
from mirkit.staleness.pending import ON_REQUEST, changed_since, editable_files, pending_edits, requested_identities
from mirkit.staleness.rules import (
    DOWNMIX,
    NEWER,
    CaptionStep,
    StageInputs,
    caption_step,
    inputs_of,
    is_clip_audio_current,
    is_clip_current,
    is_mark_current,
    is_user_caption,
    mark_of,
    stale_reason,
)
from mirkit.staleness.track_state import MADE_OF, TrackState, kept, unread

__all__ = [
    "DOWNMIX",
    "MADE_OF",
    "NEWER",
    "ON_REQUEST",
    "SET_BY_USER",
    "CaptionStep",
    "StageInputs",
    "TrackState",
    "caption_step",
    "changed_since",
    "edit_note",
    "editable_files",
    "edited",
    "inputs_of",
    "is_clip_audio_current",
    "is_clip_current",
    "is_mark_current",
    "is_user_caption",
    "keep_edits",
    "keep_file",
    "kept",
    "mark_of",
    "pending_edits",
    "requested_identities",
    "stale_reason",
    "unread",
    "value_digests",
]
