"""Bandwidth: the highest frequency in a file, which earlier lossy codecs or lower sample rates have limited."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.stft import EDGE_FRAMES, N_FFT, hann
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Value

#: Number of lowest bins that a DC offset affects.
_OFFSET_BINS = 2
#: Width of the running median in bins (300 Hz), which removes single tones such as a pilot tone or a CRT's line
#: frequency.
_MEDIAN_BINS = 15
#: The bandwidth ends where the mean spectrum falls this far (dB) below its peak,
_RANGE_DB = 90.0
#: or to this many dB above the noise of dithered 16-bit samples, whose variance is a quarter of a squared step.
_ABOVE_NOISE_DB = 10.0
_NOISE_DB = 10 * np.log10((2.0**-15) ** 2 / 4 * np.sum(hann(N_FFT).astype(np.float64) ** 2))


@dataclass(frozen=True)
class BandwidthCurve:
    """Mean power spectrum of a mono signal.

    Attributes
    ----------
    power : float64 array, shape=(1025,)
        Mean of the power spectra of all frames that lie within the sound; zeros where there is none.
    frames : int
        Their number.
    """

    power: FloatArray
    frames: int


class BandwidthExtractor:
    """Average the power spectra of ``PowerStft()``, which other extractors share."""

    def __init__(self) -> None:
        self._sum = np.zeros(1 + N_FFT // 2)
        self._count = -EDGE_FRAMES
        self._held = np.empty((0, 1 + N_FFT // 2), np.float32)

    def push_frames(self, power: FloatArray) -> None:
        """Take the next power spectra, shape=(frames, 1025), float32."""
        # The last frames are held back, because those at the end of the signal are not used.
        frames = np.concatenate((self._held, power))
        settled = max(0, len(frames) - EDGE_FRAMES)
        self._sum += frames[min(settled, max(0, -self._count)) : settled].sum(axis=0, dtype=np.float64)
        self._count += settled
        self._held = frames[settled:]

    def finish(self) -> BandwidthCurve:
        """Return the mean of all frames pushed."""
        count = max(0, self._count)
        return BandwidthCurve(self._sum / max(1, count), count)


def bandwidth(curve: BandwidthCurve) -> Value:
    """Bandwidth of a signal in Hz.

    The highest frequency at which the mean spectrum (running median over 300 Hz) is less than 90 dB below its peak and
    10 dB above the noise of dithered 16-bit samples. It shows the low-pass of a lossy codec (MP3 at 128 kbit/s: 16 to
    17 kHz) and the rate of a source that was resampled upwards; a recording that fades into its own noise reaches as
    far as that noise.

    Parameters
    ----------
    curve : BandwidthCurve
        Of the mono signal.

    Returns
    -------
    float
        0 to 22050 Hz. ``silent`` where nothing stands above the noise; ``too short`` below one frame (46 ms).

    Examples
    --------
    White noise reaches half of the sample rate:

    >>> from mirkit.features.stft import PowerStft
    >>> noise = np.random.default_rng(0).normal(0, 0.1, 2 * ANALYSIS_RATE).astype(np.float32)
    >>> stft, extractor = PowerStft(), BandwidthExtractor()
    >>> for power in (*stft.push(noise), *stft.finish()):
    ...     extractor.push_frames(power.copy())
    >>> bandwidth(extractor.finish())
    22050.0
    """
    if curve.frames == 0:
        return TOO_SHORT
    padded = np.pad(curve.power[_OFFSET_BINS:], _MEDIAN_BINS // 2, mode="edge")
    level = 10 * np.log10(np.maximum(np.median(sliding_window_view(padded, _MEDIAN_BINS), axis=1), 1e-30))
    sounding = np.flatnonzero(level > max(level.max() - _RANGE_DB, _NOISE_DB + _ABOVE_NOISE_DB))
    if not len(sounding):
        return SILENT
    return float((sounding[-1] + _OFFSET_BINS) * ANALYSIS_RATE / N_FFT)
