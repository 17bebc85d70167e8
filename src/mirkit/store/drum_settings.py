"""``[drums]`` of ``mirkit.toml``: how drums become MIDI."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DrumSettings:
    """How drums become MIDI.

    Attributes
    ----------
    source : str
        What is listened to: ``stem`` (the drums stem, the mix where there is none) or ``mix``.
    quantize : int
        Steps a beat that strokes are moved to: 4 for sixteenths, 3 for triplets, 12 for both; 0 leaves them as played.
    model : str or None
        Name or file of the neural transcriber's model; None is its default.
    """

    source: str = "stem"
    quantize: int = 0
    model: str | None = None
