"""The user's cache folder, in which mirkit remembers what is true of this machine and of no data set."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from mirkit.errors import MirkitError
from mirkit.store.atomic import atomic_write
from mirkit.store.sidecars import read_bounded


def user_cache() -> Path | None:
    """Return ``$MIRKIT_HOME``, or the platform's cache folder for mirkit; None if there is no home folder."""
    if home := os.environ.get("MIRKIT_HOME"):
        return Path(home).expanduser().absolute()
    from platformdirs import user_cache_path

    try:
        return user_cache_path("mirkit", appauthor=False)
    except RuntimeError:
        return None


def remember(name: str, content: dict[str, Any]) -> None:
    """Write a JSON file of the cache; where that is not possible, nothing is remembered.

    Parameters
    ----------
    name : str
        Name of the file.
    content : dict
        A JSON object.
    """
    folder = user_cache()
    if folder is None:
        return
    with suppress(MirkitError, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / name, json.dumps(content, indent=1).encode())


def remembered(name: str) -> dict[str, Any]:
    """Return the content of a JSON file of the cache; nothing if it does not exist or cannot be read."""
    folder = user_cache()
    with suppress(MirkitError, OSError, ValueError, RecursionError):
        data = read_bounded(folder / name, follow=True) if folder is not None else None
        content = json.loads(data) if data else {}
        if isinstance(content, dict):
            return content
    return {}
