"""Features: pure functions over arrays. No path, no print, no global state in this package."""
