"""Dropouts: short gaps of digital silence, and blocks that are played twice, inside music that goes on.

*Measured*: runs of zeros of 0.7 to 150 ms, in either channel, that begin and end at the full level of the music around
them; and blocks of the usual sizes of audio buffers that are equal, sample by sample, to the block before. *Reading*: a
gate, a cut or a fade of a producer leaves the level fall for some milliseconds, or changes the music; an audio
interface that lacks data does not.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mirkit.features.types import ANALYSIS_RATE, FloatArray

Samples = npt.NDArray[np.float32]

#: Samples below this are digital silence (a quarter of a 16-bit step), at distances of ``_STRIDE``.
_ZERO, _STRIDE = np.float32(2.0**-17), 16
#: Shortest and longest gap (samples).
_SHORTEST, _LONGEST = 32, 6615
#: Samples around a gap whose level is that of the music, and those at its edges.
_AROUND, _EDGE = 1024, 64
#: Least level of an edge relative to the music: a fade of 3 ms has 0.28.
_ABRUPT = 0.35
#: Largest ratio of the levels before and after, and least level relative to the mean of the block.
_SAME, _LOUD = 2.8, 0.25
#: Sizes of buffers (samples).
_BUFFERS = (128, 256, 441, 512, 576, 588, 882, 960, 1024, 1152, 2048, 4096)
#: A block that is equal to more than this many before it is a periodic sound.
_MOST_REPEATS = 3
#: Samples that are looked at again with the next block.
_KEPT = _LONGEST + 2 * _AROUND + 4096 + _STRIDE


class DropoutExtractor:
    """Find dropouts in a signal that arrives in blocks.

    Attributes
    ----------
    times : list of float
        Where they are (s), in order; each is listed once, also if both channels have it.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self._kept: Samples | None = None
        self._first = 0  # place of the first kept sample
        self._done = 0  # dropouts before this place were looked at

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        samples = block if self._kept is None else np.concatenate((self._kept, block), axis=1)
        until = self._first + samples.shape[1] - _LONGEST - _AROUND
        self._look(samples, until)
        kept = min(_KEPT, samples.shape[1])
        self._first += samples.shape[1] - kept
        self._kept = samples[:, samples.shape[1] - kept :].copy()

    def finish(self) -> list[float]:
        """Return the times of all dropouts (s)."""
        if self._kept is not None:
            self._look(self._kept, self._first + self._kept.shape[1])
        return self.times

    def _look(self, samples: Samples, until: int) -> None:
        """Look for dropouts that begin before a place and were not looked at."""
        found = [start for row in samples for start in (*_gaps(row), *_repeats(row))]
        for start in sorted(found):
            place = self._first + start
            if self._done <= place < until and (not self.times or place / ANALYSIS_RATE > self.times[-1] + 0.005):
                self.times.append(place / ANALYSIS_RATE)
        self._done = max(self._done, until)


def _gaps(row: Samples) -> Iterator[int]:
    """Yield where gaps begin in one channel."""
    silent = np.abs(row[::_STRIDE]) < _ZERO
    if not silent.any():
        return
    least: float | None = None
    for first, last in _runs(silent):
        if last == first or last - first > _LONGEST // _STRIDE:
            continue
        start, end = first * _STRIDE, last * _STRIDE + 1
        start -= int(np.argmax(np.abs(row[max(0, start - _STRIDE) : start][::-1]) >= _ZERO)) if start else 0
        after = np.abs(row[end : end + _STRIDE]) >= _ZERO
        end += int(np.argmax(after)) if after.any() else len(after)
        if start < _AROUND or end + _AROUND > len(row) or end - start < _SHORTEST:
            continue
        if not (np.abs(row[start:end]) < _ZERO).all():
            continue
        least = least if least is not None else max(_LOUD * _rms(row), 100 * float(_ZERO))
        before, then = _rms(row[start - _AROUND : start]), _rms(row[end : end + _AROUND])
        edges = _rms(row[start - _EDGE : start]) / max(before, 1e-9), _rms(row[end : end + _EDGE]) / max(then, 1e-9)
        if min(edges) >= _ABRUPT and 1 / _SAME < before / then < _SAME and min(before, then) >= least:
            yield start


def _repeats(row: Samples) -> Iterator[int]:
    """Yield where blocks begin that are equal to the one before."""
    strided = row[::_STRIDE]
    sounding = np.abs(strided) > _ZERO
    for lag in _BUFFERS:
        skipped = -(-lag // _STRIDE)
        if len(strided) <= skipped:
            continue
        before = row[skipped * _STRIDE - lag :: _STRIDE][: len(strided) - skipped]
        equal = (strided[skipped:] == before) & sounding[skipped:]
        least = max(lag // _STRIDE - 2, 6)
        if np.count_nonzero(equal) < least:
            continue
        for first, last in _runs(equal):
            if not least <= last - first + 1 <= _MOST_REPEATS * lag // _STRIDE:
                continue
            start = (first + skipped) * _STRIDE
            block = row[start : start + lag - 2 * _STRIDE]
            if start >= lag and np.array_equal(block, row[start - lag : start - lag + len(block)]) and _varies(block):
                yield start


def _varies(block: Samples) -> bool:
    """Whether a block is neither constant nor two values that alternate, as square waves are."""
    return len(np.unique(block)) > max(8, len(block) // 8)


def _runs(flags: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the first and last index of each run of True."""
    changes = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    for first, end in zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True):
        yield first, end - 1


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
