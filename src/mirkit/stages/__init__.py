"""The stages: each takes the analysis of one track and gives features, facts and files.

The function of a stage registers itself under the name of its row in ``catalog.STAGES``::

    @register("tempo")
    def tempo(track: TrackAnalysis, settings: Settings) -> Result: ...

It stores nothing itself. ``separation.separate``, which writes the stems, and the cutting of clips take other arguments
and are called by name.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mirkit import models
from mirkit.catalog import Stage
from mirkit.features.types import Unknown, Value
from mirkit.store import Settings, round6

if TYPE_CHECKING:  # all of the analysis: not for a run that only looks what is done
    from mirkit.analysis import TrackAnalysis
    from mirkit.features.extraction import AudioExtractor, Makers


@dataclass(frozen=True)
class Result:
    """What a stage found.

    Attributes
    ----------
    values : dict
        Key of ``.INFO`` -> number or :class:`~mirkit.features.types.Unknown`.
    facts : dict
        Name -> ``{"value": ..., "confidence": ...}``, kept in the provenance.
    files : dict
        Suffix such as ``BEATS_GRID`` -> whole content.
    method : dict
        What the provenance should say of how it was done.
    notes : tuple of str
        What a user should know though nothing failed.
    model, weights_sha256 : str or None
        The neural model that did it, and its weights.
    """

    values: dict[str, Value] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    method: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    model: str | None = None
    weights_sha256: str | None = None


StageFunction = Callable[["TrackAnalysis", Settings], Result]
#: Name of a stage -> its function, as far as the module that holds it is loaded.
FUNCTIONS: dict[str, StageFunction] = {}


def register(name: str) -> Callable[[StageFunction], StageFunction]:
    """Decorate the function of a stage.

    Parameters
    ----------
    name : str
        Name of the stage in ``catalog.STAGES``.

    Raises
    ------
    ValueError
        Another function has been registered for the stage.
    """

    def add(function: StageFunction) -> StageFunction:
        if name in FUNCTIONS:
            raise ValueError(f"two functions are registered for stage {name}")
        FUNCTIONS[name] = function
        return function

    return add


def stage_function(stage: Stage) -> StageFunction:
    """Give the function of a stage; the modules that register them are loaded with the first one."""
    if stage.name not in FUNCTIONS:
        # Each of them registers its stages; a run that only looks what is done loads none.
        from mirkit.stages import (  # noqa: F401
            classification,
            harmony,
            loudness,
            rhythm,
            source,
            spectral,
            timbre,
            transcription,
        )
    return FUNCTIONS[stage.name]


def listeners(settings: Settings) -> "Makers":
    """Family that a method of choice hears in the sound -> how to get what listens; a model is loaded then."""

    def strokes() -> "AudioExtractor":
        if settings.backends.drums != "embedded":
            return models.open_stream("drums", settings)
        from mirkit.drums.embedded import DrumExtractor

        return DrumExtractor()

    return {
        "activations": lambda: models.open_stream("beats", settings),
        "aesthetics": lambda: models.open_stream("aesthetics", settings),
        "classes": lambda: models.open_stream("classification", settings),
        "strokes": strokes,
    }


def values_of(measured: Any, suffix: str = "") -> dict[str, Value]:
    """Fields of a feature's dataclass as keys, e.g. ``lufs`` and the suffix ``_drums`` -> ``lufs_drums``."""
    return {f.name + suffix: getattr(measured, f.name) for f in fields(measured)}


def fact(value: Any, confidence: float | None = None) -> dict[str, Any]:
    """A fact as the provenance keeps it: its value (null when unknown, with the reason) and how sure it is (0-1)."""
    told: dict[str, Any] = {"value": value}
    if isinstance(value, Unknown):
        told = {"value": None, "reason": value.reason}
    elif isinstance(value, float):
        told["value"] = round6(value)
    if confidence is not None:
        told["confidence"] = round(confidence, 3)
    return told


def entry_name(stage: Stage, settings: Settings) -> str:
    """Name under which the provenance keeps a stage: its own, one for each named set of clips, one for ADTOF's MIDI."""
    named = settings.crop.name if stage.name == "crop" else ""
    if stage.name == "drums" and settings.backends.drums == "adtof":
        named = "adtof"
    return f"{stage.name}/{named}" if named else stage.name


def parameters(stage: Stage, settings: Settings) -> dict[str, Any]:
    """Settings that the result of a stage depends on."""
    if stage.name == "beats":
        return asdict(settings.rhythm)
    if stage.name == "separate":
        chosen = settings.separation
        if settings.backends.stems != "embedded":
            return asdict(chosen)
        # What is Demucs's alone changes nothing here.
        return {"format": chosen.format} | ({"bitrate": chosen.bitrate} if chosen.format == "mp3" else {})
    if stage.name == "crop":
        return asdict(settings.crop)
    if stage.name == "drums":
        given = asdict(settings.drums)
        return (
            given
            if settings.backends.drums != "embedded"
            else {"source": given["source"], "quantize": given["quantize"]}
        )
    return {}
