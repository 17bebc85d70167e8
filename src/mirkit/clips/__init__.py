"""Training clips: where a track is cut, the files of a clip, and its features."""
