"""A small data set whose truth is known: four synthesised pieces (pure: arrays, no files)."""

from mirkit.demo.pieces import demo_tracks
from mirkit.demo.track import DemoTrack, Grid, Truth

__all__ = ["DemoTrack", "Grid", "Truth", "demo_tracks"]
