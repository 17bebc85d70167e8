"""The commands that describe music: ``describe`` and the manual's two scripts."""

import argparse
import json
import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from mirkit.cli.output import run_summary
from mirkit.cli.parser import COMMANDS
from mirkit.cli.progress import progress
from mirkit.cli.request import setting_overrides

if TYPE_CHECKING:
    from mirkit.pipeline.captioning import CaptionPlan


def command(arguments: argparse.Namespace) -> int:
    """Describe a track, or many."""
    from mirkit.pipeline import RunRequest
    from mirkit.pipeline.captioning import make_plan, run

    fixed = dict(COMMANDS[arguments.command].fixed)
    if method := getattr(arguments, "method", None):
        fixed["texts"] = method
    elif vars(arguments).get("texts.url"):
        fixed["texts"] = "http"
    request = RunRequest(
        Path(arguments.path),
        ("describe",),
        batch=arguments.batch,
        fixed=fixed,
        overrides=setting_overrides(arguments),
        overwrite=arguments.overwrite,
        debug=arguments.debug,
    )
    plan = make_plan(request, tuple(filter(None, (arguments.only or "").split(","))))
    quiet = arguments.quiet or arguments.json
    if not quiet:
        _plan(plan)
    if arguments.dry_run:
        return 0
    tally = run_summary.RunSummary(idle=len(plan.tracks) - len(plan.todo), keep_all=arguments.json)
    started = time.perf_counter()

    def say(text: str) -> None:
        if not arguments.quiet:
            run_summary.note(text)

    try:
        expected = plan.seconds or 0.0
        with (
            progress(len(plan.todo), expected, shown=not quiet) as advance,
            closing(run(plan, request, say)) as results,
        ):
            for outcome in results:
                tally.add(outcome)
                run_summary.outcome(outcome, verbose=arguments.verbose, quiet=quiet)
                advance(outcome.track)
    finally:
        seconds = time.perf_counter() - started
        if arguments.json:
            print(json.dumps(run_summary.as_json(tally, seconds), indent=2))
        else:
            run_summary.summary(tally, seconds, quiet=arguments.quiet)
    return 1 if tally.failed else 0


def _plan(plan: "CaptionPlan") -> None:
    """Tracks, model, what is there already, time."""
    captioner = plan.captioner
    print(f"tracks   {len(plan.tracks)} in {plan.root}")
    print(f"model    {captioner.model} by {captioner.backend} (license: {captioner.license})")
    if captioner.address and plan.todo:
        key = ", with the key in MIRKIT_TEXTS_KEY" if os.environ.get("MIRKIT_TEXTS_KEY") else ""
        print(f"server   audio of {len(plan.todo)} tracks is sent to {captioner.address}{key}")
    for notice in plan.notices:
        print(f"         {notice}")
    heard = f", {plan.audio_seconds / 60:.1f} min of sound to hear" if plan.prompts else ""
    print(f"to do    {plan.prompts} texts for {len(plan.todo)} tracks{heard}; {plan.stored} texts are there")
    for why, count in plan.reasons.most_common():
        print(f"         {count} x {why}")
    if plan.prompts:
        tracks = "a track" if captioner.parallel == 1 else f"{captioner.parallel} tracks"
        work = f"{plan.tokens} tokens to read, at most {plan.max_new_tokens} to write, {tracks} at a time"
        about = f"about {run_summary.clock(plan.seconds)}: " if plan.seconds is not None else ""
        print(f"needs    {about}{work}")
