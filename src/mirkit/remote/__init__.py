"""Tracks on object storage: one writer for each track, whole objects. Needs the extra ``cloud``."""
