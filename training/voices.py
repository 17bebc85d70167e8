"""Change a recorded voice: pitch, formants, speed, vibrato and melody, by overlapping periods (TD-PSOLA).

E. Moulines and F. Charpentier, "Pitch-synchronous waveform processing techniques for text-to-speech synthesis using
diphones", Speech Communication 9, 1990. The fundamental frequency is that of P. Boersma, "Accurate short-term analysis
of the fundamental frequency ...", 1993: the autocorrelation of a windowed frame over that of the window.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import median_filter
from scipy.signal import get_window

from training.effects import Random, band_pass
from training.material import RATE, Sound
from training.scores import Note

#: Step and length of a frame in samples (10 and 46 ms), and the range of a voice in Hz.
_HOP, _FRAME = 441, 2048
LOWEST, HIGHEST = 70.0, 900.0
_UNVOICED_PERIOD = 0.006 * RATE
_VOICED_ABOVE = 0.55
_Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Voice:
    """A recorded voice with its fundamental frequency in Hz every 10 ms; 0 where there is none."""

    samples: Sound
    hertz: npt.NDArray[np.float32]
    marks: npt.NDArray[np.int64]
    periods: npt.NDArray[np.float32]

    @property
    def pitch(self) -> float:
        """Median MIDI pitch; NaN without a voiced part."""
        voiced = self.hertz[self.hertz > 0]
        return float(69 + 12 * np.log2(np.median(voiced) / 440)) if len(voiced) else float("nan")


def analyze(samples: Sound) -> Voice:
    """Find the fundamental frequency and the periods of a voice, shape=(n,)."""
    hertz = _fundamental(samples)
    marks, periods = _marks(np.ascontiguousarray(samples, np.float32), hertz)
    return Voice(np.ascontiguousarray(samples, np.float32), hertz, marks, periods)


def _fundamental(samples: Sound) -> npt.NDArray[np.float32]:
    padded = np.pad(samples, (_FRAME // 2, _FRAME))
    frames = sliding_window_view(padded, _FRAME)[::_HOP][: len(samples) // _HOP + 1]
    window = get_window("hann", _FRAME).astype(np.float32)
    frames = (frames - frames.mean(axis=1, keepdims=True)) * window

    def autocorrelation(x: _Array) -> _Array:
        found = scipy.fft.irfft(np.abs(scipy.fft.rfft(x, 2 * _FRAME)) ** 2)
        return np.asarray(found[..., : int(RATE / LOWEST) + 2] / (found[..., :1] + 1e-9))

    normalized = autocorrelation(frames) / autocorrelation(window)
    first = int(RATE / HIGHEST)
    lags = np.arange(first, normalized.shape[1] - 1)
    here = normalized[:, lags]
    is_peak = (here > normalized[:, lags - 1]) & (here >= normalized[:, lags + 1])
    strength = np.where(is_peak, here - 0.02 * np.log2(lags / first), -1)  # of octaves, the higher frequency
    best = strength.argmax(axis=1)
    energy = np.square(frames).mean(axis=1)
    chosen = here[np.arange(len(here)), best]
    voiced = (chosen > _VOICED_ABOVE) & (energy > 1e-4 * energy.max()) & (energy > 1e-9)
    hertz = median_filter(np.where(voiced, RATE / lags[best], 0), 5)
    return np.asarray(hertz, np.float32)


@numba.njit(cache=True)
def _marks(samples: Any, hertz: Any) -> Any:
    """Places of the periods: the highest sample near the place where the period before leads to."""
    count = len(samples)
    marks, periods = np.empty(count // 40 + 8, np.int64), np.empty(count // 40 + 8, np.float32)
    found, time = 0, 0.0
    while time < count and found < len(marks):
        f = hertz[min(len(hertz) - 1, int(time / 441))]
        at = int(time)
        if f > 0:
            period = 44100.0 / f
            reach = int(0.2 * period)
            for i in range(max(0, int(time) - reach), min(count, int(time) + reach + 1)):
                if samples[i] > samples[at]:
                    at = i
            periods[found] = period
        else:
            period = 264.0
            periods[found] = -period
        marks[found] = at
        found += 1
        time = at + period if f > 0 else time + period
    return marks[:found], periods[:found]


@numba.njit(cache=True)
def _overlapped(samples: Any, marks: Any, periods: Any, ratio: Any, speed: float, formants: float, count: int) -> Any:
    """Sum grains of two periods at new distances. ``ratio`` is that of the pitch for each output sample."""
    out = np.zeros(count, np.float32)
    time, k = 0.0, 0
    last = len(marks) - 1
    while time < count and last >= 0:
        source = time * speed
        if source >= len(samples):
            break
        while k < last and abs(marks[k + 1] - source) <= abs(marks[k] - source):
            k += 1
        voiced = periods[k] > 0
        period = abs(periods[k])
        step = period / ratio[int(time)] if voiced else period
        stretch = formants if voiced else 1.0
        half = period / stretch
        gain = min(1.5, step / half)
        for j in range(-int(half), int(half) + 1):
            at = int(time) + j
            position = marks[k] + j * stretch
            i = int(np.floor(position))
            if 0 <= at < count and 0 <= i < len(samples) - 1:
                share = position - i
                value = samples[i] * (1 - share) + samples[i + 1] * share
                out[at] += gain * (0.5 + 0.5 * np.cos(np.pi * j / half)) * value
        time += max(8.0, step)
    return out


def resung(voice: Voice, semitones: Sound | float, speed: float = 1.0, formants: float = 1.0) -> Sound:
    """Return a voice with another pitch, speed and size.

    Parameters
    ----------
    voice : `Voice`
    semitones : float or array, shape=(n,)
        Change of the pitch, for each sample of the result.
    speed : float
        2 is twice as fast.
    formants : float
        Ratio of the formants: above 1 is a smaller singer.
    """
    count = int(len(voice.samples) / speed)
    curve = np.broadcast_to(np.asarray(semitones, np.float32), (count,)) if np.ndim(semitones) == 0 else semitones
    ratio = np.ascontiguousarray(2 ** (np.asarray(curve, np.float32) / 12), np.float32)
    return np.asarray(_overlapped(voice.samples, voice.marks, voice.periods, ratio, speed, formants, count), np.float32)


def vibrato(rng: Random, count: int, depth: float | None = None) -> Sound:
    """Return a curve in semitones: 4.5 to 7 Hz, which fades in and out, with a slow drift."""
    time = np.arange(count) / RATE
    amount = rng.uniform(0, 0.6) if depth is None else depth
    swell = np.clip(np.interp(time, np.linspace(0, time[-1] if count else 1, 7), rng.uniform(-0.3, 1, 7)), 0, 1)
    drift = np.interp(time, np.linspace(0, time[-1] if count else 1, 9), rng.normal(0, 0.15, 9))
    return np.asarray(amount * swell * np.sin(2 * np.pi * rng.uniform(4.5, 7) * time + rng.uniform(0, 6)) + drift)


def on_melody(rng: Random, voice: Voice, notes: list[Note], speed: float = 1.0, formants: float = 1.0) -> Sound:
    """Return a voice that sings the pitches of notes where it sings, with glides, vibrato and less own movement."""
    count = int(len(voice.samples) / speed)
    frames = count // _HOP + 1
    source = np.minimum((np.arange(frames) * speed).astype(int), len(voice.hertz) - 1)
    hertz = voice.hertz[source]
    own = np.where(hertz > 0, 69 + 12 * np.log2(np.maximum(hertz, 1) / 440), np.nan)
    target = np.full(frames, np.nan)
    for note in notes:
        target[int(note.time * RATE / _HOP) :] = note.pitch
    center = voice.pitch
    target += 12 * np.round((center - np.nanmedian(target)) / 12) if np.isfinite(target).any() else 0
    kept = rng.uniform(0.1, 0.5)
    shift = np.where(np.isfinite(own) & np.isfinite(target), target + kept * (own - center) - own, 0)
    shift = np.clip(np.nan_to_num(shift), -9, 9)
    width = int(rng.integers(2, 8))
    shift = np.convolve(np.pad(shift, width // 2, mode="edge"), np.ones(width) / width, "same")[:frames]
    curve = np.interp(np.arange(count), np.arange(len(shift)) * _HOP, shift)
    return resung(voice, (curve + vibrato(rng, count)).astype(np.float32), speed, formants)


def breath(rng: Random, seconds: float) -> Sound:
    """Return noise that sounds like air taken between phrases."""
    count = int(seconds * RATE)
    noise = band_pass(rng.standard_normal(count, np.float32), rng.uniform(600, 1500), rng.uniform(5000, 12000), 1)
    return np.asarray(noise * np.sin(np.pi * np.linspace(0, 1, count)) ** 2, np.float32)


def breathy(rng: Random, sound: Sound, amount: float) -> Sound:
    """Add noise that follows the level of a voice."""
    smooth = np.sqrt(np.convolve(np.square(sound), np.ones(441, np.float32) / 441, "same").clip(0))
    noise = band_pass(rng.standard_normal(len(sound), np.float32), 2000, 12000, 1)
    return np.asarray(sound + np.float32(amount) * smooth * noise, np.float32)
