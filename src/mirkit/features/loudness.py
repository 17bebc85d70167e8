"""Program loudness and loudness range, ``lufs`` and ``lra``, and how much of a track is sung, ``vocals_share``.

*Measured*: the level of the K-weighted signal, over all channels, with pauses left out (``lufs``, LUFS), and how far
loud and quiet passages lie apart (``lra``, LU). *Reading*: a released song has -16 to -6 LUFS and an ``lra`` of 3 to 10
LU; -70 is the least that counts as sound. A gain of 1 dB moves ``lufs`` by 1 and ``lra`` not at all. *Sources*: ITU-R
BS.1770-4 (algorithm and gates), EBU Tech 3341 (windows) and Tech 3342 (loudness range).

``vocals_share`` of the metadata, 0 to 1, is for prompts and reports. *Measured*: the share of the sounding time in
which the vocals stem is at most 20 LU below the mix. *Reading*: 0 for an instrumental, 1 where somebody sings
throughout. It needs vocals from a model or from the user: the embedded separation does not tell a voice from other
instruments in the middle.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import ANALYSIS_RATE, SHORTEST_MUSIC, SILENT, TOO_SHORT, FloatArray, Unknown, Value, Window

#: Energies are stored per this many samples (100 ms), the step of both the 400 ms and the 3 s windows.
HOP = ANALYSIS_RATE // 10
HOPS_PER_SECOND = 10
MOMENTARY_HOPS = 4
SHORT_TERM_HOPS = 30

ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_RANGE_GATE_LU = -20.0
_RANGE_PERCENTILES = (0.10, 0.95)
_OFFSET_LU = -0.691

# Channel weights of BS.1770-4 in the order that FLAC, WAV and FFmpeg use. Surround channels (60 to 120 degrees) have
# 1.5 dB more weight, the low-frequency effects channel has none. With any other number of channels, all have the same
# weight.
_SURROUND = 1.41
_WEIGHTS = {
    5: (1.0, 1.0, 1.0, _SURROUND, _SURROUND),  # L R C Ls Rs
    6: (1.0, 1.0, 1.0, 0.0, _SURROUND, _SURROUND),  # L R C LFE Ls Rs
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, _SURROUND, _SURROUND),  # L R C LFE back-left back-right side-left side-right
}

# BS.1770-4, tables 1 and 2: the two sections of the K-weighting at 48 kHz, numerator and denominator.
_STANDARD_RATE = 48000
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))


@dataclass(frozen=True)
class LoudnessCurve:
    """K-weighted energy of a signal over time.

    Attributes
    ----------
    energy : float32 array, shape=(hops,)
        Mean square of each 100 ms, summed over the weighted channels. A remainder shorter than 100 ms is left out.
    """

    energy: FloatArray

    @cached_property
    def momentary(self) -> FloatArray:
        """Mean energies of all 400 ms, one per 100 ms, see :func:`momentary`."""
        return momentary(self.energy)

    @cached_property
    def short_term(self) -> FloatArray:
        """Mean energies of all 3 s, one per 100 ms, shape=(hops - 29,)."""
        return _sliding_mean(self.energy, SHORT_TERM_HOPS)


@dataclass(frozen=True)
class LoudnessFeatures:
    """The loudness keys of a window (of the mix, or of one stem).

    Attributes
    ----------
    lufs : -70 to 0 LUFS
        Integrated loudness.
    lra : 0 to 40 LU
        Loudness range.
    """

    lufs: Value
    lra: Value


class LoudnessExtractor:
    """Measure the K-weighted energy of a signal that arrives in blocks at 44.1 kHz.

    Parameters
    ----------
    channels : int
        According to the standard, mono is measured as one channel (3 dB below the same signal on two channels). Five
        channels are L R C Ls Rs, six are 5.1 and eight are 7.1, in the order of FLAC and WAV; otherwise every channel
        has the weight 1.
    """

    def __init__(self, channels: int) -> None:
        self._weights = np.array(_WEIGHTS.get(channels, (1.0,) * channels))
        shelf, high_pass = (_at_rate(*section, ANALYSIS_RATE) for section in (_SHELF, _HIGH_PASS))
        self._sections = (*shelf[0], *shelf[1][1:], *high_pass[0], *high_pass[1][1:])
        # For each channel, the state of the two sections, and the sum of squares of the incomplete hop.
        self._state = np.zeros((channels, 5))
        self._filled = 0
        self._energies: list[npt.NDArray[np.float32]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, shape=(channels, n), float32."""
        samples = np.ascontiguousarray(block, np.float32).view()
        samples.setflags(write=False)  # as decoded blocks are: one type for the kernel
        out = np.empty((self._filled + samples.shape[1]) // HOP, np.float32)
        self._filled = _k_energy(samples, self._sections, self._weights, HOP, self._state, self._filled, out)
        self._energies.append(out)

    def finish(self) -> LoudnessCurve:
        """Return the series of all samples pushed."""
        return LoudnessCurve(np.concatenate(self._energies or [np.empty(0, np.float32)]))


def loudness(curve: LoudnessCurve, window: Window) -> LoudnessFeatures:
    """Integrated loudness and loudness range of a window.

    The window begins at the 100 ms step nearest to its start and has as many whole steps as fit into its duration.

    Parameters
    ----------
    curve : LoudnessCurve
        Of the source.
    window : Window
        Seconds from the beginning of the series.

    Returns
    -------
    LoudnessFeatures
        ``lufs`` is ``too short`` below 400 ms, ``lra`` below 3 s. ``silent``: nothing above the absolute gate of
        -70 LUFS.

    Examples
    --------
    A full-scale sine of 997 Hz on one channel has -3.01 LUFS, by which the standard is calibrated:

    >>> times = np.arange(5 * ANALYSIS_RATE) / ANALYSIS_RATE
    >>> extractor = LoudnessExtractor(channels=1)
    >>> extractor.push(np.sin(2 * np.pi * 997 * times)[None].astype(np.float32))
    >>> features = loudness(extractor.finish(), Window(0, 5))
    >>> round(features.lufs, 2), round(features.lra, 2)
    (-3.01, 0.0)
    """
    first, last = _hops(curve, window)
    return LoudnessFeatures(
        _integrated(curve.momentary[first : max(first, last - MOMENTARY_HOPS + 1)]),
        _range(curve.short_term[first : max(first, last - SHORT_TERM_HOPS + 1)]),
    )


def momentary(energy: FloatArray) -> FloatArray:
    """Mean energy over 400 ms, one value per 100 ms.

    Parameters
    ----------
    energy : float array, shape=(hops,)
        Energies of 100 ms.

    Returns
    -------
    float64 array, shape=(hops - 3,)
        Energies; ``to_lufs`` converts them.
    """
    return _sliding_mean(energy, MOMENTARY_HOPS)


def hops_in(curve: LoudnessCurve, window: Window) -> FloatArray:
    """Energies of the 100 ms steps of a window, by the rule of ``loudness``.

    Parameters
    ----------
    curve : LoudnessCurve
        Of the source.
    window : Window
        Seconds from the beginning of the series.

    Returns
    -------
    float32 array, shape=(hops,)
    """
    return curve.energy[slice(*_hops(curve, window))]


def unheard(mix: LoudnessCurve, window: Window) -> Unknown | None:
    """Return why a window says nothing about its music: ``too short`` below 2 s, ``silent`` at -70 LUFS; else None.

    Parameters
    ----------
    mix : LoudnessCurve
    window : Window

    Returns
    -------
    Unknown or None

    Examples
    --------
    >>> sounding = LoudnessCurve(np.full(80, 0.01, np.float32))
    >>> unheard(sounding, Window(0, 8)), unheard(sounding, Window(0, 1)).reason
    (None, 'too short')
    """
    if window.duration < SHORTEST_MUSIC:
        return TOO_SHORT
    energy = hops_in(mix, window)
    return None if len(energy) and energy.max() > to_energy(ABSOLUTE_GATE_LUFS) else SILENT


def _hops(curve: LoudnessCurve, window: Window) -> tuple[int, int]:
    """First and last hop of a window, the last one excluded, within the series."""
    # 1e-6: tolerance for rounding errors of a duration that is a whole number of steps.
    count = math.floor(window.duration * HOPS_PER_SECOND + 1e-6)
    first = round(window.start * HOPS_PER_SECOND)
    if first + count == len(curve.energy) + 1:  # the start was rounded up, and the last whole step would be lost
        first = max(0, first - 1)
    return min(first, len(curve.energy)), min(first + count, len(curve.energy))


def to_lufs(energy: FloatArray) -> FloatArray:
    """Loudness of K-weighted energies.

    Parameters
    ----------
    energy : float or array
        Mean square of the K-weighted signal, summed over the channels.

    Returns
    -------
    float or array
        LUFS; -inf for zero.
    """
    with np.errstate(divide="ignore"):
        level: FloatArray = _OFFSET_LU + 10 * np.log10(energy)
    return level


def to_energy(lufs: float) -> float:
    """K-weighted energy of a loudness; inverse of ``to_lufs``.

    Parameters
    ----------
    lufs : float
        LUFS.

    Returns
    -------
    float
        Mean square of the K-weighted signal.
    """
    return float(10 ** ((lufs - _OFFSET_LU) / 10))


def _integrated(blocks: FloatArray) -> Value:
    if not len(blocks):
        return TOO_SHORT
    blocks = blocks[blocks > to_energy(ABSOLUTE_GATE_LUFS)]
    if not len(blocks):
        return SILENT
    blocks = blocks[blocks > blocks.mean() * 10 ** (_RELATIVE_GATE_LU / 10)]
    return float(to_lufs(blocks.mean()))


def _range(blocks: FloatArray) -> Value:
    if not len(blocks):
        return TOO_SHORT
    blocks = blocks[blocks > to_energy(ABSOLUTE_GATE_LUFS)]
    if not len(blocks):
        return SILENT
    blocks = np.sort(blocks[blocks >= blocks.mean() * 10 ** (_RANGE_GATE_LU / 10)])
    # Tech 3342 takes the nearest rank.
    low, high = (to_lufs(blocks[round((len(blocks) - 1) * share)]) for share in _RANGE_PERCENTILES)
    return float(high - low)


def _sliding_mean(energy: FloatArray, length: int) -> FloatArray:
    if len(energy) < length:
        return np.zeros(0)
    means: FloatArray = np.lib.stride_tricks.sliding_window_view(energy, length).mean(axis=1, dtype=np.float64)
    return means


def _at_rate(
    numerator: tuple[float, ...], denominator: tuple[float, ...], rate: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Convert a second-order section of the standard from 48 kHz to another rate.

    The inverse bilinear transform gives the analog prototype. The bilinear transform at the new rate, prewarped to keep
    the natural frequency in Hz, gives the new digital section.

    Parameters
    ----------
    numerator, denominator : tuples of 3
        Coefficients of 1, z^-1, z^-2 at 48 kHz.
    rate : int
        Sampling rate in Hz.

    Returns
    -------
    numerator, denominator : tuples of 3
        Coefficients of 1, z^-1, z^-2, the denominator beginning with 1.
    """
    # z^-1 = (1 - u) / (1 + u), u = j tan(pi f / rate): as a polynomial in u, lowest power first.
    to_u = np.array([[1, 1, 1], [2, 0, -2], [1, -1, 1]], float)
    b, a = to_u @ numerator, to_u @ denominator
    natural = math.sqrt(a[0] / a[2])
    hz = math.atan(natural) * _STANDARD_RATE / math.pi
    stretch = (natural / math.tan(math.pi * hz / rate)) ** np.arange(3)
    # The matrix is its own inverse up to a factor, which dividing by the leading coefficient removes.
    b, a = to_u @ (b * stretch), to_u @ (a * stretch)
    return tuple((b / a[0]).tolist()), tuple((a / a[0]).tolist())


@kernel()
def _k_energy(samples, sections, weights, hop, state, filled, out):  # type: ignore[no-untyped-def]
    # Filters and squares the samples, channel after channel; returns the number of samples in the last hop.
    # Double precision: the poles of the high-pass lie 0.5 % inside the unit circle.
    b0, b1, b2, a1, a2, d0, d1, d2, c1, c2 = sections
    n = samples.shape[1]
    count = start = 0
    while start < n:
        stop = min(n, start + hop - filled)
        # Two channels at once, because each sample has to wait for the result of the previous one. A single channel is
        # computed twice.
        for channel in range(0, len(samples), 2):
            other = min(channel + 1, len(samples) - 1)
            own, beside = state[channel], state[other]
            s1, s2, t1, t2, total = own[0], own[1], own[2], own[3], own[4]
            u1, u2, v1, v2, sum_ = beside[0], beside[1], beside[2], beside[3], beside[4]
            for i in range(start, stop):
                x, r = samples[channel, i], samples[other, i]
                y, p = b0 * x + s1, b0 * r + u1
                s1, u1 = b1 * x - a1 * y + s2, b1 * r - a1 * p + u2
                s2, u2 = b2 * x - a2 * y, b2 * r - a2 * p
                z, q = d0 * y + t1, d0 * p + v1
                t1, v1 = d1 * y - c1 * z + t2, d1 * p - c1 * q + v2
                t2, v2 = d2 * y - c2 * z, d2 * p - c2 * q
                total += z * z
                sum_ += q * q
            # In silence, the state would decay to denormal numbers, which are forty times slower.
            if abs(s1) + abs(s2) + abs(t1) + abs(t2) < 1e-30:
                s1 = s2 = t1 = t2 = 0.0
            if abs(u1) + abs(u2) + abs(v1) + abs(v2) < 1e-30:
                u1 = u2 = v1 = v2 = 0.0
            own[0], own[1], own[2], own[3], own[4] = s1, s2, t1, t2, total
            beside[0], beside[1], beside[2], beside[3], beside[4] = u1, u2, v1, v2, sum_
        filled += stop - start
        start = stop
        if filled == hop:
            energy = 0.0
            for channel in range(len(samples)):
                energy += weights[channel] * state[channel, 4]
                state[channel, 4] = 0.0
            out[count] = energy / hop
            count += 1
            filled = 0
    return filled


#: A block of the mix counts if it is at most this far (LU) below the mean, so that pauses and fade-outs do not.
_MIX_RANGE = 10**-3.0
#: Vocals count if they are at most this far (LU) below the mix; leakage of other instruments is below that.
_VOCALS_RANGE = 10**-2.0


def vocals_share(vocals: LoudnessCurve, mix: LoudnessCurve, window: Window) -> Value:
    """Share of the sounding time of a mix in which there are vocals.

    The share is computed from momentary loudness blocks (400 ms, one per 100 ms). A block sounds when the mix is above
    -70 LUFS and not more than 30 LU below its mean; it has vocals when they are above -70 LUFS and not more than 20 LU
    below the mix in the same block. The number does not depend on the level of the track.

    Parameters
    ----------
    vocals, mix : LoudnessCurve
        Of the vocals stem and of the full mix, aligned. Where one is shorter, the rest counts as silence.
    window : Window
        Seconds.

    Returns
    -------
    float
        0 (instrumental) to 1 (sung throughout). ``too short`` below 400 ms, ``silent`` where the mix is silent.

    Examples
    --------
    Vocals in the first half of a mix:

    >>> mix = LoudnessCurve(np.full(200, to_energy(-14.0), np.float32))
    >>> vocals = LoudnessCurve(np.repeat([to_energy(-20.0), 0.0], 100).astype(np.float32))
    >>> round(vocals_share(vocals, mix, Window(0, 20)), 2)
    0.51
    """
    first, last = _hops(mix, window)
    mix_blocks = mix.momentary[first : max(first, last - MOMENTARY_HOPS + 1)]
    if not len(mix_blocks):
        return TOO_SHORT
    if _hops(vocals, window) == (first, last):
        vocal_blocks = vocals.momentary[first : first + len(mix_blocks)]
    else:
        vocal_hops = hops_in(vocals, window)[: last - first]
        vocal_blocks = momentary(np.pad(vocal_hops, (0, last - first - len(vocal_hops))))
    gate = to_energy(ABSOLUTE_GATE_LUFS)
    sounding = mix_blocks > gate
    if not sounding.any():
        return SILENT
    sounding &= mix_blocks > mix_blocks[sounding].mean() * _MIX_RANGE
    sung = (vocal_blocks > gate) & (vocal_blocks > mix_blocks * _VOCALS_RANGE)
    return float(np.mean(sung[sounding]))
