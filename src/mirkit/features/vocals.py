"""How much of a track is sung: a fact for prompts and reports."""

import numpy as np

from mirkit.features.loudness import ABSOLUTE_GATE_LUFS, LoudnessCurve, hops_in, momentary, to_energy
from mirkit.features.types import SILENT, TOO_SHORT, Value, Window

# A block of the mix sounds within 30 LU of the mix's mean (pauses and fade tails stay out), and in it the vocals are
# heard within 20 LU of the mix at the same time: what separation lets through of other instruments lies below that.
_MIX_RANGE = 10**-3.0
_HEARD_RANGE = 10**-2.0


def vocals_share(vocals: LoudnessCurve, mix: LoudnessCurve, window: Window) -> Value:
    """Share of the sounding time of a mix in which its vocals are heard.

    Counted over momentary loudness blocks (400 ms, one per 100 ms). A block sounds when the mix is above -70 LUFS and
    not more than 30 LU below its mean; the vocals are heard in it when they are above -70 LUFS and not more than 20 LU
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
    heard = (vocal_blocks > gate) & (vocal_blocks > mix_blocks * _HEARD_RANGE)
    return float(np.mean(heard[sounding]))
