"""Tracks: their files, and how to find them.

A track is a folder with a ``full_mix.*``, or a loose audio file with its results beside it. This package handles paths
only; :mod:`mirkit.analysis` reads the audio of a track.
"""

from mirkit.track.find import find_all, find_tracks, get_info_path, get_organized_folders, is_track, loose_files
from mirkit.track.names import AUDIO_SUFFIXES, MIX, PARTS, SIDECARS, SKIPPED_FOLDERS, is_sound
from mirkit.track.renaming import follow_rename, rename_hint
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
