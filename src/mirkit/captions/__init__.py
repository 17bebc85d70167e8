"""Captions as values: prompts, whether an answer is usable, which claims it makes, and plain text for T5."""
