"""Spectra of frames with a Hamming window, as in ``scipy.signal.spectrogram``, with the mean removed.

Derivation: docs/kernels.md.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.batched_fft import LANES, Spectra
from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray

Float32 = npt.NDArray[np.float32]


def window_sum(length: int, size: int) -> float:
    """Sum of the window of frames of ``size`` samples, or of the one frame of a shorter signal."""
    return 0.54 * min(length, size)


def energies(x: Float32, size: int, hop: int) -> FloatArray:
    """Energy of each windowed frame: by Parseval the sum of its two-sided power spectrum over its points.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        A signal that is shorter than ``size`` is one frame of its own length.

    Returns
    -------
    float64 array, shape=(frames,)
    """
    size = min(size, len(x))
    out = np.empty(1 + (len(x) - size) // hop)
    _energies(x, _window(size), hop, out)
    return out


def spectra(x: Float32, size: int, hop: int) -> Iterator[Float32]:
    """Yield power spectra of the frames of ``energies``, of ``size`` points (2048 or 4096), all bins counted once.

    Parameters
    ----------
    x : float32 array, shape=(n,)
    size : int
        Points: 2048 or 4096.
    hop : int
        Samples from one frame to the next.

    Yields
    ------
    float32 array, shape=(1 + size // 2, at most 32)
        One column per frame; overwritten by the next ones.
    """
    own = min(size, len(x))
    if own < size:
        hop = own
    count = 1 + (len(x) - own) // hop
    blocks = Spectra(_window(own), hop, size, remove_mean=True).blocks(x, 0, count)
    for i, power in enumerate(blocks):
        yield power[:, : count - i * LANES]


def total_spectrum(x: Float32, size: int, hop: int) -> FloatArray:
    """Sum of all ``spectra``, one-sided (all bins but the outer two count double), shape=(1 + size // 2,).

    Parameters
    ----------
    x : float32 array, shape=(n,)
    size : int
        Points: 2048 or 4096.
    hop : int
        Samples from one frame to the next.
    """
    total = np.zeros((1 + size // 2, LANES), np.float32)
    for power in spectra(x, size, hop):
        total[:, : power.shape[1]] += power
    spectrum: FloatArray = total.sum(axis=1, dtype=np.float64)
    spectrum[1:-1] *= 2
    return spectrum


def _window(size: int) -> Float32:
    return (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


# Reassociated sums (fastmath), so that they are vectorized.
@kernel(fastmath={"reassoc", "contract", "nsz"})
def _energies(x, window, hop, out):  # type: ignore[no-untyped-def]
    size = len(window)
    square = window * window
    weight = square.sum()
    for frame in range(len(out)):
        part = x[frame * hop : frame * hop + size]
        mean = weighted = energy = np.float32(0)
        for i in range(size):
            mean += part[i]
            weighted += square[i] * part[i]
            energy += square[i] * part[i] * part[i]
        mean /= size
        out[frame] = energy - 2 * mean * weighted + mean * mean * weight
