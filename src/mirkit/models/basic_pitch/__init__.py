"""Basic Pitch: the notes of polyphonic stems, by a network that is part of mirkit."""
