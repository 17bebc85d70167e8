"""Overlapping segments of a signal, and their outputs joined by cross-fades.

Segments are cut, weighted and joined as in Demucs (Defossez et al., ``apply_model``), but as a stream. A *lane* is one
pass of one network over the signal, which may be delayed by some samples of silence (the shift trick).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segment:
    """One segment of a lane. Positions are in samples of the signal; outside the signal there is silence.

    Attributes
    ----------
    lane : int
    start : int
        Position of the first input sample.
    input_samples : int
        Number of input samples.
    skip : int
        Samples of context at the beginning of its output, before the segment proper.
    size : int
        Samples of the segment proper.
    """

    lane: int
    start: int
    input_samples: int
    skip: int
    size: int

    @property
    def end(self) -> int:
        """Position after the last input sample."""
        return self.start + self.input_samples


class SegmentStream:
    """One pass of one network over a signal.

    Parameters
    ----------
    number : int
    frames : int
        Samples of the signal.
    delay : int
        Samples of silence before it.
    size : int
        Samples of a segment.
    overlap : float
        Share of a segment that overlaps with the next.
    input_samples : callable
        Samples of a segment -> samples that go into the network for it.
    """

    def __init__(
        self, number: int, frames: int, delay: int, size: int, overlap: float, input_samples: Callable[[int], int]
    ) -> None:
        self.number, self._frames, self._delay = number, frames, delay
        self._size, self._stride = size, max(1, int((1 - overlap) * size))
        self._input_samples = input_samples
        half = size // 2
        weight = np.concatenate((np.arange(1, half + 1), np.arange(size - half, 0, -1))).astype(np.float32)
        self._weight: Float32 = weight / weight.max()
        self._sum: Float32 | None = None
        self._weights = np.zeros(size, np.float32)
        self._offset = 0

    def segments(self) -> Iterator[Segment]:
        """Yield its segments in order."""
        length = self._frames + self._delay
        for offset in range(0, length, self._stride):
            size = min(self._size, length - offset)
            input_samples = self._input_samples(size)
            skip = (input_samples - size) // 2
            yield Segment(self.number, offset - skip - self._delay, input_samples, skip, size)

    def add(self, segment: Segment, output: Float32) -> tuple[int, Float32]:
        """Add the output of the next segment, shape=(sources, channels, input_samples).

        Returns
        -------
        int
            Position of the first sample that is now complete.
        array, shape=(sources, channels, n)
        """
        own = output[..., segment.skip : segment.skip + segment.size]
        if self._sum is None:
            self._sum = np.zeros((*own.shape[:-1], self._size), np.float32)
        weight = self._weight[: segment.size]
        self._sum[..., : segment.size] += weight * own
        self._weights[: segment.size] += weight
        length = self._frames + self._delay
        count = min(self._stride, length - self._offset)
        done = self._sum[..., :count] / self._weights[:count]
        start = self._offset - self._delay
        self._shift(count)
        silence = min(max(0, -start), count)
        return max(0, start), done[..., silence:]

    def _shift(self, count: int) -> None:
        assert self._sum is not None
        for kept in (self._sum, self._weights):
            kept[..., : self._size - count] = kept[..., count:].copy()
            kept[..., self._size - count :] = 0
        self._offset += count


class WeightedSum:
    """The sum of several lanes, each source with the lane's weight.

    Parameters
    ----------
    weights : array, shape=(lanes, sources)
        Weights; those of a source add up to 1.
    channels : int
    """

    def __init__(self, weights: FloatArray, channels: int) -> None:
        self._weights = weights.astype(np.float32)
        self._reached = np.zeros(len(weights), np.int64)
        self._sum = np.zeros((weights.shape[1], channels, 0), np.float32)
        self._start = 0

    def add(self, lane: int, start: int, output: Float32) -> None:
        """Take the next samples of a lane, shape=(sources, channels, n)."""
        assert start == self._reached[lane]
        self._reached[lane] = end = start + output.shape[-1]
        if (more := end - self._start - self._sum.shape[-1]) > 0:
            self._sum = np.concatenate((self._sum, np.zeros((*self._sum.shape[:-1], more), np.float32)), axis=-1)
        self._sum[..., start - self._start : end - self._start] += self._weights[lane][:, None, None] * output

    def take(self) -> Float32:
        """Return the samples that all lanes have completed since the last call, shape=(sources, channels, n)."""
        ready = int(self._reached.min()) - self._start
        done, self._sum = self._sum[..., :ready], self._sum[..., ready:]
        self._start += ready
        return done


class SlidingBuffer:
    """A buffer with the part of a signal that later segments need.

    Parameters
    ----------
    blocks : iterator of array, shape=(channels, n)
    frames : int
        Samples in all.
    channels : int
    """

    def __init__(self, blocks: Iterator[Float32], frames: int, channels: int) -> None:
        self._blocks, self._frames = blocks, frames
        self._kept = np.zeros((channels, 0), np.float32)
        self._start = 0

    def window(self, segment: Segment) -> Float32:
        """Cut the input of a segment, shape=(channels, input_samples), with silence outside the signal."""
        last = min(segment.end, self._frames)
        pieces, have = [self._kept], self._start + self._kept.shape[1]
        while have < last:
            pieces.append(next(self._blocks))
            have += pieces[-1].shape[1]
        if len(pieces) > 1:
            self._kept = np.concatenate(pieces, axis=1)
        first = max(segment.start, 0)
        window = np.zeros((len(self._kept), segment.input_samples), np.float32)
        if last > first:
            window[:, first - segment.start : last - segment.start] = self._kept[
                :, first - self._start : last - self._start
            ]
        return window

    def forget(self, before: int) -> None:
        """Drop the samples before a position."""
        if (count := before - self._start) > 0:
            self._kept, self._start = self._kept[:, count:], before
