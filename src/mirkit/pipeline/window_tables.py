"""The numbers of whole tracks, window by window: what a trainer that cuts at random is told of each cut."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirkit import engines
from mirkit.catalog import FEATURES, stage
from mirkit.errors import MirkitError
from mirkit.export.items import Item
from mirkit.export.plan import WindowTable as Table
from mirkit.pipeline.windows import WindowAnalyzer

_TIMBRE = frozenset(stage("timbral").keys)


@dataclass(frozen=True)
class WindowRequest:
    """One track, and windows of which length and how far apart (s)."""

    name: str
    path: Path
    seconds: float
    hop: float


def tables(
    items: Sequence[Item],
    seconds: float,
    problems: list[str],
    advance: Callable[[str], None],
    *,
    hop: float = 1.0,
    jobs: int = 0,
) -> Mapping[str, Table]:
    """Item's name -> its windows. A track that fails gets a line instead, and costs nothing else.

    Parameters
    ----------
    items : sequence of Item
        Measured tracks.
    seconds : float
        Length of a window; a shorter track has one, of all of it.
    problems : list of str
    advance : callable
        Called with the name of each track that is done.
    hop : float
        Seconds from one window's start to the next one's.
    jobs : int
        Worker processes, 0 for one a core.
    """
    asked = [WindowRequest(item.name, item.mix, seconds, hop) for item in items]
    found: dict[str, Table] = {}
    for done in engines.run(_work, asked, jobs=jobs or engines.cores()):
        if isinstance(done.result, Table):
            found[done.item.name] = done.result
        else:
            problems.append(f"{done.item.name}: {done.result or done.error}")
        advance(done.item.name)
    return found


def _work(asked: WindowRequest) -> Table | str:
    try:
        return table(asked.path, asked.seconds, asked.hop)
    except MirkitError as error:
        return str(error)


def table(path: Path, seconds: float, hop: float) -> Table:
    """Measure the windows of a track from its curves, and timbre from its sound in windows half a length apart.

    Raises
    ------
    MissingInput
        It has not been measured.
    """
    track = WindowAnalyzer.open(path)
    last = max(0.0, track.duration - seconds)
    starts = np.minimum(np.arange(0, last + hop, hop), last) if last else np.zeros(1)
    heard = np.unique(np.minimum(np.arange(0, last + seconds / 2, seconds / 2), last))
    timbre = [track.at(start, min(start + seconds, track.duration), samples=True).values for start in heard]
    rows = []
    for start in starts:
        values = track.at(start, min(start + seconds, track.duration)).values
        near = timbre[int(np.argmin(np.abs(heard - start)))]
        rows.append([near[key.name] if key.name in _TIMBRE else values[key.name] for key in FEATURES])
    return Table(hop, np.array(rows, np.float64))
