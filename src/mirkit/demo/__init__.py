"""A small data set with known truth: four synthesized pieces, as arrays."""

from mirkit.demo.pieces import DemoGrid, DemoTrack, Truth, demo_tracks

__all__ = ["DemoGrid", "DemoTrack", "Truth", "demo_tracks"]
