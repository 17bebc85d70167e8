"""Share of each time-frequency bin that belongs to drums, as median filtering tells."""

from mirkit.features.types import FloatArray
from mirkit.separation.medians import running_median

#: About 0.4 s of frames, and about 330 Hz of bins.
TIME_WIDTH = 17
FREQUENCY_WIDTH = 31


def harmonic_percussive(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split magnitudes, shape=(frames, bins), into what lasts in time and what spreads over frequency.

    Medians along time and along frequency, as in Fitzgerald (DAFx 2010).
    """
    return running_median(magnitude, TIME_WIDTH, 0), running_median(magnitude, FREQUENCY_WIDTH, 1)
