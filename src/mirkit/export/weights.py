"""How often a trainer draws each file: the weights that ``mirkit select -o`` writes."""

import json
from pathlib import Path

from mirkit.dataset.coverage import MAX_WEIGHT
from mirkit.errors import SettingsError, printable
from mirkit.store import read_bounded

_MAX_BYTES = 2**28
#: Folders of the training files of each weight but 1; no name is the beginning of another's path.
WEIGHT_FOLDERS = tuple(f"weight{weight}" for weight in range(2, MAX_WEIGHT + 1))


def read_weights(path: Path) -> dict[str, int]:
    """Read the weight of each track or clip: its path from the folder of tracks -> a number from 1 to 8.

    Raises
    ------
    SettingsError
        The file is not one that ``mirkit select -o`` wrote.
    """
    data = read_bounded(path, _MAX_BYTES, follow=True)
    if data is None:
        raise SettingsError(f"--weights {printable(path)}: there is no such file")
    try:
        weights = json.loads(data)["weights"]
        good = isinstance(weights, dict) and all(type(w) is int and 1 <= w <= MAX_WEIGHT for w in weights.values())
    except (ValueError, KeyError, TypeError, RecursionError):
        good = False
    if not good:
        raise SettingsError(f"--weights {printable(path)}: this is not a file that mirkit select -o wrote")
    found: dict[str, int] = weights
    return found


def weight_folder(split: str, weight: int) -> str:
    """Return the folder of a file of a split."""
    return split if weight == 1 else f"weight{weight}"
