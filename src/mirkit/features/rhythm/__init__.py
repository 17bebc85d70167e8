"""Rhythm: onsets, beats, tempo, and features derived from them. Pure functions over arrays."""
