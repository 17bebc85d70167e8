"""The sound of clips: every file of a track decoded once, cut at the same samples."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mirkit.audio import Audio, Writer, Written, open_audio
from mirkit.features.types import FloatArray
from mirkit.track.clip import ClipSource

Pieces = dict[str, FloatArray]


class Sound:
    """The parts of a track at their own rates.

    Parameters
    ----------
    paths : dict
        Part -> file.

    Raises
    ------
    AudioError
        One of them cannot be read.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._audio = {part: open_audio(path, rate=None, hold_seconds=0) for part, path in paths.items()}

    def rate(self, part: str) -> int:
        """Samples a second of a part."""
        return self._audio[part].rate

    def pieces(self, cuts: Sequence[ClipSource]) -> Iterator[Pieces]:
        """Yield, for each of the cuts, what it takes of every part, shape=(channels, n), without its padding.

        All parts of a cut are equally long in time: one that ends earlier goes on in silence. Samples are rounded to
        the bits that they are written with, which changes nothing in a lossless source of up to 24 bits.
        """
        streams = {part: audio.windows(cut.window for cut in cuts) for part, audio in self._audio.items()}
        for cut in cuts:
            yield {part: self._fitted(part, next(streams[part]), cut) for part in streams}

    def write(self, path: Path, part: str, piece: FloatArray, cut: ClipSource) -> Written:
        """Write a piece and its padding as FLAC, at the rate and the bits of its part."""
        audio = self._audio[part]
        silence = _at(audio.rate, cut.length, cut) - piece.shape[1]
        with Writer(path, rate=audio.rate, channels=audio.channels, bits=_bits(audio)) as writer:
            writer.write(piece)
            writer.write(np.zeros((audio.channels, max(0, silence)), np.float32))
        return writer.written

    def _fitted(self, part: str, piece: FloatArray, cut: ClipSource) -> FloatArray:
        audio = self._audio[part]
        scale = np.float32(2 ** (_bits(audio) - 1))
        fitted = np.zeros((audio.channels, _at(audio.rate, cut.last - cut.first, cut)), np.float32)
        fitted[:, : piece.shape[1]] = np.clip(np.rint(piece[:, : fitted.shape[1]] * scale) / scale, -1, 1)
        return fitted


def _bits(audio: Audio) -> int:
    """Bits of a part's clips: those of a lossless source up to 24, and 16 for a lossy one."""
    return 24 if (audio.source.bits or 16) > 16 else 16


def _at(rate: int, samples: int, cut: ClipSource) -> int:
    """So many samples of the mix, counted at a part's rate."""
    return round(samples * rate / cut.rate)
