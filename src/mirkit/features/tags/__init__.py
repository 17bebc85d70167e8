"""Tags of music: instruments, genre and mood, with probabilities."""
