"""Texts for many tracks: one model, loaded once, and every text stored as soon as it is there."""

from mirkit.pipeline.texts.plan import TextPlan, make_plan
from mirkit.pipeline.texts.run import run

__all__ = ["TextPlan", "make_plan", "run"]
