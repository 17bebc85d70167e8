"""The form of a piece: its bars, the boundaries between its sections, and which sections are alike."""
