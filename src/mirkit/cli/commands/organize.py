"""``mirkit organize``, and the question of ``mirkit run`` about loose files."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mirkit.cli.commands import models
from mirkit.cli.output import failure, next_step, note
from mirkit.cli.output import organize as output
from mirkit.cli.progress import progress
from mirkit.errors import counted, pasted, printable

if TYPE_CHECKING:
    from mirkit.organize import Move, MoveReport
    from mirkit.organize.cut_album import AlbumTrack

Choice = Literal["move", "copy", "off"]
#: Answers and their meaning. An empty answer leaves the files where they are.
_ANSWERS: dict[str, Choice] = {
    "move": "move",
    "m": "move",
    "copy": "copy",
    "c": "copy",
    "leave": "off",
    "l": "off",
    "": "off",
}
#: Estimated time to cut a track of an album, for the progress display.
_CUT_SECONDS = 2.0
#: After this many invalid answers, the files stay where they are.
_ATTEMPTS = 3


def organize(arguments: argparse.Namespace) -> int:
    """Move loose files into track folders, or undo that."""
    from mirkit import organize as organizer

    path = Path(arguments.path)
    if arguments.undo:
        report = organizer.undo(path)
    else:
        cuts, problems = _cuts(path, arguments)
        moves = [] if arguments.cue and path.suffix.lower() == ".cue" else _planned(path, arguments)
        if not arguments.dry_run:
            organizer.tidy(path)
        report = organizer.MoveReport(moves) if arguments.dry_run else organizer.apply(moves, copy=arguments.copy)
        report.failures += problems
        if arguments.dry_run and path.is_dir() and not (arguments.quiet or arguments.json):
            output.tracks_before(path)
        output.cuts(cuts, arguments)
    output.moved(report, arguments)
    if not (arguments.undo or arguments.dry_run or arguments.quiet or arguments.json):
        next_step("run", path=path if path.is_dir() else path.parent)
    return 1 if report.failures else 0


def _cuts(path: Path, arguments: argparse.Namespace) -> "tuple[list[AlbumTrack], list[str]]":
    """Cut the albums at or below a path, if ``--cue`` is given: the tracks that did not exist, and failures."""
    from mirkit.organize.cut_album import cut_albums, plan_cuts

    problems: list[str] = []
    if not arguments.cue:
        return [], problems
    cuts = [cut for cut in plan_cuts(path, problems) if not cut.exists]
    if not arguments.dry_run:
        shown = not (arguments.quiet or arguments.json)
        with progress(len(cuts), _CUT_SECONDS * len(cuts), shown=shown) as advance:
            problems += cut_albums(cuts, advance)
    return cuts, problems


def organize_first(path: Path, arguments: argparse.Namespace) -> tuple[Path, bool]:
    """Move or copy loose files into track folders before a run, if the user chooses that.

    ``--organize`` decides. Without it the user is asked on a terminal; elsewhere, and with ``--quiet`` or ``--json``,
    the files stay where they are.

    Returns
    -------
    path : Path
        The path that the run works on: the new track folder if ``path`` was a loose file that was moved.
    failed : bool
        Whether a file could not be moved or copied. It then stays where it is.
    """
    from mirkit.track import Track, is_track, loose_files

    choice: Choice | None = arguments.organize
    if not path.exists() or is_track(path):
        return path, False
    if path.is_dir():
        loose = loose_files(path)
    else:  # a single file is moved only if the option requires it
        loose = [path] if choice in ("move", "copy") and Track.at(path).loose else []
    if not loose:
        return path, False
    quiet = arguments.quiet or arguments.json
    if choice is None and arguments.dry_run:
        if not quiet:
            where = "it where it is" if len(loose) == 1 else "them where they are"
            note(
                f"note   {counted(len(loose), 'loose file')}; this plan leaves {where} "
                "(to choose otherwise: --organize move, or --organize copy)"
            )
        return path, False
    if choice is None:
        choice = _ask(path, loose) if models.on_a_terminal() and not quiet else _left(path, len(loose), quiet=quiet)
    if choice == "off":
        return path, False
    moves = _planned(path, arguments)
    if arguments.dry_run:
        verb = "copied" if choice == "copy" else "moved"
        note(f"note   {counted(len(moves), 'loose file')} would be {verb} into track folders first")
        return path, False
    if not moves:
        return path, False
    report = _carried_out(moves, path, copy=choice == "copy", quiet=quiet)
    if not path.is_dir() and report.moves:
        path = report.moves[0].folder
    return path, bool(report.failures)


def _carried_out(moves: "Sequence[Move]", path: Path, *, copy: bool, quiet: bool) -> "MoveReport":
    from mirkit.organize import apply, tidy

    tidy(path)
    report = apply(moves, copy=copy)
    root = path if path.is_dir() else path.parent
    if not quiet and report.moves:
        verb = "copied" if copy else "moved"
        count = counted(len(report.moves), "loose file")
        print(f"organize {count} {verb} into track folders (to undo: mirkit organize --undo {pasted(root)})")
    for line in report.failures:
        failure(line)
    return report


def _planned(path: Path, arguments: argparse.Namespace) -> "list[Move]":
    """The moves for a path; files that cannot be moved are reported."""
    from mirkit.organize import plan

    problems: list[str] = []
    moves = plan(path, problems=problems, video_sound=getattr(arguments, "video_sound", False))
    if getattr(arguments, "cue", False):  # the albums are cut, and what is wrong with a sheet is told there
        problems = [line for line in problems if "mirkit organize --cue" not in line and not _is_of_sheet(line)]
    for problem in problems:
        note(f"note   {problem}")
    return moves


def _is_of_sheet(problem: str) -> bool:
    return problem.partition(": ")[0].lower().endswith(".cue")


def _left(path: Path, count: int, *, quiet: bool) -> Choice:
    """Report that the files stay where they are, because there is no terminal for a question."""
    if not quiet:
        stay, them = ("stays where it is", "it") if count == 1 else ("stay where they are", "them")
        note(
            f"note   {counted(count, 'loose file')} {stay}, with results beside {them}; "
            f"to put {them} into track folders: mirkit organize {pasted(path)}, or --organize move|copy"
        )
    return "off"


def _ask(path: Path, loose: Sequence[Path]) -> Choice:
    """Ask what to do with loose files; without an answer (end of input) they stay where they are."""
    from mirkit.organize import plan

    example = ""
    if moves := plan(loose[0]):
        move = moves[-1]
        source, target = (printable(os.path.relpath(each, path)) for each in (move.source, move.target))
        example = f", for instance:\n  {source} -> {target}"
    print(f"{counted(len(loose), 'loose file')} in {printable(path)}{example or '.'}", file=sys.stderr)
    for _ in range(_ATTEMPTS):
        print(
            "Track folders: [m]ove the files, [c]opy them, or [l]eave them where they are? [leave] ",
            end="",
            file=sys.stderr,
            flush=True,
        )
        line = ""
        try:
            line = sys.stdin.readline()
        finally:
            if not line:  # at the end of input or Ctrl-C, the cursor is still on the line of the question
                print(file=sys.stderr)
        if not line:
            return "off"
        answer = _ANSWERS.get(line.strip().lower())
        if answer is not None:
            return answer
        print("Please answer move, copy or leave.", file=sys.stderr)
    print("None of the answers was valid; the files are left where they are.", file=sys.stderr)
    return "off"
