"""What ``mirkit duplicates`` and ``mirkit split`` print."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli.output.run_summary import failure, note, table, unmeasured
from mirkit.dataset.items import iter_tracks
from mirkit.errors import MissingInput
from mirkit.store import printable
from mirkit.track import Track

if TYPE_CHECKING:
    from mirkit.dataset.duplicates.find import Duplicates, Pair
    from mirkit.dataset.split import Split

_MOST_LINES = 50
#: A group of more than this share of the data set is worth a word.
_LARGE = 0.5


@dataclass(frozen=True)
class SplitResult:
    """The tracks below a folder.

    Attributes
    ----------
    tracks, names
        Those that are not left out.
    excluded : dict
        Track -> why it is left out.
    problems : list of str
        A line for each folder that could not be read.
    """

    tracks: list[Track]
    names: list[str]
    excluded: dict[str, str]
    problems: list[str]

    @classmethod
    def below(cls, path: Path) -> "SplitResult":
        """List them. Raises MissingInput where there is none."""
        problems: list[str] = []
        listed = list(iter_tracks(path, problems))
        kept = [member for member in listed if not member.excluded]
        if not kept:
            raise MissingInput(f"{printable(path)}: no track in it" + (" that is not excluded" if listed else ""))
        excluded = {member.name: member.excluded for member in listed if member.excluded}
        return cls([member.track for member in kept], [member.name for member in kept], excluded, problems)


def duplicates(found: "SplitResult", same: "Duplicates", path: str) -> None:
    """A table of pairs, then what could not be compared."""
    rows = [
        (printable(found.names[pair.first]), printable(found.names[pair.second]), *_cells(pair)) for pair in same.pairs
    ]
    if rows:
        table(("track", "same recording", "harmony", "dynamics", "pitch", "speed", "begins at"), rows)
    _left(found, same, path)
    copies = sum(len(group) - 1 for group in same.groups)
    print(f"{len(found.tracks)} tracks, {len(same.groups)} recordings more than once, {copies} copies to spare")


def split(found: "SplitResult", same: "Duplicates", parted: "Split", path: str) -> None:
    """The validation tracks, the large groups, the counts."""
    for name in parted.val[:_MOST_LINES]:
        print(f"val      {printable(name)}")
    if len(parted.val) > _MOST_LINES:
        print(f"         and {len(parted.val) - _MOST_LINES} more; --output or --json lists all")
    _left(found, same, path)
    count = len(parted.train) + len(parted.val)
    largest = max(map(len, parted.groups), default=1)
    if largest > _LARGE * count:
        note(f"note     {largest} of {count} tracks belong together; --together artist, album or none ties fewer")
    print(
        f"{len(parted.train)} train, {len(parted.val)} val ({len(parted.val) / count:.1%}), seed {parted.seed}; "
        f"{len(parted.groups)} groups of two and more kept together"
    )


def duplicates_json(found: "SplitResult", same: "Duplicates") -> dict[str, Any]:
    """All of it for machines."""
    return {
        "tracks": len(found.tracks),
        "groups": [[found.names[number] for number in group] for group in same.groups],
        "pairs": [
            {"first": found.names[pair.first], "second": found.names[pair.second], **_numbers(pair)}
            for pair in same.pairs
        ],
        "not_compared": {found.names[number]: why for number, why in same.not_compared.items()},
        "not_measured": [found.names[number] for number in same.unmeasured],
        "failed": {found.names[number]: why for number, why in same.failed.items()},
        "excluded": found.excluded,
    }


def split_json(found: "SplitResult", same: "Duplicates", parted: "Split") -> dict[str, Any]:
    """All of it for machines."""
    return {
        "seed": parted.seed,
        "share": parted.share,
        "train": parted.train,
        "val": parted.val,
        "groups": parted.groups,
        "not_compared": {found.names[number]: why for number, why in same.not_compared.items()},
        "not_measured": [found.names[number] for number in same.unmeasured],
        "failed": {found.names[number]: why for number, why in same.failed.items()},
        "excluded": found.excluded,
    }


def _left(found: "SplitResult", same: "Duplicates", path: str) -> None:
    """What is not among the compared ones, and why."""
    for number, why in list(same.not_compared.items())[:_MOST_LINES]:
        print(f"apart    {printable(found.names[number])}: not compared: {why}")
    if len(same.not_compared) > _MOST_LINES:
        print(f"         and {len(same.not_compared) - _MOST_LINES} more; --output or --json lists all")
    for name, why in found.excluded.items():
        print(f"excluded {printable(name)}: {why}")
    for line in (*same.failed.values(), *found.problems):
        failure(line)
    if same.unmeasured:
        note(f"note     {unmeasured(len(same.unmeasured), len(found.tracks), path)}")


def _cells(pair: "Pair") -> tuple[str, ...]:
    alignment = pair.alignment
    if alignment is None:
        return ("same file", "", "", "", "")
    told = ("" if math.isnan(value) else f"{value:.2f}" for value in (alignment.harmony, alignment.dynamics))
    return (
        *told,
        f"{alignment.semitones:+d}" if alignment.semitones else "",
        f"{alignment.speed:.3f}",
        f"{alignment.offset:.2f} s",
    )


def _numbers(pair: "Pair") -> dict[str, Any]:
    alignment = pair.alignment
    if alignment is None:
        return {"same_file": True}
    return {
        "same_file": False,
        "harmony": None if math.isnan(alignment.harmony) else round(alignment.harmony, 4),
        "dynamics": None if math.isnan(alignment.dynamics) else round(alignment.dynamics, 4),
        "semitones": alignment.semitones,
        "speed": round(alignment.speed, 5),
        "offset": round(alignment.offset, 3),
        "shared_seconds": round(alignment.seconds, 2),
    }
