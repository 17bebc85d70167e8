"""A track: its files, and where to find them.

A track is a folder with a ``full_mix.*``, or a loose sound file with its results beside it. Only paths live here; the
sound of a track that is worked on is :mod:`mirkit.analysis`.
"""

from mirkit.track.find import find_all, find_tracks, get_info_path, get_organized_folders, is_track, loose_files
from mirkit.track.names import AUDIO_SUFFIXES, MIX, PARTS, SIDECARS, SKIPPED_FOLDERS, is_sound
from mirkit.track.renamed import follow_rename, rename_hint
from mirkit.track.track import Track

__all__ = [
    "AUDIO_SUFFIXES",
    "MIX",
    "PARTS",
    "SIDECARS",
    "SKIPPED_FOLDERS",
    "Track",
    "find_all",
    "find_tracks",
    "follow_rename",
    "get_info_path",
    "get_organized_folders",
    "is_sound",
    "is_track",
    "loose_files",
    "rename_hint",
]
