"""Shape of the spectrum and its change: ``spectral_flatness``, ``_flux``, ``_skewness`` and ``_kurtosis``.

*Measured* on frames of 2048 samples every 512: flatness is the geometric over the arithmetic mean of the power (0 to
1), flux the mean rise of 40 mel bands (dB per hop), skewness and kurtosis the third and fourth standardized moment of
the power over log2 frequency. *Reading*: flatness is 0.56 for white noise, about 0 for a sine, 0.001 to 0.05 for mixes;
flux is 0 for a steady tone and 0.5 to 2 for mixes; negative skewness is bright; a Gaussian has a kurtosis of 3. None
depends on the level. *Sources*: J. D. Johnston, "Transform coding of audio signals using perceptual noise criteria",
IEEE JSAC 6, 1988 (flatness); S. Dixon, "Onset detection revisited", DAFx 2006 (flux); G. Peeters, "A large set of audio
features for sound description", IRCAM 2004 (moments).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel, kernel_part
from mirkit.features.stft import EDGE_FRAMES, FLOOR_DBFS, HOP, N_FFT, activity_mask, frames_in, hann, mel_bank
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Value, Window

_HZ = np.fft.rfftfreq(N_FFT, 1 / ANALYSIS_RATE)
_SHAPE_BINS = (int(np.searchsorted(_HZ, 20.0)), int(np.searchsorted(_HZ, 20000.0, "right")))
_FLATNESS_BINS = (int(np.searchsorted(_HZ, 50.0)), int(np.searchsorted(_HZ, 10000.0, "right")))
_FLATNESS_FLOOR = 1e-10
_LOG_HZ = np.log2(np.maximum(_HZ, 1.0))
#: Factor from the one-sided power sum of a windowed frame to the mean square of the signal (Parseval). The power of the
#: window is divided out, so a steady sine of any frequency has a level 3.01 dB below its peak.
_MEAN_SQUARE = float(2 / (N_FFT * np.sum(hann(N_FFT).astype(np.float64) ** 2)))

_FLUX_BANDS = 40
_FLUX_RANGE_DB = 80.0
#: Band levels are stored as multiples of 0.01 dB until the highest level is known.
_STEPS_PER_DB = 100


@dataclass(frozen=True)
class SpectralCurve:
    """Spectral shape of every frame of a signal; frame ``i`` is centered on ``i * HOP / ANALYSIS_RATE`` seconds.

    Attributes
    ----------
    level_db : float32 array, shape=(frames,)
        RMS level without DC offset (the two lowest bins are left out), dBFS; -200 for zeros, and for the two frames at
        each end that extend into the padding.
    flatness, skewness, kurtosis, flux : float32 arrays, shape=(frames,)
        See ``SpectralFeatures``. Meaningless (but finite) where the frame is silent.
    """

    level_db: FloatArray
    flatness: FloatArray
    skewness: FloatArray
    kurtosis: FloatArray
    flux: FloatArray

    @cached_property
    def loudest_db(self) -> float:
        """Level of the loudest frame."""
        return float(self.level_db.max())


@dataclass(frozen=True)
class SpectralFeatures:
    """The spectral keys of a window.

    Attributes
    ----------
    spectral_flatness : 0 to 1
        Geometric over arithmetic mean of the power spectrum, 50 Hz to 10 kHz: white noise 0.56, a sine about 0.
    spectral_flux : dB per hop, 0 to 3
        Mean over 40 mel bands of the rise of the band level from the frame before: 0 for a steady tone.
    spectral_skewness : -20 to 20
        Third standardized moment of the power over log2(frequency), 20 Hz to 20 kHz: negative is bright. Mixes -0.4 to
        1.4, a singing voice up to 13.
    spectral_kurtosis : 1 to 1000
        Fourth standardized moment on the same axis (a Gaussian has 3). Mixes 2.9 to 7, nearly pure tones hundreds.
    """

    spectral_flatness: Value
    spectral_flux: Value
    spectral_skewness: Value
    spectral_kurtosis: Value


class SpectralExtractor:
    """Measure the power spectra of a mono signal, block by block.

    The spectra are those of ``PowerStft()`` (2048/512, Hann), which other extractors share: feed each block to all of
    them.
    """

    def __init__(self) -> None:
        self._mel = mel_bank(_FLUX_BANDS)
        self._shapes: list[npt.NDArray[np.float32]] = []
        self._bands: list[npt.NDArray[np.int16]] = []

    def push_frames(self, power: FloatArray) -> None:
        """Take the next power spectra, shape=(frames, 1025), float32."""
        shapes = np.empty((4, len(power)), np.float32)
        _frame_shapes(np.ascontiguousarray(power, np.float32), _LOG_HZ, _SHAPE_BINS, _FLATNESS_BINS, shapes)
        self._shapes.append(shapes)
        with np.errstate(divide="ignore"):
            level = np.log10(self._mel.apply(power)) * (10 * _STEPS_PER_DB)
        self._bands.append(np.rint(np.maximum(level, np.iinfo(np.int16).min)).astype(np.int16))

    def finish(self) -> SpectralCurve:
        """Return the series of all frames pushed."""
        shapes = np.concatenate(self._shapes or [np.empty((4, 0), np.float32)], axis=1)
        shapes[0, :EDGE_FRAMES] = shapes[0, -EDGE_FRAMES:] = FLOOR_DBFS
        level_db, flatness, skewness, kurtosis = shapes
        return SpectralCurve(level_db, flatness, skewness, kurtosis, _flux(self._bands))


def spectral(curve: SpectralCurve, window: Window, loudest_db: float | None = None) -> SpectralFeatures:
    """Spectral shape of a window: means (flatness, flux) and medians (skewness, kurtosis) over its active frames.

    A frame belongs to the window when its center does. It is active when it is within 60 dB of the source's loudest
    frame and above -70 dBFS.

    Parameters
    ----------
    curve : SpectralCurve
        Of the source.
    window : Window
        Seconds from the beginning of the series.
    loudest_db : float, optional
        Level of the loudest frame of the source, where the curve is only a part of it. Default: that of the series.

    Returns
    -------
    SpectralFeatures
        ``too short`` below one frame (46 ms), ``silent`` without an active frame.

    Examples
    --------
    White noise has the flatness of its periodogram, exp(-0.577), and is bright:

    >>> from mirkit.features.stft import PowerStft
    >>> noise = np.random.default_rng(0).normal(0, 0.1, 3 * ANALYSIS_RATE).astype(np.float32)
    >>> stft, extractor = PowerStft(), SpectralExtractor()
    >>> for power in (*stft.push(noise), *stft.finish()):
    ...     extractor.push_frames(power.copy())
    >>> features = spectral(extractor.finish(), Window(0, 3))
    >>> round(features.spectral_flatness, 2), round(features.spectral_skewness, 1)
    (0.56, -1.8)
    """
    inside = frames_in(window, ANALYSIS_RATE / HOP, len(curve.level_db))
    if window.duration < N_FFT / ANALYSIS_RATE or inside.start == inside.stop:
        return SpectralFeatures(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT)
    loudest = curve.loudest_db if loudest_db is None else loudest_db
    votes = activity_mask(curve.level_db[inside], loudest)
    if not votes.any():
        return SpectralFeatures(SILENT, SILENT, SILENT, SILENT)
    return SpectralFeatures(
        spectral_flatness=float(np.mean(curve.flatness[inside][votes], dtype=np.float64)),
        spectral_flux=float(np.mean(curve.flux[inside][votes], dtype=np.float64)),
        spectral_skewness=float(np.median(curve.skewness[inside][votes])),
        spectral_kurtosis=float(np.median(curve.kurtosis[inside][votes])),
    )


def _flux(blocks: list[npt.NDArray[np.int16]]) -> npt.NDArray[np.float32]:
    """Mean rise of the band levels per frame in dB; 0 up to the first frame without padding."""
    if not blocks:
        return np.zeros(0, np.float32)
    floor = np.int32(max(block.max() for block in blocks)) - round(_FLUX_RANGE_DB * _STEPS_PER_DB)
    rises = []
    before = blocks[0][:1]
    for block in blocks:
        levels = np.maximum(np.concatenate((before, block)).astype(np.int32), floor)
        rises.append(np.maximum(np.diff(levels, axis=0), 0).sum(axis=1))
        before = block[-1:]
    flux = (np.concatenate(rises) / (_FLUX_BANDS * _STEPS_PER_DB)).astype(np.float32)
    flux[: EDGE_FRAMES + 1] = 0
    return flux


@kernel()
def _frame_shapes(power, log_hz, shape_bins, flatness_bins, out):  # type: ignore[no-untyped-def]
    # Rows of out: level in dBFS, flatness, skewness, kurtosis. Plain loops: array expressions take seconds to compile.
    bins = power.shape[1]
    for i in range(len(power)):
        frame = power[i]
        total = 0.5 * frame[bins - 1]
        for k in range(2, bins - 1):
            total += frame[k]
        out[0, i] = max(FLOOR_DBFS, 10 * math.log10(max(total * _MEAN_SQUARE, 1e-30)))
        out[1, i] = _flatness(frame, flatness_bins[0], flatness_bins[1])
        out[2, i], out[3, i] = _moments(frame, log_hz, shape_bins[0], shape_bins[1])


@kernel_part()
def _strongest(power, start, stop):  # type: ignore[no-untyped-def]
    best = start
    for k in range(start + 1, stop):
        if power[k] > power[best]:
            best = k
    return best


@kernel_part()
def _flatness(power, start, stop):  # type: ignore[no-untyped-def]
    peak = float(power[_strongest(power, start, stop)])
    if peak == 0:
        return 0.0
    to_peak = 1 / peak
    total = log_sum = 0.0
    product = 1.0
    for k in range(start, stop):
        ratio = max(power[k] * to_peak, _FLATNESS_FLOOR)
        total += ratio
        product *= ratio
        # One logarithm for sixteen bins: the product of sixteen ratios above 1e-10 does not underflow.
        if k % 16 == 15:
            log_sum += math.log(product)
            product = 1.0
    log_sum += math.log(product)
    count = stop - start
    return math.exp(log_sum / count) * count / total


@kernel_part()
def _moments(power, x, start, stop):  # type: ignore[no-untyped-def]
    # Moments about the strongest bin, which is near the mean if the variance is small, avoid cancellation for a tone.
    origin = x[_strongest(power, start, stop)]
    s0 = s1 = s2 = s3 = s4 = 0.0
    for k in range(start, stop):
        p = float(power[k])
        d = x[k] - origin
        s0 += p
        s1 += p * d
        s2 += p * d * d
        s3 += p * d * d * d
        s4 += p * d * d * d * d
    if s0 == 0:
        return 0.0, 0.0
    m, m2, m3, m4 = s1 / s0, s2 / s0, s3 / s0, s4 / s0
    variance = m2 - m * m
    if variance <= 0:
        return 0.0, 0.0
    skewness = (m3 - 3 * m * m2 + 2 * m * m * m) / (variance * math.sqrt(variance))
    kurtosis = (m4 - 4 * m * m3 + 6 * m * m * m2 - 3 * m * m * m * m) / (variance * variance)
    return skewness, kurtosis
