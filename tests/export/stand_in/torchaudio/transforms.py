"""Names that the trainer imports. A bundle of ours needs none of them: its sound has the model's rate already."""

import torch


class _Unused(torch.nn.Module):
    def __init__(self, *_: object, **__: object) -> None:
        raise NotImplementedError(f"{type(self).__name__}: not part of the stand-in")


class Resample(_Unused):
    """Would be made for a file at another rate."""


class Loudness(_Unused):
    """Would be made for volume_norm."""


class MelSpectrogram(_Unused):
    """Would be made for pictures of demos."""


class Spectrogram(_Unused):
    """Would be made for pictures of demos."""
