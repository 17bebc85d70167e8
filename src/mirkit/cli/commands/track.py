"""The commands that run stages on tracks, ``mirkit status`` and ``mirkit demo``."""

import argparse
import json
import os
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli.command_table import CAPTION_STAGES, Command
from mirkit.cli.commands import models
from mirkit.cli.commands.organize import organize_first
from mirkit.cli.location import is_url, resolve_location
from mirkit.cli.options import BackendNames, backend_choices, overrides
from mirkit.cli.output import failure, next_step, note, quoted
from mirkit.cli.output import run as output
from mirkit.cli.parser import parse
from mirkit.cli.progress import downloading, progress
from mirkit.errors import MirkitError, SettingsError, printable

if TYPE_CHECKING:
    from mirkit.pipeline import RunPlan, RunRequest
    from mirkit.store.output import Output


#: Number of data sets that a message names.
_NAMED = 3
#: Commands whose summary ends with the next command.
NEXT_AFTER = ("run", "separate", "extract", "crop")


def run_stages(command: Command, arguments: argparse.Namespace) -> int:
    """Run stages on one track or on all tracks of a folder."""
    if arguments.path is None:
        arguments.path = _this_data_set(command)
    if command.name == "run" and is_url(arguments.path) and arguments.organize in ("move", "copy"):
        raise SettingsError(f"--organize {arguments.organize}: files on object storage stay where they are")
    if getattr(arguments, "jams", None) and is_url(arguments.path):
        raise SettingsError(
            "--jams: JAMS files are written from tracks on this machine; copy the data set, and run it there"
        )
    if getattr(arguments, "output", None) and is_url(arguments.path):
        raise SettingsError("-o: files are copied from tracks on this machine; copy the data set, and run it there")
    with resolve_location(arguments.path, to="work") as location:
        path, failed = location.path, False
        if command.name == "run" and not location.url:
            path, failed = organize_first(path, arguments)
        request = build_request(command, arguments, path, location.url)
        copy = midi_copy(arguments) if "separate" not in command.stages else None
        if copy:
            copy.check()
        elif getattr(arguments, "output", None):
            from mirkit.cli.commands.stem_copies import check_folder

            check_folder(Path(arguments.output))
        status, done = _execute(request, arguments, copy)
        if not (arguments.dry_run or arguments.quiet or arguments.json or location.url):
            if command.name != "run" and (request.batch or not status):
                _print_values(request)
            if command.name in NEXT_AFTER and getattr(arguments, "hint", True):
                output.next_after(command.name, Path(arguments.path), done=done)
        return status or int(failed)


def _print_values(request: "RunRequest") -> None:
    """Print what the stages of a request have measured."""
    from mirkit.cli.output import measured
    from mirkit.track import Track

    if measured.has_values(request.stages):
        if request.batch:
            measured.print_folder(request.path, request.stages, request.where)
        else:
            measured.print_track(Track.at(request.path), request.stages)


def _this_data_set(command: Command) -> str:
    """Return this folder, if it is or belongs to a data set, so that no other folder is filled by mistake.

    Raises
    ------
    SettingsError
        It does not, or it holds data sets, for which it would become the root.
    """
    from mirkit.store import LIBRARY_FOLDER, SETTINGS_NAME, data_sets_below, find_root

    root = find_root(Path(), batch=True)
    if (root / SETTINGS_NAME).exists():
        return "."
    if below := data_sets_below(root):
        named = ", ".join(printable(os.path.relpath(each)) for each in below[:_NAMED])
        more = f" and {len(below) - _NAMED} more" if len(below) > _NAMED else ""
        which = f"{'is a data set' if len(below) == 1 else 'are data sets'}: mirkit {command.title}"
        raise SettingsError(
            f"this folder is no data set, but {named}{more} in it {which} {quoted(os.path.relpath(below[0]))}"
        )
    if not (root / LIBRARY_FOLDER).exists():
        raise SettingsError(
            f"name a track or a folder: mirkit {command.title} PATH, or mirkit {command.title} . for this folder, "
            "which has no results of mirkit yet"
        )
    return "."


def _execute(request: "RunRequest", arguments: argparse.Namespace, copy: "Output | None") -> tuple[int, int]:
    """Carry out a request; return the exit status and the number of tracks that are done or up to date."""
    from mirkit.models import use_device
    from mirkit.pipeline import check, expected_seconds, make_plan, outcomes, prepare, run, workers

    quiet = arguments.quiet or arguments.json
    may_ask = models.on_a_terminal() and not (quiet or arguments.dry_run)
    plan = make_plan(request, models.ask_to_fetch if may_ask else None)
    device = request.overrides.get("run.device", "auto")
    if request.track_stages and device not in ("auto", "cpu") and not use_device(plan.backends):
        note(f"--device {device}: this run uses embedded methods only, which run on the CPU")
    if not quiet:
        output.plan(plan, workers(plan, request), request.url, verbose=arguments.verbose)
    if arguments.dry_run:
        check(plan)
        if arguments.json:
            print(json.dumps(output.plan_json(plan, workers(plan, request)), indent=2))
        return 0, 0
    if arguments.json and not arguments.quiet:  # otherwise the printed plan includes the license
        for model in plan.downloads if plan.todo else ():
            models.print_license(model)
    with downloading(shown=not quiet) as fetched:
        prepare(plan, fetched)
    for line in plan.unread:
        failure(line)
    summary = output.RunSummary(idle=plan.idle, keep_all=arguments.json)
    started = time.perf_counter()
    notify = (lambda _: None) if arguments.quiet and plan.captions else note
    try:
        count = workers(plan, request)
        expected, compiling = expected_seconds(plan, count), plan.estimate.compiling
        with (
            progress(outcomes(plan), expected, shown=not quiet, workers=count, compiling=compiling) as advance,
            closing(run(plan, request, notify, advance.watch)) as results,
        ):
            for outcome in results:
                summary.add(outcome)
                output.outcome(outcome, summary, verbose=arguments.verbose, quiet=quiet)
                advance(outcome.track)
    finally:  # also after an interruption
        seconds = time.perf_counter() - started
        if arguments.json:
            print(json.dumps(_summary_json(plan, request, summary, seconds), indent=2))
        else:
            logged = arguments.path if request.batch else ""
            output.summary(summary, seconds, quiet=arguments.quiet, verbose=arguments.verbose, logged_in=logged)
    done, status = summary.done + summary.idle, int(bool(summary.failed or plan.unread))
    if copy and not summary.failed:
        write_midi_copy(plan, copy)
    if "separate" in request.stages and getattr(arguments, "output", None):
        from mirkit.cli.commands.stem_copies import copy_stems

        return copy_stems(plan, request, Path(arguments.output), summary.failed) or status, done
    if getattr(arguments, "jams", None):
        return write_jams(plan, request.path, Path(arguments.jams)) or status, done
    return status, done


def _summary_json(plan: "RunPlan", request: "RunRequest", summary: output.RunSummary, seconds: float) -> dict[str, Any]:
    """Return the outcome of a run, and what its stages have measured for each track."""
    from mirkit.cli.output import measured

    result = output.summary_json(summary, seconds)
    if not request.url and measured.has_values(request.stages):
        result["tracks"] = measured.as_json(plan, request.stages, result["tracks"])
    return result


def status(arguments: argparse.Namespace) -> int:
    """Print the state of the runs of a data set."""
    from mirkit.dataset.status import status

    with resolve_location(arguments.path, to="logs") as location:
        state = status(location.path)
        state.root = location.with_url(state.root)
        for run in state.runs:
            run.log = location.with_url(run.log)
    if arguments.json:
        print(json.dumps(asdict(state), indent=2))
    else:
        output.status(state, verbose=arguments.verbose)
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """Write the demo set, run all stages on it, verify it, and compare the results with the truth."""
    from mirkit.cli.commands import execute
    from mirkit.demo_dataset import compare, write_demo

    folder = Path(arguments.path)
    note(f"demo: four synthesized pieces of 30 s in {folder}")
    write_demo(folder)
    debug = ["--debug"] if arguments.debug else []
    run, check = parse(["run", str(folder), "--organize", "move", *debug]), parse(["verify", str(folder), *debug])
    run.hint = check.hint = False  # the table comes last, and then what to do next
    status = execute(run)
    status = status or execute(check)
    rows = compare(folder)
    if rows:
        output.comparison(rows)
    if different := sum(row.agrees is False for row in rows):
        note(f"demo: {different} of {len(rows)} measurements differ from the true values")
        status = 1
    if rows:
        next_step("report", path=folder)
    return status


def write_jams(plan: "RunPlan", path: Path, out: Path) -> int:
    """Write the annotations of every track that has chords as JAMS; return the exit status."""
    from mirkit.export.jams import SUFFIX, format_jams, is_our_jams
    from mirkit.store.output import Output

    is_file = out.suffix.lower() == SUFFIX
    if is_file and len(plan.tracks) != 1:
        raise SettingsError(f"--jams {printable(out)}: name a folder, because there are {len(plan.tracks)} tracks")
    status = 0
    for track in plan.tracks:
        inside = track.path.relative_to(path) if track.path != path and track.path.is_relative_to(path) else None
        file = out if is_file else out / (inside.parent if inside else "") / f"{track.name}{SUFFIX}"
        try:
            Output(file, is_our_jams).write(format_jams(track))
        except MirkitError as error:
            note(str(error))
            status = 1
    return status


def build_request(command: Command, arguments: argparse.Namespace, path: Path, url: str = "") -> "RunRequest":
    """Build the request of a command. ``path`` is local; for a remote data set, ``url`` is its address.

    Raises
    ------
    SettingsError
        An option is wrong.
    """
    from mirkit.pipeline import RunRequest
    from mirkit.track import is_track

    several = bool(url) or (path.is_dir() and not is_track(path))
    if several and "drums" in command.stages and getattr(arguments, "output", None):
        raise SettingsError("--output is for the MIDI file of one track, and PATH is a folder of tracks")

    values = setting_overrides(arguments)
    fixed = dict(command.fixed) | backend_choices(getattr(arguments, "backend", []))
    for setting, task in (("rhythm.model", "beats"), ("drums.model", "drums")):
        if setting in values:  # an option that names a model also selects its backend
            fixed.setdefault(task, _owner(task, values[setting]))
    if "separate" in command.stages:
        fixed |= _separator(arguments, values)
    stages = command.stages
    if getattr(arguments, "notes", False):
        stages = (*stages, "notes")
    if getattr(arguments, "tags", False):
        stages = (*stages, "tags")
    if command.stages == CAPTION_STAGES:
        if backend := getattr(arguments, "method", None):
            fixed["texts"] = str(backend)
        elif "texts.url" in values:
            fixed["texts"] = "http"
    elif getattr(arguments, "captions", False):
        stages = (*stages, *CAPTION_STAGES)
    return RunRequest(
        path=path,
        stages=stages,
        batch=several,
        fixed=fixed,
        overrides=values,
        where=arguments.where or "",
        overwrite=arguments.overwrite,
        replaces=_replaces(arguments),
        time_limit=getattr(arguments, "time_limit", None),
        memory=getattr(arguments, "memory", None),
        debug=arguments.debug,
        address=_address(arguments),
        url=url,
        samples=command.name != "run" or arguments.samples,
        captions=tuple(filter(None, (getattr(arguments, "only", None) or "").split(","))),
    )


def _address(arguments: argparse.Namespace) -> str | None:
    """Address of the Ray cluster; None for this machine."""
    if getattr(arguments, "engine", "local") != "ray" and not getattr(arguments, "address", None):
        return None
    return str(arguments.address or "auto")


def _replaces(arguments: argparse.Namespace) -> frozenset[str]:
    """Stages that may replace the user's own files."""
    options = {"separate": "replace_stems", "drums": "replace_midi"}
    return frozenset(stage for stage, option in options.items() if getattr(arguments, option, False))


def _separator(arguments: argparse.Namespace, values: dict[str, Any]) -> dict[str, str]:
    """Backend of the stems that an option names, or to which a model belongs.

    The options are ``--model``, ``--separation`` and ``--backend stems=``. The name of a backend is removed from the
    settings in ``values``, because it is not a model.
    """
    method = getattr(arguments, "separation", None)
    named = {f"--separation {method}": method} if method else {}
    if method := backend_choices(arguments.backend).get("stems"):
        named[f"--backend stems={method}"] = method
    model = values.get("separation.model")
    if model in BackendNames("stems", "auto"):
        named[f"--model {model}"] = values.pop("separation.model")
    if len(set(named.values())) > 1:
        raise SettingsError(f"{' and '.join(named)} exclude each other; use one of them")
    if named:
        return {"stems": next(iter(named.values()))}
    return {"stems": _owner("stems", model)} if model else {}


def _owner(task: str, model: str) -> str:
    """Name of the backend that a model, or a file of the user's, belongs to."""
    from mirkit.models import registry

    return registry.owner_of(task, model).name


def setting_overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings that options have given; ``--device amd`` means ``cuda``, and a note says so."""
    values = overrides(arguments)
    if values.get("run.device") == "amd":
        note("--device amd: PyTorch calls ROCm GPUs cuda, so this run uses --device cuda")
        values["run.device"] = "cuda"
    return values


def midi_copy(arguments: argparse.Namespace) -> "Output | None":
    """Return the file for the copy of the MIDI file; an error if it may not be written, before any work is done."""
    from mirkit.store.midi import is_our_midi
    from mirkit.store.output import Output

    if not getattr(arguments, "output", None):
        return None
    return Output(Path(arguments.output), is_our_midi, arguments.overwrite)


def write_midi_copy(plan: "RunPlan", output: "Output") -> None:
    """Copy the MIDI file of the only track of a plan to the path that the user chose."""
    from mirkit.stages import midi_path

    for track in plan.tracks:
        output.write(midi_path(track, plan.settings).read_bytes())
