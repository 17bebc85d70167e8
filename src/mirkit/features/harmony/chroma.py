"""Chroma, ``chroma_0`` (C) to ``chroma_11`` (B): how strongly each pitch class sounds, 0 to 1.

*Measured*: constant-Q magnitudes of seven octaves from C1, corrected for the tuning of the music, folded to twelve
classes, each frame with its strongest class at 1, averaged over the frames that are not silent. *Reading*: a held note
gives 1 in its class; the notes of a key stand out by 0.2 to 0.4 in mixes; noise is flat. The level does not matter.
*Sources*: T. Fujishima, "Realtime chord recognition of musical sound", ICMC 1999; M. Müller and S. Ewert, "Chroma
Toolbox", ISMIR 2011.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mirkit.features.harmony.constant_q import BINS_PER_OCTAVE, BINS_PER_SEMITONE, HOP, OCTAVES, ConstantQ
from mirkit.features.stft import FLOOR_DBFS, activity_mask, frames_in
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Unknown, Value, Window

#: Lowest band of the tuning estimate: below C3, the bands are too coarse and drums are too loud.
_FIRST_BAND = 2 * BINS_PER_OCTAVE
#: Least concentration of the evidence (0..1); below it (noise, drums), the tuning is assumed to be 440 Hz.
_LEAST_AGREEMENT = 0.1
_BASS_OCTAVES = 3
#: Octaves of ``peaks`` (C3 to B6): below are basses and drums, above overtones and cymbals.
_PEAK_OCTAVES = slice(2, 6)
#: Bands to either side (9.5 semitones) that a band is compared with.
_AROUND = 38
#: Units of ``peaks`` per standard deviation.
PEAK_UNITS = 16
_NO_FRAMES = np.zeros((0, 12), np.uint8)


class TuningExtractor:
    """Estimates the deviation from equal temperament at 440 Hz, frame by frame.

    There are four bands per semitone. The energies of all bands at the same quarter of a semitone form a quadrature
    pair, whose angle is the deviation. Frames with concentrated energy (held notes) have more weight than frames of
    noise.
    """

    def __init__(self) -> None:
        self._sum = 0j
        self._weight = 0.0

    def push(self, magnitudes: FloatArray) -> None:
        """Take constant-Q magnitudes, shape=(bands, frames)."""
        power = np.square(magnitudes[_FIRST_BAND:].astype(np.float64))
        quarter = power.reshape(-1, BINS_PER_SEMITONE, power.shape[1]).sum(axis=0)
        total = quarter.sum(axis=0)
        z = (quarter[0] - quarter[2]) + 1j * (quarter[1] - quarter[3])
        strength = np.abs(z)
        focus = np.divide(strength, total, out=np.zeros_like(total), where=total > 0)
        self._sum += complex((z * focus).sum())
        self._weight += float((strength * focus).sum())

    @property
    def agreement(self) -> float:
        """How much the evidence agrees, 0 to 1: near 0 for noise, drums and speech, above 0.5 for held notes."""
        return float(abs(self._sum) / self._weight) if self._weight else 0.0

    def finish(self) -> float:
        """Return the deviation in cents, -50 to 50; 0 if the evidence does not agree."""
        return float(np.angle(self._sum) / (2 * np.pi) * 100) if self.agreement > _LEAST_AGREEMENT else 0.0


def class_weights(cents: float) -> FloatArray:
    """Return weights that map 48 fine pitch classes (quarter semitones from C) to C, C#, … B, for a tuning.

    Parameters
    ----------
    cents : float, -50 to 50
        Deviation from A4 = 440 Hz.

    Returns
    -------
    weights : array, shape=(12, 48), float32
        For each pitch class, shifted by ``cents``, a raised cosine that extends a quarter tone to either side. Its
        samples sum to 2 for any position between the fine classes.
    """
    fine = np.arange(BINS_PER_OCTAVE) / BINS_PER_SEMITONE
    center = np.arange(12)[:, np.newaxis] + cents / 100
    distance = np.abs((fine - center + 6) % 12 - 6)
    weights: FloatArray = np.where(distance < 0.5, np.cos(np.pi * distance) ** 2, 0).astype(np.float32)
    return weights


FRAME_RATE = ANALYSIS_RATE / HOP
"""Chroma frames per second."""


@dataclass(frozen=True)
class ChromaCurve:
    """Pitch classes over time: frame ``i`` is centered on ``i / FRAME_RATE`` seconds.

    Attributes
    ----------
    chroma : array, shape=(frames, 12), uint8
        C, C#, … B; 255 is the strongest class of the frame.
    level_db : array, shape=(frames,), float16
        RMS of the 2048 samples around the frame's center, below 4.4 kHz, dBFS.
    tuning : float
        Deviation from A4 = 440 Hz in cents that ``chroma`` is corrected for, -50 to 50.
    bass : array, shape=(frames, 12), uint8
        As ``chroma``, of the lowest three octaves (C1 to B3).
    agreement : float
        How much the evidence for the tuning agrees, 0 to 1: near 0 for noise, drums and speech.
    peaks : array, shape=(frames, 12), uint8
        By how many sixteenths of a standard deviation the bands of each class stand out of the spectrum around them,
        summed over the octaves C3 to B6. Noise, which raises all bands, leaves it alone, unlike ``chroma``.
    bass_peaks : array, shape=(frames, 12), uint8
        As ``peaks``, of the lowest three octaves.
    """

    chroma: npt.NDArray[np.uint8]
    level_db: npt.NDArray[np.float16]
    tuning: float
    bass: npt.NDArray[np.uint8]
    agreement: float
    peaks: npt.NDArray[np.uint8]
    bass_peaks: npt.NDArray[np.uint8]

    @cached_property
    def active(self) -> npt.NDArray[np.bool_]:
        """Frames within 60 dB of the loudest one and above -70 dBFS, shape=(frames,)."""
        level = self.level_db.astype(np.float32)
        return activity_mask(level, float(level.max(initial=FLOOR_DBFS)))


class ChromaExtractor:
    """Chroma of a signal that arrives in blocks: constant-Q magnitudes folded to pitch classes, then tuned.

    Until ``finish``, pitch classes are stored with four times the resolution (8 kB per second of audio), because the
    tuning is known only at the end.
    """

    def __init__(self) -> None:
        self._transform = ConstantQ()
        self._tuning = TuningExtractor()
        self._fine: list[npt.NDArray[np.float16]] = []
        self._fine_bass: list[npt.NDArray[np.float16]] = []
        self._fine_peaks: list[npt.NDArray[np.float16]] = []
        self._fine_bass_peaks: list[npt.NDArray[np.float16]] = []
        self._power: list[FloatArray] = []

    def push(self, mono: FloatArray) -> None:
        """Take the next samples at 44.1 kHz, float32, shape=(n,)."""
        for magnitudes, power in self._transform.push(mono):
            self._keep(magnitudes, power)

    def finish(self) -> ChromaCurve:
        """Estimate the tuning and fold: ``1 + samples // 2048`` frames."""
        for magnitudes, power in self._transform.finish():
            self._keep(magnitudes, power)
        tuning = self._tuning.finish()
        if not self._power:
            return ChromaCurve(
                _NO_FRAMES, np.zeros(0, np.float16), tuning, _NO_FRAMES, 0.0, peaks=_NO_FRAMES, bass_peaks=_NO_FRAMES
            )
        weights = class_weights(tuning)
        chroma, bass = (
            np.concatenate([_fold(fine, weights) for fine in blocks]) for blocks in (self._fine, self._fine_bass)
        )
        peaks, bass_peaks = (
            np.concatenate([_fold_peaks(fine, weights) for fine in blocks])
            for blocks in (self._fine_peaks, self._fine_bass_peaks)
        )
        power = np.maximum(np.concatenate(self._power), 10 ** (FLOOR_DBFS / 10))
        level = 10 * np.log10(power)
        return ChromaCurve(
            chroma, level.astype(np.float16), tuning, bass, self._tuning.agreement, peaks=peaks, bass_peaks=bass_peaks
        )

    def _keep(self, magnitudes: FloatArray, power: FloatArray) -> None:
        self._tuning.push(magnitudes)
        octaves = magnitudes.reshape(OCTAVES, BINS_PER_OCTAVE, -1)
        self._fine.append(_unit_maximum(octaves.sum(axis=0)).astype(np.float16))
        self._fine_bass.append(_unit_maximum(octaves[:_BASS_OCTAVES].sum(axis=0)).astype(np.float16))
        peaks = standing_out(magnitudes).reshape(octaves.shape)
        self._fine_peaks.append(peaks[_PEAK_OCTAVES].sum(axis=0).astype(np.float16))
        self._fine_bass_peaks.append(peaks[:_BASS_OCTAVES].sum(axis=0).astype(np.float16))
        self._power.append(power)


def standing_out(magnitudes: FloatArray) -> FloatArray:
    """Compute by how many standard deviations each band is above the mean of the bands around it; 0 where it is below.

    Parameters
    ----------
    magnitudes : array, shape=(bands, frames)

    Returns
    -------
    array, shape=(bands, frames), float64
        The level does not matter.
    """
    wide = 2 * _AROUND + 1
    scaled = magnitudes / np.maximum(magnitudes.max(axis=0), 1e-30).astype(np.float64)
    padded = np.pad(scaled, ((_AROUND + 1, _AROUND), (0, 0)), mode="edge")
    padded[0] = 0
    sums, squares = np.cumsum(padded, axis=0), np.cumsum(np.square(padded), axis=0)
    mean = (sums[wide:] - sums[:-wide]) / wide
    variance = (squares[wide:] - squares[:-wide]) / wide - np.square(mean)
    above: FloatArray = np.maximum(scaled - mean, 0) / np.sqrt(np.maximum(variance, 1e-12))
    return above


def _unit_maximum(frames: FloatArray) -> FloatArray:
    """Scale every column to a maximum of 1; a column of zeros stays."""
    top = frames.max(axis=0)
    return frames / np.where(top > 0, top, 1)


def _fold(fine: npt.NDArray[np.float16], weights: FloatArray) -> npt.NDArray[np.uint8]:
    # einsum instead of matmul, so that the result does not depend on the BLAS.
    classes = np.einsum("cf,ft->ct", weights, fine.astype(np.float32))
    return np.ascontiguousarray(np.rint(255 * _unit_maximum(classes)).astype(np.uint8).T)


def _fold_peaks(fine: npt.NDArray[np.float16], weights: FloatArray) -> npt.NDArray[np.uint8]:
    classes = np.einsum("cf,ft->ct", weights, fine.astype(np.float32)) / 2
    return np.ascontiguousarray(np.rint(np.minimum(PEAK_UNITS * classes, 255)).astype(np.uint8).T)


@dataclass(frozen=True)
class Chroma:
    """Mean strength of the pitch classes, named as in ``.INFO``.

    Attributes
    ----------
    chroma_0, chroma_1, chroma_2, chroma_3, chroma_4, chroma_5 : 0 to 1, or Unknown
        C, C#, D, D#, E and F: means of frames whose strongest class is 1.
    chroma_6, chroma_7, chroma_8, chroma_9, chroma_10, chroma_11 : 0 to 1, or Unknown
        F#, G, G#, A, A# and B.
    """

    chroma_0: Value
    chroma_1: Value
    chroma_2: Value
    chroma_3: Value
    chroma_4: Value
    chroma_5: Value
    chroma_6: Value
    chroma_7: Value
    chroma_8: Value
    chroma_9: Value
    chroma_10: Value
    chroma_11: Value


def mean_chroma(curve: ChromaCurve, window: Window) -> FloatArray | Unknown:
    """Mean over the active frames of a window, each with a maximum of 1; shape=(12,).

    Parameters
    ----------
    curve : ChromaCurve
        Of the source.
    window : Window
        Seconds from the beginning of the curve.

    Returns
    -------
    array or Unknown
        ``too short`` without a frame, ``silent`` without an active one.
    """
    frames = frames_in(window, FRAME_RATE, len(curve.chroma))
    chroma = curve.chroma[frames][curve.active[frames]]
    if frames.start >= frames.stop:
        return TOO_SHORT
    return chroma.mean(axis=0, dtype=np.float64) / 255 if len(chroma) else SILENT


def chroma(curve: ChromaCurve, window: Window) -> Chroma:
    """Chroma of a window: how strongly each pitch class sounds on average, tuning corrected, drums best left out.

    Every active frame counts the same, with its strongest class at 1. A single held note gives 1 in its class and its
    overtones' share elsewhere; chords of the key stand out by 0.2 to 0.4 in mixes; noise is flat.
    Reference: librosa's ``chroma_cqt``.

    Parameters
    ----------
    curve : ChromaCurve
        Of the source, best without drums.
    window : Window
        Seconds from the beginning of the curve.

    Returns
    -------
    Chroma
        ``too short`` without a frame, ``silent`` without an active one.

    Examples
    --------
    An A minor triad, A3, C4 and E4:

    >>> times = np.arange(3 * ANALYSIS_RATE) / ANALYSIS_RATE
    >>> triad = sum(0.2 * np.sin(2 * np.pi * hz * times) for hz in (220.0, 261.63, 329.63)).astype(np.float32)
    >>> extractor = ChromaExtractor()
    >>> extractor.push(triad)
    >>> features = chroma(extractor.finish(), Window(0, 3))
    >>> features.chroma_9 > 0.8, features.chroma_0 > 0.8, features.chroma_4 > 0.8, features.chroma_1 < 0.1
    (True, True, True, True)
    """
    mean = mean_chroma(curve, window)
    return Chroma(*([mean] * 12 if isinstance(mean, Unknown) else mean.tolist()))
