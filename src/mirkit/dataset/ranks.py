"""Where the values of a track lie among those of the other tracks of its data set."""

import os
from pathlib import Path

from mirkit.dataset.library import FIELDS, Library, TableName
from mirkit.dataset.selection import Advance
from mirkit.dataset.track_summary import TrackSummary
from mirkit.store import SETTINGS_NAME, find_root
from mirkit.track import Track

#: Least number of other tracks with a value for a comparison.
_FEWEST = 4


def ranks_of(
    track: Track, found: TrackSummary, *, is_clip: bool, advance: Advance = lambda _done, _of: None
) -> tuple[dict[str, float], int]:
    """Compare the numbers of a track with those of the others of its data set, or of a clip with the other clips.

    A folder that mirkit has not worked on as a data set is not searched.

    Parameters
    ----------
    track : Track
    found : TrackSummary
    is_clip : bool
    advance : callable, optional
        Called with the number of changed tracks that have been read, and that have to be.

    Returns
    -------
    ranks : dict
        Name of a number -> share of the others with a lower value; equal values count half.
    others : int
        Number of other tracks.
    """
    root = find_root(track.path)
    if not ((root / SETTINGS_NAME).is_file() or (root / ".mirkit").is_dir()):
        return {}, 0
    numbers = {
        row.spec.name: float(row.value)
        for rows in found.values.values()
        for row in rows
        if isinstance(row.value, int | float) and row.spec.kind != "flag" and row.spec.name in FIELDS
    }
    columns = ["count(*)"]
    parameters: list[float | bytes] = []
    for name, value in numbers.items():
        column = FIELDS[name].column
        columns += [f"count({column})", f"total({column} < ?)", f"total({column} = ?)"]
        parameters += [value, value]
    where = f"{FIELDS['excluded'].column} IS NULL AND {FIELDS['problem'].column} IS NULL AND _key != ?"
    parameters.append(os.fsencode(Path(os.path.relpath(track.path, root)).as_posix()))
    table: TableName = "clips" if is_clip else "tracks"
    with Library.open(root) as library:
        library.refresh(advance, clips=is_clip)
        others, *counts = next(library.rows(columns, where, parameters, table=table, order="1"))
    triples = zip(numbers, counts[::3], counts[1::3], counts[2::3], strict=True)
    return {name: (below + equal / 2) / known for name, known, below, equal in triples if known >= _FEWEST}, others
