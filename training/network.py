"""The network: from features of tiles to gains of the parts of a mix for each stem, by the separation error.

:mod:`mirkit.separation.network` computes the same without PyTorch, and uses what it says about drums.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mirkit.separation.network import LIMIT, STEPS, hand_made
from mirkit.separation.tiles import BANDS
from training.examples import FEATURES, PAIRS, PARTS
from training.material import STEMS

#: A stem is absent if its energy is below this share of that of the mix; its leak then counts.
ABSENT = 1e-3
_FULL = torch.tensor([[PAIRS.index((min(i, j), max(i, j))) for j in range(len(PARTS))] for i in range(len(PARTS))])
#: Weight of the leak of absent stems beside the SDR of the others, both in dB; limits, so that no mix dominates.
_LEAK_WEIGHT, _BEST_SDR, _LEAST_LEAK = 0.3, 15.0, -30.0
_CHANGE_WEIGHT, _PRESENCE_WEIGHT = 0.013, 0.5


@cache
def prior() -> Tensor:
    """Return the logarithms of the shares by the hand-made rules, shape=(bands, stems, parts)."""
    return torch.tensor(np.log(hand_made()), dtype=torch.float32)


class Layer(nn.Module):
    """What surrounds a tile, the mean over the bands at its time, and the mean over time in the bands around it."""

    def __init__(self, channels: int, step: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.tiles = nn.Conv2d(channels, channels, 3, padding=(step, 1), dilation=(step, 1))
        self.bands = nn.Conv1d(channels, channels, 5, padding=2)
        self.time = nn.Linear(channels, channels)
        self.dropout = nn.Dropout2d(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return shape=(batch, channels, tiles, bands)."""
        h = functional.silu(self.norm(x))
        in_bands = self.bands(h.mean(dim=2))[:, :, None]
        in_time = self.time(h.mean(dim=3).transpose(1, 2)).transpose(1, 2)[..., None]
        return torch.as_tensor(x + self.dropout(self.tiles(h) + in_bands + in_time))


class Network(nn.Module):
    """Changes of the log-odds of drums, bass and the rest, zero before training, and how the rest is divided.

    Parameters
    ----------
    channels : int
        Width.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.input = nn.Linear(FEATURES + 2, channels)
        self.band = nn.Parameter(torch.zeros(BANDS, channels))
        self.layers = nn.ModuleList([Layer(channels, step) for step in STEPS])
        self.norm = nn.GroupNorm(1, channels)
        self.output = nn.Linear(channels, 3 * len(PARTS))
        self.split = nn.Parameter(torch.zeros(BANDS, len(PARTS)))
        self.presence = nn.Linear(2 * channels, len(STEMS))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Take shape=(batch, tiles, bands, features).

        Returns
        -------
        change : shape=(batch, tiles, bands, 3, parts)
        present : shape=(batch, stems)
            Log-odds that a stem plays, which only training uses.
        """
        level = features[..., :1]
        mean = level.mean(dim=1, keepdim=True)
        both = features[..., 1:2] * features[..., 2:3]
        columns = (mean.expand_as(level), 2 * (level - mean), features[..., 1:], both)
        x = (self.input(torch.cat(columns, dim=-1)) + self.band).permute(0, 3, 1, 2)
        for layer in self.layers:
            x = layer(x)
        x = functional.silu(self.norm(x))
        present = self.presence(torch.cat((x.mean(dim=(2, 3)), x.mean(dim=3).amax(dim=2)), dim=1))
        out = self.output(x.permute(0, 2, 3, 1)).reshape(*features.shape[:3], 3, len(PARTS))
        return torch.as_tensor(LIMIT * torch.tanh(out / LIMIT)), present

    def gains(self, change: Tensor, bass: float = 1.0) -> Tensor:
        """Return the gain of each part for each stem, which add up to 1 for each part.

        Parameters
        ----------
        change : shape=(batch, tiles, bands, 3, parts)
        bass : float
            How much of the change of bass is applied: all of it in training, nothing in mirkit.
        """
        base = prior()
        rest = torch.logsumexp(base[:, 2:], dim=1)
        drums = base[:, 0] + change[..., 0, :] - change[..., 2, :]
        low = base[:, 1] + bass * (change[..., 1, :] - change[..., 2, :])
        shares = torch.stack((drums, low, rest.expand_as(low)), dim=-2).softmax(dim=-2)
        other = torch.sigmoid(base[:, 2] - base[:, 3] + self.split)
        left = shares[..., 2, :]
        return torch.stack((shares[..., 0, :], shares[..., 1, :], left * other, left * (1 - other)), dim=-2)


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


def loss(network: Network, features: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Return the mean over stems: minus the SDR where a stem is there, a share of the leak where it is not."""
    change, present = network(features)
    sdr, leak, there = scores(network.gains(change), batch)
    terms = torch.where(there, -sdr.clamp(max=_BEST_SDR), _LEAK_WEIGHT * leak.clamp(min=_LEAST_LEAK))
    told = functional.binary_cross_entropy_with_logits(present, there.float())
    return torch.as_tensor(terms.mean() + _CHANGE_WEIGHT * change.square().mean() + _PRESENCE_WEIGHT * told)


def augmented(features: Tensor, generator: torch.Generator) -> Tensor:
    """Return features as through a random equalizer on the mix; the others shifted, noisy, and now and then constant.

    Without this, what is learned about the sounds of the renderings makes real songs worse.
    """
    count, others = len(features), features.shape[3] - 1

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    places = torch.linspace(-1, 1, features.shape[2])
    curve = 0.4 * drawn(count, 1) * places
    for _ in range(4):
        center = 2 * torch.rand(count, 1, generator=generator) - 1
        width = 0.1 + 0.5 * torch.rand(count, 1, generator=generator)
        curve = curve + 0.3 * drawn(count, 1) * torch.exp(-(((places - center) / width) ** 2))
    level = features[..., :1] + curve[:, None, :, None]
    rest = features[..., 1:] + 0.04 * drawn(*features.shape[:3], others)
    rest = rest + 0.08 * (drawn(count, 1, 1, others) + drawn(count, 1, 1, others) * places[:, None])
    constant = (torch.rand(count, 1, 1, others, generator=generator) < 0.1).float()
    rest = rest * (1 - constant) + rest.mean(dim=(0, 1, 2), keepdim=True) * constant
    return torch.cat((level, rest), dim=-1)


#: How the axes of weights lie in the file, where they are not as in PyTorch.
_AXES = {"tiles.weight": (2, 3, 1, 0), "bands.weight": (2, 0, 1)}


def _axes(name: str) -> tuple[int, ...] | None:
    return next((axes for end, axes in _AXES.items() if name.endswith(end)), None)


def weights_of(network: nn.Module) -> dict[str, Any]:
    """Return the weights as arrays by name, as :class:`mirkit.separation.network.Network` takes them."""
    found = {}
    for name, tensor in network.state_dict().items():
        if not name.startswith("presence."):
            array, axes = tensor.detach().numpy(), _axes(name)
            found[name] = np.ascontiguousarray(array.transpose(axes) if axes else array).astype(np.float16)
    return found


def network_of(arrays: dict[str, Any]) -> Network:
    """Undo :func:`weights_of`, to half precision."""
    state = {}
    for name, array in arrays.items():
        axes = _axes(name)
        state[name] = torch.from_numpy(np.array(array.transpose(np.argsort(axes)) if axes else array, np.float32))
    network = Network(len(state["input.bias"]))
    network.load_state_dict(state, strict=False)
    return network
