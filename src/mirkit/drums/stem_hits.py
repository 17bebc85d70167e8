"""Drum hits of a kit that a model has separated into stems: the onsets of each stem."""

from collections.abc import Mapping

import numpy as np

from mirkit.drums.drum_hits import DrumInstrument, Hits, hit_levels
from mirkit.features.danceability import HOPS_PER_SECOND, EnvelopeCurve
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray

#: Stem as DrumSep names it -> instrument.
KIT_STEMS = {
    "bombo": DrumInstrument("kick", 36),
    "redoblante": DrumInstrument("snare", 38),
    "platillos": DrumInstrument("cymbals", 42),
    "toms": DrumInstrument("toms", 45),
}
#: An onset counts as leakage from another drum if it is more than this (dB) below the loudest hit of its stem, or of
#: the kit. The values were optimized on rendered kits with leakage of -40 to -18 dB.
_BELOW_STEM, _BELOW_KIT = 18.0, 35.0


def hits_of_stems(onsets: Mapping[str, Onsets], envelopes: Mapping[str, EnvelopeCurve]) -> Hits:
    """Find the hits in the stems of a kit.

    Parameters
    ----------
    onsets, envelopes : mapping
        Key of ``KIT_STEMS`` -> onsets and amplitude envelope of that stem.

    Returns
    -------
    Hits
        The onsets that are not far softer than the loudest one of their stem and of the kit.
    """
    times = {stem: onsets[stem].times for stem in KIT_STEMS}
    levels = {stem: _levels(envelopes[stem], times[stem]) for stem in KIT_STEMS}
    loudest = max((float(level.max()) for level in levels.values() if len(level)), default=0.0)
    kept = {
        stem: level > max(float(level.max(initial=-np.inf)) - _BELOW_STEM, loudest - _BELOW_KIT)
        for stem, level in levels.items()
    }
    return Hits(
        tuple(KIT_STEMS.values()),
        tuple(times[stem][kept[stem]] for stem in KIT_STEMS),
        tuple(levels[stem][kept[stem]] for stem in KIT_STEMS),
    )


def _levels(envelope: EnvelopeCurve, times: FloatArray) -> FloatArray:
    """Levels of hits in dB, on one scale for all stems."""
    power = np.square(envelope.deviation)
    growth = hit_levels(power, np.rint(times * HOPS_PER_SECOND).astype(np.int64))
    levels: FloatArray = growth + 10 * np.log10(max(float(power.max(initial=0)), 1e-30))
    return levels
