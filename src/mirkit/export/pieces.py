"""Whole tracks that are longer than a trainer reads: cut at bars into pieces with features of their own."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mirkit.catalog import TEXTS
from mirkit.clips.plan import LEAD_SECONDS
from mirkit.errors import MirkitError, MissingInput
from mirkit.export.item import Item, name_of
from mirkit.export.parallel import work_on
from mirkit.store import read_grid, round6
from mirkit.windows import WindowAnalyzer, WindowFeatures

#: Text about the course of a whole track, which is wrong for a piece of it.
_OF_THE_WHOLE = "structure"
_DESCRIBED = tuple(row.name for row in TEXTS)
#: Shortest piece in relation to the others, where the bars are far from where the cut would be best.
_SHORTEST = 0.5


def cut_tracks(
    items: Sequence[Item],
    longest: float,
    problems: list[str],
    advance: Callable[[str], None],
    *,
    dry: bool = False,
    jobs: int = 0,
) -> list[Item]:
    """Cut tracks that are longer than ``longest`` into pieces of nearly equal length, at bars where bars are known.

    A piece has the features of its own window. It keeps the tags, the key and the meter of its track; how much of it
    is sung is not known.

    Parameters
    ----------
    items : sequence of Item
        Whole tracks.
    longest : float
        Largest length (s).
    problems : list of str
        Gets a line for each track that fails.
    advance : callable
        Called with the name of each track that is done.
    dry : bool
        Whether pieces keep the features of their track, for an estimate of the audio.
    jobs : int
        Worker processes, 0 for one per core.

    Returns
    -------
    list of Item
        In the order of ``items``; tracks that failed are left out.
    """
    long = [item for item in items if item.seconds > longest]
    cut = partial(_pieces, longest=longest, dry=dry)
    pieces: dict[str, list[Item]] = work_on(cut, long, name_of, problems, advance, jobs=jobs)
    return [piece for item in items for piece in ([item] if item.seconds <= longest else pieces.get(item.name, []))]


def _pieces(item: Item, longest: float, dry: bool) -> list[Item] | str:
    try:
        edges = bar_edges(_downbeats(item), item.seconds, longest)
        features: list[WindowFeatures | None] = [None] * (len(edges) - 1)
        if not dry:
            track = WindowAnalyzer.open(item.mix)
            end = track.duration
            features = list(track.each([(a, min(b, end)) for a, b in pairwise(edges)], samples=True))
    except MirkitError as error:
        return str(error)
    metadata = {name: value for name, value in item.metadata.items() if name != "vocals_share"}
    texts = {name: text for name, text in item.texts.items() if name != _OF_THE_WHOLE}
    pieces = []
    for number, ((start, end), found) in enumerate(zip(pairwise(edges), features, strict=True), 1):
        known = item.features if found is None else _numbers(found)
        pieces.append(
            replace(
                item,
                name=f"{item.name}/{item.name.rpartition('/')[2]}_{number:03d}",
                start=round6(start),
                seconds=round6(end - start),
                offset=round6(start),
                features=known,
                categories=item.categories if found is None else _categories(found),
                missing_reasons=item.missing_reasons if found is None else found.reasons,
                metadata=metadata | {"duration": round6(end - start)},
                texts=texts if found is None else texts_of_piece(texts, found),
                seed_key=f"{item.seed_key or item.name} {number}",
            )
        )
    return pieces


def texts_of_piece(texts: Mapping[str, str], found: WindowFeatures) -> dict[str, str]:
    """Return the texts of a piece: descriptors of the whole track, such as its chords, give way to its own."""
    own = {name: text for name in _DESCRIBED if isinstance(text := found.values.get(name), str)}
    return {name: text for name, text in texts.items() if name not in _DESCRIBED} | own


def _numbers(found: WindowFeatures) -> dict[str, float]:
    return {name: value for name, value in found.values.items() if isinstance(value, int | float)}


def _categories(found: WindowFeatures) -> dict[str, str]:
    return {name: value for name, value in found.values.items() if isinstance(value, str)}


def _downbeats(item: Item) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(read_grid(item.track.grid).downbeats, np.float64)
    except MissingInput:  # a track without a pulse has no grid
        return np.zeros(0)


def bar_edges(downbeats: npt.NDArray[np.float64], seconds: float, longest: float) -> list[float]:
    """Where a track is cut into the fewest pieces of at most ``longest`` seconds, nearly equal in length.

    Each cut is at the downbeat that is nearest to equal lengths (a few milliseconds before it, so that the piece
    contains the attack), or exactly at equal lengths where no bar begins near.

    Parameters
    ----------
    downbeats : float64 array
        Times of the first beats of the bars (s); may be empty.
    seconds : float
        Length of the track.
    longest : float
        Largest length of a piece (s).

    Returns
    -------
    list of float
        From 0 to ``seconds``.
    """
    bars = np.maximum(downbeats - LEAD_SECONDS, 0.0)
    edges = [0.0]
    while (left := seconds - edges[-1]) > longest:
        count = math.ceil(left / longest)
        wanted = left / count
        begin = edges[-1]
        near = bars[(bars >= begin + _SHORTEST * wanted) & (bars <= begin + longest) & (bars < seconds)]
        # What remains must fit into the other pieces.
        near = near[seconds - near <= (count - 1) * longest]
        edges.append(float(near[np.argmin(np.abs(near - begin - wanted))]) if len(near) else begin + wanted)
    return [*edges, seconds]
