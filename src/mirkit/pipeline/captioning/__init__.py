"""Captions for many tracks: one model, loaded once and used by threads; each caption is stored immediately."""
