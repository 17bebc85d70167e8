"""Which samples are kept for validation: no recording, and no artist or album, is on both sides."""

from collections.abc import Sequence

from mirkit.dataset.split import split_tracks
from mirkit.export.items import Item

TRAIN, VAL = "train", "val"


def assign(items: Sequence[Item], share: float, seed: int) -> dict[str, str]:
    """Assign each item, by name, to ``train`` or ``val``: clips go with the track that they were cut from.

    Parameters
    ----------
    items : sequence of Item
    share : float
        Of the tracks, for validation.
    seed : int
    """
    tracks = {item.source: item.track for item in items}
    if not share:
        return {item.name: TRAIN for item in items}
    held = set(split_tracks(list(tracks.values()), list(tracks), share, seed).val)
    return {item.name: VAL if item.source in held else TRAIN for item in items}
