"""Input chunks of Beat This!: 30 s, cut as in its authors' code."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray
from mirkit.models.beat_this.log_mel import BANDS

#: Frames of a chunk, and frames at either end whose logits are discarded, as in training.
CHUNK, BORDER = 1500, 6
_STEP = CHUNK - 2 * BORDER


@dataclass(frozen=True)
class Chunk:
    """Frames, shape=(at most 1500, 128), and the number of new ones, which precede the right border."""

    frames: npt.NDArray[np.float32]
    new: int


class Chunker:
    """Cuts a stream of frames into chunks.

    Chunks of 1500 frames overlap by two borders. The first chunk begins with a border of zeros, and the last one ends
    with one. The last chunk begins earlier instead of being shorter. Where chunks overlap, the logits of the earlier
    one are used.
    """

    def __init__(self) -> None:
        self._held = np.zeros((BORDER, BANDS), np.float32)  # beginning of the next chunk
        self._before = self._held[:0]  # frames before it, in which the last chunk may begin

    def push(self, frames: FloatArray) -> Iterator[Chunk]:
        """Take the next frames, shape=(n, 128); yield the chunks that are complete and not the last."""
        self._held = np.concatenate((self._held, frames))
        while len(self._held) >= CHUNK:
            yield self._next(self._held[:CHUNK])

    def finish(self) -> Iterator[Chunk]:
        """Yield the remaining chunks."""
        border = np.zeros((BORDER, BANDS), np.float32)
        if len(self._held) > CHUNK - BORDER:
            yield self._next(np.concatenate((self._held, border))[:CHUNK])
        if len(self._held) > BORDER:
            last = np.concatenate((self._before, self._held))[BORDER - CHUNK :]
            yield Chunk(np.concatenate((last, border)), len(self._held) - BORDER)

    def _next(self, frames: npt.NDArray[np.float32]) -> Chunk:
        self._before, self._held = self._held[:_STEP], self._held[_STEP:]
        return Chunk(frames, _STEP)
