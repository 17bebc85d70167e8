"""The audio of clips: every file of a track is decoded once and cut at the same times."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mirkit.audio import Audio, Writer, Written, open_audio
from mirkit.features.types import FloatArray
from mirkit.track.clip import ClipSource

#: Source (mix or stem) -> samples of a clip, shape=(channels, n).
ClipAudio = dict[str, FloatArray]


class TrackAudio:
    """Mix and stems of a track, each at its own sample rate.

    Parameters
    ----------
    paths : dict
        Source (mix or stem) -> file.

    Raises
    ------
    AudioError
        One of the files cannot be read.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._audio = {source: open_audio(path, rate=None, hold_seconds=0) for source, path in paths.items()}

    def clips(self, clips: Sequence[ClipSource]) -> Iterator[ClipAudio]:
        """Yield the samples of each clip, without its padding.

        All sources of a clip have the same duration; a source that ends earlier is padded with silence. Samples are
        rounded to the bit depth of the clip's file, which does not change a lossless source of up to 24 bits.

        Parameters
        ----------
        clips : sequence of ClipSource
            Sorted by start.

        Yields
        ------
        dict
            Source -> float32 array, shape=(channels, n).
        """
        streams = {source: audio.windows(clip.window for clip in clips) for source, audio in self._audio.items()}
        for clip in clips:
            yield {source: self._quantized(source, next(streams[source]), clip) for source in streams}

    def write(self, path: Path, source: str, samples: FloatArray, clip: ClipSource) -> Written:
        """Write a source of a clip and its padding as FLAC, at the source's sample rate and bit depth.

        Parameters
        ----------
        path : Path
        source : str
            Mix or stem.
        samples : float32 array, shape=(channels, n)
            Without padding.
        clip : ClipSource

        Returns
        -------
        Written
        """
        audio = self._audio[source]
        padding = _at_rate(audio.rate, clip.length, clip) - samples.shape[1]
        with Writer(path, rate=audio.rate, channels=audio.channels, bits=_bits(audio)) as writer:
            writer.write(samples)
            writer.write(np.zeros((audio.channels, max(0, padding)), np.float32))
        return writer.written

    def _quantized(self, source: str, samples: FloatArray, clip: ClipSource) -> FloatArray:
        audio = self._audio[source]
        scale = np.float32(2 ** (_bits(audio) - 1))
        quantized = np.zeros((audio.channels, _at_rate(audio.rate, clip.last - clip.first, clip)), np.float32)
        quantized[:, : samples.shape[1]] = np.clip(np.rint(samples[:, : quantized.shape[1]] * scale) / scale, -1, 1)
        return quantized


def _bits(audio: Audio) -> int:
    """Bit depth of a clip's file: that of a lossless source, at most 24, and 16 for a lossy one."""
    return 24 if (audio.source.bits or 16) > 16 else 16


def _at_rate(rate: int, samples: int, clip: ClipSource) -> int:
    """Convert a number of samples of the mix to another sample rate."""
    return round(samples * rate / clip.rate)
