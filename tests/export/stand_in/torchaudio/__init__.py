"""Stand-in for torchaudio in tests: its wheels need CUDA libraries to be loaded, and the trainer only reads with it."""

from typing import Any

import soundfile
import torch

from torchaudio import transforms

__all__ = ["load", "transforms"]
__version__ = "stand-in"


def load(source: Any, format: str | None = None) -> tuple[torch.Tensor, int]:
    """Read a sound file, or a file object: shape=(channels, n), float32, and its rate."""
    samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate
