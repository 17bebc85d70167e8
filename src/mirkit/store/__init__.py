"""The sidecars of tracks: ``.INFO``, beat grids, onsets, feature series, provenance; and settings, logs and caches.

No other package reads or writes these files. They are merged under a lock and replaced atomically.
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
    remove_orphans_below,
)
from mirkit.store.curves import read_curves, read_curves_header, update_curves
from mirkit.store.digests import FileDigest, digest_of_bytes, digest_of_text, file_digest, hash_file
from mirkit.store.grids import BeatGrid, format_grid, format_onsets, read_grid, read_onsets, write_grid, write_onsets
from mirkit.store.info import as_number, read_info, round6, update_info, write_info
from mirkit.store.json_files import NewerFormatError
from mirkit.store.layout import find_root
from mirkit.store.provenance import (
    Provenance,
    accept_times,
    keep_stamps,
    read_provenance,
    recorded_digests,
    restamp,
    update_provenance,
)
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
    "accept_times",
    "as_number",
    "atomic_file",
    "atomic_write",
    "digest_of_bytes",
    "digest_of_text",
    "file_digest",
    "find_root",
    "format_grid",
    "format_onsets",
    "hash_file",
    "keep_stamps",
    "lock",
    "make_folder",
    "read_curves",
    "read_curves_header",
    "read_grid",
    "read_info",
    "read_onsets",
    "read_provenance",
    "read_settings",
    "recorded_digests",
    "remove_file",
    "remove_orphans",
    "remove_orphans_below",
    "restamp",
    "round6",
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
