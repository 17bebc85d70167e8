"""Fourier transforms of 32 frames side by side: each sample of a frame is a row, each frame a column ("lane").

Every operation of the transform then acts on whole vectors of lanes, which the compiler turns into vector instructions;
a general FFT library transforms one frame after the other. This is three times as fast as ``scipy.fft``, and the
operations that follow (bands, medians over bins, roll-off) work on rows in vectors too. Derivation:
docs/development/kernels.md.

A real frame of 2048 samples is transformed as 1024 complex numbers (even samples real, odd samples imaginary), a frame
of 4096 samples as two halves of that size, after a first radix-2 step. All arithmetic is in single precision and in a
fixed order.

``energies``, ``spectra`` and ``total_spectrum`` are those of frames with a Hamming window and without their mean, as in
``scipy.signal.spectrogram``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.features.framing import frames_of
from mirkit.features.kernels.kernel import kernel, kernel_part
from mirkit.features.types import FloatArray

Float32 = npt.NDArray[np.float32]

LANES = 32
#: Complex points of the transform, a power of 4.
POINTS = 1024

# A buffer holds the real parts of all points, row by row, then the imaginary parts.
_IMAGINARY = np.uint64(POINTS * LANES)
BUFFER = 2 * POINTS * LANES
_LANES = np.uint64(LANES)


class Spectra:
    """Power spectra of frames.

    Parameters
    ----------
    window : array, shape=(size,)
        Frames of up to ``nfft`` samples are multiplied by it and filled up with zeros.
    hop : int
        Samples from one frame to the next.
    nfft : int
        2048 or 4096.
    remove_mean : bool
        Subtract the mean of each frame first. The length of the window must then be a multiple of ``hop``.

    Attributes
    ----------
    rows : float32 array
        Samples of a block, one hop per column, as a flat array.
    buffer : float32 array
        Transforms of a block: one buffer for ``nfft`` 2048; for 4096, one of the even and one of the odd points.
    """

    def __init__(self, window: FloatArray, hop: int, nfft: int, *, remove_mean: bool = False) -> None:
        self._size = len(window)
        self._window = np.zeros(nfft, np.float32)
        self._window[: self._size] = window
        self._hop = hop
        self._nfft = nfft
        self._remove_mean = remove_mean
        self._halves = nfft // (2 * POINTS)
        self._load = load if self._halves == 1 else _load_halves
        self._tables = [_table(self._halves, half) for half in range(self._halves)]
        columns = LANES + (nfft - 1) // hop
        sample = np.arange(nfft)
        self._source = (sample % hop * columns + sample // hop).astype(np.uint64)
        self._mean = np.zeros(LANES, np.float32)
        self._power = np.empty((1 + nfft // 2) * LANES, np.float32)
        self.rows = np.empty(hop * columns, np.float32)
        self.buffer = np.empty(self._halves * BUFFER, np.float32)

    def blocks(self, x: Float32, first: int, count: int) -> Iterator[Float32]:
        """Yield the spectra of ``count`` frames, the first one beginning at sample ``first``; zeros lie around ``x``.

        Parameters
        ----------
        x : float32 array, shape=(n,)
        first : int
            Sample with which the first frame begins; it may be negative.
        count : int
            Number of frames.

        Yields
        ------
        float32 array, shape=(1 + nfft // 2, 32)
            Squared magnitudes of the next 32 frames, overwritten by the following ones; at the end also of frames
            beyond ``count``. Meanwhile ``rows`` holds the samples and ``buffer`` the transforms of these frames.
        """
        for i in range(0, count, LANES):
            transpose(_cut(x, first + i * self._hop, len(self.rows)), self._hop, self.rows)
            if self._remove_mean:
                hops = self.rows.reshape(self._hop, -1).sum(axis=0)
                sums = frames_of(hops, self._size // self._hop, 1, LANES).sum(axis=1)
                self._mean = sums / np.float32(self._size)
            self._load(self.rows, self._source, self._window, self._mean, self.buffer)
            for half, (wires, turns) in enumerate(self._tables):
                part = self.buffer[half * BUFFER : (half + 1) * BUFFER]
                transform(part)
                _power(part, wires, turns, self._power)
            yield self._power.reshape(-1, LANES)


def _cut(x: Float32, start: int, length: int) -> Float32:
    """Samples ``start`` to ``start + length - 1``; zeros lie around the signal."""
    if start >= 0 and start + length <= len(x):
        return x[start : start + length]
    out = np.zeros(length, x.dtype)
    low, high = max(start, 0), min(start + length, len(x))
    if high > low:
        out[low - start : high - start] = x[low:high]
    return out


def _turns_of(angles: FloatArray) -> Float32:
    """Cosines and sines of clockwise angles given in full turns, one after the other."""
    return np.stack((np.cos(2 * np.pi * angles), -np.sin(2 * np.pi * angles)), axis=-1).astype(np.float32).ravel()


_TOGETHER = np.uint64(8)
_HALVING = _turns_of(np.arange(POINTS) / (2 * POINTS))

# Indices are unsigned: for signed ones, numba adds a branch for negative indices, which prevents vectorization.


@kernel()
def transpose(x, hop, rows) -> None:  # type: ignore[no-untyped-def]
    """Write each hop of a signal into a column.

    Parameters
    ----------
    x : float32 array, shape=(n,)
    hop : int
    rows : float32 array
        Receives the columns, as a flat array in row-major order.
    """
    # Eight columns at once: more may evict each other from the cache before all of their samples are used.
    step = np.uint64(hop)
    columns = np.uint64(len(rows)) // step
    for left in range(np.uint64(0), columns, _TOGETHER):
        right = left + _TOGETHER if left + _TOGETHER < columns else columns
        for i in range(step):
            for j in range(left, right):
                rows[i * columns + j] = x[i + j * step]


@kernel(fastmath={"contract"})
def load(rows, source, window, mean, buffer) -> None:  # type: ignore[no-untyped-def]
    """Load frames of 2048 samples from transposed hops into a buffer, minus a mean per lane, times the window.

    Parameters
    ----------
    rows : float32 array
        Result of ``transpose``.
    source : uint64 array, shape=(2048,)
        Sample ``i`` of the frames is in ``rows`` from ``source[i]`` on.
    window : float32 array, shape=(2048,)
    mean : float32 array, shape=(32,)
    buffer : float32 array
        Receives the frames.
    """
    one = np.uint64(1)
    for i in range(np.uint64(POINTS)):
        k, o = i + i, i * _LANES
        r, s, v, w = source[k], source[k + one], window[k], window[k + one]
        for j in range(_LANES):
            buffer[o + j] = (rows[r + j] - mean[j]) * v
            buffer[o + j + _IMAGINARY] = (rows[s + j] - mean[j]) * w


@kernel(fastmath={"contract"})
def _load_halves(rows, source, window, mean, buffer):  # type: ignore[no-untyped-def]
    # Like load, for frames of 4096 samples, with the first step of the transform of their 2048 points: the even points
    # are the transform of the sum of both halves of a frame, the odd ones that of the difference times twiddle factors.
    one, half = np.uint64(1), np.uint64(2 * POINTS)
    second = _IMAGINARY + _IMAGINARY
    for i in range(np.uint64(POINTS)):
        k = i + i
        w0, w1, w2, w3 = window[k], window[k + one], window[k + half], window[k + half + one]
        s0, s1, s2, s3 = source[k], source[k + one], source[k + half], source[k + half + one]
        c, s = _HALVING[k], _HALVING[k + one]
        o = i * _LANES
        for j in range(_LANES):
            m = mean[j]
            ar, ai = (rows[s0 + j] - m) * w0, (rows[s1 + j] - m) * w1
            br, bi = (rows[s2 + j] - m) * w2, (rows[s3 + j] - m) * w3
            buffer[o + j] = ar + br
            buffer[o + j + _IMAGINARY] = ai + bi
            dr, di = ar - br, ai - bi
            buffer[o + j + second] = dr * c - di * s
            buffer[o + j + second + _IMAGINARY] = dr * s + di * c


@kernel(fastmath={"contract"})
def _power(buffer, wires, turns, power):  # type: ignore[no-untyped-def]
    # Z holds the spectra of even and odd samples; bins k and n - k of the frame come from Z[k] and Z[n - k].
    quarter = np.float32(0.25)
    for k in range(len(wires)):
        a, b, low, high = wires[k, 0] * _LANES, wires[k, 1] * _LANES, wires[k, 2] * _LANES, wires[k, 3] * _LANES
        c, s = turns[2 * k], turns[2 * k + 1]
        for j in range(_LANES):
            ar, ai, br, bi = buffer[a + j], buffer[a + j + _IMAGINARY], buffer[b + j], buffer[b + j + _IMAGINARY]
            sr, si = ar + br, ai - bi
            dr, di = ar - br, ai + bi
            tr, ti = di * c + dr * s, di * s - dr * c
            power[low + j] = ((sr + tr) * (sr + tr) + (si + ti) * (si + ti)) * quarter
            power[high + j] = ((sr - tr) * (sr - tr) + (si - ti) * (si - ti)) * quarter


def _stage(m: int) -> Callable[[Float32], None]:
    """Compile one radix-4 step over groups of rows that are ``m`` apart.

    The distances are compile-time constants, so that the compiler knows that rows do not overlap.
    """
    b, c, d, imaginary = m * LANES, 2 * m * LANES, 3 * m * LANES, POINTS * LANES
    turns = _turns_of(np.outer(np.arange(m), (1, 2, 3)) / (4 * m))

    @kernel_part(fastmath={"contract"})
    def stage(z):  # type: ignore[no-untyped-def]
        for base in range(0, POINTS, 4 * m):
            for p in range(m):
                w1r, w1i, w2r, w2i = turns[6 * p], turns[6 * p + 1], turns[6 * p + 2], turns[6 * p + 3]
                w3r, w3i = turns[6 * p + 4], turns[6 * p + 5]
                for j in range(LANES):
                    r = (base + p) * LANES + j
                    i = r + imaginary
                    sr, si, dr, di = z[r] + z[r + c], z[i] + z[i + c], z[r] - z[r + c], z[i] - z[i + c]
                    tr, ti, er, ei = z[r + b] + z[r + d], z[i + b] + z[i + d], z[i + b] - z[i + d], z[r + d] - z[r + b]
                    z[r], z[i] = sr + tr, si + ti
                    ur, ui = dr + er, di + ei
                    z[r + b], z[i + b] = ur * w1r - ui * w1i, ur * w1i + ui * w1r
                    ur, ui = sr - tr, si - ti
                    z[r + c], z[i + c] = ur * w2r - ui * w2i, ur * w2i + ui * w2r
                    ur, ui = dr - er, di - ei
                    z[r + d], z[i + d] = ur * w3r - ui * w3i, ur * w3i + ui * w3r

    compiled: Callable[[Float32], None] = stage
    return compiled


def _row_of() -> npt.NDArray[np.int64]:
    """Row of each point after the transform: its digits to the base of 4, reversed."""
    rest = np.arange(POINTS)
    row = np.zeros_like(rest)
    for _ in range(5):
        row = row * 4 + rest % 4
        rest //= 4
    return row


def _table(halves: int, half: int) -> tuple[npt.NDArray[Any], Float32]:
    """Rows of Z[k] and Z[n - k], their bins, and the twiddle factors that separate even from odd samples."""
    pairs = np.arange(POINTS // 2 + 1 - half)
    mirror = (POINTS - half - pairs) % POINTS
    bins = halves * pairs + half
    wires = np.stack((ROW_OF[pairs], ROW_OF[mirror], bins, halves * POINTS - bins), axis=1)
    return wires.astype(np.uint64), _turns_of(bins / (2 * halves * POINTS))


_first, _second, _third, _fourth, _fifth = (_stage(m) for m in (256, 64, 16, 4, 1))


@kernel()
def transform(buffer) -> None:  # type: ignore[no-untyped-def]
    """Transform a buffer in place; point ``k`` ends up in row ``ROW_OF[k]``.

    Parameters
    ----------
    buffer : float32 array
    """
    _first(buffer)
    _second(buffer)
    _third(buffer)
    _fourth(buffer)
    _fifth(buffer)


ROW_OF = _row_of()
#: Table that separates transforms of 1024 points, and its twiddle factors.
SEPARATION = _table(1, 0)


def window_sum(length: int, size: int) -> float:
    """Sum of the window of a frame.

    Parameters
    ----------
    length : int
        Samples of the signal.
    size : int
        Samples of a frame; a shorter signal is one frame of its own length.

    Returns
    -------
    float
    """
    return 0.54 * min(length, size)


def energies(x: Float32, size: int, hop: int) -> FloatArray:
    """Energy of each windowed frame: by Parseval the sum of its two-sided power spectrum over its points.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        A signal that is shorter than ``size`` is one frame of its own length.
    size : int
        Samples of a frame.
    hop : int
        Samples from one frame to the next.

    Returns
    -------
    float64 array, shape=(frames,)
    """
    size = min(size, len(x))
    out = np.empty(1 + (len(x) - size) // hop)
    square = np.square(_window(size))
    _energies(x, square, square.sum(), hop, out)
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
    """Sum of all ``spectra``, one-sided: all bins but the outer two count double.

    Parameters
    ----------
    x : float32 array, shape=(n,)
    size : int
        Points: 2048 or 4096.
    hop : int
        Samples from one frame to the next.

    Returns
    -------
    float64 array, shape=(1 + size // 2,)
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
def _energies(x, square, weight, hop, out):  # type: ignore[no-untyped-def]
    size = len(square)
    for frame in range(len(out)):
        part = x[frame * hop : frame * hop + size]
        mean = weighted = energy = np.float32(0)
        for i in range(size):
            mean += part[i]
            weighted += square[i] * part[i]
            energy += square[i] * part[i] * part[i]
        mean /= size
        out[frame] = energy - 2 * mean * weighted + mean * mean * weight
