"""Whether audio was decoded from a lossy file: MP3, AAC, Vorbis or Opus, and at about which bit rate.

*Measured*: a lossy encoder sets most small coefficients of its transform to zero. The same transform, applied to the
decoded audio, gives coefficients far below their surroundings if its frames begin at the samples at which those of the
encoder did, and nowhere else (Herre and Schug, "Analysis of decompressed audio - the inverse decoder", AES 2000;
Derrien, "Detection of genuine lossless audio files", 2019). So the mean log level of the coefficients is compared
between all possible first samples. *Reading*: music that was only filtered, resampled, or made without high frequencies
has no such sample, so its spectrum does not matter. What was changed after decoding (time stretch, mixing, mastering)
has none either: no trace is no proof. docs/how_good/audit.md says what is found at which bit rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from mirkit.features.audit.filterbanks import (
    Matrix,
    Mdct,
    Mp3Hybrid,
    Transform,
    kaiser_bessel_window,
    sine_window,
    vorbis_window,
)
from mirkit.features.audit.synthesized import changing_part, is_periodic

Vector = npt.NDArray[np.float64]

#: Variance of the rounding to 16 bits, which is that of each coefficient of an orthonormal transform.
_ROUNDING = 2.0**-30 / 12
#: Coefficients are used where their mean power is this much above the rounding,
_ABOVE_ROUNDING = 30.0
#: and above this share of the highest of the spectrum, and from this frequency on (Hz).
_ABOVE_HIGHEST, _LOWEST_HZ = 1e-11, 300.0
#: Least power of a coefficient relative to its surroundings that counts.
_LEAST = np.float32(1e-5)
#: Score and depth from which a trace is clear.
_CLEAR_SCORE, _CLEAR_DEPTH = 6.0, 0.05
#: Share of the coefficients that must be of signals in which it is seen, at this share of its depth; and frames for
#: each excerpt that sounds, on average, which are half of the most.
_CLEAR_SHARE, _SEEN_DEPTH, _LEAST_FRAMES = 0.7, 0.1, 3
#: Score in the frames with which it is found from which on the others are looked at.
_WORTH_A_LOOK = 4.0
#: Logarithm to base 2 of the bit rate: constant, slope over the log of the depth, and over the top (kHz).
_BIT_RATES = {
    "MP3": (4.58, -0.376, 0.175),
    "AAC": (3.93, -0.271, 0.184),
    "Vorbis": (5.96, -0.698, 0.091),
    "Opus": (4.84, -1.065, 0.092),
}
_USUAL = (64, 96, 128, 160, 192, 256, 320)
#: Rate at which Opus works (Hz).
_OPUS_RATE = 48000
#: Coefficients of a frame below which it tells nothing.
_LEAST_LINES = 40
#: Distance of the frames of which the mean power is computed (samples).
_SPACING = 67
#: First samples over which the level is compared in the sweep.
_SMOOTH = 33
#: Deviation of the mean log of the powers of independent Gaussian coefficients, times the square root of their number.
#: Levels that vary much less are those of a synthesized wave, whose irregularities would look significant.
_LOG_DEVIATION, _LEAST_DEVIATION = 2.22, 0.5
#: First samples that are looked at closely, the distances of those that they are compared with, and frames of an
#: excerpt.
_CANDIDATES, _AROUND, _MOST_FRAMES = 4, (-53, -37, -23, 23, 37, 53), 6


@dataclass(frozen=True)
class Excerpt:
    """A part of a file.

    Attributes
    ----------
    start : int
        Place of its first sample in the file, at the rate of the samples.
    samples : float32 array, shape=(channels, n)
    """

    start: int
    samples: Matrix


@dataclass(frozen=True)
class Codec:
    """A codec whose traces are looked for.

    Attributes
    ----------
    name : str
    transforms : tuple of Transform
        With each of its windows.
    sweep : Transform
        The one with which the places of its frames are looked for.
    step : int
        Frames may begin at other samples in another part of the file, whose distance is a multiple of this; 0 if not.
    """

    name: str
    transforms: tuple[Transform, ...]
    sweep: Transform
    step: int = 0


@dataclass(frozen=True)
class Trace:
    """Traces of a codec.

    Attributes
    ----------
    codec : str
    score : float
        By how much the coefficients at the best first sample are lower than at others, in standard deviations of the
        others: the smaller of two values, from frames with which it was found and from other ones.
    depth : float
        The same in nepers of power, from the other frames; 0 where there was no reason to look at them.
    top : float
        Highest frequency that is looked at (Hz), or 0.
    share : float
        Share of the coefficients that are of signals in which it is seen; 0 for too few frames, or where there was no
        reason to look.
    """

    codec: str
    score: float
    depth: float
    top: float
    share: float

    @property
    def is_clear(self) -> bool:
        """Whether it is no accident."""
        return self.score >= _CLEAR_SCORE and self.depth >= _CLEAR_DEPTH and self.share >= _CLEAR_SHARE

    @property
    def kbps(self) -> int:
        """About the bit rate of the file (kbit/s), one of the usual ones."""
        constant, of_depth, of_top = _BIT_RATES[self.codec]
        estimate = constant + of_depth * np.log(max(self.depth, _CLEAR_DEPTH)) + of_top * self.top / 1000
        return min(_USUAL, key=lambda rate: abs(np.log2(rate) - estimate))


@cache
def codecs() -> tuple[Codec, ...]:
    """Return the codecs whose traces can be found.

    Returns
    -------
    tuple of Codec
    """
    frame = 2048
    mp3 = Mp3Hybrid("MP3", 576, 36 * 32 - 32 + 512)
    sine = Mdct("AAC, sine window", 1024, frame, sine_window(frame))
    kaiser = Mdct("AAC, Kaiser-Bessel window", 1024, frame, kaiser_bessel_window(frame))
    # The window of Vorbis is between those of AAC, so that one sweep does for all three.
    vorbis = Mdct("Vorbis", 1024, frame, vorbis_window(frame))
    opus = Mdct("Opus", 960, 1920, vorbis_window(1920, 120), 0.85)
    return (
        Codec("MP3", (mp3,), mp3),
        Codec("AAC", (sine, kaiser), vorbis),
        Codec("Vorbis", (vorbis,), vorbis, 128),
        Codec("Opus", (opus,), opus),
    )


class _Search:
    """Levels of the coefficients of a transform in some excerpts, by the sample at which its frames begin.

    Parameters
    ----------
    transform : Transform
    excerpts : sequence of Excerpt
        With the signals that are searched, instead of channels.
    rate : int
        Sample rate (Hz).
    """

    def __init__(self, transform: Transform, excerpts: Sequence[Excerpt], rate: int) -> None:
        self._transform, self._hz = transform, rate / (2 * transform.hop)
        self._lowest = max(1, int(_LOWEST_HZ / self._hz))
        needed = transform.length + 2 * transform.hop
        self._signals = [
            (excerpt.start, samples, spectrum)
            for excerpt in excerpts
            if excerpt.samples.shape[1] >= needed
            for samples in excerpt.samples
            if (spectrum := self._spectrum(samples)) is not None
        ]

    @property
    def is_possible(self) -> bool:
        """Whether there is anything to be compared."""
        return bool(self._signals)

    @property
    def top(self) -> float:
        """Frequency below which 99 % of the coefficients that are looked at lie (Hz), of the highest signal."""
        return self._hz * max(float(np.quantile(np.flatnonzero(inverse), 0.99)) for *_, (inverse, _) in self._signals)

    @property
    def least_deviation(self) -> float:
        """Least deviation of the sum of ``sweep`` that is believed."""
        total = sum(count for *_, (_, count) in self._signals)
        return float(_LEAST_DEVIATION * _LOG_DEVIATION * np.sqrt(total))

    @property
    def frames(self) -> int:
        """Frames that are compared; those of mid and side count once."""
        return sum({start: self._usable(samples) for start, samples, _ in self._signals}.values())

    def _usable(self, samples: Matrix) -> int:
        """Frames of a signal that are compared."""
        return min((len(samples) - self._transform.length) // self._transform.hop - 1, _MOST_FRAMES)

    def sweep(self) -> list[Vector]:
        """Return the level for each place at which frames may begin, times its weight, from a frame of each signal."""
        hop, found = self._transform.hop, []
        for start, samples, (inverse, count) in self._signals:
            found.append(count * np.roll(self._levels(samples, np.arange(hop), inverse), start % hop))
        return found

    def compare(self, offsets: npt.NDArray[np.integer], step: int) -> tuple[Vector, Vector]:
        """Return the levels for some places at which frames may begin, from other frames than ``sweep``.

        Returns
        -------
        levels : shape=(signals, offsets)
        weights : shape=(signals,)
            Coefficients on which they depend.
        """
        hop = self._transform.hop
        rows, weights = [], []
        places = np.arange(0, hop, step)
        for start, samples, (inverse, count) in self._signals:
            usable = self._usable(samples)
            first = (np.add.outer(offsets, places) - start) % hop + hop
            starts = (first[..., None] + hop * np.arange(usable)).reshape(-1)
            levels = self._levels(samples, starts, inverse).reshape(len(offsets), len(places), usable)
            rows.append(levels.mean(axis=2).min(axis=1))
            weights.append(float(count * usable))
        return np.array(rows), np.array(weights)

    def _spectrum(self, samples: Matrix) -> tuple[Matrix, int] | None:
        """Inverse of the mean power of each coefficient, 0 where it is not used, and how many are; None for few."""
        starts = np.arange(0, len(samples) - self._transform.length, _SPACING)
        power = sum(np.square(lines).sum(axis=0) for lines in self._transform.frames(samples, starts)) / len(starts)
        used = power > max(_ABOVE_ROUNDING * _ROUNDING, _ABOVE_HIGHEST * float(power.max()))
        used[: self._lowest] = False
        count = int(used.sum())
        inverse = np.where(used, 1 / np.maximum(power, 1e-30), 0).astype(np.float32)
        return (inverse, count) if count >= _LEAST_LINES else None

    def _levels(self, samples: Matrix, starts: npt.NDArray[np.integer], inverse: Matrix) -> Vector:
        """Mean log level of the coefficients of each frame, relative to their mean power."""
        levels = []
        count = int(np.count_nonzero(inverse))
        unused = len(inverse) - count
        for lines in self._transform.frames(samples, starts):
            relative = lines * lines * inverse
            np.maximum(relative, _LEAST, out=relative)
            levels.append(np.log(relative).sum(axis=1, dtype=np.float64) - unused * np.log(_LEAST))
        return np.concatenate(levels) / count


@dataclass(frozen=True)
class LossyOrigin:
    """A codec from which audio was decoded.

    Attributes
    ----------
    codec : str
        ``MP3``, ``AAC``, ``Vorbis`` or ``Opus``.
    kbps : int
        About its bit rate (kbit/s).
    """

    codec: str
    kbps: int

    def __str__(self) -> str:
        return f"decoded from a lossy file: {self.codec}, about {self.kbps} kbit/s"


def codec_rates(rate: int) -> dict[int, tuple[str, ...]]:
    """Return the sample rates at which codecs may have worked, before the audio was resampled.

    Parameters
    ----------
    rate : int
        Sample rate of the file (Hz).

    Returns
    -------
    dict
        Rate (Hz) -> names of the codecs, in the order in which they are looked for.
    """
    others = ("MP3", "AAC", "Vorbis")
    rates = {rate: (*others, *(("Opus",) if rate == _OPUS_RATE else ()))} if rate <= _OPUS_RATE else {}
    if rate != 44100 and rate >= _OPUS_RATE:
        rates[44100] = others
    if rate == 44100 or rate > _OPUS_RATE:
        rates[_OPUS_RATE] = ("Opus",) if rate == 44100 else (*others, "Opus")
    return rates


def find_origin(excerpts: Sequence[Excerpt], rate: int, names: Sequence[str]) -> LossyOrigin | None:
    """Tell from which codec some excerpts were decoded.

    Parameters
    ----------
    excerpts : sequence of Excerpt
        Of one file; about 0.25 s each.
    rate : int
        Their sample rate (Hz).
    names : sequence of str
        Codecs that are looked for.

    Returns
    -------
    LossyOrigin or None
        None where no codec has left a clear trace.
    """
    clear = [trace for trace in find_traces(excerpts, rate, names) if trace.is_clear]
    best = max(clear, key=lambda trace: trace.depth, default=None)
    return LossyOrigin(best.codec, best.kbps) if best else None


def find_traces(excerpts: Sequence[Excerpt], rate: int, names: Sequence[str]) -> list[Trace]:
    """Look for the traces of each codec.

    Parameters
    ----------
    excerpts : sequence of Excerpt
        At a sample rate at which the codec may have worked; about 0.2 s each.
    rate : int
        Sample rate (Hz).
    names : sequence of str
        Codecs that are looked for.

    Returns
    -------
    list of Trace
        For each codec, the best candidate, whether it is significant or not; none where all
        is silent or too short.
    """
    signals = [_evidence(excerpt) for excerpt in excerpts]
    least_frames = _LEAST_FRAMES * sum(bool(np.ptp(excerpt.samples) > 0) for excerpt in excerpts)
    search = cache(lambda transform: _Search(transform, signals, rate))
    sweep = cache(lambda transform: search(transform).sweep())
    found = []
    for codec in codecs():
        if codec.name in names and (levels := sweep(codec.sweep)):
            step = codec.step or codec.sweep.hop
            total = np.sum([row.reshape(-1, step).min(axis=0) for row in levels], axis=0)
            total -= median_filter(total, _SMOOTH, mode="wrap")
            scores = -total / max(_deviation(total), search(codec.sweep).least_deviation)
            candidates = np.argsort(-scores, kind="stable")[:_CANDIDATES]
            if scores[candidates[0]] < _WORTH_A_LOOK:  # as nearly always where there was no encoder
                found.append(Trace(codec.name, float(scores[candidates[0]]), 0.0, 0.0, 0.0))
                continue
            searches = [one for one in map(search, codec.transforms) if one.is_possible]
            if traces := [_trace(codec, one, candidates, scores, step, least_frames) for one in searches]:
                found.append(max(traces, key=_rank))
    return found


def _trace(
    codec: Codec, search: _Search, candidates: npt.NDArray[np.integer], scores: Vector, step: int, least_frames: int
) -> Trace:
    """Compare candidates of the sweep with the places around them, in other frames."""
    around = candidates[:, None] + np.array((0, *_AROUND))
    rows, weights = search.compare(around.ravel() % step, step)
    levels = (weights @ rows / weights.sum()).reshape(around.shape)
    of_others = np.median(levels[:, 1:], axis=1)
    depths = of_others - levels[:, 0]
    best = int(np.argmax(depths))
    # Medians, because one candidate may be among those that another is compared with.
    least = _LEAST_DEVIATION * _LOG_DEVIATION / np.sqrt(weights.sum())
    score = depths[best] / max(_deviation(levels[:, 1:] - of_others[:, None]), least)
    of_signals = rows.reshape(-1, *around.shape)[:, best]
    seen = np.median(of_signals[:, 1:], axis=1) - of_signals[:, 0] > _SEEN_DEPTH * depths[best]
    share = float(weights @ seen / weights.sum()) if search.frames >= least_frames else 0.0
    return Trace(codec.name, float(min(score, scores[candidates[best]])), float(depths[best]), search.top, share)


def _rank(trace: Trace) -> tuple[bool, float]:
    """Order of the traces with several windows: that of the encoder goes deepest; noise is ranked by its score."""
    return trace.is_clear, trace.depth if trace.is_clear else trace.score


def _deviation(values: Vector) -> float:
    """Standard deviation, from the median of the absolute values."""
    return max(1.4826 * float(np.median(np.abs(values))), 1e-9)


def _evidence(excerpt: Excerpt) -> Excerpt:
    """Return the signals that are searched, of the part of an excerpt that no synthesizer has made to look encoded."""
    part = changing_part(excerpt.samples)
    signals = _signals(excerpt.samples[:, part])
    return Excerpt(excerpt.start + part.start, signals[[not is_periodic(samples) for samples in signals]])


def _signals(samples: Matrix) -> Matrix:
    """Return mid and side of two channels, either of which encoders may quantize."""
    if len(samples) == 1:
        return samples
    return np.stack((samples[0] + samples[1], samples[0] - samples[1])) * np.float32(0.5)


#: Number and length (s) of the excerpts, and the part of a file from which they are taken (s).
COUNT, SECONDS, _WITHIN = 6, 0.25, 60.0


def excerpt_times(duration: float) -> list[float]:
    """Return where the excerpts of a file begin (s), spread over its first minute.

    Parameters
    ----------
    duration : float
        Length of the file (s).

    Returns
    -------
    list of float
        Whole hundredths of a second, at which samples of all usual rates lie; empty for a file that is too short.
    """
    count = min(COUNT, int(duration / SECONDS))
    spread = (min(duration, _WITHIN) - SECONDS) / max(count, 1)
    return [int(100 * spread * (number + 0.5)) / 100 for number in range(count)]
