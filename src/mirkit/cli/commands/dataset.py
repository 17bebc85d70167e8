"""Commands that read the results: windows, verify, stats, duplicates, split, report; and exclude and include."""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli.location import is_url, resolve_location
from mirkit.cli.output import dataset as output
from mirkit.cli.output import failure, next_step, quoted, unusable
from mirkit.cli.output.run import look
from mirkit.cli.progress import progress
from mirkit.errors import SettingsError, counted, printable

if TYPE_CHECKING:
    from mirkit.dataset.duplicates.find import Duplicates
    from mirkit.dataset.verify import TrackReport
    from mirkit.store.output import Output

#: Estimated time to read and hash the feature series of a track, for the progress display.
_READING_SECONDS = 0.02
#: Estimated time to write the page of a track; most of it is the decoding of the mix.
_PAGE_SECONDS = 0.5


def window(arguments: argparse.Namespace) -> int:
    """Print the features of one window of a track, or of consecutive windows of equal length."""
    from mirkit.windows import WindowAnalyzer

    windows = WindowAnalyzer.open(arguments.path)
    end = windows.duration if arguments.end is None else arguments.end
    if arguments.slices is None:
        output.window(windows.at(arguments.start, end, samples=arguments.samples), arguments)
    else:
        output.slices(windows.slices(arguments.slices, arguments.start, end, samples=arguments.samples), arguments)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Print which features of each track are known, missing or out of date."""
    from mirkit.dataset.verify import mixed_methods, verify_all

    if arguments.deep and is_url(arguments.path):
        raise SettingsError(
            "--deep reads every file, which a data set on object storage does not allow; copy the "
            "data set to this machine and verify the copy"
        )
    problems: list[str] = []
    with resolve_location(arguments.path, to="compare") as location:
        mirrored = bool(location.url)
        found = verify_all(
            location.path, problems=problems, crops=arguments.crops, deep=arguments.deep, mirrored=mirrored
        )
        reports = found
        if location.url:
            reports = [
                replace(report, problem=location.with_url(report.problem), path=location.with_url(report.path))
                for report in found
            ]
    mixed = mixed_methods(reports)
    good = not problems and all(report.ok for report in reports)
    for line in problems:
        failure(line)
    if arguments.json:
        print(json.dumps(output.verify_json(reports, mixed), indent=2))
    else:
        root = "" if is_url(arguments.path) else arguments.path
        output.verified(reports, mixed, root, missing=arguments.show_missing, quiet=arguments.quiet)
        if not (arguments.quiet or is_url(arguments.path)) and getattr(arguments, "hint", True):
            if good:
                look(Path(arguments.path))
            elif not problems and Path(arguments.path).is_dir() and all(map(_is_unusable, reports)):
                reason = ("--where", "state:unreadable,failed", "--reason", quoted("cannot be read"))
                next_step("exclude", quoted(arguments.path), *reason)
            else:
                next_step("run", path=arguments.path)
    return 0 if good else 1


def _is_unusable(report: "TrackReport") -> bool:
    """Whether a track is in order, or is known to be beyond what another run could measure."""
    from mirkit.dataset.unusable import why_unusable
    from mirkit.track import Track

    return report.ok or bool(why_unusable(Track.at(report.path)))


def stats(arguments: argparse.Namespace) -> int:
    """Print the distribution of each feature, and the range that a conditioner should use."""
    from mirkit.dataset.statistics import as_json, read_table, statistics

    _output(arguments)
    with resolve_location(arguments.path, to="read") as location:
        table = read_table(location.path, crops=arguments.crops, where=arguments.where or "")
        table.unreadable = [location.with_url(line) for line in table.unreadable]
    result = statistics(table)
    _put(as_json(result), arguments, lambda: output.statistics(result, arguments.path))
    return 1 if result.unreadable else 0


def duplicates(arguments: argparse.Namespace) -> int:
    """Print which tracks are the same recording."""
    _output(arguments)
    selection, same = _compared(arguments)
    _put(output.duplicates_json(selection, same), arguments, lambda: output.duplicates(selection, same, arguments.path))
    if arguments.exclude:
        _exclude_copies(selection, same, quiet=arguments.quiet or arguments.json)
    return 1 if same.failed else 0


def _exclude_copies(selection: "output.TrackSelection", same: "Duplicates", *, quiet: bool) -> None:
    """Exclude all tracks of each recording but the best copy."""
    from mirkit.dataset.duplicates.find import best_copy
    from mirkit.dataset.find import exclude

    for group in same.groups:
        tracks = {selection.names[number]: selection.tracks[number] for number in group}
        best = best_copy({name: track.mix for name, track in tracks.items()})
        for name, track in tracks.items():
            if name != best:
                exclude(track.path, f"copy of {best}")
                if not quiet:
                    print(f"excluded {printable(name)}: copy of {printable(best)}")


def split(arguments: argparse.Namespace) -> int:
    """Split the tracks into training, validation and test, with related tracks on the same side."""
    from mirkit.dataset.library import Library
    from mirkit.dataset.split import split_tracks

    _output(arguments)
    selection, same = _compared(arguments)
    with Library.open(arguments.path) as library:
        result = split_tracks(
            selection.tracks,
            selection.names,
            arguments.val,
            arguments.seed,
            arguments.together,
            same,
            test_share=arguments.test,
            library=library,
        )
    _put(
        output.split_json(selection, same, result),
        arguments,
        lambda: output.split(selection, same, result, arguments.path),
    )
    return 1 if same.failed else 0


def _compared(arguments: argparse.Namespace) -> "tuple[output.TrackSelection, Duplicates]":
    """Return the tracks of a folder that are not excluded, and the duplicates among them."""
    from mirkit.dataset.duplicates.find import find_duplicates
    from mirkit.dataset.duplicates.kept import keep_duplicates
    from mirkit.dataset.library import Library

    selection = output.TrackSelection.below(Path(arguments.path))
    count = len(selection.tracks)
    printable = not (arguments.quiet or arguments.json)
    bar = progress(count, _READING_SECONDS * count, shown=printable)
    with Library.open(arguments.path) as library, bar as advance:
        same = find_duplicates(selection.tracks, advance, library)
        keep_duplicates(library, selection.tracks, same.groups)
    return selection, same


def _output(arguments: argparse.Namespace) -> "Output | None":
    """Return the file that ``--output`` names; an error if it may not be written, before any work is done."""
    from mirkit.store.output import Output, made_by

    if not arguments.output:
        return None
    output = Output(Path(arguments.output), made_by(f"mirkit {arguments.command}"), arguments.overwrite)
    output.check()
    return output


def _put(result: dict[str, Any], arguments: argparse.Namespace, print_it: Callable[[], None]) -> None:
    """Write the result to the file of ``--output``, and print it."""
    from mirkit.store.output import MADE_BY

    text = json.dumps({MADE_BY: f"mirkit {arguments.command}"} | result, indent=1)
    if output := _output(arguments):
        output.write(text.encode() + b"\n")
    if arguments.json:
        print(text)
    elif not arguments.quiet:
        print_it()


def report(arguments: argparse.Namespace) -> int:
    """Write a report: a folder of web pages about a data set."""
    from mirkit import engines
    from mirkit import report as pages

    plan = pages.plan_report(
        Path(arguments.path),
        Path(arguments.out) if arguments.out else None,
        with_audio=arguments.with_audio,
        overwrite=arguments.overwrite,
        where=arguments.where or "",
    )
    count, failed, known = len(plan.pending), dict[str, list[str]](), list[str]()
    jobs = max(1, min(arguments.jobs or engines.cores(), count))
    shown = not (arguments.quiet or arguments.json)
    with progress(count, _PAGE_SECONDS * count / jobs, shown=shown) as advance:
        for outcome in pages.write_report(plan, jobs):
            if outcome.problems:
                known += [outcome.name] if outcome.is_known else []
                failed |= {} if outcome.is_known else {outcome.name: list(outcome.problems)}
                if not outcome.is_known:
                    failure(f"{printable(outcome.name)}: {printable('; '.join(outcome.problems))}")
            advance(outcome.name)
    if not (arguments.quiet or arguments.json):
        unusable([*plan.unusable, *known], arguments.path)
    index = plan.out / "index.html"
    if arguments.json:
        content = {"index": str(index), "written": count, "tracks": len(plan.tracks)}
        print(json.dumps(content | {"failed": failed, "unusable": [*plan.unusable, *known]}))
    elif not arguments.quiet:
        faults = len(failed) + len(known)
        print(f"{counted(count, 'page')} written, {len(plan.tracks) - count} up to date, {faults} with problems")
        print(f"open {printable(index)}")
    return 1 if failed else 0


def exclude(arguments: argparse.Namespace) -> int:
    """Exclude tracks from all commands: those that are named, or those with faults."""
    from mirkit.dataset.find import exclude, excluded_as
    from mirkit.dataset.selection import with_verdict

    if arguments.audit is None:
        named = _named(arguments)
        for path in named:
            excluded_as(path)  # that there is no such track is told first
        if arguments.reason is None:
            raise SettingsError('--reason: give the reason why the track is excluded, such as --reason "bad take"')
        reasons = dict.fromkeys(named, arguments.reason)
    else:
        reasons = {
            path: arguments.reason or why
            for place in arguments.tracks
            for path, why in with_verdict(Path(place), arguments.audit, arguments.where or "").items()
        }
    act = (lambda path, _why: excluded_as(path)) if arguments.dry_run else exclude
    names = {act(path, why): why for path, why in reasons.items()}
    _print_names(names, "would exclude" if arguments.dry_run else "excluded", arguments)
    if arguments.audit and not (names or arguments.json or arguments.quiet):
        print(f"no track below {printable(', '.join(arguments.tracks))} has a source with {arguments.audit}")
    return 0


def include(arguments: argparse.Namespace) -> int:
    """Include tracks again that were excluded."""
    from mirkit.dataset.find import include

    _print_names(dict.fromkeys(map(include, _named(arguments, excluded=True)), ""), "included", arguments)
    return 0


def _named(arguments: argparse.Namespace, *, excluded: bool = False) -> list[Path]:
    """Return the tracks that the arguments name, or that ``--where`` finds below them.

    With ``excluded``, it finds tracks and clips that are excluded, else the other tracks.
    """
    if arguments.where is None:
        return [Path(path) for path in arguments.tracks]
    from mirkit.dataset.find import is_named
    from mirkit.dataset.selection import find_matching, nothing_found

    places = [Path(path) for path in arguments.tracks]
    found = [path for place in places for path in find_matching(place, arguments.where, excluded=excluded)]
    if excluded:  # a clip may be excluded by itself, or together with its track
        clips = [
            path for place in places for path in find_matching(place, arguments.where, table="clips", excluded=True)
        ]
        found += filter(is_named, clips)
    if not found:
        raise nothing_found(Path(arguments.tracks[0]), arguments.where)
    return list(dict.fromkeys(found))


def _print_names(names: dict[str, str], verb: str, arguments: argparse.Namespace) -> None:

    if arguments.json:
        print(json.dumps({verb: names}, indent=2))
    elif not arguments.quiet:
        for name, why in names.items():
            print(f"{verb} {printable(name)}{f': {printable(why)}' if why else ''}")
