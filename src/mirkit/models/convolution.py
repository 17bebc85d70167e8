"""Convolutions of small networks whose weights are part of mirkit, computed with numba.

The result does not depend on the number of threads, as that of a matrix product may.
"""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray

Matrix = npt.NDArray[np.float32]


def convolve(values: Matrix, weights: FloatArray, bias: FloatArray, *, stride: int = 1, dilation: int = 1) -> Matrix:
    """Convolve over frames and bands, padded with zeros to the same size.

    Parameters
    ----------
    values : float32 array, shape=(frames, channels, bands)
    weights : array, shape=(outputs, channels, size, reach)
        Over ``size`` frames and ``reach`` bands.
    bias : array, shape=(outputs,)
    stride : int
        Step between the bands of the result.
    dilation : int
        Step between the bands that are added; 1 if ``stride`` is not.

    Returns
    -------
    float32 array, shape=(frames, outputs, bands // stride)
    """
    frames, channels, bands = values.shape
    size, reach = weights.shape[2:]
    span = dilation * (reach - 1) + 1
    before = (reach - stride) // 2 if stride > 1 else span // 2
    width = bands // stride
    padded = np.zeros((frames + size - 1, channels, stride, width + span // stride + 1), np.float32)
    flat = np.zeros((frames, channels, padded.shape[3] * stride), np.float32)
    flat[:, :, before : before + bands] = values
    # Phases of the stride are rows of their own, so that the inner loop reads contiguous numbers.
    padded[size // 2 : size // 2 + frames] = flat.reshape(frames, channels, -1, stride).transpose(0, 1, 3, 2)
    out = np.empty((frames, len(weights), width), np.float32)
    kernels = np.ascontiguousarray(weights.transpose(0, 2, 1, 3), np.float32).view()
    biases = np.ascontiguousarray(bias, np.float32).view()
    kernels.setflags(write=False)  # so that all layers have one type
    biases.setflags(write=False)
    _convolve(padded, kernels, biases, dilation, out)
    return out


def relu(values: Matrix) -> Matrix:
    """Replace negative numbers by 0, in place."""
    out: Matrix = np.maximum(values, np.float32(0), out=values)
    return out


def sigmoid(values: Matrix) -> Matrix:
    """Return the logistic function."""
    out: Matrix = np.reciprocal(1 + np.exp(-values))
    return out


@kernel()
def _convolve(values, weights, bias, dilation, out):  # type: ignore[no-untyped-def]
    # weights: outputs, frames, channels, bands. Slices and four bands at once let the compiler use vector registers.
    outputs, size, channels, reach = weights.shape
    stride, width = values.shape[2], out.shape[2]
    for t in range(len(out)):
        for o in range(outputs):
            line = out[t, o]
            for i in range(width):
                line[i] = bias[o]
            for k in range(size):
                for c in range(channels):
                    rows, w = values[t + k, c], weights[o, k, c]
                    r = 0
                    while r + 4 <= reach:
                        w0, w1, w2, w3 = w[r], w[r + 1], w[r + 2], w[r + 3]
                        a, b = r * dilation, (r + 1) * dilation
                        d, e = (r + 2) * dilation, (r + 3) * dilation
                        p0 = rows[a % stride, a // stride :][:width]
                        p1 = rows[b % stride, b // stride :][:width]
                        p2 = rows[d % stride, d // stride :][:width]
                        p3 = rows[e % stride, e // stride :][:width]
                        for i in range(width):
                            line[i] += (w0 * p0[i] + w1 * p1[i]) + (w2 * p2[i] + w3 * p3[i])
                        r += 4
                    while r < reach:
                        a = r * dilation
                        w0, p0 = w[r], rows[a % stride, a // stride :][:width]
                        for i in range(width):
                            line[i] += w0 * p0[i]
                        r += 1
