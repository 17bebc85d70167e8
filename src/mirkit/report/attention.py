"""What needs a look: tracks that failed, are copies, are silent or short, or have values that are unsure or wrong."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.catalog import feature
from mirkit.dataset.duplicates.kept import Copies
from mirkit.dataset.statistics import Statistics, Table, in_range
from mirkit.report.spelling import key_spelling

#: A key, tempo or meter whose confidence is lower is more likely wrong than right.
LEAST_CONFIDENCE = 0.5
#: Confidences by the value that they belong to.
CONFIDENCES = {"key": "key_confidence", "tempo": "bpm_confidence", "meter": "time_signature_confidence"}
#: A shorter track (s) has too little music for many values.
SHORT_SECONDS = 10.0
#: Most tracks of a group that the page lists.
MAX_LISTED = 500


def two_digits(confidence: float) -> str:
    """Show a confidence, rounded down, so that one that is too low does not look sufficient."""
    return f"{math.floor(confidence * 100) / 100:.2f}"


@dataclass
class Group:
    """Tracks that need a look for one reason.

    Attributes
    ----------
    id : str
    title : str
    hint : str
        What it means, or what to do.
    command : str
        Command that finds more, or repairs it.
    note : bool
        Whether it is only a remark, which is not counted.
    rows : list of tuple
        Index of the track in the list, or -1; its name, or ""; what is the matter, in one or more lines.
    """

    id: str
    title: str
    hint: str = ""
    command: str = ""
    note: bool = False
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The group as the page reads it."""
        shown = self.rows[:MAX_LISTED]
        values = {"id": self.id, "title": self.title, "hint": self.hint, "command": self.command, "note": self.note}
        return values | {"count": len(self.rows), "rows": shown}


def needs_a_look(
    table: Table,
    result: Statistics,
    rows: Sequence[Mapping[str, Any]],
    failed: Mapping[str, Sequence[str]],
    copies: Copies | None,
) -> list[Group]:
    """Collect what needs a look.

    Parameters
    ----------
    table : Table
        The values of all tracks.
    result : Statistics
        Of the table.
    rows : sequence of mapping
        What the library knows about the listed tracks, the first ones of the table.
    failed : mapping
        Name of a track -> problems with its page.
    copies : Copies, optional
        The duplicates that were found last; None if the tracks have not been compared.

    Returns
    -------
    list of Group
        Groups with tracks, and those with a command that finds some.
    """
    names = table.names[: len(rows)]
    groups = [
        _failed(names, rows, failed, [*result.unreadable, *_of_no_row(names, result)]),
        _outdated(result),
        _audit(names, rows, "faults"),
        _silent(names, rows),
        _copies(names, copies, len(table.names)),
        _outside(table, names),
        _mixed(result),
        _unsure(names, rows),
        _short(names, rows),
        _audit(names, rows, "notices"),
    ]
    return [group for group in groups if group.rows or group.command]


def _of_no_row(names: Sequence[str], result: Statistics) -> list[str]:
    """Say what is wrong with the tracks and folders that cannot be read and have no row."""
    return [line for name, line in result.unusable.items() if name not in names]


def _failed(
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    failed: Mapping[str, Sequence[str]],
    unreadable: Iterable[str],
) -> Group:
    numbers = {Path(name).as_posix(): number for number, name in enumerate(names)}
    group = Group("failed", "Failed", "The command that failed tries them again.")
    lines: dict[int, dict[str, None]] = {}
    told = set()
    for name, problems in failed.items():
        number = numbers.get(Path(name).as_posix(), -1)
        told |= set(map(_without_type, problems))
        if number < 0:
            group.rows.append((-1, name, *map(_without_path, problems)))
        else:
            lines[number] = dict.fromkeys(map(_without_path, problems))
    for number, row in enumerate(rows):
        for stage, why in row.get("failed", {}).items():
            text = _without_path(why)
            if text not in lines.setdefault(number, {}):
                lines[number][f"{stage}: {text}"] = None
    group.rows += [(-1, "", line) for line in unreadable if line not in told]
    group.rows += [(number, names[number], *several) for number, several in sorted(lines.items())]
    return group


def _without_path(line: str) -> str:
    """Leave out the path at the start of a message, because the name of the track stands beside it."""
    path, colon, rest = _without_type(line).partition(": ")
    return rest if colon and ("/" in path or "\\" in path) else _without_type(line)


def _without_type(line: str) -> str:
    """Leave out the type of an error at the start of a message."""
    kind, colon, rest = line.partition(": ")
    return rest if colon and kind.isidentifier() and kind.endswith("Error") else line


def _outdated(result: Statistics) -> Group:
    """Tracks whose audio was replaced, which the statistics and the list leave out."""
    hint = (
        "Their audio was replaced since they were measured, so the list and the charts leave them out. Measure again:"
    )
    group = Group("outdated", "Replaced audio", hint)
    group.rows = [(-1, name, "the values are those of the former audio") for name in result.outdated]
    group.command = "mirkit run . --where state:outdated" if group.rows else ""
    return group


def _audit(names: Sequence[str], rows: Sequence[Mapping[str, Any]], kind: str) -> Group:
    """What the audit of the sources found: faults, or notices."""
    if kind == "faults":
        hint = "What the audit found in the files. This command excludes these tracks:"
        group = Group("faults", "Faults of the source", hint)
    else:
        group = Group(
            "notices", "Notices of the source", "What the audit found in the files, and may be meant.", note=True
        )
    group.rows = [(number, names[number], *row[kind]) for number, row in enumerate(rows) if row.get(kind)]
    if group.rows and kind == "faults":
        group.command = "mirkit exclude . --audit faults"
    return group


def _silent(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Group:
    group = Group("silent", "Silent", "There is nothing in these tracks to measure.")
    group.rows = [(number, names[number], "silent") for number, row in enumerate(rows) if row.get("silent")]
    return group


def _short(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Group:
    group = Group("short", "Short", f"Below {SHORT_SECONDS:g} s, many values are unknown or unsure.", note=True)
    for number, row in enumerate(rows):
        seconds = row.get("seconds")
        if seconds is not None and seconds < SHORT_SECONDS and not row.get("silent"):
            group.rows.append((number, names[number], f"{seconds:.1f} s"))
    return group


def _outside(table: Table, names: Sequence[str]) -> Group:
    """Values outside of the catalog's range, each with its track."""
    group = Group("outside", "Out of range", "Values that the formula of a feature cannot give: set by hand, or wrong.")
    for column, key in enumerate(table.keys):
        spec = feature(key)
        values = table.values[: len(names), column]
        known = np.flatnonzero(np.isfinite(values))
        for number in known[~in_range(values[known], spec)]:
            low, high = ("" if end is None else f"{end:g}" for end in (spec.low, spec.high))
            bounds = f"at least {low}" if not high else f"at most {high}" if not low else f"{low} to {high}"
            group.rows.append((int(number), names[number], f"{key} is {values[number]:.4g}; its range is {bounds}"))
    group.rows.sort(key=lambda row: row[0])
    return group


def _mixed(result: Statistics) -> Group:
    hint = "Values of different methods are not comparable; measure again with one of them."
    group = Group("mixed", "Different methods", hint)
    for stage, methods in result.mixed.items():
        counts = ", ".join(f"{method} {count}" for method, count in methods.items())
        group.rows.append((-1, "", f"{stage}: {counts}"))
    return group


def _unsure(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Group:
    group = Group(
        "unsure",
        "Unsure key, tempo or meter",
        f"Confidence below {LEAST_CONFIDENCE:g}: more likely wrong than right. Prompts leave such values out; you may "
        "correct them in the .INFO file.",
    )
    for number, row in enumerate(rows):
        told = unsure(row)
        if told:
            group.rows.append((number, names[number], ", ".join(told.values())))
    return group


def unsure(row: Mapping[str, Any]) -> dict[str, str]:
    """Return which of key, tempo and meter are unsure -> the value with its confidence.

    Parameters
    ----------
    row : mapping
        ``key``, ``mode``, ``bpm``, ``meter`` and their confidences ``sure``; unknown ones are absent.
    """
    key, mode, bpm, meter = (row.get(name) for name in ("key", "mode", "bpm", "meter"))
    values = {
        "key": key_spelling(key, mode) if key and mode else None,
        "tempo": f"{bpm:.1f} BPM" if bpm is not None else None,
        "meter": meter,
    }
    sure: Mapping[str, float] = row.get("sure", {})
    return {
        name: f"{value} ({two_digits(confidence)})"
        for name, value in values.items()
        if value and (confidence := sure.get(name)) is not None and confidence < LEAST_CONFIDENCE
    }


def _copies(names: Sequence[str], copies: Copies | None, tracks: int) -> Group:
    group = Group("duplicates", "Duplicates")
    numbers = {Path(name).as_posix(): number for number, name in enumerate(names)}
    if copies is None:
        group.hint = (
            "The tracks have not been compared. In the folder of the data set, this command finds copies by their "
            "sound; the next report shows them:"
        )
        group.command = "mirkit duplicates ."
        return group
    for several in copies.groups:
        present = [name for name in several if name in numbers]
        group.rows += [(numbers[name], name, f"same recording as {present[0]}") for name in present[1:]]
    group.hint = f"Of {copies.compared} tracks compared on {copies.when}."
    if group.rows:
        group.hint += " This command excludes all copies but the best:"
        group.command = "mirkit duplicates . --exclude"
    elif copies.compared < tracks:
        group.hint += f" The set has {tracks} tracks now; compare them again with:"
        group.command = "mirkit duplicates ."
    return group
