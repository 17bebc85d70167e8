"""Which stages a track still wants, in which order; one track through them; many tracks through an engine."""

from mirkit.pipeline.outcome import Outcome
from mirkit.pipeline.plan import Plan, Request, make_plan
from mirkit.pipeline.prepare import check, prepare
from mirkit.pipeline.run import run, workers

__all__ = ["Outcome", "Plan", "Request", "check", "make_plan", "prepare", "run", "workers"]
