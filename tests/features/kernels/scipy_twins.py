"""The kernels of ``mirkit.features.kernels`` once more, by SciPy alone: what tests compare with.

``benchmarks/kernels.py`` measures how much faster the kernels are. Derivations: ``docs/development/kernels.md``.
"""

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage
import scipy.signal

Array = npt.NDArray[np.floating]

HOP, N_FFT, SIZE = 512, 2048, 31


def frames_of(x: Array, size: int, hop: int, first: int, count: int) -> Array:
    """Frames of ``size`` samples, the first one from sample ``first`` on, zeros around ``x``; shape=(count, size)."""
    before = max(0, -first)
    after = max(0, first + (count - 1) * hop + size - len(x))
    padded = np.pad(x, (before, after))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[first + before :: hop][:count]


def power_spectra(
    x: Array, window: Array, hop: int, nfft: int, first: int, count: int, *, remove_mean: bool = False
) -> Array:
    """Twin of ``batched_fft.Spectra.blocks``, shape=(1 + nfft // 2, count)."""
    frames = frames_of(x, len(window), hop, first, count)
    if remove_mean:
        frames = scipy.signal.detrend(frames, axis=1, type="constant")
    spectra = scipy.fft.rfft(frames * window, nfft, axis=1)
    return np.square(np.abs(spectra)).T


def sliding_median(rows: Array, size: int) -> Array:
    """Twin of ``sliding_median.sliding_median``, shape=(n - size + 1, m)."""
    return scipy.ndimage.median_filter(rows, (size, 1))[size // 2 : len(rows) - size // 2]


def hamming_spectra(x: Array, size: int, hop: int) -> Array:
    """Twin of ``hamming_spectra.spectra``: ``scipy.signal.spectrogram`` with its scaling undone, all bins once."""
    own = min(size, len(x))
    window = scipy.signal.get_window("hamming", own).astype(x.dtype)
    _, _, power = scipy.signal.spectrogram(
        x, 1.0, window, own, own - (hop if own == size else own), size, detrend="constant", scaling="spectrum"
    )
    power = power * window.sum() ** 2
    power[1:-1] /= 2  # a one-sided spectrum counts the inner bins double
    return power


def energies(x: Array, size: int, hop: int) -> Array:
    """Twin of ``hamming_spectra.energies``: by Parseval from the squares of the windowed samples, shape=(frames,)."""
    own = min(size, len(x))
    window = scipy.signal.get_window("hamming", own).astype(x.dtype)
    frames = frames_of(x, own, hop, 0, 1 + (len(x) - own) // hop)
    return np.square(scipy.signal.detrend(frames, axis=1, type="constant") * window).sum(axis=1)


def percussive_share(x: Array) -> float:
    """Twin of ``hpss.PercussiveShare``: both parts by masks, each with an inverse transform of its own."""
    window = scipy.signal.get_window("hann", N_FFT).astype(x.dtype)
    count = 1 + len(x) // HOP
    spectra = scipy.fft.rfft(frames_of(x, N_FFT, HOP, -N_FFT // 2, count) * window, axis=1)
    magnitude = np.abs(spectra)
    harmonic = scipy.ndimage.median_filter(magnitude, (SIZE, 1), mode="reflect") ** 2
    percussive = scipy.ndimage.median_filter(magnitude, (1, SIZE), mode="reflect") ** 2
    both = harmonic + percussive
    share = np.divide(percussive, both, out=np.full_like(both, 0.5), where=both > 0)
    levels = [_level(spectra * mask, window, len(x)) for mask in (share, 1 - share)]
    return levels[0] / sum(levels) if sum(levels) else np.nan


def _level(spectra: Array, window: Array, samples: int) -> float:
    """Sum of the levels (root of the energy) of windows of 1024 samples that overlap by half."""
    frames = scipy.fft.irfft(spectra, N_FFT, axis=1) * window
    total, weight = np.zeros((2, N_FFT + (len(frames) - 1) * HOP))
    for i, frame in enumerate(frames):
        total[i * HOP : i * HOP + N_FFT] += frame
        weight[i * HOP : i * HOP + N_FFT] += np.square(window)
    hops = samples // HOP
    sound = (total / np.maximum(weight, 1e-12))[N_FFT // 2 :][: hops * HOP].reshape(hops, HOP)
    energy = np.square(sound).sum(axis=1)
    return float(np.sqrt(energy[1:] + energy[:-1] if hops > 1 else energy).sum())


def convolution(values: Array, weights: Array, bias: Array, pool: tuple[int, int]) -> Array:
    """Twin of ``convolution.convolve``, shape=(frames // pool[0], bands // pool[1], outputs)."""
    frames, bands, outputs = len(values) // pool[0], values.shape[1] // pool[1], len(bias)
    total = np.zeros((*values.shape[:2], outputs)) + bias
    for k in range(outputs):
        for c in range(values.shape[2]):
            if values.size:
                total[..., k] += scipy.ndimage.correlate(values[..., c], weights[..., c, k], mode="constant")
    cut = np.maximum(total[: frames * pool[0], : bands * pool[1]], 0)
    return cut.reshape(frames, pool[0], bands, pool[1], outputs).max(axis=(1, 3))
