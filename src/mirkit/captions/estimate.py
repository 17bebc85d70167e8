"""Time that captions take, estimated from the size of the model.

Measured on one CPU core with a real-size pair (4.3 GB of weights in 4 bits and an audio encoder of 1.3 GB): 43 s to
encode a window of 30 s, 5.8 tokens read and 1.62 written a second. For a card the numbers are arithmetic, not
measured: about 60 TFLOPS and 0.9 TB/s.
"""

from dataclasses import dataclass

from mirkit.captions.excerpt import WINDOW

_BYTES = 5.6e9
#: Mean length of a text, as a share of its limit of tokens.
_SHARE_WRITTEN = 0.6
#: Seconds for a track and for a question, with any model.
_TRACK, _QUESTION = 0.5, 0.05


@dataclass(frozen=True)
class Speed:
    """Seconds to encode a window; tokens read and written a second, by a model of ``_BYTES``."""

    window: float
    read: float
    written: float


_CORE, _CARD = Speed(43.0, 5.8, 1.62), Speed(0.1, 4500.0, 110.0)


def seconds(sound: float, tokens: int, written: int, questions: int, *, size: int, card: bool, cores: int) -> float:
    """Estimate the time of one track (s).

    Parameters
    ----------
    sound : float
        Seconds of audio that the model is given.
    tokens : int
        Of sound and prompts, read once.
    written : int
        Most tokens that may be written about it.
    questions : int
    size : int
        Bytes of the model.
    card : bool
        Whether it computes on a graphics card.
    cores : int
        Of the CPU, where it does not.
    """
    speed, many = (_CARD, 1) if card else (_CORE, max(1, cores))
    work = sound / WINDOW * speed.window + tokens / speed.read + _SHARE_WRITTEN * written / speed.written
    return _TRACK + _QUESTION * questions + work * size / _BYTES / many
