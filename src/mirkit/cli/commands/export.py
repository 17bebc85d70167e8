"""The command ``mirkit export``: write a bundle for a trainer, or check one."""

import argparse
import json
import os
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from mirkit.cli.output import failure, from_here, next_step, note, quoted, unusable
from mirkit.cli.progress import progress
from mirkit.errors import MissingInput, SettingsError, counted, pasted, printable

if TYPE_CHECKING:
    from mirkit.export.plan import ExportPlan
    from mirkit.export.run import ExportResult
    from mirkit.export.validation import CheckResult

#: Number of copies that are listed.
_MOST_LINES = 5


def export(arguments: argparse.Namespace) -> int:
    """Export a data set, check an exported bundle, or both."""
    if arguments.explain:
        from mirkit.cli.commands.explain import explain

        return explain(arguments, plan_of)
    quiet = arguments.quiet or arguments.json
    arguments.out, arguments.path = _places(arguments)
    result: dict[str, Any] = {}
    failed = False
    python = _trainer_python(arguments)
    if not arguments.check_only:
        done = _export(arguments, shown=not quiet)
        failed = bool(done.plan.problems)
        result["export"] = done.summary | {"bytes": done.bytes, "dry_run": arguments.dry_run}
        if arguments.dry_run:
            result["export"] |= {"bytes_to_write": done.to_write, "bytes_free": done.free}
        for line in done.plan.problems:
            failure(line)
        if not quiet:
            for line in done.plan.notes:
                note(f"note   {line}")
            _exported(done, dry=arguments.dry_run)
            unusable(list(done.plan.unusable), arguments.path)
    if (arguments.check or arguments.check_only) and not arguments.dry_run:
        from mirkit.export.run import check

        checked = check(arguments.target, Path(arguments.out), trainer=not arguments.no_trainer, python=python)
        failed = failed or bool(checked.faults)
        result["check"] = checked.as_json()
        if not arguments.json:
            _checked(checked, quiet=arguments.quiet)
    if not (quiet or arguments.dry_run or failed):
        if arguments.check or arguments.check_only:
            print(f"next: train as {from_here(printable(Path(arguments.out) / 'README.md'))} describes")
        else:
            next_step("export", arguments.target, quoted(arguments.out), "--check-only")
    if arguments.json:
        print(json.dumps(result, indent=2))
    return 1 if failed else 0


def _places(arguments: argparse.Namespace) -> tuple[str, str]:
    """Return the place of the bundle and the folder of tracks: ``[PATH] -o OUT``, or ``OUT [PATH]`` without ``-o``."""
    places, out = arguments.places, arguments.out
    if len(places) > (1 if out else 2):
        raise SettingsError(f"one folder of tracks can be exported at a time, not also {printable(places[-1])}")
    if out:
        return out, (*places, ".")[0]
    if not places:
        raise SettingsError(f"name the bundle to write: mirkit export {arguments.target} PATH -o OUT")
    out, path = (*places, ".")[:2]
    if not arguments.check_only and _holds_tracks(Path(out)):
        if len(places) == 1:
            raise SettingsError(f"{printable(out)}: this is a folder of tracks; name the bundle to write with -o OUT")
        if not _holds_tracks(Path(path)):
            raise SettingsError(
                f"{printable(out)} holds tracks and {printable(path)} does not: did you swap them? "
                f"mirkit export {arguments.target} {pasted(out)} -o {pasted(path)}"
            )
    return out, path


def _holds_tracks(folder: Path) -> bool:
    """Whether a folder holds tracks and is no bundle."""
    from mirkit.export.bundle import SUMMARY
    from mirkit.track import find_all, is_track

    if not folder.is_dir() or (folder / SUMMARY).exists():
        return False
    try:
        return is_track(folder) or bool(find_all(folder, []))
    except MissingInput:
        return False


def _trainer_python(arguments: argparse.Namespace) -> Path | None:
    """Return the interpreter of ``--trainer-python``; an error is reported before anything is written."""
    if arguments.trainer_python is None:
        return None
    from mirkit.export.targets import targets
    from mirkit.models.stable_audio import find_interpreter

    trained = [target.name for target in targets().values() if target.stable_audio_tools]
    if arguments.target not in trained:
        raise SettingsError(f"--trainer-python is for {', '.join(trained)}, not for {arguments.target}")
    if not arguments.check and not arguments.check_only:
        raise SettingsError("--trainer-python needs --check or --check-only")
    return find_interpreter(arguments.trainer_python)


def plan_of(arguments: argparse.Namespace) -> "ExportPlan":
    """Return what an export would write, without writing it; the place of the bundle need not be named."""
    if len(arguments.places or ()) <= 1 and not arguments.out:
        if not arguments.places:
            raise SettingsError("name the folder of tracks, too: mirkit export TARGET PATH --explain CLIP")
        arguments.out = Path(gettempdir()) / f"mirkit-not-written-{os.getpid()}"
    arguments.out, arguments.path = _places(arguments)
    arguments.dry_run = True
    return _export(arguments, shown=False).plan


def _export(arguments: argparse.Namespace, *, shown: bool) -> "ExportResult":
    from mirkit.export.options import EXPORT_OPTIONS, Options
    from mirkit.export.run import export

    fields = {name: getattr(arguments, name) for name in EXPORT_OPTIONS}
    options = Options(arguments.target, Path(arguments.out), Path(arguments.path), **fields)
    return export(options, dry=arguments.dry_run, progress=lambda count: progress(count, 0.0, shown=shown))


def _exported(done: "ExportResult", *, dry: bool) -> None:
    from mirkit.export.bundle import SUMMARY

    summary = done.summary
    for split, counts in summary["splits"].items():
        if counts["files"]:
            print(
                f"{split:<8} {counted(counts['files'], 'file')}, {_length(counts['hours'])}, from "
                f"{counted(counts['sources'], 'track')}"
            )
    if dry:
        print(f"bytes    about {_size(done.bytes)}; nothing was written")
        print(f"disk     about {_size(done.to_write)} will be written; {_size(done.free)} are free")
        if done.to_write > done.free:
            note("note   the disk has too little space for this export; free some, or name a folder on another disk")
    else:
        print(f"bytes    {_size(done.bytes)}")
    if "numbers" in summary:
        _numbers(summary["numbers"])
    if loudness := summary.get("loudness"):
        low, high = loudness["gain_db"]
        limited = f"the true peak limits the gain of {counted(loudness['limited by true peak'], 'file')}"
        print(f"loudness {loudness['lufs']:g} LUFS, gains from {low:.2f} to {high:.2f} dB; {limited}")
    if windows := summary.get("windows"):
        print(f"windows  {windows['seconds']:g} s every {windows['hop']:g} s: {windows['description']}")
    if copies := summary["duplicates"]["left out"]:
        print(f"copies   {counted(len(copies), 'track')} left out, each a copy of a recording that is exported")
        for name, best in list(copies.items())[:_MOST_LINES]:
            print(f"         {printable(name)}: {printable(best)} is exported")
        if len(copies) > _MOST_LINES:
            print(f"         and {len(copies) - _MOST_LINES} more; {SUMMARY} lists all")
        print("         --keep-duplicates exports all copies")
    if refused := summary["rights"]["left out"]:
        print(f"rights   {counted(len(refused), 'track')} left out, whose rights do not permit this export")
        for name, why in list(refused.items())[:_MOST_LINES]:
            print(f"         {printable(name)}: {printable(why)}")
        if len(refused) > _MOST_LINES:
            print(f"         and {len(refused) - _MOST_LINES} more; {SUMMARY} lists all")
    if audio := summary.get("audio"):
        print(f"audio    {audio} instead of the mix; numbers and prompts are those of this audio")
        silent = summary["silent"]
        if silent:
            print(f"silent   {counted(len(silent), 'item')} left out:")
        for name, why in list(silent.items())[:_MOST_LINES]:
            print(f"         {printable(name)}: {why}")
        if len(silent) > _MOST_LINES:
            print(f"         and {len(silent) - _MOST_LINES} more; {SUMMARY} lists all")
    for name, why in summary["dropped"].items():
        print(f"dropped  {name}: {why}")
    for name, why in summary["excluded"].items():
        print(f"excluded {name}: {why}")


def _size(count: int) -> str:
    if count < 10**6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e9:.1f} GB" if count >= 10**10 else f"{count / 1e6:.0f} MB"


def _length(hours: float) -> str:
    """Format a total length in the unit in which it is easy to read."""
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.1f} s"


def _numbers(numbers: dict[str, Any]) -> None:
    print(f"numbers  {counted(len(numbers['conditioners']) + len(numbers.get('options', {})), 'conditioner')}")
    unknown = numbers["unknown"]
    if unknown["samples"]:
        most = sorted(unknown["samples"].items(), key=lambda item: -item[1])
        listed = ", ".join(f"{key} in {count}" for key, count in most[:4])
        more = f" and {len(most) - 4} more" if len(most) > 4 else ""
        print(f"unknown  of {counted(unknown['of'], 'sample')}: {listed}{more}")
        print(f"         --unknown {unknown['policy']}")
    reasons: dict[str, list[str]] = {}
    for key, why in numbers["left out"].items():
        reasons.setdefault(why, []).append(key)
    for why, keys in reasons.items():
        print(f"left out {', '.join(keys)}: {why}")


def _checked(checked: "CheckResult", *, quiet: bool) -> None:
    for line in checked.faults:
        failure(line)
    if quiet:
        return
    for line in checked.notes:
        note(f"note   {line}")
    if checked.trainer:
        print(f"trainer  {checked.trainer}")
    print(
        f"checked  {counted(checked.files, 'file')}: "
        f"{counted(len(checked.faults), 'fault') if checked.faults else 'no faults'}"
    )
