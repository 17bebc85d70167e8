"""The excerpt of a track that a model receives, its tokens, and the time that the model takes."""

import math
from dataclasses import dataclass

import numpy as np

from mirkit.features.types import FloatArray

#: Sample rate of the model's audio (Hz), its window (s), and its tokens per second.
RATE = 16_000
WINDOW = 30.0
TOKENS_PER_SECOND = 25
TOKENS_PER_WINDOW = 750
#: Seconds removed at the end, because llama.cpp appends a silent window to audio that ends within 15 ms of a whole
#: window.
TRIM = 0.03


def excerpt_seconds(duration: float, limit: float, *, whole_windows: bool) -> float:
    """Compute the duration of the excerpt that a model receives (s).

    Parameters
    ----------
    duration : float
        Duration of the track (s).
    limit : float
        Longest excerpt (s).
    whole_windows : bool
        Whether the backend pads the last window with silence and encodes it completely. Then the excerpt has only whole
        windows, minus ``TRIM``, if the track has at least one.
    """
    seconds = min(duration, limit)
    if not whole_windows:
        return seconds
    windows = max(1, math.floor((seconds + TRIM) / WINDOW))
    return min(seconds, windows * WINDOW - TRIM)


def cut(samples: FloatArray, seconds: float, choice: str) -> FloatArray:
    """Cut an excerpt out of a track.

    Parameters
    ----------
    samples : array, shape=(n,)
        Mono, at ``RATE``.
    seconds : float
    choice : str
        ``middle``; ``loudest``, the part with the most energy; or ``spread``, evenly spaced windows of 30 s.
    """
    n = min(round(seconds * RATE), len(samples))
    if n == len(samples):
        return samples
    if choice == "spread":
        return _spread(samples, n)
    start = (len(samples) - n) // 2 if choice == "middle" else _loudest(samples, n)
    return samples[start : start + n]


def _loudest(samples: FloatArray, n: int) -> int:
    """Start of the loudest n samples, on a grid of 100 ms."""
    block = RATE // 10
    energy = np.add.reduceat(np.square(samples, dtype=np.float64), np.arange(0, len(samples), block))
    total = np.concatenate(([0.0], np.cumsum(energy)))
    length = math.ceil(n / block)
    if length >= len(energy):
        return 0
    return min(int(np.argmax(total[length:] - total[:-length])) * block, len(samples) - n)


def _spread(samples: FloatArray, n: int) -> FloatArray:
    parts = math.ceil(n / (WINDOW * RATE))
    lengths = [len(part) for part in np.array_split(np.empty(n), parts)]
    free = len(samples) - n
    gaps = [free // 2] if parts == 1 else [round(i * free / (parts - 1)) for i in range(parts)]
    starts = [gap + sum(lengths[:i]) for i, gap in enumerate(gaps)]
    return np.concatenate([samples[start : start + length] for start, length in zip(starts, lengths, strict=True)])


def audio_tokens(seconds: float, *, whole_windows: bool) -> int:
    """Number of tokens of audio of this duration (s)."""
    if whole_windows:
        return TOKENS_PER_WINDOW * math.ceil(seconds / WINDOW)
    return math.ceil(seconds * TOKENS_PER_SECOND)


#: Tokens of the chat template: system prompt, turns, the marker of the audio.
_FRAME = 100


def context_tokens(seconds: float, prompt: str, tokens: int) -> int:
    """Upper bound of the context length for one prompt: each token has at least one byte of text."""
    needed = audio_tokens(seconds, whole_windows=True) + _FRAME + len(prompt.encode()) + tokens
    return 256 * math.ceil(needed / 256)


#: Size of the model whose speeds are below: 4.3 GB of 4-bit weights and an audio encoder of 1.3 GB. Those of one CPU
#: core were measured; those of a GPU are calculated, for about 60 TFLOPS and 0.9 TB/s.
_BYTES = 5.6e9
#: Mean length of a text, as a share of its largest number of tokens.
_SHARE_WRITTEN = 0.6
#: Additional time per track and per prompt, with any model (s).
_TRACK, _QUESTION = 0.5, 0.05


@dataclass(frozen=True)
class Speed:
    """Seconds to encode a window, and input and output tokens per second, of a model of ``_BYTES``."""

    window: float
    read: float
    written: float


_CORE, _GPU = Speed(43.0, 5.8, 1.62), Speed(0.1, 4500.0, 110.0)


def estimate_seconds(
    audio: float, tokens: int, written: int, questions: int, *, size: int, on_gpu: bool, cores: int
) -> float:
    """Estimate the time of one track (s).

    Parameters
    ----------
    audio : float
        Duration of the audio that the model receives (s).
    tokens : int
        Input tokens of audio and prompts.
    written : int
        Largest number of output tokens.
    questions : int
    size : int
        Size of the model in bytes.
    on_gpu : bool
        Whether the model runs on a GPU.
    cores : int
        Number of CPU cores, if it does not.
    """
    speed, many = (_GPU, 1) if on_gpu else (_CORE, max(1, cores))
    work = audio / WINDOW * speed.window + tokens / speed.read + _SHARE_WRITTEN * written / speed.written
    return _TRACK + _QUESTION * questions + work * size / _BYTES / many
