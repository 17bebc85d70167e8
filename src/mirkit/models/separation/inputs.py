"""Conversion of a file to the input of a separation network, and of stems back to the format of the file.

Of more than two channels, pairs are separated one after the other, and their stems are joined again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mirkit.audio import Audio, Resampler
from mirkit.models.separation.overlap_add import Float32


def pairs(channels: int) -> list[list[int]]:
    """Return the channels that are separated together: neighbors; of an odd number, the third (center) is alone.

    For 5.1 (left, right, center, LFE, back left, back right) these are front, center with LFE, and back.
    """
    alone = [min(2, channels - 1)] if channels % 2 else []
    rest = [channel for channel in range(channels) if channel not in alone]
    return sorted([*(rest[i : i + 2] for i in range(0, len(rest), 2)), *([alone] if alone else [])])


class ChannelPairs:
    """The separations of all pairs of a track, combined (see ``mirkit.models.backend.StemRun``).

    Each pair is normalized by its own level, which is restored afterwards, so every channel of a stem has the right
    level.
    """

    def __init__(self, runs: Sequence[Any], kept: Sequence[Sequence[int]]) -> None:
        self._runs, self._kept = runs, kept

    @property
    def method(self) -> dict[str, Any]:
        """Details for the provenance."""
        return {**self._runs[0].method, "pairs": [list(pair) for pair in self._kept]}

    @property
    def notes(self) -> list[str]:
        """Messages for the user."""
        named = ", ".join("+".join(str(channel + 1) for channel in pair) for pair in self._kept)
        own = dict.fromkeys(note for run in self._runs for note in run.notes)
        return [f"{sum(map(len, self._kept))} channels: separated one after the other as {named}", *own]

    def blocks(self) -> Iterator[dict[str, Float32]]:
        """Yield blocks of stems with all channels of the file."""
        streams = [_Stream(run.blocks()) for run in self._runs]
        while ready := min(stream.fill() for stream in streams):
            parts = [stream.take(ready) for stream in streams]
            yield {stem: self._side_by_side([part[stem] for part in parts]) for stem in parts[0]}

    def _side_by_side(self, parts: Sequence[Float32]) -> Float32:
        order = np.argsort([channel for pair in self._kept for channel in pair])
        return np.concatenate(parts)[order]


class _Stream:
    """A stream of stems, from which any number of samples can be taken."""

    def __init__(self, blocks: Iterator[dict[str, Float32]]) -> None:
        self._blocks = blocks
        self._kept: dict[str, Float32] = {}

    def fill(self) -> int:
        """Read the next block if the buffer is empty; return the number of samples in the buffer, 0 at the end."""
        while not self._length and (block := next(self._blocks, None)) is not None:
            self._kept = block
        return self._length

    def take(self, count: int) -> dict[str, Float32]:
        taken = {stem: sound[:, :count] for stem, sound in self._kept.items()}
        self._kept = {stem: sound[:, count:] for stem, sound in self._kept.items()}
        return taken

    @property
    def _length(self) -> int:
        return next(iter(self._kept.values())).shape[1] if self._kept else 0


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of a track's mono sum, and its length.

    Attributes
    ----------
    frames : int
        Samples at the rate of the network.
    own_frames : int
        Samples at the rate of the file.
    """

    mean: float
    deviation: float
    frames: int
    own_frames: int


class ModelInput:
    """The audio of a file, in stereo at the rate of a network.

    Parameters
    ----------
    audio : Audio
        Audio at its own rate.
    rate : int
        Sample rate of the network.
    kept : sequence of int
        Channels to use, one or two.
    """

    channels = 2

    def __init__(self, audio: Audio, rate: int, kept: Sequence[int]) -> None:
        self._audio, self._rate, self._kept = audio, rate, list(kept)

    def blocks(self) -> Iterator[Float32]:
        """Yield the audio, shape=(2, n)."""
        every = len(self._kept) == self._audio.channels
        own = (block if every else block[self._kept] for block in self._audio.blocks())
        if self._rate == self._audio.rate:
            yield from map(self._stereo, own)
            return
        stream = Resampler(self._audio.rate, self._rate, len(self._kept))
        for block in own:
            yield self._stereo(stream.push(block))
        yield self._stereo(stream.finish())

    def level(self) -> Normalization:
        """Read the audio once and return the mean and standard deviation by which Demucs normalizes."""
        count, total, square = 0, 0.0, 0.0
        for block in self.blocks():
            mono = block.mean(axis=0, dtype=np.float64)
            count += len(mono)
            total += float(mono.sum())
            square += float(mono @ mono)
        mean = total / max(1, count)
        variance = max(0.0, square - count * mean**2) / max(1, count - 1)
        return Normalization(mean, variance**0.5, count, self._audio.frames)

    def as_file(self, stems: Iterable[dict[str, Float32]], frames: int) -> Iterator[dict[str, Float32]]:
        """Convert blocks of stems to the rate and channels of the file, ``frames`` samples in total."""
        streams: dict[str, Resampler] = {}
        left = frames
        for block in stems:
            given = {stem: self._channels(sound) for stem, sound in block.items()}
            if self._rate != self._audio.rate:
                for stem in given.keys() - streams.keys():
                    streams[stem] = Resampler(self._rate, self._audio.rate, len(self._kept))
                given = {stem: streams[stem].push(sound) for stem, sound in given.items()}
            given = {stem: sound[:, :left] for stem, sound in given.items()}
            left -= next(iter(given.values())).shape[1]
            yield given
        if streams:
            # Resampling to another rate and back can change the length by one sample.
            ends = {stem: stream.finish()[:, :left] for stem, stream in streams.items()}
            yield {stem: np.pad(end, ((0, 0), (0, left - end.shape[1]))) for stem, end in ends.items()}

    def _stereo(self, block: Float32) -> Float32:
        return block if len(block) == self.channels else np.repeat(block, self.channels, axis=0)

    def _channels(self, sound: Float32) -> Float32:
        return sound if len(self._kept) == self.channels else sound.mean(axis=0, keepdims=True)
