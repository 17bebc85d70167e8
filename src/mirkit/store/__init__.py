"""The files beside the sound: ``.INFO``, grids, onsets, curves, provenance, settings.

Nothing else reads or writes them. They are merged under a lock and replaced whole.
"""

from mirkit.store.atomic import (
    LOCK_NAME,
    Busy,
    lock,
    make_folder,
    remove_file,
    sweep,
    sweep_tree,
    whole_file,
    write_whole,
)
from mirkit.store.curves import read_curves, read_curves_header, update_curves
from mirkit.store.entry import EXTERNAL, Entry
from mirkit.store.fingerprints import Fingerprint, fingerprint, fingerprint_bytes, fingerprint_text, hash_file
from mirkit.store.grids import Grid, format_grid, format_onsets, read_grid, read_onsets, write_grid, write_onsets
from mirkit.store.info import read_info, round6, update_info, write_info
from mirkit.store.mishap import mishap, shown
from mirkit.store.moved import believe_times, stamps_kept
from mirkit.store.provenance import Provenance, read_provenance, recorded, restamp, update_provenance
from mirkit.store.root import find_root
from mirkit.store.settings import Settings, read_settings, with_values, write_backends, write_table

__all__ = [
    "EXTERNAL",
    "LOCK_NAME",
    "Busy",
    "Entry",
    "Fingerprint",
    "Grid",
    "Provenance",
    "Settings",
    "believe_times",
    "find_root",
    "fingerprint",
    "fingerprint_bytes",
    "fingerprint_text",
    "format_grid",
    "format_onsets",
    "hash_file",
    "lock",
    "make_folder",
    "mishap",
    "read_curves",
    "read_curves_header",
    "read_grid",
    "read_info",
    "read_onsets",
    "read_provenance",
    "read_settings",
    "recorded",
    "remove_file",
    "restamp",
    "round6",
    "shown",
    "stamps_kept",
    "sweep",
    "sweep_tree",
    "update_curves",
    "update_info",
    "update_provenance",
    "whole_file",
    "with_values",
    "write_backends",
    "write_grid",
    "write_info",
    "write_onsets",
    "write_table",
    "write_whole",
]
