"""Two-dimensional convolution with the largest of neighboring outputs, for small networks."""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel

Array = npt.NDArray[np.float32]


def convolve(values: Array, weights: Array, bias: Array, pool: tuple[int, int]) -> Array:
    """Convolve, set negative outputs to 0, and keep the largest of each ``pool``.

    Beyond the edges is 0. Every sum is computed in the same order, by one thread.

    Parameters
    ----------
    values : float32 array, shape=(frames, bands, inputs)
    weights : float32 array, shape=(height, width, inputs, outputs)
        Of odd height and width.
    bias : float32 array, shape=(outputs,)
    pool : (int, int)
        Frames and bands of which the largest output is kept; an incomplete pool at the end is left out.

    Returns
    -------
    float32 array, shape=(frames // pool[0], bands // pool[1], outputs)
    """
    out = np.zeros((len(values) // pool[0], values.shape[1] // pool[1], len(bias)), np.float32)
    _convolve(np.ascontiguousarray(values), np.ascontiguousarray(weights), bias, pool[0], pool[1], out)
    return out


@kernel()
def _convolve(values, weights, bias, pool_frames, pool_bands, out):  # type: ignore[no-untyped-def]
    frames, bands, inputs = values.shape
    height, width = weights.shape[:2]
    outputs = len(bias)
    total = np.empty(outputs, np.float32)
    for frame in range(out.shape[0] * pool_frames):
        for band in range(out.shape[1] * pool_bands):
            for k in range(outputs):
                total[k] = bias[k]
            for i in range(height):
                t = frame + i - height // 2
                if t < 0 or t >= frames:
                    continue
                for j in range(width):
                    f = band + j - width // 2
                    if f < 0 or f >= bands:
                        continue
                    for c in range(inputs):
                        value = values[t, f, c]
                        if value != 0:  # half of the outputs of a layer are 0
                            for k in range(outputs):
                                total[k] += value * weights[i, j, c, k]
            row = out[frame // pool_frames, band // pool_bands]
            for k in range(outputs):
                if total[k] > row[k]:
                    row[k] = total[k]
