"""mirkit: a folder of music in, a training set for music generators out."""

__version__ = "0.1.0"
