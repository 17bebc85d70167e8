"""The network of ADTOF (Zehren, Alunno & Bientinesi, "High-quality and reproducible ADT from crowdsourced data", 2023).

Its ``Frame_RNN``, for inference: two blocks of convolutions that shrink each spectrum of 84 bands to a vector, three
bidirectional GRU layers over time, one sigmoid a class. Attribute names are those of the published checkpoint.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_POOL = 3


class FrameRnn(nn.Module):
    """Log-band spectra to activations: ``encode`` applies the convolutions, ``decode`` the recurrent layers.

    Parameters
    ----------
    n_bins : int
        Bands of a spectrum.
    conv_filters : sequence of int
        Channels of each convolutional block.
    gru_units : sequence of int
        Units of each recurrent layer, one direction.
    output_classes : int
        Number of instruments.

    Attributes
    ----------
    reach : int
        Receptive field of ``encode``: the number of frames on either side.
    size : int
        Number of values per frame between the two steps.
    """

    def __init__(self, n_bins: int, conv_filters: Sequence[int], gru_units: Sequence[int], output_classes: int) -> None:
        super().__init__()
        self.cnn_blocks = nn.ModuleList()
        channels, bands = 1, n_bins
        for filters in conv_filters:
            self.cnn_blocks.append(_block(channels, filters))
            channels, bands = filters, -(-bands // _POOL)
        self.reach = 2 * len(conv_filters)
        self.size = size = channels * bands
        self.gru_layers = nn.ModuleList()
        for units in gru_units:
            self.gru_layers.append(nn.GRU(size, units, batch_first=True, bidirectional=True))
            size = 2 * units
        self.output_layer = nn.Linear(size, output_classes)

    def encode(self, spectra: Tensor) -> Tensor:
        """Apply the convolutions, shape=(batch, times, bands) -> (batch, times, size)."""
        x = spectra[:, None].contiguous(memory_format=torch.channels_last)
        for block in self.cnn_blocks:
            x = _pooled(block(x))
        # The network was trained with the channels last, so bands vary slower than channels.
        return x.permute(0, 2, 3, 1).flatten(2)

    def decode(self, encoded: Tensor) -> Tensor:
        """Apply the recurrent layers, shape=(batch, times, size) -> (batch, times, classes); activations are 0 to 1."""
        x = encoded
        for layer in self.gru_layers:
            x, _ = layer(x)
        return torch.sigmoid(self.output_layer(x))


def _block(channels: int, filters: int) -> nn.Sequential:
    # The network was trained with Keras, whose epsilon of the batch normalization differs from PyTorch's.
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(filters, eps=1e-3),
        nn.Conv2d(filters, filters, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(filters, eps=1e-3),
    )


def _pooled(x: Tensor) -> Tensor:
    """Max-pool three neighboring bands; if bands are missing, both ends are padded with zeros, as in Keras."""
    missing = -x.shape[-1] % _POOL
    return functional.max_pool2d(functional.pad(x, (missing // 2, missing - missing // 2)), (1, _POOL))
