"""From onset curves to a beat grid."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from mirkit.features.rhythm.beats.decoder import MAX_BPM, MIN_BPM, PERIODS, decode_beats
from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats, TempoCandidate
from mirkit.features.rhythm.onset_envelope import FRAME_RATE, OnsetCurve
from mirkit.features.rhythm.onsets import LEAD_SECONDS
from mirkit.features.rhythm.tempo import beat_period
from mirkit.features.types import FloatArray

_CENTRE_BPM, _WIDTH_OCTAVES = 115.0, 0.5


def track_beats(
    mix: OnsetCurve,
    drums: OnsetCurve | None = None,
    *,
    bpm_range: tuple[float, float] | None = None,
    bpm_hint: float | None = None,
) -> Beats:
    """Track beats and downbeats of a piece.

    Parameters
    ----------
    mix : OnsetCurve
        Of the full mix.
    drums : OnsetCurve, optional
        Of the drums stem.
    bpm_range : (float, float), optional
        Tempi that may come out, in beats per minute.
    bpm_hint : float, optional
        A tempo known beforehand: the grid takes the metrical level nearest to it.

    Returns
    -------
    Beats
        Empty when there is no pulse.
    """
    activation = _activation(mix)
    if drums is not None and len(drums.envelope):
        n = min(len(activation), len(drums.envelope))
        activation[:n] += _activation(drums)[:n]
    if not len(activation) or activation.max() <= 0:
        return NO_BEATS
    tempi = 60 * FRAME_RATE / PERIODS
    centre = bpm_hint or _CENTRE_BPM
    width = 0.1 if bpm_hint else _WIDTH_OCTAVES
    preference = -0.5 * np.square(np.log2(tempi / centre) / width) * 0.6
    low, high = bpm_range or (MIN_BPM, MAX_BPM)
    preference[(tempi < low * 0.97) | (tempi > high * 1.03)] -= 100
    frames = decode_beats(activation.astype(np.float32), preference.astype(np.float32), 3000.0)
    if len(frames) < 8:
        return NO_BEATS
    times = frames / FRAME_RATE + LEAD_SECONDS
    period = beat_period(times)
    confidence = np.clip(activation[frames] / 2, 0, 1).astype(np.float64)
    steady = bool(period is not None and activation[frames].mean() > 0.5)
    candidates = (TempoCandidate(60 / period, 1.0),) if period else ()
    return Beats(times, times[_downbeat_phase(mix, frames) :: 4], confidence, "4/4", 0.5, steady, candidates)


def _activation(curve: OnsetCurve) -> FloatArray:
    """Band growth, each band over its local mean and spread, summed."""
    bands = curve.bands.astype(np.float32)
    total = bands.mean(axis=1)
    total = gaussian_filter1d(total, 1.0)
    mean = uniform_filter1d(total, round(FRAME_RATE * 3))
    spread = np.sqrt(uniform_filter1d(np.square(total - mean), round(FRAME_RATE * 6)))
    activation: FloatArray = (total - mean) / (spread + 0.3)
    return activation


def _downbeat_phase(curve: OnsetCurve, frames: npt.NDArray[np.int64]) -> int:
    low = gaussian_filter1d(curve.bands[:, 0].astype(np.float32), 1.0)[frames]
    return int(np.argmax([low[k::4].mean() for k in range(4)]))
