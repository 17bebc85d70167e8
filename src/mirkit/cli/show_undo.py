"""What ``mirkit organize --undo`` leaves beside the originals, and how it is removed."""

import fnmatch
import os
import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from mirkit.organize import MoveReport
from mirkit.store import printable
from mirkit.track.names import CROPS, SIDECARS, is_sound, kind_beside

#: What a run makes in the folder of a data set.
_OF_THE_SET = ("mirkit.toml", ".mirkit", "mirkit-report", CROPS)


def left(report: MoveReport, root: Path) -> None:
    """Print what an undo leaves, by folder and kind, and the commands that remove it."""
    for path in report.brought:
        print(f"beside its original, not made by mirkit: {printable(path)}")
    if report.results:
        count = len(report.results)
        files, lie = ("file", "lies") if count == 1 else ("files", "lie")
        print(f"{count} result {files} of mirkit now {lie} beside the originals; the next run uses them again:")
        folders: dict[Path, list[str]] = defaultdict(list)
        for path in report.results:
            folders[path.parent].append(path.name)
        for folder, names in folders.items():
            kinds = Counter(map(_kind, names))
            print(f"  {printable(folder)}: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}")
        print("to remove them:")
        for folder, names in folders.items():
            print(f"  {_remove(folder, names)}")
    if there := [name for name in _OF_THE_SET if (root / name).exists()]:
        print(f"also in {printable(root)}: {', '.join(there)}")


def _kind(name: str) -> str:
    _, role = kind_beside(name)
    return f".{role}" if role in SIDECARS else "stems" if is_sound(name) else "MIDI"


def _remove(folder: Path, names: Iterable[str]) -> str:
    """The command that removes these files of a folder and no other."""
    place = str(folder)
    if sys.platform == "win32":
        return "del " + " ".join(f'"{place}{os.sep}{pattern}"' for pattern in _patterns(folder, names))
    return "rm -- " + " ".join(
        f"{shlex.quote(place)}/{pattern if pattern.startswith('*') else shlex.quote(pattern)}"
        for pattern in _patterns(folder, names)
    )


def _patterns(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Patterns that match these files and no other of the folder; names where a pattern would match more."""
    there = [name for name in os.listdir(folder) if not name.startswith(".")]
    endings: dict[str, set[str]] = defaultdict(set)
    for name in names:
        base, role = kind_beside(name)
        ending = f"*.{role}" if role in SIDECARS else f"*{name[len(base) :]}"
        endings[ending].add(name)
    for ending, wanted in sorted(endings.items()):
        if set(fnmatch.filter(there, ending)) == wanted:
            yield ending
        else:
            yield from sorted(wanted)
