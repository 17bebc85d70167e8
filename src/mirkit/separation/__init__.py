"""Four stems of a mix by signal processing alone, block by block, in constant memory: no model, no download."""

from collections.abc import Iterable, Iterator

import numpy as np

from mirkit.features.types import FloatArray
from mirkit.separation.masks import STEMS, estimate
from mirkit.separation.stft import Analysis, Spectra, StftConfig, Synthesis


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


#: Number of frames whose masks are computed at once (about 12 s), and context on each side (1.5 s).
CORE_FRAMES = 512
CONTEXT_FRAMES = 64


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
    """

    def __init__(self, rate: int, channels: int) -> None:
        config = StftConfig(rate)
        self._analysis = Analysis(config, channels)
        self._synthesis = Synthesis(config, 3 * channels)
        self._channels = channels
        self._portion = CORE_FRAMES * config.hop
        self._waiting = np.zeros((channels, 0), np.float32)
        self._mix = np.zeros((channels, 0), np.float32)
        self._spectra = np.zeros((channels, 0, config.bins), np.complex64)
        self._decided = 0

    def push(self, block: FloatArray) -> Iterator[dict[str, FloatArray]]:
        """Take the next samples, shape=(channels, n); yield blocks of stems by name, as they become ready."""
        self._waiting = np.concatenate((self._waiting, np.asarray(block, np.float32)), axis=1)
        while self._waiting.shape[1] >= self._portion:
            portion, self._waiting = self._waiting[:, : self._portion], self._waiting[:, self._portion :]
            yield from self._advance(portion, self._analysis.push(portion), last=False)

    def finish(self) -> Iterator[dict[str, FloatArray]]:
        """Yield the rest."""
        first = self._analysis.push(self._waiting)
        spectra = np.concatenate((first, self._analysis.finish()), axis=1)
        yield from self._advance(self._waiting, spectra, last=True)

    def _advance(self, samples: FloatArray, spectra: Spectra, last: bool) -> Iterator[dict[str, FloatArray]]:
        self._mix = np.concatenate((self._mix, samples), axis=1)
        self._spectra = np.concatenate((self._spectra, spectra), axis=1)
        ready = self._spectra.shape[1] - (0 if last else CONTEXT_FRAMES)
        if ready <= self._decided:
            return
        shares = estimate(self._spectra)[:, self._decided : ready]
        core = self._spectra[:, self._decided : ready]
        masked = shares[:, None] * core[None]
        signals = self._synthesis.push(masked.reshape(-1, *masked.shape[2:]))
        keep = max(0, ready - CONTEXT_FRAMES)
        self._spectra = self._spectra[:, keep:]
        self._decided = ready - keep
        count = min(signals.shape[1], self._mix.shape[1])
        if not count:
            return
        drums, bass, vocals = signals[:, :count].reshape(3, self._channels, count)
        mix, self._mix = self._mix[:, :count], self._mix[:, count:]
        stems = fit_full_scale(np.stack((drums, bass, mix - drums - bass - vocals, vocals)), mix)
        yield dict(zip(STEMS, stems, strict=True))


def separate(blocks: Iterable[FloatArray], rate: int, channels: int) -> Iterator[dict[str, FloatArray]]:
    """Separate blocks of a mix into blocks of four stems, with a `Separator`.

    Parameters
    ----------
    blocks : iterable of arrays
        The mix, float32, shape=(channels, n) each, any lengths.
    rate : int
        Sampling rate in Hz.
    channels : int
        Channels of the mix.

    Yields
    ------
    dict
        Arrays, float32, shape=(channels, n), for ``drums``, ``bass``, ``other`` and ``vocals``; n varies.
    """
    separator = Separator(rate, channels)
    for block in blocks:
        yield from separator.push(block)
    yield from separator.finish()
