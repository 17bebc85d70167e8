"""Texts about music as values: what is asked, whether an answer is usable, what it claims, and plain text for T5."""
