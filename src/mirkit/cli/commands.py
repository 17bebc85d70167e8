"""What each command does once its arguments are parsed. Returns exit statuses; errors travel up as MirkitError."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli import consent, dataset, export, models, organizing
from mirkit.cli.location import READ_AWAY, is_url, place_of, refuse_urls
from mirkit.cli.options import backend_choices
from mirkit.cli.output import plan_text, run_summary
from mirkit.cli.parser import COMMANDS, TEXT_STAGES, Command, build
from mirkit.cli.progress import downloading, progress
from mirkit.cli.request import midi_copy, request_of, write_midi_copy

if TYPE_CHECKING:
    from mirkit.pipeline import RunRequest
    from mirkit.store.output import Output


def execute(arguments: argparse.Namespace) -> int:
    """Run the parsed command."""
    if arguments.command != "doctor":  # which works where NumPy is missing
        from mirkit.store.compiled import use_compiled

        use_compiled()
    command = COMMANDS.get(arguments.command)
    describes = command is not None and (command.stages == TEXT_STAGES or getattr(arguments, "captions", False))
    refuse_urls(arguments, path_too=describes or not (command or arguments.command in READ_AWAY))
    if command:
        return track_command(command, arguments)
    tools: dict[str, Callable[[argparse.Namespace], int]] = {
        **dataset.TOOLS,
        "organize": organizing.organize,
        "status": status,
        "export": export.export,
        "init": init,
        "doctor": doctor,
        "models": models.models,
        "features": features,
        "demo": demo,
    }
    return tools[arguments.command](arguments)


def track_command(command: Command, arguments: argparse.Namespace) -> int:
    """Run stages on a track or on many."""
    from mirkit.errors import SettingsError

    if command.name == "run" and is_url(arguments.path) and arguments.organize in ("move", "copy"):
        raise SettingsError(f"--organize {arguments.organize}: files on object storage stay where they are")
    with place_of(arguments.path, to="work") as place:
        path, failed = place.path, False
        if command.name == "run" and not place.url:
            path, failed = organizing.organize_first(path, arguments)
        request = request_of(command, arguments, path, place.url)
        copy = midi_copy(arguments)
        if copy:
            copy.check()
        status = _carry_out(request, arguments, copy) or int(failed)
        if command.name == "run" and not (place.url or arguments.dry_run or arguments.quiet or arguments.json):
            run_summary.next_steps(path)
        return status


def _carry_out(request: "RunRequest", arguments: argparse.Namespace, copy: "Output | None") -> int:
    from mirkit.pipeline import check, expected_seconds, make_plan, outcomes, prepare, run, workers

    quiet = arguments.quiet or arguments.json
    may_ask = consent.on_a_terminal() and not (quiet or arguments.dry_run)
    plan = make_plan(request, consent.ask if may_ask else None)
    if request.track_stages:
        _device_notice(request.overrides, plan.backends)
    if not quiet:
        plan_text.plan(plan, workers(plan, request), request.url)
    if arguments.dry_run:
        check(plan)
        if arguments.json:
            print(json.dumps(plan_text.as_json(plan, workers(plan, request)), indent=2))
        return 0
    if arguments.json and not arguments.quiet:  # else it stands in the plan
        for model in plan.downloads if plan.todo else ():
            consent.say_license(model)
    with downloading(shown=not quiet) as fetched:
        prepare(plan, fetched)
    tally = run_summary.RunSummary(idle=plan.idle, keep_all=arguments.json)
    started = time.perf_counter()
    try:
        expected = expected_seconds(plan, workers(plan, request))
        with (
            progress(outcomes(plan), expected, shown=not quiet) as advance,
            closing(run(plan, request, _silent if arguments.quiet and plan.captions else run_summary.note)) as results,
        ):
            for outcome in results:
                tally.add(outcome)
                run_summary.outcome(outcome, verbose=arguments.verbose, quiet=quiet)
                advance(outcome.track)
    finally:  # also when it is interrupted: what was done is done
        seconds = time.perf_counter() - started
        if arguments.json:
            print(json.dumps(run_summary.as_json(tally, seconds), indent=2))
        else:
            run_summary.summary(tally, seconds, quiet=arguments.quiet)
    if copy and not tally.failed:
        write_midi_copy(plan, copy)
    return 1 if tally.failed else 0


def _silent(_line: str) -> None:
    """Print nothing."""


def _device_notice(overrides: Any, backends: dict[str, str]) -> None:
    """An embedded method runs on the CPU, whatever --device says: worth a line, not a failure."""
    from mirkit import models

    device = overrides.get("run.device", "auto")
    if device not in ("auto", "cpu") and not models.use_device(backends):
        run_summary.note(f"--device {device}: the embedded methods use the CPU")


def status(arguments: argparse.Namespace) -> int:
    """How the runs of a data set stand."""
    from mirkit.cli.status import command

    return command(arguments)


def init(arguments: argparse.Namespace) -> int:
    """Write or change the settings file."""
    from mirkit import models
    from mirkit.catalog import JOBS
    from mirkit.errors import MissingExtra, SettingsError
    from mirkit.models import registry
    from mirkit.store import read_settings, write_backends

    root = Path(arguments.path)
    chosen = backend_choices(arguments.backend)
    settings = read_settings(root)
    models.check_names(settings, chosen)
    written = read_settings(root, own=False).backends
    for job, name in chosen.items():
        fixed = getattr(written, job)
        if fixed not in ("auto", name) and not arguments.force:
            raise SettingsError(f"{job} is {fixed} in mirkit.toml; add --force to change it and have its values redone")
        if name != "auto" and (why := models.unavailable(registry.backend(job, name), settings, named=True)):
            raise MissingExtra(f"{job}={name}: {why}")
    wanted = {job: chosen.get(job, getattr(settings.backends, job)) for job in JOBS}
    resolved = {job: models.resolve(job, name, settings) for job, name in wanted.items()}
    write_backends(root, resolved)
    if not arguments.quiet:
        for row in (row for job in JOBS if wanted[job] == "auto" for row in models.backends_of(job)):
            if models.offer(row, settings):
                then = f'mirkit init "{root}" --backend {row.task}={row.name} --force'
                run_summary.note(f"note   {models.unavailable(row, settings, brief=True)}; then: {then}")
        print(f"{root / 'mirkit.toml'}: " + ", ".join(f"{job} {name}" for job, name in resolved.items() if name))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """What is installed and which methods would be used."""
    from mirkit.cli.doctor import health

    report = health()
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        run_summary.health(report)
    return 0 if report["ok"] else 1


def features(arguments: argparse.Namespace) -> int:
    """Print the features page."""
    from mirkit.cli.output.markdown import features_page

    sys.stdout.write(features_page())
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """Make the demo set, run everything on it, verify, compare with the truth."""
    from mirkit.demo_dataset import compare, write_demo

    folder = Path(arguments.path)
    run_summary.note(f"demo: four synthesized pieces of 30 s in {folder}")
    write_demo(folder)
    debug = ["--debug"] if arguments.debug else []
    parser = build()
    status = execute(parser.parse_args(["run", str(folder), "--organize", "move", *debug]))
    status = status or execute(parser.parse_args(["verify", str(folder), *debug]))
    rows = compare(folder)
    if rows:
        run_summary.comparison(rows)
    if different := sum(not row.agrees for row in rows):
        run_summary.note(f"demo: {different} of {len(rows)} measurements differ from the truth")
        status = 1
    return status
