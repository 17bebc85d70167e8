"""Finding tracks that are the same recording, and grouping tracks that belong together."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

#: A property by which tracks are grouped.
GroupKey = Literal["artist", "album"]
GROUP_KEYS: tuple[GroupKey, ...] = get_args(GroupKey)

#: Tags that name an artist, or an album.
_FIELDS: dict[GroupKey, tuple[str, ...]] = {"artist": ("artist", "albumartist"), "album": ("album",)}
#: Values of the artist tag that do not name an artist.
_NO_ARTIST = {"", "various artists", "various", "va", "unknown artist", "unknown", "artist"}
#: The part of an artist tag that names a guest.
_GUEST = re.compile(r"\s+(?:feat\.?|ft\.?|featuring)\s.*|\s*[(\[](?:feat|ft)\b.*", re.IGNORECASE)


def group_tracks(
    tags: Sequence[Mapping[str, str]], duplicates: Sequence[Sequence[int]], keys: Sequence[GroupKey] = GROUP_KEYS
) -> list[list[int]]:
    """Group copies of one recording, and tracks that have the same artist or album.

    Albums are compared by their titles only, because the tracks of a compilation have different artists. "feat." and
    the text after it are removed from an artist's name, and names such as "Various Artists" are ignored.

    Parameters
    ----------
    tags : sequence of mappings
        ``artist``, ``albumartist`` and ``album`` of each track, where known.
    duplicates : sequence of sequences of int
        Groups of tracks that are the same recording.
    keys : sequence of str
        ``artist``, ``album``, both or none.

    Returns
    -------
    list of list of int
        Indexes of the tracks; every track is in exactly one group.
    """
    from scipy.cluster.hierarchy import DisjointSet

    groups = DisjointSet(range(len(tags)))
    for group in duplicates:
        for other in group[1:]:
            groups.merge(group[0], other)
    for key in keys:
        first: dict[str, int] = {}
        for number, track in enumerate(tags):
            for name in {normalized_name(track.get(field, "")) for field in _FIELDS[key]} - _NO_ARTIST:
                groups.merge(first.setdefault(name, number), number)
    return [sorted(group) for group in groups.subsets()]


def normalized_name(name: str) -> str:
    """Normalize a name for comparison: without guests, in lower case, with single spaces."""
    return " ".join(_GUEST.sub("", name).casefold().split())


def tags_of_name(name: str) -> dict[str, str]:
    """Read artist and album from a folder's name: ``Artist - Album - Track`` or ``Artist - Track``."""
    parts = name.split(" - ")
    return dict(zip(("artist", "album"), parts[:-1], strict=False))
