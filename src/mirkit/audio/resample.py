"""Change of sample rate without delay and with an exact length, as a stream or at once (soxr, high quality)."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from mirkit.audio.decode import Piece
from mirkit.features.types import FloatArray


def resampled_length(n: int, source_rate: int, rate: int) -> int:
    """Return the number of samples after resampling ``n`` samples."""
    return round(Fraction(n * rate, source_rate))


class Resampler:
    """A stream from one sample rate to another.

    Output sample ``i`` is at time ``i / rate``, without delay. The total is ``round(n * rate / source_rate)`` samples,
    for any division of the input into blocks. The passband ends at 0.91 of the lower Nyquist frequency; the stopband
    attenuation is 120 dB.

    Parameters
    ----------
    source_rate, rate : int
        Hz.
    channels : int
    """

    def __init__(self, source_rate: int, rate: int, channels: int) -> None:
        import soxr

        self._rates = source_rate, rate
        self._streams = [soxr.ResampleStream(source_rate, rate, 1, dtype="float32") for _ in range(channels)]
        self._taken = self._given = 0

    def push(self, samples: FloatArray) -> FloatArray:
        """Take the next samples, float32, shape=(channels, n); return those that are ready, shape=(channels, m)."""
        return self._run(samples, last=False)

    def finish(self) -> FloatArray:
        """Return the remaining samples."""
        return self._run(np.zeros((len(self._streams), 0), np.float32), last=True)

    def _run(self, samples: FloatArray, *, last: bool) -> FloatArray:
        out = np.stack([s.resample_chunk(row, last=last) for s, row in zip(self._streams, samples, strict=True)])
        self._taken += samples.shape[1]
        if last:  # soxr rounds halves up, and returns nothing for empty input
            left = resampled_length(self._taken, *self._rates) - self._given
            out = np.pad(out[:, :left], ((0, 0), (0, max(0, left - out.shape[1]))))
        self._given += out.shape[1]
        return out


def resample(samples: FloatArray, source_rate: int, rate: int) -> FloatArray:
    """Resample a whole signal, float32, shape=(channels, n) or (n,): equal to the result of the stream.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n) or (n,)
    source_rate, rate : int
        Hz.

    Returns
    -------
    float32 array
        As many dimensions as ``samples``.
    """
    if source_rate == rate:
        return samples
    rows = np.atleast_2d(samples).astype(np.float32, copy=False)
    stream = Resampler(source_rate, rate, len(rows))
    out = np.concatenate((stream.push(rows), stream.finish()), axis=1)
    return out if samples.ndim == 2 else out[0]


def to_rate(pieces: Iterable[Piece], rate: int) -> Iterator[FloatArray]:
    """Resample all pieces to one rate; consecutive pieces of the same rate are one stream."""
    stream: Resampler | None = None
    current = rate
    for piece in pieces:
        if piece.rate != current:
            if stream is not None:
                yield stream.finish()
            current = piece.rate
            stream = None if current == rate else Resampler(current, rate, len(piece.samples))
        yield piece.samples if stream is None else stream.push(piece.samples)
    if stream is not None:
        yield stream.finish()
