"""Overlapping windows of a stream of frames, so that a network has context on both sides of each window."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]


class Window(NamedTuple):
    """Frames, shape=(n, size), with the number of context frames at the beginning and at the end."""

    frames: Frames
    before: int
    after: int


class FrameBuffer:
    """Cuts a stream of frames into overlapping windows.

    Parameters
    ----------
    core, border : int
        Number of frames of a window that are used, and number of context frames on either side. There is no context
        beyond the ends of the stream.
    size : int
        Number of values per frame.
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
        """Yield the remaining windows."""
        if len(self._held) > self._before:
            yield Window(self._held, self._before, 0)
