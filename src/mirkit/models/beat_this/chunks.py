"""What the network of Beat This! sees at once: chunks of 30 s, cut as its authors cut them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray
from mirkit.models.beat_this.log_mel import BANDS

#: Frames of a chunk, and those at either end whose logits are thrown away: as it was trained.
CHUNK, BORDER = 1500, 6
_STEP = CHUNK - 2 * BORDER


@dataclass(frozen=True)
class Chunk:
    """Frames, shape=(at most 1500, 128), and how many of them, those before the right border, no chunk before has."""

    frames: npt.NDArray[np.float32]
    new: int


class Chunker:
    """Cuts frames that come in blocks.

    Chunks of 1500 frames overlap by two borders; the first begins, and the last ends, with a border of zeros. The last
    one begins earlier instead of being shorter, and where chunks overlap the earlier one counts.
    """

    def __init__(self) -> None:
        self._held = np.zeros((BORDER, BANDS), np.float32)  # what the next chunk begins with
        self._before = self._held[:0]  # what lies before that: the last chunk may reach back to it

    def push(self, frames: FloatArray) -> Iterator[Chunk]:
        """Take the next frames, shape=(n, 128); yield the chunks that are complete and not the last."""
        self._held = np.concatenate((self._held, frames))
        while len(self._held) >= CHUNK:
            yield self._next(self._held[:CHUNK])

    def finish(self) -> Iterator[Chunk]:
        """Yield the rest."""
        border = np.zeros((BORDER, BANDS), np.float32)
        if len(self._held) > CHUNK - BORDER:
            yield self._next(np.concatenate((self._held, border))[:CHUNK])
        if len(self._held) > BORDER:
            last = np.concatenate((self._before, self._held))[BORDER - CHUNK :]
            yield Chunk(np.concatenate((last, border)), len(self._held) - BORDER)

    def _next(self, frames: npt.NDArray[np.float32]) -> Chunk:
        self._before, self._held = self._held[:_STEP], self._held[_STEP:]
        return Chunk(frames, _STEP)
