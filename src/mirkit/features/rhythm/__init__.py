"""Rhythm: onsets, beats, tempo, and what onsets and beats say together. Pure functions over arrays."""
