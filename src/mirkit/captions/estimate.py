"""Estimate the time for captions from the size of the model.

Measured on one CPU core with a model of realistic size (4.3 GB of 4-bit weights and an audio encoder of 1.3 GB): 43 s
to encode a window of 30 s, 5.8 input tokens and 1.62 output tokens per second. The numbers for a GPU are calculated,
not measured: about 60 TFLOPS and 0.9 TB/s.
"""

from dataclasses import dataclass

from mirkit.captions.excerpt import WINDOW

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


_CORE, _CARD = Speed(43.0, 5.8, 1.62), Speed(0.1, 4500.0, 110.0)


def seconds(sound: float, tokens: int, written: int, questions: int, *, size: int, card: bool, cores: int) -> float:
    """Estimate the time of one track (s).

    Parameters
    ----------
    sound : float
        Duration of the audio that the model receives (s).
    tokens : int
        Input tokens of audio and prompts.
    written : int
        Largest number of output tokens.
    questions : int
    size : int
        Size of the model in bytes.
    card : bool
        Whether the model runs on a GPU.
    cores : int
        Number of CPU cores, if it does not.
    """
    speed, many = (_CARD, 1) if card else (_CORE, max(1, cores))
    work = sound / WINDOW * speed.window + tokens / speed.read + _SHARE_WRITTEN * written / speed.written
    return _TRACK + _QUESTION * questions + work * size / _BYTES / many
