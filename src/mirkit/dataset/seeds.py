"""Seeds of the random draws of a track, which organizing does not change."""

from pathlib import PurePath
from typing import Any

from mirkit.store import Provenance
from mirkit.track import ORIGINAL_NAME


def seed_key(name: str, provenance: Provenance) -> str:
    """Seed of a track's random draws: its path before it was organized, so that organizing changes no draw."""
    return path_before(name, provenance.facts.get(ORIGINAL_NAME, {}).get("value"))


def path_before(name: str, original: Any) -> str:
    """Return the path of a track before it was organized; ``original`` is the name of its file if that is known."""
    path = PurePath(name)
    return (path.with_name(original) if _is_name(original) else path).as_posix()


def _is_name(text: Any) -> bool:
    """Whether a text is a plain file name; the provenance may come from an untrusted data set."""
    return isinstance(text, str) and text not in ("", ".", "..") and PurePath(text).name == text
