"""Texts for many tracks: one model, loaded once, and every text stored as soon as it is there."""

from mirkit.pipeline.captioning.plan import CaptionPlan, make_plan
from mirkit.pipeline.captioning.run import run

__all__ = ["CaptionPlan", "make_plan", "run"]
