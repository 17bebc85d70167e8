"""Captions for many tracks: one model, loaded once and used by threads; each caption is stored immediately."""

from mirkit.pipeline.captioning.plan import CaptionPlan, plan_again, plan_captions
from mirkit.pipeline.captioning.run import run_captions

__all__ = ["CaptionPlan", "plan_again", "plan_captions", "run_captions"]
