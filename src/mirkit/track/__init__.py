"""Tracks: their files, and how to find them.

A track is a folder with a ``full_mix.*``, or a loose audio file with its results beside it. This package handles paths
only; :mod:`mirkit.analysis` reads the audio of a track.
"""

from mirkit.track.albums import cut_from
from mirkit.track.find import (
    find_albums,
    find_all,
    find_cut_tracks,
    find_tracks,
    get_info_path,
    get_organized_folders,
    is_track,
    loose_files,
    loose_in,
)
from mirkit.track.listing import list_folder
from mirkit.track.names import (
    ADTOF_MIDI,
    AUDIO_SUFFIXES,
    CROPS,
    CUT_FROM,
    DRUMS_MIDI,
    EXPORT_SUMMARY,
    MIDI_NAMES,
    MIX,
    NOTES_MIDI,
    ORIGINAL_NAME,
    REST,
    SIDECARS,
    SKIPPED_FOLDERS,
    SOURCES,
    base_of,
    for_folder,
    for_loose_file,
    is_audio_name,
    kind_beside,
    kind_in_folder,
    rest_of,
    source_of,
)
from mirkit.track.renaming import as_measured, follow_rename, is_marked, move_aside, move_back, rename_hint
from mirkit.track.track import Track

__all__ = [
    "ADTOF_MIDI",
    "AUDIO_SUFFIXES",
    "CROPS",
    "CUT_FROM",
    "DRUMS_MIDI",
    "EXPORT_SUMMARY",
    "MIDI_NAMES",
    "MIX",
    "NOTES_MIDI",
    "ORIGINAL_NAME",
    "REST",
    "SIDECARS",
    "SKIPPED_FOLDERS",
    "SOURCES",
    "Track",
    "as_measured",
    "base_of",
    "cut_from",
    "find_albums",
    "find_all",
    "find_cut_tracks",
    "find_tracks",
    "follow_rename",
    "for_folder",
    "for_loose_file",
    "get_info_path",
    "get_organized_folders",
    "is_audio_name",
    "is_marked",
    "is_track",
    "kind_beside",
    "kind_in_folder",
    "list_folder",
    "loose_files",
    "loose_in",
    "move_aside",
    "move_back",
    "rename_hint",
    "rest_of",
    "source_of",
]
