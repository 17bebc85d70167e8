"""Faults and notices that the levels of a source show: channels, offset, scale, peaks, silence, noise, a count-in.

*Measured*: mean, power, peak and correlation of both channels for each 12 ms, over the whole source. *Reading*:
docs/how_good/audit.md has the threshold of each finding, and how often it is right.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.audit.dropouts import DropoutExtractor
from mirkit.features.audit.findings import Finding
from mirkit.features.types import ANALYSIS_RATE, FloatArray

Vector = npt.NDArray[np.float64]

#: Samples per row of statistics (12 ms), and those whose sum stands for the low frequencies (below 300 Hz).
HOP, _LOW = 512, 64
_SIDES = ("left", "right")

#: Power of a channel, relative to the other, below which it is silent.
_SILENT_CHANNEL = 1e-6
#: Correlation of the channels, over all frequencies and below 300 Hz, at which one of them is inverted, and over all
#: frequencies from which on they are out of phase.
_INVERTED, _OUT_OF_PHASE = -0.8, -0.4
#: Mean of a channel relative to full scale and to its RMS, of which the first makes it a notice, the second a fault;
#: and the share of the seconds in which it has the same sign and at least half of its size.
_DC, _DC_OF_RMS, _DC_STEADY = 1e-3, (0.03, 0.35), 0.95
#: Peaks at which the sound is at a wrong scale (full scale is 1): +18 dBFS, -66 dBFS.
_TOO_HIGH, _TOO_LOW = 8.0, 2.0**-11
#: Power of the difference of the channels, relative to their sum, at which they are the same.
_MONO = 1e-7
#: Samples at the highest level in one row that make it a clipped one, and such rows per minute.
_FLAT, _FLAT_PER_MINUTE = 4, 10
#: Share of the sounding rows whose peak is within 0.2 dB of the highest, in a source of at least this length (s).
_LIMITED, _NEAR_PEAK, _LEAST_SECONDS = 0.10, 10 ** (-0.2 / 20), 3.0
#: Silence at an end (s), relative to the loud parts, and digital silence in any case (power).
_SILENCE_SECONDS, _SILENCE, _DIGITAL = 2.0, 1e-6, 1e-10
#: Noise: power of the quietest parts relative to the loud ones, and of their differences from sample to sample relative
#: to them, which is 2 for white noise.
_NOISE, _NOISE_COLOR = 10**-5.0, 0.25


@dataclass(frozen=True)
class LevelStatistics:
    """Statistics of a source for each ``HOP`` samples; a remainder is left out.

    Attributes
    ----------
    power, mean, peak, flat : array, shape=(channels, n)
        Mean square, mean, highest absolute value, and how many samples have it.
    product : array, shape=(n,)
        Mean product of the two channels; of one channel, its power.
    rise : array, shape=(n,)
        Mean square of the differences of consecutive samples of the mean of the channels, relative to its own power.
    low : float64 array, shape=(3,)
        Power of left and right, and their product, below 300 Hz.
    """

    power: Vector
    mean: Vector
    peak: Vector
    flat: Vector
    product: Vector
    rise: Vector
    low: Vector


class AuditExtractor:
    """Examine a signal that arrives in blocks at 44.1 kHz.

    Parameters
    ----------
    channels : int
        One or two.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._rows: list[Vector] = []
        self._low = np.zeros(3)
        self._rest = np.empty((channels, 0), np.float32)
        self._dropouts = DropoutExtractor()
        self._samples = 0

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        self._samples += block.shape[1]
        self._dropouts.push(block)
        samples = np.concatenate((self._rest, block), axis=1) if self._rest.shape[1] else block
        whole = samples.shape[1] // HOP * HOP
        self._rest = samples[:, whole:].copy()
        if whole:
            self._measure(samples[:, :whole])

    def _measure(self, samples: FloatArray) -> None:
        rows = samples.reshape(self._channels, -1, HOP)
        levels = np.abs(rows)
        peak = levels.max(axis=2)
        left, right = rows[0], rows[-1]
        mono = left if self._channels == 1 else left + right
        steps = np.diff(mono, axis=1)
        of_mono = np.einsum("ij,ij->i", mono, mono)
        self._rows.append(
            np.concatenate(
                (
                    np.einsum("cij,cij->ci", rows, rows) / HOP,
                    rows.mean(axis=2),
                    peak,
                    np.count_nonzero(levels >= peak[..., None], axis=2),
                    np.einsum("ij,ij->i", left, right)[None] / HOP,
                    (np.einsum("ij,ij->i", steps, steps) / np.maximum(of_mono, 1e-20))[None],
                ),
                dtype=np.float32,
            )
        )
        low = samples.reshape(self._channels, -1, _LOW).sum(axis=2, dtype=np.float32)
        for i, (one, other) in enumerate(((low[0], low[0]), (low[-1], low[-1]), (low[0], low[-1]))):
            self._low[i] += float(np.dot(one.astype(np.float64), other))

    def finish(self) -> tuple[Finding, ...]:
        """Return what was found."""
        c = self._channels
        rows = np.concatenate(self._rows, axis=1).astype(np.float64) if self._rows else np.zeros((4 * c + 2, 0))
        power, mean, peak, flat = (rows[i * c : (i + 1) * c] for i in range(4))
        found = findings_of(LevelStatistics(power, mean, peak, flat, rows[-2], rows[-1], self._low))
        if times := self._dropouts.finish():
            what = "1 dropout" if len(times) == 1 else f"{len(times)} dropouts, the first"
            found.append(Finding("dropouts", f"{what} at {_clock(times[0])}"))
        return tuple(found)


def findings_of(levels: LevelStatistics) -> list[Finding]:
    """Return what the levels of a source show.

    Parameters
    ----------
    levels : LevelStatistics

    Returns
    -------
    list of Finding
        ``silence`` alone for a source that is silent throughout; nothing for one that is shorter than ``HOP``.
    """
    if not levels.power.shape[1]:
        return []
    peak = float(levels.peak.max())
    if peak == 0:
        return [Finding("silence", "silent throughout")]
    found = [*_scale(peak), *_channels(levels), *_offset(levels), *_peaks(levels, peak)]
    return [*found, *_silence(levels), *_count_in(levels), *_noise(levels)]


def _scale(peak: float) -> list[Finding]:
    if peak >= _TOO_HIGH:
        return [Finding("scale", f"sound at a wrong scale: its peak is {peak:,.0f} times full scale")]
    if peak < _TOO_LOW:
        return [Finding("scale", f"sound at a wrong scale: its peak is {20 * np.log10(peak):.0f} dBFS")]
    return []


def _channels(levels: LevelStatistics) -> list[Finding]:
    if len(levels.power) == 1:
        return []
    left, right = levels.power.mean(axis=1)
    if min(left, right) < _SILENT_CHANNEL * max(left, right):
        return [Finding("silent_channel", f"the {_SIDES[int(right < left)]} channel is silent")]
    both = float(levels.product.mean())
    if left + right - 2 * both < _MONO * (left + right + 2 * both):
        return [Finding("mono", "both channels are the same: mono as stereo")]
    correlation = both / np.sqrt(max(left * right, 1e-30))
    low = levels.low[2] / np.sqrt(max(levels.low[0] * levels.low[1], 1e-30))
    if max(correlation, low) <= _INVERTED:
        return [Finding("inverted_channel", f"one channel is inverted: their correlation is {correlation:.2f}")]
    if correlation <= _OUT_OF_PHASE:
        return [Finding("out_of_phase", f"the channels are out of phase: their correlation is {correlation:.2f}")]
    return []


def _offset(levels: LevelStatistics) -> list[Finding]:
    """A constant offset: the mean of every second has its sign and about its size."""
    second = ANALYSIS_RATE // HOP
    count = levels.mean.shape[1] // second
    found: dict[str, float] = {}
    shares = []
    for side, mean, power in zip(_SIDES, levels.mean, levels.power, strict=False):
        offset = float(mean.mean())
        share = abs(offset) / float(np.sqrt(power.mean()) or 1)
        if not count or abs(offset) < _DC or share < _DC_OF_RMS[0]:
            continue
        seconds = mean[: count * second].reshape(count, second).mean(axis=1)
        if np.mean(seconds * np.sign(offset) > abs(offset) / 2) >= _DC_STEADY:
            found[side] = 100 * offset
            shares.append(share)
    if not found:
        return []
    where = f" in the {next(iter(found))} channel" if len(found) < len(levels.mean) else ""
    name = "dc_offset" if max(shares) >= _DC_OF_RMS[1] else "small_offset"
    return [Finding(name, f"DC offset of {max(found.values(), key=abs):+.1f} % of full scale{where}")]


def _peaks(levels: LevelStatistics, peak: float) -> list[Finding]:
    at_peak = levels.peak >= peak * (1 - 1e-3)
    minutes = levels.peak.shape[1] * HOP / ANALYSIS_RATE / 60
    clipped = int((at_peak & (levels.flat >= _FLAT)).any(axis=0).sum())
    if clipped >= max(3, _FLAT_PER_MINUTE * minutes):
        return [Finding("clipped", f"clipped peaks in {clipped} places")]
    highest = levels.peak.max(axis=0)
    sounding = levels.power.max(axis=0) > _SILENCE * float(levels.power.max())
    if not sounding.any():  # so quiet that its power is 0 in single precision
        return []
    share = float(np.mean(highest[sounding] >= _NEAR_PEAK * peak))
    if share >= _LIMITED and 60 * minutes >= _LEAST_SECONDS:
        return [Finding("limited", f"limited: {100 * share:.0f} % of it is within 0.2 dB of the highest peak")]
    return []


def _silence(levels: LevelStatistics) -> list[Finding]:
    sounding = np.flatnonzero(levels.power.max(axis=0) > max(_SILENCE * float(levels.power.max()), _DIGITAL))
    if not len(sounding):
        return []
    seconds = HOP / ANALYSIS_RATE
    lengths = sounding[0] * seconds, (levels.power.shape[1] - 1 - sounding[-1]) * seconds
    ends = [
        f"{s:.1f} s at the {end}" for s, end in zip(lengths, ("start", "end"), strict=True) if s >= _SILENCE_SECONDS
    ]
    return [Finding("silence", f"silence: {' and '.join(ends)}")] if ends else []


def _noise(levels: LevelStatistics) -> list[Finding]:
    """Hiss: the quietest parts are not quiet, and change from sample to sample."""
    power = levels.power.mean(axis=0)
    used = power > _DIGITAL
    if np.count_nonzero(used) < 100:
        return []
    power, rise = power[used], levels.rise[used]
    quiet = power <= np.quantile(power, 0.02)
    floor, loud = float(power[quiet].mean()), float(np.quantile(power, 0.95))
    if floor >= _NOISE * loud and float(np.median(rise[quiet])) >= _NOISE_COLOR:
        return [Finding("noise", f"noise at {10 * np.log10(floor):.0f} dBFS in the quietest parts")]
    return []


#: A count-in: beats of at most this length (s), between which the level falls by this (power), evenly spaced (s).
_TICK_SECONDS, _TICK_FALL, _TICK_SPACING, _TICK_EVEN = 0.2, 10**-2.0, (0.25, 1.2), 0.06
_TICKS = range(3, 9)
#: Seconds of music after the last beat, and the least share of it that sounds.
_MUSIC_SECONDS, _MUSIC_SHARE = 3.0, 0.8


def _count_in(levels: LevelStatistics) -> list[Finding]:
    """Beats at the start, with near silence between them, then music that goes on."""
    power = levels.power.max(axis=0)
    seconds = HOP / ANALYSIS_RATE
    loud = float(np.quantile(power, 0.9))
    above = np.flatnonzero(np.diff((power > 1e-3 * loud).astype(np.int8), prepend=0) == 1)
    below = np.flatnonzero(np.diff((power > 1e-3 * loud).astype(np.int8), append=0) == -1)
    ticks: list[int] = []
    for first, last in zip(above.tolist(), below.tolist(), strict=True):
        if (last - first + 1) * seconds > _TICK_SECONDS or power[first : last + 1].max() * _TICK_FALL < 1e-3 * loud:
            break
        ticks.append(first)
    if len(ticks) not in _TICKS or len(ticks) == len(above):
        return []
    start = int(above[len(ticks)])
    gaps = np.diff([*ticks, start]) * seconds
    inner = gaps[:-1]
    music = power[start : start + round(_MUSIC_SECONDS / seconds)] > 1e-3 * loud
    if not _TICK_SPACING[0] <= inner.mean() <= _TICK_SPACING[1] or np.abs(inner / inner.mean() - 1).max() > _TICK_EVEN:
        return []
    if abs(gaps[-1] / inner.mean() - 1) > 2 * _TICK_EVEN or music.mean() < _MUSIC_SHARE:
        return []
    return [Finding("count_in", f"count-in of {len(ticks)} beats before {_clock(start * seconds)}")]


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
