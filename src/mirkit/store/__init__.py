"""The files beside the sound: ``.INFO``, grids, onsets, curves, provenance, settings.

Nothing else reads or writes them. They are merged under a lock and replaced whole.
"""

from mirkit.settings import Settings
from mirkit.store.atomic import (
    LOCK_NAME,
    LockedError,
    atomic_file,
    atomic_write,
    lock,
    make_folder,
    remove_file,
    remove_orphans,
    sweep_tree,
)
from mirkit.store.curves import read_curves, read_curves_header, update_curves
from mirkit.store.dataset_root import find_root
from mirkit.store.digests import FileDigest, digest_of_bytes, digest_of_text, file_digest, hash_file
from mirkit.store.grids import BeatGrid, format_grid, format_onsets, read_grid, read_onsets, write_grid, write_onsets
from mirkit.store.info import as_number, read_info, round6, update_info, write_info
from mirkit.store.json_files import NewerFormatError
from mirkit.store.moved import believe_times, stamps_kept
from mirkit.store.os_errors import as_error, printable
from mirkit.store.provenance import Provenance, read_provenance, recorded, restamp, update_provenance
from mirkit.store.provenance_record import EXTERNAL, CaptionRecord, ProvenanceRecord
from mirkit.store.settings_file import read_settings, with_values, write_backends, write_table

__all__ = [
    "EXTERNAL",
    "LOCK_NAME",
    "BeatGrid",
    "CaptionRecord",
    "FileDigest",
    "LockedError",
    "NewerFormatError",
    "Provenance",
    "ProvenanceRecord",
    "Settings",
    "as_error",
    "as_number",
    "atomic_file",
    "atomic_write",
    "believe_times",
    "digest_of_bytes",
    "digest_of_text",
    "file_digest",
    "find_root",
    "format_grid",
    "format_onsets",
    "hash_file",
    "lock",
    "make_folder",
    "printable",
    "read_curves",
    "read_curves_header",
    "read_grid",
    "read_info",
    "read_onsets",
    "read_provenance",
    "read_settings",
    "recorded",
    "remove_file",
    "remove_orphans",
    "restamp",
    "round6",
    "stamps_kept",
    "sweep_tree",
    "update_curves",
    "update_info",
    "update_provenance",
    "with_values",
    "write_backends",
    "write_grid",
    "write_info",
    "write_onsets",
    "write_table",
]
