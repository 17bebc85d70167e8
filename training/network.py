"""The network: from features of tiles to gains of the parts of a mix for each stem, by the separation error."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mirkit.separation.stft import HZ_PER_BIN
from training.examples import BANK, CONFIG, FEATURES, PAIRS, PARTS
from training.material import STEMS

BANDS = len(BANK)
#: A stem is absent if its energy is below this share of that of the mix; its leak then counts.
ABSENT = 1e-3
_FULL = torch.tensor([[PAIRS.index((min(i, j), max(i, j))) for j in range(len(PARTS))] for i in range(len(PARTS))])
#: Changes of the logits of the masks are limited to plus or minus this.
_LIMIT = 4.0
#: Weight of the leak of absent stems beside the SDR of the others, both in dB; limits, so that no mix dominates.
_LEAK_WEIGHT, _BEST_SDR, _LEAST_LEAK = 0.3, 15.0, -30.0
_CHANGE_WEIGHT = 0.003


@cache
def prior() -> Tensor:
    """Return the logits of the masks without training, shape=(bands, stems, parts): those of the signal processing.

    Percussive parts are drums, low harmonic ones bass, harmonic ones in the center up to 6 kHz vocals.
    """
    hertz = np.arange(CONFIG.bins) * HZ_PER_BIN
    low_bins = 1 / (1 + (hertz / 200) ** 6)
    voice_bins = (1 - low_bins) / (1 + (hertz / 6000) ** 4)
    weights = BANK / BANK.sum(axis=1, keepdims=True)
    low, voice = weights @ low_bins, weights @ voice_bins
    shares = np.zeros((BANDS, len(STEMS), len(PARTS)))
    shares[:, 0, :2] = 1
    shares[:, 1, 2:] = low[:, None]
    shares[:, 2, 2], shares[:, 2, 3] = 1 - low - voice, 1 - low
    shares[:, 3, 2] = voice
    return torch.tensor(np.log(np.clip(shares, 0, 1) + 0.02), dtype=torch.float32)


class Block(nn.Module):
    """A residual block: dilated convolution, the mean over the bands along time, the mean over time along the bands."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.near = nn.Conv2d(channels, channels, 3, padding=(dilation, 1), dilation=(dilation, 1))
        self.time = nn.Conv1d(channels, channels, 5, padding=2)
        self.whole = nn.Linear(channels, channels)
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return shape=(batch, channels, tiles, bands)."""
        h = functional.silu(self.norm(x))
        along_time = self.time(h.mean(dim=3))[:, :, :, None]
        along_bands = self.whole(h.mean(dim=2).transpose(1, 2)).transpose(1, 2)[:, :, None]
        return torch.as_tensor(x + self.dropout(self.near(h) + along_time + along_bands))


class Network(nn.Module):
    """Changes of the logits of the masks, zero before training.

    Parameters
    ----------
    channels : int
        Width.
    dilations : tuple of int
        Dilation in time of each block.
    """

    def __init__(self, channels: int = 24, dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 3)) -> None:
        super().__init__()
        self.first = nn.Conv2d(FEATURES + 2, channels, 1)
        self.bands = nn.Parameter(torch.zeros(channels, BANDS))
        self.blocks = nn.ModuleList([Block(channels, dilation) for dilation in dilations])
        self.norm = nn.GroupNorm(1, channels)
        self.last = nn.Conv2d(channels, len(STEMS) * len(PARTS), 1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Take shape=(batch, tiles, bands, features); return shape=(batch, tiles, bands, stems, parts)."""
        level = features[..., :1]
        mean = level.mean(dim=1, keepdim=True)
        both = features[..., 1:2] * features[..., 2:3]
        columns = (mean.expand_as(level), 2 * (level - mean), features[..., 1:], both)
        x = self.first(torch.cat(columns, dim=-1).permute(0, 3, 1, 2)) + self.bands[:, None]
        for block in self.blocks:
            x = block(x)
        out = self.last(functional.silu(self.norm(x))).permute(0, 2, 3, 1)
        out = out.reshape(*features.shape[:3], len(STEMS), len(PARTS))
        return torch.as_tensor(_LIMIT * torch.tanh(out / _LIMIT))


class Untrained(nn.Module):
    """No change: the masks of the signal processing."""

    def forward(self, features: Tensor) -> Tensor:
        """Return zeros, shape=(batch, tiles, bands, stems, parts)."""
        return torch.zeros(*features.shape[:3], len(STEMS), len(PARTS))


def gains(change: Tensor) -> Tensor:
    """Return the gain of each part for each stem; for each part they add up to 1."""
    return (prior() + change).softmax(dim=-2)


def errors(gain: Tensor, products: Tensor, correlations: Tensor, energies: Tensor) -> tuple[Tensor, Tensor]:
    """Return the energy of the error and of the estimate of each stem, shape=(batch, stems) each."""
    estimate = torch.einsum("btfsa,btfac,btfsc->bs", gain, products[..., _FULL], gain)
    return estimate - 2 * (gain * correlations).sum(dim=(1, 2, 4)) + energies, estimate


def of_mix(products: Tensor) -> Tensor:
    """Return the energy of each mix, shape=(batch,): the parts add up to it."""
    twice = torch.tensor([1.0 if i == j else 2.0 for i, j in PAIRS])
    return (products.sum(dim=(1, 2)) * twice).sum(dim=-1)


def scores(gain: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return SDR in dB, leak in dB of the mix, and whether the stem is there, shape=(batch, stems) each.

    An energy below a ten-thousandth of that of the mix counts as that, because of the precision of the statistics.
    """
    error, estimate = errors(gain, batch["products"], batch["correlations"], batch["energies"])
    total = of_mix(batch["products"])[:, None]
    sdr = 10 * torch.log10(batch["energies"].clamp(min=1e-9) / torch.maximum(error, 1e-4 * total))
    leak = 10 * torch.log10(estimate.clamp(min=0) / total + 1e-4)
    return sdr, leak, batch["energies"] > ABSENT * total


def loss(change: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Return the mean over stems: minus the SDR where a stem is there, a share of the leak where it is not."""
    sdr, leak, there = scores(gains(change), batch)
    terms = torch.where(there, -sdr.clamp(max=_BEST_SDR), _LEAK_WEIGHT * leak.clamp(min=_LEAST_LEAK))
    return terms.mean() + _CHANGE_WEIGHT * change.square().mean()


def augmented(features: Tensor, generator: torch.Generator) -> Tensor:
    """Return features as through a random equalizer on the mix, with a little noise."""
    count = len(features)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    places = torch.linspace(-1, 1, features.shape[2])
    curve = 0.25 * drawn(count, 1) * places
    for _ in range(3):
        center = 2 * torch.rand(count, 1, generator=generator) - 1
        width = 0.15 + 0.5 * torch.rand(count, 1, generator=generator)
        curve = curve + 0.2 * drawn(count, 1) * torch.exp(-(((places - center) / width) ** 2))
    level = features[..., :1] + curve[:, None, :, None]
    rest = features[..., 1:]
    return torch.cat((level, rest + 0.02 * drawn(*rest.shape)), dim=-1)


def weights_of(network: nn.Module) -> dict[str, Any]:
    """Return the weights as arrays by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}
