"""A stream of frames as windows that overlap, so that a network sees around what it is asked for."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]


class Window(NamedTuple):
    """Frames, shape=(n, size), of which so many at either end are only there to be seen."""

    frames: Frames
    before: int
    after: int


class FrameBuffer:
    """Cuts frames that come in blocks.

    Parameters
    ----------
    core, border : int
        Frames that a window is asked for, and those around them; at the ends of the stream there are none around.
    size : int
        Numbers a frame.
    """

    def __init__(self, core: int, border: int, size: int) -> None:
        self._core, self._border = core, border
        self._held = np.zeros((0, size), np.float32)
        self._before = 0

    def push(self, frames: Frames) -> Iterator[Window]:
        """Take the next frames, shape=(n, size); yield the windows that are complete."""
        self._held = np.concatenate((self._held, frames))
        while len(self._held) >= self._before + self._core + self._border:
            end = self._before + self._core
            yield Window(self._held[: end + self._border], self._before, self._border)
            self._held = self._held[end - self._border :]
            self._before = self._border

    def finish(self) -> Iterator[Window]:
        """Yield the rest."""
        if len(self._held) > self._before:
            yield Window(self._held, self._before, 0)
