"""The manifest of a track's objects, ``.mirkit-objects`` beside them.

It lists the version that each object had when mirkit last read or wrote it, and the modification time of its local
file then. The content of an object that still has this version need not be compared. Without a manifest, every object
is downloaded to compare it.
"""

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from mirkit.remote.object_store import ObjectVersion

MANIFEST = ".mirkit-objects"

#: Name of an object -> its version, and the modification time (ns) of its local file then.
Manifest = dict[str, tuple[ObjectVersion, int]]


def encode(ledger: Manifest, folder: str) -> bytes:
    """Serialize the manifest of a folder."""
    rows = {name.removeprefix(f"{folder}/"): [s.size, s.mark, time] for name, (s, time) in sorted(ledger.items())}
    return (json.dumps(rows, indent=0) + "\n").encode()


def parse(data: bytes, folder: str) -> Manifest:
    """Parse the manifest of a folder; a damaged one is treated as empty."""
    try:
        rows: Iterable[tuple[str, Any]] = json.loads(data).items()
        return {
            f"{folder}/{name}": (ObjectVersion(int(size), str(mark)), int(time)) for name, (size, mark, time) in rows
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def is_track_object(name: str) -> bool:
    """Whether an object belongs to a track: it lies in a folder and is not hidden, or is a manifest."""
    return "/" in name and (name.endswith(f"/{MANIFEST}") or not is_hidden(name))


def is_hidden(name: str) -> bool:
    """Whether a part of a name begins with a dot."""
    return any(part.startswith(".") for part in PurePosixPath(name).parts)
