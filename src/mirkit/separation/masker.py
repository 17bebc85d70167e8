"""Masks of a mix, block by block: of the hand-made rules alone, or corrected by the network."""

from collections.abc import Iterator

import numpy as np

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray
from mirkit.separation.masks import estimate
from mirkit.separation.network import tile_shares
from mirkit.separation.stft import Analysis, Spectra, StftConfig
from mirkit.separation.tiles import FRAMES, Array, Parts, band_bank, tile_features

#: Number of frames whose masks are computed at once (about 12 s), and context on each side (1.5 s). All are even, so
#: that tiles of two frames fit.
CORE_FRAMES = 512
CONTEXT_FRAMES = 64

#: Spectra, shape=(channels, frames, bins), and their masks of drums, bass and vocals, shape=(3, frames, bins).
Masked = tuple[Spectra, FloatArray]


class Masker:
    """Spectra of a mix and the masks of its stems, in constant memory. They do not depend on the lengths of the blocks.

    Parameters
    ----------
    rate : int
        Sampling rate in Hz.
    channels : int
        Channels of the mix.
    trained : bool
        Whether the network corrects the hand-made rules.
    """

    def __init__(self, rate: int, channels: int, *, trained: bool) -> None:
        config = StftConfig(rate)
        self._analysis = Analysis(config, channels)
        self._portion = CORE_FRAMES * config.hop
        self._waiting = np.zeros((channels, 0), np.float32)
        self._spectra = np.zeros((channels, 0, config.bins), np.complex64)
        self._decided = 0
        self._trained = trained
        self._shares_ahead: Array | None = None

    def push(self, block: FloatArray) -> Iterator[Masked]:
        """Take the next samples, shape=(channels, n); yield the frames that become ready."""
        self._waiting = np.concatenate((self._waiting, np.asarray(block, np.float32)), axis=1)
        while self._waiting.shape[1] >= self._portion:
            portion, self._waiting = self._waiting[:, : self._portion], self._waiting[:, self._portion :]
            yield from self._advance(self._analysis.push(portion), last=False)

    def finish(self) -> Iterator[Masked]:
        """Yield the rest."""
        first = self._analysis.push(self._waiting)
        yield from self._advance(np.concatenate((first, self._analysis.finish()), axis=1), last=True)

    def _advance(self, spectra: Spectra, last: bool) -> Iterator[Masked]:
        self._spectra = np.concatenate((self._spectra, spectra), axis=1)
        ready = self._spectra.shape[1] - (0 if last else CONTEXT_FRAMES)
        if ready <= self._decided:
            return
        core = slice(self._decided, ready)
        masks = self._corrected(core) if self._trained else estimate(self._spectra)[:, core]
        yield self._spectra[:, core], masks
        keep = max(0, ready - CONTEXT_FRAMES)
        self._spectra = self._spectra[:, keep:]
        self._decided = ready - keep

    def _corrected(self, core: slice) -> FloatArray:
        """Masks of the core, whose shares are blended with those that the block before gave to its first frames."""
        parts = Parts.of(self._spectra)
        shares = tile_shares(tile_features(self._spectra, parts))
        own = shares[core.start // FRAMES : -(-core.stop // FRAMES)]
        if self._shares_ahead is not None:
            count = min(len(self._shares_ahead), len(own))
            rising = (np.arange(1, count + 1, dtype=np.float32) / (count + 1))[:, None, None, None]
            own[:count] = rising * own[:count] + (1 - rising) * self._shares_ahead[:count]
        self._shares_ahead = shares[core.stop // FRAMES :]
        bank = band_bank(self._spectra.shape[2])
        masks = np.empty((3, core.stop - core.start, self._spectra.shape[2]), np.float32)
        percussive, center = (np.ascontiguousarray(part[core], np.float32) for part in (parts.percussive, parts.center))
        _masks(percussive, center, np.ascontiguousarray(own), bank.first, bank.share, masks)
        return masks


@kernel()
def _masks(percussive, center, shares, first, lower, masks):  # type: ignore[no-untyped-def]
    """Blend the shares of the two bands of each bin, and weigh them by the parts of the bin."""
    for frame in range(masks.shape[1]):
        tile = shares[frame // 2]
        for k in range(masks.shape[2]):
            p, c, w = percussive[frame, k], center[frame, k], lower[k]
            low, high = tile[first[k]], tile[first[k] + 1]
            for stem in range(3):
                a, b = low[stem], high[stem]
                hit = c * (w * a[0] + (1 - w) * b[0]) + (1 - c) * (w * a[1] + (1 - w) * b[1])
                tone = c * (w * a[2] + (1 - w) * b[2]) + (1 - c) * (w * a[3] + (1 - w) * b[3])
                masks[stem, frame, k] = p * hit + (1 - p) * tone
