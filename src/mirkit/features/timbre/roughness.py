"""``roughness``, 0 to 100: buzzing, harsh, raspy; the beating of close partials.

*Measured*: the amplitude fluctuation of all pairs of spectral peaks in frames of 50 ms, after P. N. Vassilakis and
K. Fitz, "SRA: a web-based research tool for spectral and roughness analysis of sound signals", SMC 2007.
"""

import math

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.batched_fft import LANES, Spectra
from mirkit.features.kernels.kernel import kernel
from mirkit.features.peaks import find_peaks
from mirkit.features.timbre.normalize import UNDEFINED, log10, score
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Value

_SIZE = 2205  # 50 ms
_NFFT = 4096
_HZ_PER_BIN = ANALYSIS_RATE / _NFFT
_LEAD = 512
_PEAK_SHARE = 0.01
_LEAST = 0.01


def roughness(x: FloatArray, gain: float) -> Value:
    """Apparent roughness (D5.8): Vassilakis (2007), beating of the pairs of spectral peaks of each 50 ms.

    Frames overlap by half. A peak has at least 1 % of the largest magnitude of the whole sound. As in upstream, the
    weight of a pair's amplitude fluctuation is 2 * stronger / (sum of both), incomplete frames at the end have a
    roughness of 0, and a mean of less than 0.01 is 0.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        Mono signal.
    gain : float
        Gain factor to -24 LUFS.

    Returns
    -------
    Value
        0 to 100; unknown for a sound that is too short for a frame.
    """
    length = _LEAD + len(x)
    slots = int(length / (_SIZE / 2))
    if not slots:
        return UNDEFINED
    spectra, top, bottom = _spectra(x, length)
    if sum(len(block) for block in spectra) < slots:
        bottom = 0.0
    contrast = _PEAK_SHARE * (top - bottom)
    size = _NFFT // 2 + 1
    index, work = np.empty(size, np.int64), np.empty((4, size))
    total = sum(_fluctuation(block, bottom + contrast, contrast, _HZ_PER_BIN, index, work) for block in spectra)
    # Fluctuation grows with the tenth root of the product of two levels.
    mean = total * gain**0.2 / slots
    return score(13.98779569 * log10(mean) + 48.97606571545886) if mean >= _LEAST else 0.0


def _spectra(x: FloatArray, length: int) -> tuple[list[npt.NDArray[np.float32]], float, float]:
    """Magnitudes of all frames in blocks of shape=(frames, bins), their maximum and minimum.

    Bins above the last possible peak are left out, except for one, which the detection of a peak needs.
    """
    window = np.hamming(_SIZE + 2)[1:-1]
    blocks = []
    top, bottom = 0.0, np.inf
    # Frames begin every 1102.5 samples, truncated to whole samples: two interleaved grids of frames.
    for first in (0, _SIZE // 2):
        count = (length - first) // _SIZE
        if length <= _SIZE:
            # A single frame, without a window.
            count, window = int(first == 0), np.ones(_SIZE)
        for i, power in enumerate(Spectra(window, _SIZE, _NFFT).blocks(x, first - _LEAD, count)):
            power = power[:, : count - i * LANES]
            loudest = power.max(axis=1)
            top = max(top, float(loudest.max()))
            bottom = min(bottom, float(power.min()))
            bins = 2 + int(np.flatnonzero(loudest >= _PEAK_SHARE**2 * top).max(initial=0))
            blocks.append(np.sqrt(power[:bins].T))
    return blocks, top**0.5, bottom**0.5


_find_peaks = find_peaks.part


@kernel()
def _fluctuation(spectra, least, contrast, hz_per_bin, index, work):  # type: ignore[no-untyped-def]
    row, level, hz, root = work[0, : spectra.shape[1]], work[1], work[2], work[3]
    total = 0.0
    for i in range(len(spectra)):
        for k in range(spectra.shape[1]):
            row[k] = spectra[i, k]
        count = _find_peaks(row, least, contrast, hz_per_bin, index, level, hz)
        for a in range(count):
            root[a] = level[a] ** 0.1
        for a in range(count):
            width = 0.24 / (0.0207 * hz[a] + 18.96)
            for b in range(a + 1, count):
                distance = width * (hz[b] - hz[a])
                # Pairs with a greater distance do not beat: Plomp's curve is below exp(-18).
                if 3.51 * distance > 18:
                    break
                strong = level[a] if row[index[a]] > row[index[b]] else level[b]
                fluctuation = 0.5 * (2 * strong / (level[a] + level[b])) ** 3.11
                plomp = math.exp(-3.51 * distance) - math.exp(-5.75 * distance)
                total += root[a] * root[b] * fluctuation * plomp
    return total
