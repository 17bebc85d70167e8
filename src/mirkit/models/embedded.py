"""The backends that are part of mirkit: signal processing and small fitted tables, no download."""

from typing import Any

from mirkit.models.backend import EMBEDDED, Backend
from mirkit.settings import DrumSettings, SeparationSettings


def _stem_parameters(section: SeparationSettings) -> dict[str, Any]:
    """Return the parameters of ``[separation]``, without shifts, overlap and segment, which only networks use."""
    return {"format": section.format} | ({"bitrate": section.bitrate} if section.format == "mp3" else {})


def _drum_parameters(section: DrumSettings) -> dict[str, Any]:
    """Return the parameters of ``[drums]``, without the model, because there is only one."""
    return {"source": section.source, "quantize": section.quantize}


STEMS = Backend(
    "stems",
    EMBEDDED,
    "DSP separation, no weights",
    EMBEDDED,
    seconds_per_minute=4.0,
    parameters=_stem_parameters,
)
BEATS = Backend("beats", EMBEDDED, "multi-band onsets, tempogram, decoder", EMBEDDED)
DRUMS = Backend(
    "drums",
    EMBEDDED,
    "spectral templates and a small network, fitted on rendered drums",
    EMBEDDED,
    loader="mirkit.drums.embedded:DrumExtractor",
    source="drums",
    feature_kind="strokes",
    parameters=_drum_parameters,
)
CLASSIFICATION = Backend("classification", EMBEDDED, "detrended fluctuation, key clarity", EMBEDDED)
