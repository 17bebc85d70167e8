"""Rhythm: onsets, beats, tempo, and features of both. Pure functions over arrays."""
