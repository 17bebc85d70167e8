"""Which tracks belong together, so that none of them is trained on while another one is used to judge."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

Tie = Literal["artist", "album"]
TIES: tuple[Tie, ...] = get_args(Tie)

#: Tags that name an artist, or an album.
_FIELDS: dict[Tie, tuple[str, ...]] = {"artist": ("artist", "albumartist"), "album": ("album",)}
#: Artists that are none.
_NOBODY = {"", "various artists", "various", "va", "unknown artist", "unknown", "artist"}
#: What follows an artist's name where there is a guest.
_GUEST = re.compile(r"\s+(?:feat\.?|ft\.?|featuring)\s.*|\s*[(\[](?:feat|ft)\b.*", re.IGNORECASE)


class DisjointSet:
    """Groups that grow by joining two of their members (a disjoint-set forest).

    Parameters
    ----------
    count : int
        Members, each alone at first.
    """

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def join(self, first: int, second: int) -> bool:
        """Put the groups of two members together; tell whether they were apart."""
        first, second = self._root(first), self._root(second)
        self._parent[max(first, second)] = min(first, second)
        return first != second

    def joined(self, first: int, second: int) -> bool:
        """Whether two members are in one group."""
        return self._root(first) == self._root(second)

    def groups(self) -> list[list[int]]:
        """All groups, in the order of their first members."""
        gathered: dict[int, list[int]] = {}
        for member in range(len(self._parent)):
            gathered.setdefault(self._root(member), []).append(member)
        return list(gathered.values())

    def _root(self, member: int) -> int:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member


def group_tracks(
    tags: Sequence[Mapping[str, str]], duplicates: Sequence[Sequence[int]], ties: Sequence[Tie] = TIES
) -> list[list[int]]:
    """Group tracks: copies of one recording, and with ``ties`` what has the same artist or album.

    An album is known by its title alone, because the tracks of a compilation have different artists; "feat." and what
    follows is no part of an artist's name, and "Various Artists" and the like are nobody.

    Parameters
    ----------
    tags : sequence of mappings
        ``artist``, ``albumartist`` and ``album`` of each track, where they are known.
    duplicates : sequence of sequences of int
        Tracks that are one recording.
    ties : sequence of str
        ``artist``, ``album``, both or none.

    Returns
    -------
    list of list of int
        Every track in exactly one group, in order.
    """
    bonds = DisjointSet(len(tags))
    for group in duplicates:
        for other in group[1:]:
            bonds.join(group[0], other)
    for tie in ties:
        first: dict[str, int] = {}
        for number, known in enumerate(tags):
            for name in {normal(known.get(field, "")) for field in _FIELDS[tie]} - _NOBODY:
                bonds.join(first.setdefault(name, number), number)
    return bonds.groups()


def normal(name: str) -> str:
    """A name as it is compared: without guests, case and superfluous space."""
    return " ".join(_GUEST.sub("", name).casefold().split())


def tags_of_name(name: str) -> dict[str, str]:
    """Artist and album as a folder's name tells them: ``Artist - Album - Track`` or ``Artist - Track``."""
    parts = name.split(" - ")
    return dict(zip(("artist", "album"), parts[:-1], strict=False))
