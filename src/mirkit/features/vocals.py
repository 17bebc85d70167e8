"""How much of a track is sung, ``vocals_share`` of the metadata, 0 to 1, for prompts and reports.

*Measured*: the share of the sounding time in which the vocals stem is at most 20 LU below the mix. *Reading*: 0 for an
instrumental, 1 where somebody sings throughout. It needs vocals from a model or from the user: the embedded separation
does not tell a voice from other instruments in the middle.
"""

import numpy as np

from mirkit.features.loudness import ABSOLUTE_GATE_LUFS, LoudnessCurve, hops_in, momentary, to_energy
from mirkit.features.types import SILENT, TOO_SHORT, Value, Window

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
    mix_hops, vocal_hops = hops_in(mix, window), hops_in(vocals, window)
    if len(mix_hops) < 4:
        return TOO_SHORT
    vocal_hops = np.pad(vocal_hops[: len(mix_hops)], (0, max(0, len(mix_hops) - len(vocal_hops))))
    gate = to_energy(ABSOLUTE_GATE_LUFS)
    mix_blocks, vocal_blocks = momentary(mix_hops), momentary(vocal_hops)
    sounding = mix_blocks > gate
    if not sounding.any():
        return SILENT
    sounding &= mix_blocks > mix_blocks[sounding].mean() * _MIX_RANGE
    sung = (vocal_blocks > gate) & (vocal_blocks > mix_blocks * _VOCALS_RANGE)
    return float(np.mean(sung[sounding]))
