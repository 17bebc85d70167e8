"""Pure functions on captions: prompts, validation of answers, claims in a text, and plain text for T5."""
