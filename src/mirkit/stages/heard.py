"""Whether the instrument of an embedded stem was heard at all."""

from mirkit.analysis import TrackAnalysis
from mirkit.features.loudness import vocals_share
from mirkit.features.types import Unknown, Window

#: Share of the time in which an embedded stem may sound although its instrument does not play.
NOTHING = 0.01
#: Reason of the features of such a stem.
NOT_HEARD = Unknown("not heard in this track")


def not_heard(track: TrackAnalysis, stem: str) -> bool:
    """Return whether an embedded stem holds next to nothing in the whole track, so that its values mean nothing."""
    if not track.has_embedded_stems or not track.has(stem):
        return False
    whole = Window(0, track.duration)
    share = vocals_share(track.series(stem, "loudness"), track.series("full_mix", "loudness"), whole)
    return not isinstance(share, Unknown) and share <= NOTHING
