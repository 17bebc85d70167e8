"""Training clips: planning the cuts of a track, writing the files of a clip, and computing its features."""
