"""Which items of an export are for training, for validation and for the test, and which are copies of others."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from mirkit.dataset.duplicates.find import Duplicates, best_copy, find_duplicates
from mirkit.dataset.library import Library
from mirkit.dataset.split import TrackFacts, split_tracks
from mirkit.errors import SettingsError, counted, printable
from mirkit.export.item import Item
from mirkit.export.parallel import Progress, no_progress
from mirkit.store import read_bounded

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
_MAX_BYTES = 2**28


def find_copies(
    path: Path, items: Sequence[Item], notes: list[str], progress: Progress = no_progress
) -> tuple[dict[str, str], list[list[str]]]:
    """Find the tracks of an export that are the same recording.

    Parameters
    ----------
    path : Path
        The folder of tracks, or the track, that is exported.
    items : sequence of Item
    notes : list of str
        Gets a line where tracks could not be compared.
    progress : callable
        Reports progress.

    Returns
    -------
    copies : dict
        Track -> the track that is the same recording and the best copy: lossless, then longer, then with the higher
        sample rate and bit depth.
    groups : list of list of str
        Tracks that are the same recording, two or more in a group.
    """
    tracks = {item.source: item.track for item in items}
    names = list(tracks)
    with Library.open(path) as library, progress(len(tracks)) as advance:
        found = find_duplicates(list(tracks.values()), advance, library)
    groups = [[names[number] for number in group] for group in found.groups]
    copies: dict[str, str] = {}
    for group in groups:
        best = best_copy({name: tracks[name].mix for name in group})
        copies |= {name: best for name in group if name != best}
    if missed := [*found.unmeasured, *found.failed]:
        first = found.failed.get(missed[0]) or found.not_compared[missed[0]]
        notes.append(f"{counted(len(missed), 'track')} could not be compared with the others to find copies: {first}")
    return copies, groups


def assign_splits(
    items: Sequence[Item],
    share: float,
    seed: int,
    test_share: float = 0.0,
    groups: Sequence[Sequence[str]] = (),
) -> dict[str, str]:
    """Assign each item to ``train``, ``val`` or ``test``; clips belong to the split of their track.

    No recording, artist or album is in two splits.

    Parameters
    ----------
    items : sequence of Item
    share, test_share : float
        Shares of the tracks for validation and for the test, [0, 1).
    seed : int
    groups : sequence of sequences of str
        Tracks that are the same recording.

    Returns
    -------
    dict
        Item's name -> its split.
    """
    tracks = {item.source: item.track for item in items}
    if not (share or test_share):
        return {item.name: TRAIN for item in items}
    number = {name: i for i, name in enumerate(tracks)}
    same = Duplicates([[number[name] for name in group] for group in groups])
    metadata = {item.source: item.metadata for item in items}
    facts = [TrackFacts.of(metadata[name]) for name in tracks]
    drawn = split_tracks(
        list(tracks.values()), list(tracks), share, seed, duplicates=same, test_share=test_share, facts=facts
    )
    splits = dict.fromkeys(drawn.val, VAL) | dict.fromkeys(drawn.test, TEST)
    return {item.name: splits.get(item.source, TRAIN) for item in items}


def read_split(path: Path) -> dict[str, str]:
    """Read a split that ``mirkit split --output`` wrote, or a file of the user in the same form.

    Parameters
    ----------
    path : Path
        JSON with the lists ``train``, ``val`` and ``test`` of names of tracks.

    Returns
    -------
    dict
        Track -> its split.

    Raises
    ------
    SettingsError
        The file cannot be read, or is no such file, or a track is in two lists.
    """
    where = f"--split {printable(path)}"
    data = read_bounded(path, _MAX_BYTES, follow=True)
    if data is None:
        raise SettingsError(f"{where}: there is no such file; write it with: mirkit split PATH -o FILE")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{where}: the file cannot be read as JSON ({error})") from error
    lists = {name: content.get(name, []) for name in SPLITS} if isinstance(content, dict) else {}
    if not any(lists.values()) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists.values()
    ):
        raise SettingsError(f"{where}: the file has no lists of tracks named train, val and test")
    assigned: dict[str, str] = {}
    for split, names in lists.items():
        for name in (name.replace(os.sep, "/") for name in names):
            if assigned.setdefault(name, split) != split:
                raise SettingsError(f"{where}: {printable(name)} is in both {assigned[name]} and {split}")
    return assigned


def apply_split(items: Sequence[Item], path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Assign items to the splits of a file.

    Parameters
    ----------
    items : sequence of Item
    path : Path
        See :func:`read_split`.

    Returns
    -------
    splits : dict
        Item's name -> its split, for items whose track is in the file.
    left_out : dict
        Name of each other item -> why it is left out.

    Raises
    ------
    SettingsError
        The file cannot be read, or names none of the tracks.
    """
    assigned = read_split(path)
    splits = {item.name: assigned[item.source] for item in items if item.source in assigned}
    if items and not splits:
        raise SettingsError(
            f"--split {printable(path)}: the file names none of the tracks, for example not "
            f"{printable(items[0].source)}; split and export the same folder"
        )
    why = f"its track is not in {printable(path.name)}"
    return splits, {item.name: why for item in items if item.name not in splits}
