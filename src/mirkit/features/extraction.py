"""Compute the feature series of signals that arrive in blocks, each series once.

A *source* is a signal of a track: the full mix, a stem, or ``tonal`` (the sum of bass, other and vocals). A *kind* is a
kind of feature series: loudness, level, spectral, bands, chroma, envelope, bandwidth, onset (series for the beat
tracker), onsets (events), stem_onsets (which instruments play them), layers (onsets by register), voice (its log-odds),
audit (what is wrong with the source), timbre (the eight values), and the outputs of neural models: activations (of
beats), classes, aesthetics. Kinds that need spectra share one Fourier transform.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np

from mirkit.catalog import TONAL
from mirkit.features.audit.extractor import AuditExtractor
from mirkit.features.bands import BandExtractor
from mirkit.features.bandwidth import BandwidthExtractor
from mirkit.features.danceability import EnvelopeExtractor
from mirkit.features.harmony.chroma import ChromaExtractor
from mirkit.features.level import LevelExtractor
from mirkit.features.loudness import LoudnessExtractor
from mirkit.features.pitch.f0 import BASS, LEAD, F0Extractor
from mirkit.features.rhythm.layers import LayerExtractor
from mirkit.features.rhythm.onsets import OnsetExtractor
from mirkit.features.rhythm.stem_onsets import StemOnsetExtractor
from mirkit.features.spectral import SpectralExtractor
from mirkit.features.stft import PowerStft
from mirkit.features.timbre import TimbreExtractor
from mirkit.features.types import FloatArray
from mirkit.features.voice import VoiceExtractor

#: Samples per block: small enough that a block and its intermediate results fit in the processor's cache.
BLOCK = 1 << 16


class AudioExtractor(Protocol):
    """An extractor that receives every block of a source, float32, shape=(channels, n)."""

    def push(self, block: FloatArray) -> None: ...  # noqa: D102
    def finish(self) -> Any: ...  # noqa: D102


#: Kind -> function that creates its extractor, for kinds that neural models compute.
ExtractorFactories = Mapping[str, Callable[[], AudioExtractor]]

# Kind -> extractor of the samples of all channels, of the mono signal, and of its power spectra.
_OF_CHANNELS: Mapping[str, Callable[[int], AudioExtractor]] = {
    "loudness": LoudnessExtractor,
    "level": LevelExtractor,
    "bands": BandExtractor,
    "timbre": TimbreExtractor,
    "audit": AuditExtractor,
}
_OF_MONO: Mapping[str, type[ChromaExtractor | EnvelopeExtractor]] = {
    "chroma": ChromaExtractor,
    "envelope": EnvelopeExtractor,
}
_OF_SPECTRA: Mapping[str, type[SpectralExtractor | BandwidthExtractor | LayerExtractor | VoiceExtractor]] = {
    "spectral": SpectralExtractor,
    "bandwidth": BandwidthExtractor,
    "layers": LayerExtractor,
    "voice": VoiceExtractor,
}
_OF_ONSETS = {"onset", "onsets", "stem_onsets"}


class SignalExtractor:
    """Computes the wanted feature series of one signal.

    Parameters
    ----------
    channels : int
    wanted : set of str
        Kinds.
    factories : mapping
        Kind that has no extractor here -> function that makes one.
    source : str
        Name of the signal: f0 is searched in the range of a bass if it is ``bass``.
    """

    def __init__(self, channels: int, wanted: frozenset[str], factories: ExtractorFactories, source: str = "") -> None:
        self._wanted = wanted
        self._of_audio = {kind: factories[kind]() for kind in sorted(wanted & factories.keys())}
        self._of_audio |= {kind: make(channels) for kind, make in _OF_CHANNELS.items() if kind in wanted}
        self._of_mono: dict[str, AudioExtractor] = {kind: make() for kind, make in _OF_MONO.items() if kind in wanted}
        if "f0" in wanted:
            self._of_mono["f0"] = F0Extractor(BASS if source == "bass" else LEAD)
        self._of_spectra = {kind: make() for kind, make in _OF_SPECTRA.items() if kind in wanted}
        self._onset = OnsetExtractor(pulses="onset" in wanted) if wanted & _OF_ONSETS else None
        self._stem_onsets = StemOnsetExtractor() if "stem_onsets" in wanted else None
        self._stft = PowerStft() if self._of_spectra or self._onset else None
        self.samples = 0

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        self.samples += block.shape[1]
        for extractor in self._of_audio.values():
            extractor.push(block)
        mono = mono_of(block)
        for of_mono in self._of_mono.values():
            of_mono.push(mono)
        if self._onset:
            self._onset.push_samples(mono)
            if self._stem_onsets:
                self._stem_onsets.push_flux(self._onset.last_flux)
        if self._stft:
            self._push_frames(self._stft.push(mono))

    def finish(self) -> dict[str, Any]:
        """Return the series of each kind."""
        if self._stft:
            self._push_frames(self._stft.finish())
        extractors: dict[str, Any] = {**self._of_audio, **self._of_mono, **self._of_spectra}
        curves = {kind: extractor.finish() for kind, extractor in extractors.items()}
        if self._onset:
            pulses = self._onset.finish()
            curves |= {"onset": pulses, "onsets": pulses.all_onsets}
            if self._stem_onsets:
                self._stem_onsets.push_flux(self._onset.last_flux)
                curves["stem_onsets"] = self._stem_onsets.finish(pulses.all_onsets)
        return {kind: curve for kind, curve in curves.items() if kind in self._wanted}

    def _push_frames(self, blocks: Iterator[FloatArray]) -> None:
        for power in blocks:
            for of_spectra in self._of_spectra.values():
                of_spectra.push_frames(power)
            if self._onset:
                self._onset.push_frames(power)
            if self._stem_onsets:
                self._stem_onsets.push_frames(power)


def mono_of(block: FloatArray) -> FloatArray:
    """Mean of the channels.

    Parameters
    ----------
    block : float32 array, shape=(channels, n)

    Returns
    -------
    float32 array, shape=(n,)
        The block itself if it has one channel.
    """
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
    factories: ExtractorFactories,
) -> tuple[dict[tuple[str, str], Any], dict[str, int]]:
    """Compute the wanted feature series of several sources in one pass over each, in step.

    Parameters
    ----------
    streams : mapping
        Source -> blocks of ``BLOCK`` samples (the last may be shorter), float32, shape=(channels, n).
    channels : mapping
        Source -> number of channels.
    wanted : mapping
        Source -> kinds. The source ``tonal`` is made from the streams of bass, other and vocals.
    factories : mapping
        Kind that has no extractor here -> function that makes one.

    Returns
    -------
    series : dict
        ``(source, kind)`` -> series.
    samples : dict
        Source -> number of samples.
    """
    extractors = {
        source: SignalExtractor(channels.get(source, 1), wanted[source], factories, source) for source in wanted
    }
    for blocks in zip_longest(*streams.values()):
        now = dict(zip(streams, blocks, strict=True))
        for source, extractor in extractors.items():
            if source == "tonal":
                extractor.push(_sum([now[stem] for stem in TONAL if now[stem] is not None]))
            elif now[source] is not None:
                extractor.push(now[source])
    samples = {source: extractor.samples for source, extractor in extractors.items()}
    curves: dict[tuple[str, str], Any] = {}
    # Extractors finish one after the other and are then released, because they hold more than their results.
    for source in list(extractors):
        curves |= {(source, kind): curve for kind, curve in extractors.pop(source).finish().items()}
    return curves, samples


def _sum(blocks: list[FloatArray]) -> FloatArray:
    """Mono sum of blocks that may differ in length, shape=(1, n)."""
    total = np.zeros((1, max((block.shape[1] for block in blocks), default=0)), np.float32)
    for block in blocks:
        total[0, : block.shape[1]] += mono_of(block)
    return total
