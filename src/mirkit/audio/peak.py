"""Peak of audio files, and the gain with which they fit into an integer format."""

import math
import os
from pathlib import Path

import numpy as np

from mirkit.audio.container import SourceInfo
from mirkit.audio.source import Quality, open_audio
from mirkit.errors import AudioError, printable

#: Audio with a higher peak (dBFS) is not lowered but refused: its samples are not scaled to a full scale of 1.
MAX_PEAK_DBFS = 20.0
#: A lowered peak stays this far (dB) below full scale, so that rounding with dither does not exceed it.
_MARGIN_DB = 0.001


def to_dbfs(peak: float) -> float | None:
    """Level of a sample (dB relative to full scale); None for zero."""
    return 20 * math.log10(peak) if peak > 0 else None


def may_exceed_full_scale(info: SourceInfo) -> bool:
    """Return whether decoded samples may be above full scale, by the header of a file.

    Decoders of lossy formats overshoot, floating-point samples have no limit, and a downmix adds channels up.
    """
    return not info.lossless or info.codec.startswith("pcm_f") or info.channels > 2


def peak_of(
    path: str | os.PathLike[str],
    *,
    rate: int | None = None,
    samples: int | None = None,
    quality: Quality = "HQ",
) -> float:
    """Largest absolute sample of a file, full scale 1.

    Parameters
    ----------
    path : path
    rate : int or None
        Sample rate (Hz) to resample to; None keeps the file's own.
    samples : int or None
        Number of samples from the start that count; None for all.
    quality : str
        Quality of the resampler.

    Raises
    ------
    AudioError
        The file cannot be read.
    """
    peak, left = 0.0, samples
    for block in open_audio(path, rate=rate, hold_seconds=0, quality=quality).blocks():
        if left is not None:
            block = block[:, : max(left, 0)]
            left -= block.shape[1]
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
    return peak


def check_peak(path: str | os.PathLike[str], peak: float) -> None:
    """Refuse audio whose samples are not scaled to full scale.

    Raises
    ------
    AudioError
        The peak is above +20 dBFS.
    """
    level = to_dbfs(peak)
    if level is not None and level > MAX_PEAK_DBFS:
        raise AudioError(
            f"{printable(Path(path))}: its samples reach {level:+.1f} dBFS, and the limit is {MAX_PEAK_DBFS:+.0f}; "
            "it probably holds integers as floating-point numbers: divide its samples by 32768 (by 8388608 for 24 bits)"
        )


def full_scale_gain(peak: float) -> float:
    """Gain (dB, at most 0, in steps of 0.001) with which a peak does not exceed full scale."""
    level = to_dbfs(peak)
    if level is None or level <= 0:
        return 0.0
    return -math.ceil((level + _MARGIN_DB) * 1000) / 1000
