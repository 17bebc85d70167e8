"""Print for what the files of a folder are taken, and where organize moves them."""

from __future__ import annotations

import fnmatch
import json
import os
import shlex
import sys
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.audio.cue_sheet import FRAMES_PER_SECOND
from mirkit.catalog import STEMS
from mirkit.cli.output import failure, note
from mirkit.errors import counted, printable
from mirkit.track import CROPS, MIX, SIDECARS, SOURCES, Track, base_of, find_tracks, is_audio_name, kind_beside
from mirkit.track.find import is_one_shot

if TYPE_CHECKING:
    from mirkit.organize import MoveReport
    from mirkit.organize.cut_album import AlbumTrack

#: Files and folders that a run creates in the root of a data set.
_OF_THE_SET = ("mirkit.toml", ".mirkit", "mirkit-report", CROPS)


def tracks_before(path: Path) -> None:
    """Print how many track folders there are already, and which of them name their mix otherwise."""
    tracks = find_tracks(path, [])
    if not tracks:
        return
    others = [track for track in tracks if any(Path(name).stem.lower() not in SOURCES for name in track.audio_files)]
    with_stems = sum(any(track.source_of(name) in STEMS for name in track.audio_files) for track in tracks)
    print(f"{counted(len(tracks), 'track folder')} already, {with_stems} with stems; nothing in them is moved")
    if others:
        first = others[0]
        name = next(name for name in first.audio_files if first.source_of(name) == MIX)
        print(f"  in {len(others)} of them the mix has another name, for example {_below(first.folder / name, path)}")


def cuts(cut: Sequence[AlbumTrack], arguments: Namespace) -> None:
    """Print which tracks were cut from albums, or would be."""
    if arguments.quiet or arguments.json or not arguments.cue:
        return
    for each in cut:
        at = each.track.start / FRAMES_PER_SECOND
        target = printable(Path(each.target.parent.name, each.target.name))
        print(f"{printable(each.album.path.name)} from {at // 60:.0f}:{at % 60:05.2f} -> {target}")
    verb = "would be " if arguments.dry_run else ""
    print(f"{counted(len(cut), 'track')} {verb}cut from albums; the albums stay where they are")


def moved(report: MoveReport, arguments: Namespace) -> None:
    """Print which file was moved or copied to which path."""
    for line in report.failures:
        failure(line)
    if arguments.json:
        moves = [
            {
                "from": str(move.source),
                "to": str(move.target),
                "with": [[str(source), str(target)] for source, target in move.files[:-1]],
            }
            for move in report.moves
        ]
        result: dict[str, Any] = {"moves": moves, "failures": report.failures, "dry_run": arguments.dry_run}
        if arguments.undo:
            result |= {name: list(map(str, getattr(report, name))) for name in ("notes", "results", "brought")}
            result["cut"] = {str(album): list(map(str, folders)) for album, folders in report.cut.items()}
        print(json.dumps(result, indent=2))
        return
    if arguments.quiet:
        return
    for line in report.notes:
        note(f"note   {line}")
    for move in report.moves:
        results = [source for source, _ in move.files if kind_beside(source.name)[1] in SIDECARS]
        for source, target in reversed(move.files):  # the mix first
            if source in results:
                continue
            kind = f"  ({_what(target)})" if target != move.target else ""
            if arguments.dry_run and target == move.target and is_one_shot(Track(source.parent, loose=source.name)):
                kind = "  (sample of less than 4 s)"
            old, new = (target, source) if arguments.undo else (source, target)
            indent = "" if target == move.target else "  "
            if arguments.undo and move.copy:
                print(f"{indent}{_below(target, move.root)}: copy of {_below(source, move.root)}")
            else:
                print(f"{indent}{_below(old, move.root)} -> {_below(new, move.root)}{kind}")
        if results:
            print(f"  and {counted(len(results), 'result')} of mirkit")
    verb = "would be " if arguments.dry_run else ""
    copies = all(move.copy for move in report.moves) if report.moves else False
    undone = "removed, because they are copies" if copies else "moved back, or removed if copies"
    if not any(move.copy for move in report.moves):
        undone = "moved back"
    what = undone if arguments.undo else "copied" if arguments.copy else "moved"
    tracks, count = len(report.moves), sum(len(move.files) for move in report.moves)
    of = f" of {counted(tracks, 'track')}" if count != tracks else ""
    print(f"{counted(count, 'file')}{of} {verb}{what}, {len(report.failures)} failed")
    if arguments.undo:
        left(report, Path(arguments.path))


def _what(path: Path) -> str:
    """What a file in a track folder is: a stem, text of the user's, or a result."""
    if is_audio_name(path.name):
        bare = path.stem
        return f"{bare} stem" if bare in STEMS else "mix without vocals" if bare == "no_vocals" else "another part"
    role = path.name.removeprefix(f"{base_of(path.parent.name)}.")
    return {"lrc": "lyrics", "lyrics.txt": "lyrics", "caption.txt": "caption", "json": "lyrics and caption"}.get(
        role, "MIDI" if path.suffix == ".mid" else "result"
    )


def _below(path: Path, root: Path) -> str:
    return printable(path.relative_to(root) if path.is_relative_to(root) else path)


def left(report: MoveReport, root: Path) -> None:
    """Print which results remain after an undo, by folder and kind, and the commands that remove them."""
    for path in report.brought:
        print(f"{printable(path)}: mirkit did not make this file; it is now beside the original")
    for album, cut in report.cut.items():
        print(
            f"{printable(album)}: {counted(len(cut), 'track')} cut from it {'stays' if len(cut) == 1 else 'stay'}; "
            "the album is as it was. Remove the folders, with all that is in them, with:"
        )
        print(f"  {_remove_folders(cut)}")
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
        print("remove them with:")
        for folder, names in folders.items():
            print(f"  {_remove(folder, names)}")
    if there := [name for name in _OF_THE_SET if (root / name).exists()]:
        print(f"{printable(root)} still holds these files and folders of mirkit: {', '.join(there)}")


def _kind(name: str) -> str:
    _, role = kind_beside(name)
    return f".{role}" if role in SIDECARS else "stems" if is_audio_name(name) else "MIDI"


def _remove(folder: Path, names: Iterable[str]) -> str:
    """Return a shell command that removes exactly these files of a folder."""
    place = str(folder)
    if sys.platform == "win32":
        return "del " + " ".join(f'"{place}{os.sep}{pattern}"' for pattern in _patterns(folder, names))
    return "rm -- " + " ".join(
        f"{shlex.quote(place)}/{pattern if pattern.startswith('*') else shlex.quote(pattern)}"
        for pattern in _patterns(folder, names)
    )


def _remove_folders(folders: Iterable[Path]) -> str:
    """Return a shell command that removes these folders."""
    if sys.platform == "win32":
        return "rmdir /s " + " ".join(f'"{folder}"' for folder in folders)
    return "rm -r -- " + " ".join(shlex.quote(str(folder)) for folder in folders)


def _patterns(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield patterns that match exactly these files of the folder; names where a pattern would match more files."""
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
