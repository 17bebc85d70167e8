"""Strokes of a drum kit that a model has taken apart: the onsets of each of its parts."""

from collections.abc import Mapping

import numpy as np

from mirkit.drums.drum_hits import DrumInstrument, Hits, stroke_levels
from mirkit.features.envelope import HOPS_PER_SECOND, EnvelopeCurve
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray

#: Part as DrumSep names it -> voice.
PARTS = {
    "bombo": DrumInstrument("kick", 36),
    "redoblante": DrumInstrument("snare", 38),
    "platillos": DrumInstrument("cymbals", 42),
    "toms": DrumInstrument("toms", 45),
}
#: dB below the loudest stroke of its part, and of the kit, from which on an onset is what the model left of another
#: drum, not a stroke. The best for rendered kits whose parts leak into each other by -40 to -18 dB.
_OF_PART, _OF_KIT = 18.0, 35.0


def strokes_of_parts(onsets: Mapping[str, Onsets], envelopes: Mapping[str, EnvelopeCurve]) -> Hits:
    """Find the strokes in the parts of a kit.

    Parameters
    ----------
    onsets, envelopes : mapping
        Key of ``PARTS`` -> what begins in that part alone, and how loud it is.

    Returns
    -------
    Hits
        Onsets that are not far softer than the loudest of their part and of the kit.
    """
    found = {part: onsets[part].times for part in PARTS}
    levels = {part: _levels(envelopes[part], times) for part, times in found.items()}
    loudest = max((float(level.max()) for level in levels.values() if len(level)), default=0.0)
    kept = {
        part: level > max(float(level.max(initial=-np.inf)) - _OF_PART, loudest - _OF_KIT)
        for part, level in levels.items()
    }
    return Hits(
        tuple(PARTS.values()),
        tuple(found[part][kept[part]] for part in PARTS),
        tuple(levels[part][kept[part]] for part in PARTS),
    )


def _levels(envelope: EnvelopeCurve, times: FloatArray) -> FloatArray:
    """Levels of strokes in dB, on one scale for all parts."""
    power = np.square(envelope.deviation)
    growth = stroke_levels(power, np.rint(times * HOPS_PER_SECOND).astype(np.int64))
    levels: FloatArray = growth + 10 * np.log10(max(float(power.max(initial=0)), 1e-30))
    return levels
