"""Mix audio of more than two channels down to stereo.

Left = L + 0.7071 C + 0.7071 Ls, right likewise, where Ls stands for each side and back channel (ITU-R BS.775). A single
back channel counts on both sides, with 0.7071 * 0.7071. The low-frequency effects channel is left out, and nothing is
normalized, so the mix may exceed full scale.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from mirkit.features.types import FloatArray

_HALF_POWER = sqrt(0.5)
#: Channel, by FFmpeg's name -> its gain in left and right.
_GAINS = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF_POWER, _HALF_POWER),
    "LFE": (0.0, 0.0),
    "BL": (_HALF_POWER, 0.0),
    "BR": (0.0, _HALF_POWER),
    "SL": (_HALF_POWER, 0.0),
    "SR": (0.0, _HALF_POWER),
    "BC": (0.5, 0.5),
}
#: Number of channels -> their names, for audio that comes without names: the order of FLAC.
DEFAULT_LAYOUTS = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def downmix_gains(layout: Sequence[str]) -> FloatArray | None:
    """Return the gains of each channel in left and right, shape=(2, channels); None for an unknown layout.

    Parameters
    ----------
    layout : sequence of str
        Names of the channels, by FFmpeg.
    """
    if not layout or not set(layout) <= _GAINS.keys() or not {"FL", "FR"} <= set(layout):
        return None
    return np.array([_GAINS[name] for name in layout], np.float32).T


def downmix_formula(layout: Sequence[str]) -> str:
    """Return the downmix of a known layout in words, such as ``left = FL + 0.7071 FC, right = FR + 0.7071 FC``."""
    sides = []
    for side, name in enumerate(("left", "right")):
        terms = [(channel, _GAINS[channel][side]) for channel in layout if _GAINS[channel][side]]
        sides.append(f"{name} = " + " + ".join(ch if gain == 1 else f"{gain:.4g} {ch}" for ch, gain in terms))
    return ", ".join(sides)
