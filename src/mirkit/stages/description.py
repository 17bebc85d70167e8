"""The stage that describes what the others have measured."""

from collections.abc import Mapping

from mirkit.analysis import TrackAnalysis
from mirkit.captions.music_facts import music_facts
from mirkit.features.types import SHORTEST_MUSIC, SILENT, TOO_SHORT, InfoValue, Unknown
from mirkit.stages import Result, register
from mirkit.store import Settings, as_number

NOTHING_KNOWN = Unknown("nothing was measured")


@register("music_facts")
def describe(track: TrackAnalysis, settings: Settings) -> Result:
    """Write plain sentences from the values that the earlier stages have measured."""
    return Result(sentences_on(track.known))


def sentences_on(values: Mapping[str, object]) -> dict[str, InfoValue]:
    """Return the sentences on measured values, as a value of the ``.INFO``; there are none on a single sound."""
    seconds = as_number(values.get("duration_seconds"))
    if seconds is not None and seconds < SHORTEST_MUSIC:
        return {"music_facts": TOO_SHORT}
    if "lufs" in values and as_number(values["lufs"]) is None:
        return {"music_facts": SILENT}
    return {"music_facts": music_facts(values) or NOTHING_KNOWN}
