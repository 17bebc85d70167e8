"""Planning and running: the stages that a track needs, running them on one track, and many tracks in an engine."""

from mirkit.pipeline.plan import RunPlan, RunRequest, make_plan
from mirkit.pipeline.run import check, expected_seconds, outcomes, prepare, run, stage_seconds, workers
from mirkit.pipeline.task import TrackOutcome

__all__ = [
    "RunPlan",
    "RunRequest",
    "TrackOutcome",
    "check",
    "expected_seconds",
    "make_plan",
    "outcomes",
    "prepare",
    "run",
    "stage_seconds",
    "workers",
]
