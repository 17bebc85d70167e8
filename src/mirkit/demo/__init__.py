"""A small data set whose truth is known: four synthesized pieces (pure: arrays, no files)."""

from mirkit.demo.pieces import DemoGrid, DemoTrack, Truth, demo_tracks

__all__ = ["DemoGrid", "DemoTrack", "Truth", "demo_tracks"]
