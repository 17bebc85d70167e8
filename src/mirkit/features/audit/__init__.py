"""Audit of a source: what is wrong with its audio, from the samples alone."""
