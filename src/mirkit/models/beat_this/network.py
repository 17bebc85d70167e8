"""The network of Beat This! (Foscarin, Schlueter & Widmer, ISMIR 2024), for inference.

Written from the paper and the layout of the published checkpoints; attribute names are those of the checkpoints.
A convolutional front end with small transformers across frequency and across time shrinks each spectrum of 128 bands
to a vector; a transformer with rotary positions and gated heads runs over time; a linear head gives two logits.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

_BANDS = 128
_FEED_FORWARD = 4  # factor in the front end; that of the transformer is a hyper-parameter
_THETA = 10000.0


class Norm(nn.Module):
    """Scaled L2 norm over the last axis."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize, shape=(..., size)."""
        scale: Tensor = self.gamma.shape[0] ** 0.5 * self.gamma
        return functional.normalize(x, dim=-1) * scale


class Rotary(nn.Module):
    """Rotary position embedding: pairs of neighboring values are rotated by an angle that depends on the position."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.freqs = nn.Parameter(_THETA ** (-torch.arange(0, size, 2) / size), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rotate queries or keys, shape=(batch, heads, places, size)."""
        places = torch.arange(x.shape[-2], device=x.device, dtype=self.freqs.dtype)
        angle = torch.outer(places, self.freqs).repeat_interleave(2, dim=-1)
        quarter_turned = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)
        return x * angle.cos() + quarter_turned * angle.sin()


class Attention(nn.Module):
    """Self-attention over the middle axis; each head has a gate of its own."""

    def __init__(self, size: int, heads: int, head_size: int, rotary: Rotary) -> None:
        super().__init__()
        self.heads = heads
        self.rotary_embed = rotary
        self.norm = Norm(size)
        self.to_qkv = nn.Linear(size, 3 * heads * head_size, bias=False)
        self.to_gates = nn.Linear(size, heads)
        self.to_out = nn.Sequential(nn.Linear(heads * head_size, size, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Attend, shape=(batch, places, size)."""
        x = self.norm(x)
        query, key, value = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(
            self.rotary_embed(query).to(value.dtype), self.rotary_embed(key).to(value.dtype), value
        )
        gates = self.to_gates(x).sigmoid().transpose(1, 2)[..., None]
        out: Tensor = self.to_out((attended * gates).transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """Two linear layers, applied to each place."""

    def __init__(self, size: int, times: int = _FEED_FORWARD) -> None:
        super().__init__()
        inner = size * times
        # The gaps in the numbering are the dropout layers, which only training uses.
        self.net = nn.Sequential(Norm(size), nn.Linear(size, inner), nn.GELU(), nn.Identity(), nn.Linear(inner, size))

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(..., size)."""
        out: Tensor = self.net(x)
        return out


class AcrossBoth(nn.Module):
    """A transformer layer across frequency, then one across time."""

    def __init__(self, size: int, head_size: int, rotary: Rotary) -> None:
        super().__init__()
        heads = size // head_size
        self.attnF, self.ffF = Attention(size, heads, head_size, rotary), FeedForward(size)
        self.attnT, self.ffT = Attention(size, heads, head_size, rotary), FeedForward(size)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, size, bands, times)."""
        batch, size, bands, times = x.shape
        x = x.permute(0, 3, 2, 1).reshape(batch * times, bands, size)
        x = x + self.attnF(x)
        x = x + self.ffF(x)
        x = x.view(batch, times, bands, size).transpose(1, 2).reshape(batch * bands, times, size)
        x = x + self.attnT(x)
        x = x + self.ffT(x)
        return x.view(batch, bands, times, size).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Twice the channels, half the bands."""

    def __init__(self, size: int, head_size: int, rotary: Rotary, attends: bool) -> None:
        super().__init__()
        self.partial = AcrossBoth(size, head_size, rotary) if attends else nn.Identity()
        self.conv2d = nn.Conv2d(size, 2 * size, (2, 3), (2, 1), (0, 1), bias=False)
        self.norm = nn.BatchNorm2d(2 * size)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, size, bands, times) -> (batch, 2 size, bands / 2, times)."""
        return functional.gelu(self.norm(self.conv2d(self.partial(x))))


class Stem(nn.Module):
    """Spectra to channels, a quarter of the bands."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bn1d = nn.BatchNorm1d(_BANDS)
        self.conv2d = nn.Conv2d(1, size, (4, 3), (4, 1), (0, 1), bias=False)
        self.bn2d = nn.BatchNorm2d(size)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, times, 128) -> (batch, size, 32, times)."""
        return functional.gelu(self.bn2d(self.conv2d(self.bn1d(x.transpose(1, 2))[:, None])))


class Frontend(nn.Module):
    """Each spectrum to one vector."""

    def __init__(self, stem: int, size: int, head_size: int, rotary: Rotary, attends: bool) -> None:
        super().__init__()
        self.stem = Stem(stem)
        self.blocks = nn.Sequential(*(Block(stem * 2**i, head_size, rotary, attends) for i in range(3)))
        self.linear = nn.Linear(stem * 8 * (_BANDS // 32), size)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, times, 128) -> (batch, times, size)."""
        x = self.blocks(self.stem(x))
        out: Tensor = self.linear(x.permute(0, 3, 1, 2).flatten(2))
        return out


class Transformer(nn.Module):
    """Layers of attention and feed-forward.

    Parameters
    ----------
    attentions : iterable of Module
    size : int
    times : int
        Factor of the inner size of the feed-forward layers.
    normed : bool
        Whether it ends in a norm.
    """

    def __init__(
        self, attentions: Iterable[nn.Module], size: int, times: int = _FEED_FORWARD, *, normed: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList((attention, FeedForward(size, times))) for attention in attentions)
        self.norm = Norm(size) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, places, size)."""
        for layer in self.layers:
            for step in layer.children():
                x = x + step(x)
        out: Tensor = self.norm(x)
        return out


class Head(nn.Module):
    """Logits of beat and downbeat."""

    def __init__(self, size: int, summed: bool) -> None:
        super().__init__()
        self.summed = summed
        self.beat_downbeat_lin = nn.Linear(size, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, times, size) -> (batch, times, 2)."""
        beat, downbeat = self.beat_downbeat_lin(x).unbind(-1)
        # Every downbeat is a beat, so its logit is added to that of the beat.
        return torch.stack((beat + downbeat if self.summed else beat, downbeat), dim=-1)


class BeatThis(nn.Module):
    """Log-mel spectra to logits.

    Parameters
    ----------
    transformer_dim, ff_mult, n_layers, head_dim, stem_dim : int
        Sizes; the defaults are those of the published ``final`` models.
    sum_head, partial_transformers : bool
        False in some ablation models of the paper.
    """

    def __init__(
        self,
        transformer_dim: int = 512,
        ff_mult: int = 4,
        n_layers: int = 6,
        head_dim: int = 32,
        stem_dim: int = 32,
        sum_head: bool = True,
        partial_transformers: bool = True,
    ) -> None:
        super().__init__()
        rotary = Rotary(head_dim)
        self.frontend = Frontend(stem_dim, transformer_dim, head_dim, rotary, partial_transformers)
        heads = transformer_dim // head_dim
        attentions = (Attention(transformer_dim, heads, head_dim, rotary) for _ in range(n_layers))
        self.transformer_blocks = Transformer(attentions, transformer_dim, ff_mult)
        self.task_heads = Head(transformer_dim, sum_head)

    def forward(self, spectra: Tensor) -> Tensor:
        """Logits of beat and downbeat, shape=(batch, times, 128) -> (batch, times, 2)."""
        out: Tensor = self.task_heads(self.transformer_blocks(self.frontend(spectra)))
        return out
