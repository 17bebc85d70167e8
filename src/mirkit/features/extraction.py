"""The curves of a signal, each computed once while its sound streams by.

A *part* is a signal of a track: the full mix, a stem, or ``tonal`` (bass + other + vocals). A *family* is a kind of
curve: loudness, spectral, bands, chroma, envelope, bandwidth, onset (functions for the beat tracker), onsets (events),
timbre (the eight values), and what neural models hear: activations (of beats), classes, aesthetics.
Families that need spectra share one transform.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np

from mirkit.catalog import TONAL
from mirkit.features.bands import BandExtractor
from mirkit.features.bandwidth import BandwidthExtractor
from mirkit.features.envelope import EnvelopeExtractor
from mirkit.features.harmony.chroma import ChromaExtractor
from mirkit.features.loudness import LoudnessExtractor
from mirkit.features.rhythm.onsets import OnsetExtractor
from mirkit.features.spectral import SpectralExtractor
from mirkit.features.stft import PowerStft
from mirkit.features.timbre import TimbreExtractor
from mirkit.features.types import FloatArray

#: Samples per block: small enough that a block and what is made of it stay in the processor's cache.
BLOCK = 1 << 16


class AudioExtractor(Protocol):
    """Hears every block of a part, float32, shape=(channels, n)."""

    def push(self, block: FloatArray) -> None: ...  # noqa: D102
    def finish(self) -> Any: ...  # noqa: D102


class _Meter(Protocol):
    def finish(self) -> Any: ...


#: Family -> how its meter is got, for those that the pure wing has none for: what neural models hear.
Makers = Mapping[str, Callable[[], AudioExtractor]]


class SignalExtractor:
    """Every wanted curve of one signal, fed block by block.

    Parameters
    ----------
    channels : int
    wanted : set of str
        Families.
    makers : dict
        Family that is measured elsewhere -> how its meter is got.
    """

    def __init__(self, channels: int, wanted: frozenset[str], makers: Makers) -> None:
        self._wanted = wanted
        self._sound: dict[str, AudioExtractor] = {family: makers[family]() for family in sorted(wanted & makers.keys())}
        if "loudness" in wanted:
            self._sound["loudness"] = LoudnessExtractor(channels)
        if "bands" in wanted:
            self._sound["bands"] = BandExtractor(channels)
        if "timbre" in wanted:
            self._sound["timbre"] = TimbreExtractor(channels)
        self._chroma = ChromaExtractor() if "chroma" in wanted else None
        self._envelope = EnvelopeExtractor() if "envelope" in wanted else None
        self._spectral = SpectralExtractor() if "spectral" in wanted else None
        self._bandwidth = BandwidthExtractor() if "bandwidth" in wanted else None
        self._onset = OnsetExtractor(pulses="onset" in wanted) if wanted & {"onset", "onsets"} else None
        self._stft = PowerStft() if self._spectral or self._bandwidth or self._onset else None
        self.samples = 0

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        self.samples += block.shape[1]
        for meter in self._sound.values():
            meter.push(block)
        mono = mono_of(block)
        if self._chroma:
            self._chroma.push(mono)
        if self._envelope:
            self._envelope.push(mono)
        if self._onset:
            self._onset.push_samples(mono)
        if self._stft:
            self._frames(self._stft.push(mono))

    def finish(self) -> dict[str, Any]:
        """Return family -> curve."""
        if self._stft:
            self._frames(self._stft.finish())
        meters: dict[str, _Meter | None] = {
            **self._sound,
            "chroma": self._chroma,
            "envelope": self._envelope,
            "spectral": self._spectral,
            "bandwidth": self._bandwidth,
            "onset": self._onset,
        }
        curves = {family: meter.finish() for family, meter in meters.items() if meter}
        if "onsets" in self._wanted:
            curves["onsets"] = curves["onset"].onsets
        return {family: curve for family, curve in curves.items() if family in self._wanted}

    def _frames(self, blocks: Iterator[FloatArray]) -> None:
        for power in blocks:
            if self._spectral:
                self._spectral.push_frames(power)
            if self._bandwidth:
                self._bandwidth.push_frames(power)
            if self._onset:
                self._onset.push_frames(power)


def mono_of(block: FloatArray) -> FloatArray:
    """Mean of the channels, shape=(n,)."""
    if len(block) == 1:
        mono: FloatArray = block[0]
    elif len(block) == 2:  # several times faster than mean()
        mono = np.add(block[0], block[1])
        mono *= 0.5
    else:
        mono = block.mean(axis=0, dtype=np.float32)
    return mono


def measure(
    streams: Mapping[str, Iterable[FloatArray]],
    channels: Mapping[str, int],
    wanted: Mapping[str, frozenset[str]],
    makers: Makers,
) -> tuple[dict[tuple[str, str], Any], dict[str, int]]:
    """Measure the wanted curves of several parts, in step, in one pass over each.

    Parameters
    ----------
    streams : dict
        Part -> blocks of ``BLOCK`` samples (the last may be shorter), float32, shape=(channels, n).
    channels : dict
        Part -> number of channels.
    wanted : dict
        Part -> families; the part ``tonal`` is made from the streams of bass, other and vocals.
    makers : dict
        Family that is measured elsewhere -> how its meter is got.

    Returns
    -------
    curves : dict
        ``(part, family)`` -> curve.
    samples : dict
        Part -> number of samples.
    """
    meters = {part: SignalExtractor(channels.get(part, 1), wanted[part], makers) for part in wanted}
    for blocks in zip_longest(*streams.values()):
        now = dict(zip(streams, blocks, strict=True))
        for part, meter in meters.items():
            if part == "tonal":
                meter.push(_sum([now[stem] for stem in TONAL if now[stem] is not None]))
            elif now[part] is not None:
                meter.push(now[part])
    samples = {part: meter.samples for part, meter in meters.items()}
    curves: dict[tuple[str, str], Any] = {}
    for part in list(meters):  # one after the other, each let go: what a meter gathers is larger than its curves
        curves |= {(part, family): curve for family, curve in meters.pop(part).finish().items()}
    return curves, samples


def _sum(blocks: list[FloatArray]) -> FloatArray:
    """Mono sum of blocks that may differ in length, shape=(1, n)."""
    total = np.zeros((1, max((block.shape[1] for block in blocks), default=0)), np.float32)
    for block in blocks:
        total[0, : block.shape[1]] += mono_of(block)
    return total
