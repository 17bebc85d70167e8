"""Drum transcription, from audio to notes: pure functions on arrays and values.

There are several transcribers (``embedded`` here, networks in ``mirkit.models``). They share peak picking, hit levels
and the mapping to the beat grid.
"""
