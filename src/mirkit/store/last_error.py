"""The last fault of mirkit on this machine, kept in the user's cache folder for ``mirkit doctor --report``."""

import time
import traceback
from pathlib import Path
from typing import Any

from mirkit import __version__
from mirkit.store.user_cache import remember, remembered

_NAME = "last_error.json"
_PACKAGE = Path(__file__).resolve().parents[2]
#: Lines of the traceback that are kept, the innermost ones.
_MOST_LINES = 12


def keep_error(error: BaseException) -> None:
    """Keep what an unexpected error says and where it was raised."""
    lines = []
    for frame in traceback.extract_tb(error.__traceback__)[-_MOST_LINES:]:
        path = Path(frame.filename)
        parts = path.relative_to(_PACKAGE).parts if path.is_relative_to(_PACKAGE) else path.parts[-2:]
        lines.append(f"{'/'.join(parts)}:{frame.lineno} in {frame.name}")
    when = time.strftime("%Y-%m-%d %H:%M")
    remember(_NAME, {"when": when, "mirkit": __version__, "error": f"{type(error).__name__}: {error}", "lines": lines})


def last_error() -> dict[str, Any]:
    """Return what was kept: ``when``, ``mirkit``, ``error`` and ``lines``; nothing if there was no such error."""
    found = remembered(_NAME)
    return found if isinstance(found.get("lines"), list) else {}
