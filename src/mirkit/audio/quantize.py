"""Round samples to a number of bits, with dither where bits are lost."""

import numpy as np

from mirkit.features.types import FloatArray


def quantize(samples: FloatArray, bits: int, noise: np.random.Generator) -> FloatArray:
    """Round samples to the steps of an integer format; what exceeds full scale is limited.

    Samples that already are such steps do not change. Other blocks get dither with a triangular distribution of two
    steps, which makes the error of rounding independent of the sound; digital silence stays silent.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n)
        Full scale is 1.
    bits : int
        16 or 24.
    noise : Generator
        Source of the dither. The same seed gives the same file.

    Returns
    -------
    float32 array, shape=(channels, n)
    """
    full = np.float32(2 ** (bits - 1))
    scaled = samples * full
    steps: FloatArray = np.rint(scaled)
    if not np.array_equal(scaled, steps):
        dither = noise.random(scaled.shape, np.float32) - noise.random(scaled.shape, np.float32)
        steps = np.where(scaled == 0, np.float32(0), np.rint(scaled + dither))
    return np.clip(steps, -full, full - 1) / full
