"""The network of Audiobox Aesthetics, for inference: WavLM, and four small heads on the mean of its layers.

Written from the papers (Chen et al., "WavLM", IEEE JSTSP 2022; Tjandra et al., "Meta Audiobox Aesthetics", 2025) and
the layout of the published checkpoint; attribute names are those of the checkpoint. Sizes are parameters.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mirkit.models.safe_load import CheckpointMismatch, expecting, fill, load_json, load_tensors

AXES = ("CE", "CU", "PC", "PQ")
#: Strides of the convolutions: 320 samples in all, so 50 outputs per second at 16 kHz.
STRIDES = (5, 2, 2, 2, 2, 2, 2)
#: Positions farther apart than this share a bucket of the position bias.
_MAX_DISTANCE = 800


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network: see ``_sizes``."""

    kernels: tuple[int, ...]
    channels: int
    size: int
    inner: int
    heads: int
    layers: int
    buckets: int
    reach: int
    groups: int
    head_layers: int
    head_norm: bool
    head_dropout: bool
    normalize: bool


class Convolutions(nn.Module):
    """Audio to vectors: convolutions without padding; the first one normalizes each channel over time."""

    def __init__(self, kernels: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        for i, (kernel, stride) in enumerate(zip(kernels, STRIDES, strict=True)):
            conv = nn.Conv1d(channels if i else 1, channels, kernel, stride, bias=False)
            norm = nn.Identity() if i else nn.GroupNorm(channels, channels)
            self.conv_layers.append(nn.Sequential(conv, nn.Identity(), norm, nn.GELU()))

    def forward(self, x: Tensor) -> Tensor:
        """Transform, shape=(batch, samples) -> (batch, times, channels)."""
        x = x[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x.transpose(1, 2)


class Attention(nn.Module):
    """Self-attention with a relative position bias, which each query scales by a gate."""

    def __init__(self, size: int, heads: int, buckets: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(size, size) for _ in range(3))
        self.out_proj = nn.Linear(size, size)
        self.grep_linear = nn.Linear(size // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))
        if buckets:  # all layers use the bias of the first layer
            self.relative_attention_bias = nn.Embedding(buckets, heads)

    def bias(self, places: int) -> Tensor:
        """Return the bias of each pair of positions, shape=(heads, places, places)."""
        weight = self.relative_attention_bias.weight
        half = len(weight) // 2
        at = torch.arange(places, device=weight.device)
        distance = at[None] - at[:, None]
        far = distance.abs()
        exact = half // 2
        scale = (half - exact) / math.log(_MAX_DISTANCE / exact)
        rough = exact + (torch.log(far.clamp(min=1).float() / exact) * scale).long()
        bucket = torch.where(far < exact, far, rough.clamp(max=half - 1)) + half * (distance > 0)
        bias: Tensor = self.relative_attention_bias(bucket)
        return bias.permute(2, 0, 1)

    def forward(self, x: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        """Attend, shape=(batch, places, size); ``hidden`` is minus infinity at padded positions."""
        batch, places, size = x.shape
        shape = (batch, places, self.heads, -1)
        query, key, value = (proj(x).view(shape).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj))
        gates = self.grep_linear(x.view(shape).transpose(1, 2)).view(batch, self.heads, places, 2, 4).sum(-1)
        first, second = torch.sigmoid(gates).chunk(2, dim=-1)
        gate = first * (second * self.grep_a - 1.0) + 2.0
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=gate * bias + hidden)
        out: Tensor = self.out_proj(attended.transpose(1, 2).reshape(batch, places, size))
        return out


class Layer(nn.Module):
    """Attention, then two linear layers, each followed by a norm."""

    def __init__(self, size: int, inner: int, heads: int, buckets: int) -> None:
        super().__init__()
        self.self_attn = Attention(size, heads, buckets)
        self.self_attn_layer_norm = nn.LayerNorm(size)
        self.fc1, self.fc2 = nn.Linear(size, inner), nn.Linear(inner, size)
        self.final_layer_norm = nn.LayerNorm(size)

    def forward(self, x: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        """Transform, shape=(batch, places, size)."""
        x = self.self_attn_layer_norm(x + self.self_attn(x, bias, hidden))
        out: Tensor = self.final_layer_norm(x + self.fc2(functional.gelu(self.fc1(x))))
        return out


class Encoder(nn.Module):
    """A convolution over neighboring places, then layers of attention."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        size = sizes.size
        self.pos_conv = nn.Sequential(
            nn.Conv1d(size, size, sizes.reach, padding=sizes.reach // 2, groups=sizes.groups), nn.GELU()
        )
        self.layer_norm = nn.LayerNorm(size)
        self.layers = nn.ModuleList(
            Layer(size, sizes.inner, sizes.heads, 0 if i else sizes.buckets) for i in range(sizes.layers)
        )

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return the mean over the valid positions of the input of the first layer and of the output of each layer.

        Shape=(batch, places, size), (batch, places) -> (layers + 1, batch, size).
        """
        x = x * valid[..., None]
        # A kernel of even length yields one position too many.
        x = self.layer_norm(x + self.pos_conv(x.transpose(1, 2))[:, :, : x.shape[1]].transpose(1, 2))
        share = (valid / valid.sum(dim=1, keepdim=True))[:, None]
        first: Any = self.layers[0]
        bias = first.self_attn.bias(x.shape[1])
        hidden = torch.zeros_like(valid).masked_fill(valid == 0, -torch.inf)[:, None, None]
        means = [share @ x]
        for layer in self.layers:
            x = layer(x, bias, hidden)
            means.append(share @ x)
        return torch.stack(means)[:, :, 0]


class WavLm(nn.Module):
    """Audio to the mean vector of each layer."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.feature_extractor = Convolutions(sizes.kernels, sizes.channels)
        self.layer_norm = nn.LayerNorm(sizes.channels)
        self.post_extract_proj = nn.Linear(sizes.channels, sizes.size)
        self.encoder = Encoder(sizes)

    def forward(self, sound: Tensor, lengths: Tensor) -> Tensor:
        """Transform, shape=(batch, samples), (batch,) -> (layers + 1, batch, size)."""
        features = self.feature_extractor(sound)
        places = features.shape[1]
        starts = torch.arange(places, device=sound.device) * (sound.shape[1] // places)
        valid = (starts < lengths[:, None]).to(features.dtype)
        out: Tensor = self.encoder(self.post_extract_proj(self.layer_norm(features)), valid)
        return out


class Aesthetics(nn.Module):
    """Audio to four scores, standardized by the mean and standard deviation of the training data."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.normalize = sizes.normalize
        self.wavlm_model = WavLm(sizes)
        self.layer_weights = nn.ParameterDict({axis: nn.Parameter(torch.zeros(sizes.layers + 1)) for axis in AXES})
        self.proj_layer = nn.ModuleDict({axis: _head(sizes) for axis in AXES})

    def forward(self, sound: Tensor, lengths: Tensor) -> Tensor:
        """Score windows.

        Parameters
        ----------
        sound : tensor, shape=(batch, samples)
            Mono at 16 kHz, padded with silence.
        lengths : tensor, shape=(batch,)
            Number of samples before the padding, at least 1.

        Returns
        -------
        tensor, shape=(batch, 4)
            In the order of ``AXES``.
        """
        means = self.wavlm_model(sound, lengths)
        scores = []
        for axis in AXES:
            mixed = torch.einsum("lbc,l->bc", means, functional.softmax(self.layer_weights[axis], dim=0))
            if self.normalize:
                mixed = functional.normalize(mixed, dim=-1)
            scores.append(self.proj_layer[axis](mixed)[:, 0])
        return torch.stack(scores, dim=1)


def _head(sizes: Sizes) -> nn.Sequential:
    steps: list[nn.Module] = []
    for _ in range(sizes.head_layers - 1):
        steps.append(nn.Linear(sizes.size, sizes.size))
        steps += [nn.LayerNorm(sizes.size)] * sizes.head_norm
        steps.append(nn.GELU())
        steps += [nn.Identity()] * sizes.head_dropout  # keeps the numbering of the checkpoint
    return nn.Sequential(*steps, nn.Linear(sizes.size, 1))


_LAYERS = "wavlm_model.encoder.layers."
_POSITION = "wavlm_model.encoder.pos_conv.0"
#: Keys that are used in training only.
_UNUSED = ("wavlm_model.mask_emb",)


def read(config: Path, tensors: Path) -> tuple[Aesthetics, list[float], list[float]]:
    """Build the network of a published checkpoint.

    Returns
    -------
    Aesthetics
    list of float, list of float
        Mean and standard deviation of each axis, in the order of ``AXES``: a score is ``mean + std * output``.

    Raises
    ------
    WeightsError
        A file is damaged, or is not the expected one.
    """
    given = load_json(config)
    with expecting(config, "the configuration of Audiobox Aesthetics"):
        scales = [given["target_transform"][axis] for axis in AXES]
        mean, std = ([float(scale[name]) for scale in scales] for name in ("mean", "std"))
    state = load_tensors(tensors)
    with expecting(tensors, "the weights of Audiobox Aesthetics"):
        with torch.device("meta"):
            network = Aesthetics(_sizes(given, state))
        # A weight-normalized convolution is stored as direction and length.
        length, direction = state.pop(f"{_POSITION}.weight_g"), state.pop(f"{_POSITION}.weight_v")
        state[f"{_POSITION}.weight"] = length * direction / direction.norm(dim=(0, 1), keepdim=True)
        fill(network, {name: tensor.float() for name, tensor in state.items() if name not in _UNUSED}, assign=True)
    return network.eval(), mean, std


def _sizes(given: dict[str, Any], state: dict[str, Any]) -> Sizes:
    if not given.get("use_weighted_layer_sum", True) or given.get("proj_act_fn", "gelu") != "gelu":
        raise CheckpointMismatch("a variant that mirkit does not know")
    kernels = tuple(
        state[f"wavlm_model.feature_extractor.conv_layers.{i}.0.weight"].shape[2] for i in range(len(STRIDES))
    )
    numbers = {int(name.removeprefix(_LAYERS).split(".")[0]) for name in state if name.startswith(_LAYERS)}
    first = f"{_LAYERS}0"
    inner, size = state[f"{first}.fc1.weight"].shape
    direction = state[f"{_POSITION}.weight_v"].shape
    return Sizes(
        kernels=kernels,
        channels=state["wavlm_model.layer_norm.weight"].shape[0],
        size=size,
        inner=inner,
        heads=state[f"{first}.self_attn.grep_a"].shape[1],
        layers=len(numbers),
        buckets=state[f"{first}.self_attn.relative_attention_bias.weight"].shape[0],
        reach=direction[2],
        groups=size // direction[1],
        head_layers=int(given.get("proj_num_layer", 1)),
        head_norm=bool(given.get("proj_ln", False)),
        head_dropout=bool(given.get("proj_dropout", 0)),
        normalize=bool(given.get("normalize_embed", True)),
    )
