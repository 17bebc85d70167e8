"""Conversion of a file to the input of a separation network, and of stems back to the format of the file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mirkit.audio import Audio, Resampler
from mirkit.models.separation.overlap_add import Float32


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
        Audio at its own rate, one or two channels.
    rate : int
        Sample rate of the network.
    """

    channels = 2

    def __init__(self, audio: Audio, rate: int) -> None:
        self._audio, self._rate = audio, rate

    def blocks(self) -> Iterator[Float32]:
        """Yield the audio, shape=(2, n)."""
        if self._rate == self._audio.rate:
            yield from map(self._stereo, self._audio.blocks())
            return
        stream = Resampler(self._audio.rate, self._rate, self._audio.channels)
        for block in self._audio.blocks():
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
                    streams[stem] = Resampler(self._rate, self._audio.rate, self._audio.channels)
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
        return sound if self._audio.channels == self.channels else sound.mean(axis=0, keepdims=True)
