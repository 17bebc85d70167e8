"""BS-RoFormer and Mel-Band RoFormer, for inference.

Lu et al., "Music source separation with band-split RoPE transformer" (2023); Wang et al., "Mel-band RoFormer for music
source separation" (2023). Written from the papers and the layout of the community's checkpoints; attribute names are
those of the checkpoints. A spectrum is split into bands, and each band becomes a vector. Transformers alternate between
time and bands. The output is a mask for each source and band.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from mirkit.models.beat_this.network import Attention, Norm, Rotary, Transformer

_LINEAR_SCALE = 8.0


class LinearAttention(nn.Module):
    """Attention between features instead of positions (El-Nouby et al., 2021)."""

    def __init__(self, size: int, heads: int, head_size: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm(size)
        # The gaps in the numbering are layers without parameters, which rearrange axes.
        self.to_qkv = nn.Sequential(nn.Linear(size, 3 * heads * head_size, bias=False))
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.to_out = nn.Sequential(nn.Identity(), nn.Linear(heads * head_size, size, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Attend, shape=(batch, places, size)."""
        query, key, value = self.to_qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 4, 1)
        query = functional.normalize(query, dim=-1) * self.temperature.exp()
        alike = query @ functional.normalize(key, dim=-1).transpose(-1, -2).to(query.dtype)
        attended = (_LINEAR_SCALE * alike).softmax(dim=-1).to(value.dtype) @ value
        out: Tensor = self.to_out(attended.permute(0, 3, 1, 2).flatten(2))
        return out


class BandSplit(nn.Module):
    """Each band to one vector."""

    def __init__(self, widths: Sequence[int], size: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.to_features = nn.ModuleList(nn.Sequential(Norm(width), nn.Linear(width, size)) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, times, widths) -> (batch, times, bands, size)."""
        bands = x.split(self.widths, dim=-1)
        return torch.stack([net(band) for net, band in zip(self.to_features, bands, strict=True)], dim=-2)


class MaskEstimator(nn.Module):
    """Each vector to the mask of its band."""

    def __init__(self, widths: Sequence[int], size: int, hidden: int, depth: int) -> None:
        super().__init__()
        self.to_freqs = nn.ModuleList(
            nn.Sequential(_perceptron(size, hidden, 2 * width, depth), nn.GLU(dim=-1)) for width in widths
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, times, bands, size) -> (batch, times, widths)."""
        return torch.cat([net(band) for net, band in zip(self.to_freqs, x.unbind(-2), strict=True)], dim=-1)


def _perceptron(size: int, hidden: int, out: int, depth: int) -> nn.Sequential:
    sizes = [size, *[hidden] * (depth - 1), out]
    steps: list[nn.Module] = []
    for width, following in pairwise(sizes):
        steps += [nn.Linear(width, following), nn.Tanh()]
    return nn.Sequential(*steps[:-1])


class RoFormer(nn.Module):
    """Stereo audio to stereo sources.

    Parameters
    ----------
    bands : list of array
        Bins of each band.
    mel : bool
        Whether this is a Mel-Band RoFormer. Each of its transformers ends in a norm, and its mask estimators have one
        more layer; a BS-RoFormer has one norm at the end.
    sizes : dict
        Sizes, named as in the configuration.
    skip_connection : bool
        Whether the transformers of a block also receive the outputs of all blocks before.
    zero_dc : bool
        Whether the lowest bin of every source is set to zero.
    """

    bins: Tensor
    window: Tensor
    shares: Tensor

    def __init__(
        self,
        bands: Sequence[npt.NDArray[np.int64]],
        mel: bool,
        sizes: dict[str, int],
        *,
        skip_connection: bool = False,
        zero_dc: bool = True,
    ) -> None:
        super().__init__()
        self._skip_connection, self._zero_dc = skip_connection, zero_dc
        size, heads, head_size = sizes["dim"], sizes["heads"], sizes["dim_head"]
        time_rotary, band_rotary = Rotary(head_size), Rotary(head_size)

        def over(rotary: Rotary, depth: int) -> Transformer:
            return Transformer([Attention(size, heads, head_size, rotary) for _ in range(depth)], size, normed=mel)

        self.layers = nn.ModuleList()
        for _ in range(sizes["depth"]):
            block = nn.ModuleList()
            if linear := sizes["linear_transformer_depth"]:
                attentions = [LinearAttention(size, heads, head_size) for _ in range(linear)]
                block.append(Transformer(attentions, size, normed=mel))
            block.append(over(time_rotary, sizes["time_transformer_depth"]))
            block.append(over(band_rotary, sizes["freq_transformer_depth"]))
            self.layers.append(block)
        self.final_norm = nn.Identity() if mel else Norm(size)
        widths = [4 * len(bins) for bins in bands]  # two channels of complex numbers
        self.band_split = BandSplit(widths, size)
        hidden, depth = size * sizes["mlp_expansion_factor"], sizes["mask_estimator_depth"] + mel
        self.mask_estimators = nn.ModuleList(
            MaskEstimator(widths, size, hidden, depth) for _ in range(sizes["num_stems"])
        )
        self._frame: dict[str, Any] = {
            "n_fft": sizes["stft_n_fft"],
            "hop_length": sizes["stft_hop_length"],
            "win_length": sizes["stft_win_length"],
        }
        bins = torch.cat([torch.from_numpy(band) for band in bands])
        self.register_buffer("bins", bins, persistent=False)
        self.register_buffer("window", torch.hann_window(sizes["stft_win_length"]), persistent=False)
        shares = 1 / torch.bincount(bins).float()
        self.register_buffer("shares", shares[:, None, None], persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """Separate, shape=(batch, 2, n) -> (batch, sources, 2, n)."""
        batch, channels, length = sound.shape
        spectra = torch.stft(sound.flatten(0, 1), **self._frame, window=self.window, return_complex=True)
        spectra = spectra.unflatten(0, (batch, channels)).permute(0, 3, 2, 1)  # batch, times, bins, channels
        seen = torch.view_as_real(spectra[:, :, self.bins]).flatten(2)
        x = self.band_split(seen)
        before: list[Tensor] = []
        for block in self.layers:
            *linear, over_time, over_bands = block.children()
            for transformer in linear:
                x = transformer(x.flatten(1, 2)).view_as(x)
            x = sum(before, x)
            x = over_time(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, -1)).transpose(1, 2)
            x = over_bands(x.flatten(0, 1)).unflatten(0, (batch, -1))
            if self._skip_connection:
                before.append(x)
        x = self.final_norm(x)
        return torch.stack([self._masked(spectra, estimate(x), length) for estimate in self.mask_estimators], dim=1)

    def _masked(self, spectra: Tensor, mask: Tensor, length: int) -> Tensor:
        """Return one source, shape=(batch, 2, n); where bands overlap, their masks are averaged."""
        batch, times, bins, channels = spectra.shape
        parts = mask.float().view(batch, times, len(self.bins), 2 * channels)
        summed = torch.zeros(batch, times, bins, 2 * channels, device=parts.device).index_add_(2, self.bins, parts)
        average = torch.view_as_complex(summed.unflatten(-1, (channels, 2)) * self.shares)
        source = (spectra * average).permute(0, 3, 2, 1).flatten(0, 1)
        if self._zero_dc:
            source = source.index_fill(1, torch.zeros(1, dtype=torch.long, device=source.device), 0)
        found = torch.istft(source, **self._frame, window=self.window, length=length)
        return found.view(batch, channels, length)
