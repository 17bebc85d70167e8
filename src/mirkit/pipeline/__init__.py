"""Which stages a track still wants, in which order; one track through them; many tracks through an engine."""

from mirkit.pipeline.plan import RunPlan, RunRequest, make_plan
from mirkit.pipeline.preflight import check, prepare
from mirkit.pipeline.run import run, workers
from mirkit.pipeline.task import TrackOutcome

__all__ = ["RunPlan", "RunRequest", "TrackOutcome", "check", "make_plan", "prepare", "run", "workers"]
