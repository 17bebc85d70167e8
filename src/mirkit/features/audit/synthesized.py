"""Parts of synthesized sounds that look as if a lossy codec had worked: gates, digital silence, exactly periodic waves.

Where a sound begins or ends in digital silence, or is exactly the same again after some samples, the coefficients of a
transform depend on the first sample of its frames, without any encoder. Recorded sound has neither.
"""

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

Matrix = npt.NDArray[np.float32]

#: A channel that changes by no more than this (a quarter of a step of 16 bits) in so many samples stays the same.
_FLAT, _FLAT_RUN = np.float32(2.0**-17), 32
#: Correlation of a signal with itself some samples later from which on it is periodic, and the range of the distances.
_PERIODIC, _PERIODS = 0.9995, (32, 4096)
#: Parts of a signal that are examined alone, beside the whole.
_PARTS = 4


def changing_part(samples: Matrix) -> slice:
    """Return the longest part in which no channel stays the same, except for channels that do so throughout.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n)

    Returns
    -------
    slice
        Of the samples.
    """
    n = samples.shape[1]
    flat = np.zeros(n, dtype=bool)
    for changes in np.abs(np.diff(samples, axis=1)) > _FLAT:
        if changes.any():
            places = np.concatenate(([-1], np.flatnonzero(changes), [n - 1]))
            for run in np.flatnonzero(np.diff(places) > _FLAT_RUN):
                flat[places[run] + 1 : places[run + 1] + 1] = True
    ends = np.concatenate(([-1], np.flatnonzero(flat), [n]))
    longest = int(np.argmax(np.diff(ends)))
    return slice(int(ends[longest]) + 1, int(ends[longest + 1]))


def is_periodic(samples: Matrix) -> bool:
    """Tell whether a signal, or a quarter of it, is the same again after some samples.

    Parameters
    ----------
    samples : float32 array, shape=(n,)

    Returns
    -------
    bool
    """
    return any(_repeats(part.astype(np.float64)) for part in (samples, *np.array_split(samples, _PARTS)))


def _repeats(samples: npt.NDArray[np.float64]) -> bool:
    n, (shortest, longest) = len(samples), _PERIODS
    if n <= 2 * shortest:
        return False
    size = next_fast_len(2 * n, real=True)
    spectrum = rfft(samples, size)
    products = irfft(spectrum.real**2 + spectrum.imag**2, size)
    powers = np.concatenate(([0.0], np.cumsum(samples**2)))
    lags = np.arange(shortest, min(longest, n // 2))
    norms = np.sqrt(powers[n - lags] * (powers[n] - powers[lags]))
    return bool(np.any(products[lags] > _PERIODIC * np.maximum(norms, 1e-20)))
