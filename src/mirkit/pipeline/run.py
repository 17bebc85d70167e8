"""A plan carried out: every track through an engine, outcomes as they come."""

import os
from collections.abc import Callable, Iterator

from mirkit import engines
from mirkit.pipeline.outcome import Outcome
from mirkit.pipeline.plan import Plan, Request


def run(plan: Plan, request: Request, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Yield the outcome of each track of the plan that has something to do, in the order in which they finish.

    ``say`` is told what takes long before the first track.
    """
    if not (plan.todo or plan.unreadable):
        return
    # All of the analysis: not for a run that has nothing to do.
    from mirkit.pipeline.kernels import compile_kernels
    from mirkit.pipeline.process import Job, process

    tracks = [track for track in plan.tracks if str(track.path) in plan.todo or str(track.path) in plan.unreadable]
    jobs = [
        Job(track.path, request.stages, plan.backends, plan.settings, request.overwrite, request.debug, track.name)
        for track in tracks
    ]
    count = workers(plan, request)
    if count > 1:
        compile_kernels(say)
    for done in engines.run(process, jobs, jobs=count, time_limit=request.time_limit):
        yield done.result or Outcome(done.item.name, failures={"track": done.error})


def workers(plan: Plan, request: Request) -> int:
    """Number of worker processes: what was asked for, at most one a core by default, never more than tracks."""
    asked = request.jobs or plan.settings.run.jobs or os.cpu_count() or 1
    return max(1, min(asked, len(plan.todo) + len(plan.unreadable)))
