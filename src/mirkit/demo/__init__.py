"""A small data set whose truth is known: four synthesized pieces (pure: arrays, no files)."""

from mirkit.demo.pieces import demo_tracks
from mirkit.demo.track import DemoGrid, DemoTrack, Truth

__all__ = ["DemoGrid", "DemoTrack", "Truth", "demo_tracks"]
