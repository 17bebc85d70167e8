"""Four stems of a mix, block by block, in constant memory, with nothing to download.

*Method*: each bin of the short-time spectra is divided by hand-made rules (``masks``: percussive or harmonic, center or
side, frequency), whose odds for drums a small network corrects (``network``). *Reading*: docs/how_good/separation.md.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from mirkit.catalog import EMBEDDED_STEMS
from mirkit.features.types import FloatArray
from mirkit.separation.masker import Masked, Masker
from mirkit.separation.masks import STEMS
from mirkit.separation.presence import ALL_PRESENT, Presence, survey
from mirkit.separation.stft import StftConfig, Synthesis

__all__ = [
    "ALL_PRESENT",
    "EMBEDDED",
    "EMBEDDED_DSP",
    "METHODS",
    "STEMS",
    "Presence",
    "Separator",
    "fit_full_scale",
    "separate",
    "survey",
]

#: The hand-made rules with the network, and without it, as they were before there was one.
EMBEDDED, EMBEDDED_DSP = METHODS = EMBEDDED_STEMS


def fit_full_scale(stems: FloatArray, mix: FloatArray) -> FloatArray:
    """Move the excess above full scale from one stem to the others, without changing their sum.

    Two stems may each exceed full scale where the mix does not, because they cancel. Clipping one of them would change
    the sum; moving the excess to stems that are below full scale does not.

    Parameters
    ----------
    stems : array, shape=(stems, channels, n)
        Stems that add up to the mix.
    mix : array, shape=(channels, n)
        The mix. Where the mix exceeds full scale, its stems may have the same level.

    Returns
    -------
    array, shape=(stems, channels, n)
        Stems within ``max(1, abs(mix))`` that add up to the mix.
    """
    limit = np.maximum(1, np.abs(mix))
    if np.all(np.abs(stems) <= limit):
        return stems
    fitted = np.clip(stems, -limit, limit)
    excess = (stems - fitted).sum(axis=0)
    for stem in fitted:
        taken = np.clip(stem + excess, -limit, limit) - stem
        stem += taken
        excess -= taken
    return fitted


class Separator:
    """Split a mix into drums, bass, other and vocals that add up to it.

    Stems have the channels and the length of the mix, without delay. The sum is exact to float32 rounding, because
    ``other`` is the mix less the other three. Results do not depend on the lengths of the blocks.

    Parameters
    ----------
    rate : int
        Sampling rate in Hz.
    channels : int
        Channels of the mix.
    method : str
        One of ``METHODS``.
    presence : Presence, optional
        What :func:`survey` has found: stems that do not play are left out. By default all are taken to play.
    """

    def __init__(self, rate: int, channels: int, method: str = EMBEDDED, presence: Presence = ALL_PRESENT) -> None:
        self._masker = Masker(rate, channels, trained=method == EMBEDDED)
        self._gains = presence.gains[:, None, None]
        self._synthesis = Synthesis(StftConfig(rate), 3 * channels)
        self._channels = channels
        self._mix = np.zeros((channels, 0), np.float32)

    def push(self, block: FloatArray) -> Iterator[dict[str, FloatArray]]:
        """Take the next samples, shape=(channels, n); yield blocks of stems by name, as they become ready."""
        self._mix = np.concatenate((self._mix, np.asarray(block, np.float32)), axis=1)
        yield from self._stems(self._masker.push(block))

    def finish(self) -> Iterator[dict[str, FloatArray]]:
        """Yield the rest."""
        yield from self._stems(self._masker.finish())

    def _stems(self, ready: Iterable[Masked]) -> Iterator[dict[str, FloatArray]]:
        for spectra, masks in ready:
            masked = (masks * self._gains)[:, None] * spectra[None]
            signals = self._synthesis.push(masked.reshape(-1, *masked.shape[2:]))
            count = min(signals.shape[1], self._mix.shape[1])
            if not count:
                continue
            drums, bass, vocals = signals[:, :count].reshape(3, self._channels, count)
            mix, self._mix = self._mix[:, :count], self._mix[:, count:]
            stems = fit_full_scale(np.stack((drums, bass, mix - drums - bass - vocals, vocals)), mix)
            yield dict(zip(STEMS, stems, strict=True))


def separate(
    blocks: Iterable[FloatArray],
    rate: int,
    channels: int,
    method: str = EMBEDDED,
    presence: Presence = ALL_PRESENT,
) -> Iterator[dict[str, FloatArray]]:
    """Separate blocks of a mix into blocks of four stems, with a `Separator`.

    Parameters
    ----------
    blocks : iterable of arrays
        The mix, float32, shape=(channels, n) each, any lengths.
    rate : int
        Sampling rate in Hz.
    channels : int
        Channels of the mix.
    method : str
        ``embedded``: hand-made rules that a network corrects. ``embedded-dsp``: the rules alone.
    presence : Presence, optional
        What :func:`survey` has found.

    Yields
    ------
    dict
        Arrays, float32, shape=(channels, n), for ``drums``, ``bass``, ``other`` and ``vocals``; n varies.
    """
    separator = Separator(rate, channels, method, presence)
    for block in blocks:
        yield from separator.push(block)
    yield from separator.finish()
