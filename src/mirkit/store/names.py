"""Names of the files that belong to a track, by which they are recognized wherever they lie."""

#: Sound files, told by the end of their name in any case.
SOUND_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".m4a", ".opus", ".aiff", ".aif")

#: Sidecars of a track: ``<base>.<this>``.
SIDECARS = ("INFO", "BEATS_GRID", "ONSETS", "CURVES.npz", "PROVENANCE")

#: MIDI files of a track end with one of these, in its folder or beside a loose file.
MIDI_ENDINGS = ("drums.mid", "_adtof.mid")
