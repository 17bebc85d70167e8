"""Finding tracks that are the same recording, and grouping tracks that belong together."""
