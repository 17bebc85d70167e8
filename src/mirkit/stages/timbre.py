"""Timbre of the mix by the Audio Commons models."""

from mirkit.catalog import stage
from mirkit.features.types import Unknown
from mirkit.opentrack import OpenTrack
from mirkit.stages import Result
from mirkit.store import Settings


def timbral(track: OpenTrack, settings: Settings) -> Result:
    """Eight timbre keys."""
    return Result({key: Unknown("not measured") for key in stage("timbral").keys})
