"""The stages: each is a function that takes the analysis of one track and returns features, metadata and files.

Stages connect audio, features, models and files. The function of a stage is registered under the stage's name in
``catalog.STAGES``::

    @register("beats")
    def beats(track: TrackAnalysis, settings: Settings) -> Result: ...

It writes no files. Two stages have other arguments and are called directly: ``separation.separate``, which writes the
stems, and the cutting of clips.
"""

from collections.abc import Callable, Container
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit import models
from mirkit.catalog import TASKS, Stage
from mirkit.features.types import InfoValue, Unknown
from mirkit.store import Settings, round6
from mirkit.track import Track
from mirkit.track.names import ADTOF_MIDI, DRUMS_MIDI

if TYPE_CHECKING:  # imports all extractors; a run that only checks what is stale does not need them
    from mirkit.analysis import TrackAnalysis
    from mirkit.features.extraction import ExtractorFactories


@dataclass(frozen=True)
class Result:
    """The result of a stage.

    Attributes
    ----------
    values : dict
        Key of ``.INFO`` -> number, category, text or :class:`~mirkit.features.types.Unknown`.
    facts : dict
        Name -> ``{"value": ..., "confidence": ...}``, kept in the provenance.
    files : dict
        Suffix, such as ``BEATS_GRID`` -> content of the file.
    method : dict
        Method and parameters for the provenance.
    notes : tuple of str
        What a user should know although nothing failed.
    model, weights_sha256 : str or None
        The neural model that was used, and the checksum of its weights.
    """

    values: dict[str, InfoValue] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    method: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    model: str | None = None
    weights_sha256: str | None = None


StageFunction = Callable[["TrackAnalysis", Settings], Result]
#: Name of a stage -> its function, for stages whose module is loaded.
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
    """Return the function of a stage; the first call imports all modules that register stages."""
    if stage.name not in FUNCTIONS:
        # Importing a module registers its stages; a run that only checks what is stale imports none.
        from mirkit.stages import (  # noqa: F401
            audit,
            classification,
            description,
            harmony,
            pitch,
            rhythm,
            signal,
            structure,
            tags,
            transcription,
        )
    return FUNCTIONS[stage.name]


def network_streams(settings: Settings) -> "ExtractorFactories":
    """Return kind of series -> function that creates the extractor of a backend; that call loads the model."""
    rows = [row for task in TASKS if (row := models.chosen(task, settings)) and row.feature_kind]
    return {row.feature_kind: partial(models.open_stream, row.task, settings) for row in rows}


def used_weights(task: str, settings: Settings) -> dict[str, Any]:
    """Return ``model`` and ``weights_sha256`` of a result that a network has computed; nothing for other backends."""
    backend = models.chosen(task, settings)
    if not backend or not backend.is_network:
        return {}
    weights = models.load(task, settings).weights
    return {"model": weights.model, "weights_sha256": weights.sha256 or None}


def values_of(measured: Any, suffix: str = "") -> dict[str, InfoValue]:
    """Return the fields of a dataclass by name, with a suffix added, e.g. ``lufs`` -> ``lufs_drums``."""
    return {f.name + suffix: getattr(measured, f.name) for f in fields(measured)}


def fact(value: Any, confidence: float | None = None) -> dict[str, Any]:
    """Return metadata as the provenance stores it: a value, or null with a reason, and the confidence (0-1)."""
    entry: dict[str, Any] = {"value": value}
    if isinstance(value, Unknown):
        entry = {"value": None, "reason": value.reason}
    elif isinstance(value, float):
        entry["value"] = round6(value)
    if confidence is not None:
        entry["confidence"] = round(confidence, 3)
    return entry


def entry_name(stage: Stage, settings: Settings) -> str:
    """Name of a stage's record in the provenance; named sets of clips and ADTOF's MIDI have separate records."""
    backend = models.chosen(stage.task, settings)
    named = settings.crop.name if stage.name == "crop" else backend.result_name if backend else ""
    return f"{stage.name}/{named}" if named else stage.name


def parameters(stage: Stage, settings: Settings) -> dict[str, Any]:
    """Return the settings that the result of a stage depends on."""
    if stage.name == "crop":
        return asdict(settings.crop)
    section = {"beats": settings.rhythm, "separate": settings.separation, "drums": settings.drums}.get(stage.name)
    backend = models.chosen(stage.task, settings)
    found = backend.parameters(section) if section is not None and backend else {}
    if stage.name == "separate":  # recorded only if they are set, so that results of before stay valid
        chosen = {name: getattr(settings.separation, name) for name in ("two_stems", "bits")}
        found = {key: value for key, value in found.items() if key not in chosen}
        found |= {name: value for name, value in chosen.items() if value}
    return found


def drum_source(sources: Container[str], settings: Settings) -> str:
    """Choose the source that drums are transcribed from, of those that exist."""
    return "drums" if "drums" in sources and settings.drums.source == "stem" else "full_mix"


def midi_name(settings: Settings) -> str:
    """Name of the drums' MIDI file in a track folder; ADTOF's has another name, as in the user manual."""
    backend = models.chosen("drums", settings)
    return ADTOF_MIDI if backend and backend.result_name == "adtof" else DRUMS_MIDI


def midi_path(track: Track, settings: Settings) -> Path:
    """The drums' MIDI file of a track."""
    return track.adtof_midi if midi_name(settings) == ADTOF_MIDI else track.drums_midi
