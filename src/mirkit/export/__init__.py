"""Bundles that a trainer loads as they are: one file a target, and a check that finds what a trainer would swallow."""
