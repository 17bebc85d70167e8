"""Harmony: chroma, its tuning, harmonic movement, key and atonality."""
