"""What is remembered of a track's objects: ``.mirkit-objects`` beside them.

It says what each was when mirkit last read or wrote it, and the time that its file had then. As long as an object is
still that, its content need not be looked at. Without it, all is looked at anew.
"""

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from mirkit.remote.object_store import ObjectVersion

LEDGER = ".mirkit-objects"

#: Name of an object -> what it was, and the time (ns) of its file then.
Ledger = dict[str, tuple[ObjectVersion, int]]


def encode(ledger: Ledger, folder: str) -> bytes:
    """Write the ledger of a folder."""
    rows = {name.removeprefix(f"{folder}/"): [s.size, s.mark, time] for name, (s, time) in sorted(ledger.items())}
    return (json.dumps(rows, indent=0) + "\n").encode()


def parse(data: bytes, folder: str) -> Ledger:
    """Read the ledger of a folder; one that cannot be read knows nothing."""
    try:
        rows: Iterable[tuple[str, Any]] = json.loads(data).items()
        return {
            f"{folder}/{name}": (ObjectVersion(int(size), str(mark)), int(time)) for name, (size, mark, time) in rows
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def is_of_a_track(name: str) -> bool:
    """Whether an object lies in a track's folder, or one below, and is not hidden; a ledger is."""
    return "/" in name and (name.endswith(f"/{LEDGER}") or not is_hidden(name))


def is_hidden(name: str) -> bool:
    """Whether a part of a name begins with a dot."""
    return any(part.startswith(".") for part in PurePosixPath(name).parts)
