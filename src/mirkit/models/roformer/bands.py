"""The frequency bands of RoFormers, each as a list of bins of a spectrum."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.features.stft import MelBank
from mirkit.models.state_dict import CheckpointMismatch

#: BS-RoFormer: bins of each band, for frames of 2048 samples.
BS_BANDS = (*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129)

Bins = list[npt.NDArray[np.int64]]


def side_by_side(counts: tuple[int, ...], n_fft: int) -> Bins:
    """Return bands that do not overlap, each with the given number of bins.

    Raises
    ------
    ValueError
        The sum is not the number of bins of a spectrum with this frame length.
    """
    bins = n_fft // 2 + 1
    if sum(counts) != bins:
        raise CheckpointMismatch(f"the bands have {sum(counts)} bins, a spectrum has {bins}")
    return np.split(np.arange(bins), np.cumsum(counts)[:-1])


def mel(count: int, n_fft: int, rate: int) -> Bins:
    """Return overlapping bands of the mel scale: the bins with a nonzero weight in librosa's filters, and both ends.

    Raises
    ------
    ValueError
        There are too many bands: a band has no bin, or a bin has no band.
    """
    bank: Any = MelBank(count, n_fft, rate)
    runs = [bank.first[i] + np.arange(bank.offsets[i + 1] - bank.offsets[i]) for i in range(count)]
    runs[0] = np.union1d([0], runs[0])
    runs[-1] = np.union1d(runs[-1], [n_fft // 2])
    if not all(map(len, runs)) or len(np.unique(np.concatenate(runs))) != n_fft // 2 + 1:
        raise CheckpointMismatch(f"{count} mel bands do not fit frames of {n_fft} samples")
    return runs
