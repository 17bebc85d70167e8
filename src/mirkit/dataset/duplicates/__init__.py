"""Finding tracks that are the same recording, and grouping tracks that belong together."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mirkit.dataset.duplicates.names import albums_of, artist_keys

#: A property by which tracks are grouped.
GroupKey = Literal["artist", "album"]
GROUP_KEYS: tuple[GroupKey, ...] = get_args(GroupKey)


@dataclass(frozen=True)
class TrackNames:
    """What a track's tags, or else its path, name.

    Attributes
    ----------
    artists : tuple of str
        All artists.
    albumartist, album : str
        ``""`` where unknown.
    folder : str
        Folder of the album, relative to the root of the data set; ``""`` for the root itself.
    """

    artists: tuple[str, ...] = ()
    albumartist: str = ""
    album: str = ""
    folder: str = ""


def group_tracks(
    tracks: Sequence[TrackNames], duplicates: Sequence[Sequence[int]], keys: Sequence[GroupKey] = GROUP_KEYS
) -> list[list[int]]:
    """Group copies of one recording, and tracks that have the same artist or album.

    Spellings of an artist count as one (``names.artist_keys``); guests and placeholders such as "Various Artists" do
    not count. An album is known by its title together with its artist or its folder.

    Parameters
    ----------
    tracks : sequence of TrackNames
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

    groups = DisjointSet(range(len(tracks)))
    for group in duplicates:
        for other in group[1:]:
            groups.merge(group[0], other)
    for key in keys:
        first: dict[Hashable, int] = {}
        for number, track in enumerate(tracks):
            for name in _names(track, key):
                groups.merge(first.setdefault(name, number), number)
    return [sorted(group) for group in groups.subsets()]


def _names(track: TrackNames, key: GroupKey) -> Iterable[Hashable]:
    artists = artist_keys((*track.artists, track.albumartist))
    if key == "artist":
        return artists
    return albums_of(track.album, track.albumartist, artists, track.folder)
