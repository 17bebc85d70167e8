"""Which frames of a signal are active, and which frames lie in a window."""

import math

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray, Window

#: A frame is active if it is at most this many dB below the loudest frame
ACTIVE_RANGE_DB = 60.0
#: and above this level (RMS, dB relative to full scale; a full-scale sine has -3.01).
SILENCE_DBFS = -70.0
#: Level that stands for a frame of zeros.
FLOOR_DBFS = -200.0


def activity_mask(level_db: FloatArray, loudest_db: float) -> npt.NDArray[np.bool_]:
    """Find the frames that are neither silent nor more than 60 dB below the loudest frame of the source.

    Parameters
    ----------
    level_db : array, shape=(frames,)
        RMS level of each frame in dBFS.
    loudest_db : float
        Level of the loudest frame of the whole track, also if ``level_db`` is only a window of it.

    Returns
    -------
    bool array, shape=(frames,)
    """
    return level_db > max(loudest_db - ACTIVE_RANGE_DB, SILENCE_DBFS)


def frames_in(window: Window, per_second: float, count: int) -> slice:
    """Frames ``i`` of ``count`` whose time ``i / per_second`` lies in ``[start, end)``.

    Parameters
    ----------
    window : Window
        Seconds.
    per_second : float
        Frames per second.
    count : int
        Number of frames.
    """
    # A bound that equals the time of a frame, except for rounding errors, counts as that time.
    first, last = (math.ceil(t * per_second - 1e-6) for t in (window.start, window.end))
    return slice(min(first, count), min(last, count))
