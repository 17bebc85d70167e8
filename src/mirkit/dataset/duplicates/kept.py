"""The duplicates that were found last, kept in the library for the report."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mirkit.dataset.library import Library
from mirkit.dataset.library.row import key_of
from mirkit.track import Track

_NOTE = "duplicates"


@dataclass(frozen=True)
class Copies:
    """The duplicates that were found last.

    Attributes
    ----------
    when : str
        Date, as ``2026-11-30``.
    compared : int
        Tracks that were compared.
    groups : list of list of str
        Names of tracks that are the same recording, as the user names them.
    """

    when: str
    compared: int
    groups: list[list[str]]


def keep_duplicates(library: Library, tracks: Sequence[Track], groups: Sequence[Sequence[int]]) -> None:
    """Keep the groups of tracks that are the same recording, if a whole data set was compared."""
    if library.scope != library.root:
        return
    prefix = os.path.join(library.root, "")
    names = [os.fsdecode(key_of(track, prefix)) for track in tracks]
    library.keep_note(
        _NOTE,
        json.dumps(
            {
                "when": date.today().isoformat(),
                "compared": len(tracks),
                "groups": [[names[number] for number in group] for group in groups],
            }
        ),
    )


def kept_duplicates(library: Library) -> Copies | None:
    """Return the duplicates that were found last; None if none were looked for, or if the note is damaged."""
    try:
        content: Any = json.loads(library.note(_NOTE))
        when, compared, groups = content["when"], content["compared"], content["groups"]
        keys = [[os.fsencode(name) for name in group] for group in groups]
        date.fromisoformat(when)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if type(compared) is not int:
        return None
    scope = os.fsencode(library.scope.relative_to(library.root).as_posix()) + b"/"
    inside = [[key for key in group if scope == b"./" or key.startswith(scope)] for group in keys]
    return Copies(when, compared, [[library.name_of(key) for key in group] for group in inside if len(group) > 1])
