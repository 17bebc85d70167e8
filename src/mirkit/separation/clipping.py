"""Keep stems within full scale, so that a file format with integer samples does not cut them."""

import numpy as np

from mirkit.features.types import FloatArray


def fit_full_scale(stems: FloatArray, mix: FloatArray) -> FloatArray:
    """Move what exceeds full scale from one stem to the others, their sum unchanged.

    Two stems may each pass full scale where the mix does not, because they cancel. Cutting one of them off
    would show up in the sum; handing the excess to stems that have room does not.

    Parameters
    ----------
    stems : array, shape=(stems, channels, n)
        Stems that add up to the mix.
    mix : array, shape=(channels, n)
        The mix; where itself exceeds full scale, its stems may reach as far.

    Returns
    -------
    array, shape=(stems, channels, n)
        Stems within ``max(1, abs(mix))`` that add up to the mix.
    """
    limit = np.maximum(1, np.abs(mix))
    if np.all(np.abs(stems) <= limit):
        return stems
    fitted = np.clip(stems, -limit, limit)
    excess = (stems - fitted).sum(axis=0)
    for stem in fitted:
        taken = np.clip(stem + excess, -limit, limit) - stem
        stem += taken
        excess -= taken
    return fitted
