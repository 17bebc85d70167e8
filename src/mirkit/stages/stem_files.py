"""The files of the stems: written at their true level, or with one common gain if the format would clip."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.audio import Audio, Writer, open_audio
from mirkit.features.types import FloatArray
from mirkit.store import Settings
from mirkit.track.names import STEM_MARK

LOSSLESS = ("flac", "wav")

#: Samples beyond full scale: their channels, positions in the track, and values.
_Over = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]


def bits_of(settings: Settings, source: int | None) -> int | None:
    """Choose the bit depth of the stems: that of the source, but 16 for a lossy source, whose noise is far higher."""
    if settings.separation.format not in LOSSLESS:
        return None
    return 24 if source is not None and source > 16 else 16


class StemFiles:
    """The files of the stems of one track.

    Parameters
    ----------
    paths : dict
        Stem -> file.
    audio : Audio
        The mix, which defines the rate and the channels of the stems.
    settings : Settings
    bits : int or None
        Bit depth of flac and wav; None for the default of the format, which for wav is floating point.
    """

    def __init__(self, paths: Mapping[str, Path], audio: Audio, settings: Settings, bits: int | None) -> None:
        form = settings.separation.format
        self._paths = dict(paths)
        self._form: dict[str, Any] = {
            "rate": audio.rate,
            "channels": audio.channels,
            "bits": bits,
            "bitrate": settings.separation.bitrate if form == "mp3" else None,
        }
        self.clipped: dict[str, int] = {}
        self._peak = 0.0
        self._over: dict[str, list[_Over]] = {stem: [] for stem in paths}

    def write(self, blocks: Iterable[Mapping[str, FloatArray]]) -> None:
        """Write blocks of stems, shape=(channels, n). Stems that have no file are skipped.

        The files appear together when all blocks are written, or not at all.
        """
        with ExitStack() as files:
            writers = {stem: files.enter_context(self._writer(stem)) for stem in self._paths}
            for stems in blocks:
                for stem, writer in writers.items():
                    self._remember(stem, writer.written.frames, stems[stem])
                    writer.write(stems[stem])
        self.clipped = {stem: writer.written.clipped for stem, writer in writers.items()}
        self._peak = max((writer.written.peak for writer in writers.values()), default=0.0)

    def fit(self) -> float:
        """Lower all stems by one gain if samples of any of them were clipped, and write them again.

        Clipped samples are restored first, so the files are the same as with that gain from the start, except that
        they are rounded twice.

        Returns
        -------
        float
            The gain; 1 where nothing was clipped.
        """
        if not any(self.clipped.values()):
            return 1.0
        gain = np.float32(1 / self._peak)
        for stem, path in self._paths.items():
            channels, places, values = self._cut_off(stem)
            audio, start = open_audio(path, rate=None, hold_seconds=0), 0
            with self._writer(stem) as writer:
                for block in audio.blocks():
                    whole = block.copy()
                    first, last = np.searchsorted(places, (start, start + whole.shape[1]))
                    whole[channels[first:last], places[first:last] - start] = values[first:last]
                    writer.write(whole * gain)
                    start += whole.shape[1]
        return float(gain)

    def _writer(self, stem: str) -> Writer:
        return Writer(self._paths[stem], tags={"artist": STEM_MARK, "title": stem}, **self._form)

    def _remember(self, stem: str, start: int, block: FloatArray) -> None:
        """Store the samples beyond full scale."""
        channels, samples = np.nonzero(np.abs(block) > 1)
        if len(samples):
            self._over[stem].append((channels, start + samples, block[channels, samples]))

    def _cut_off(self, stem: str) -> _Over:
        """The clipped samples of a stem, in the order of time."""
        none: _Over = (np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))
        channels, places, values = (np.concatenate(part) for part in zip(none, *self._over[stem], strict=True))
        order = np.argsort(places, kind="stable")
        return channels[order], places[order], values[order]
