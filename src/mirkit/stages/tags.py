"""The stage of tags: instruments, genre and mood. The user's word comes first, then what is measured, then models."""

import math
from collections.abc import Mapping

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.catalog import VOCALS, stage
from mirkit.features.tags import words
from mirkit.features.tags.instruments import bass_in_stem, drums_in_mix, from_share
from mirkit.features.tags.music_tags import TAGS
from mirkit.features.types import FloatArray, InfoValue, Unknown, Value
from mirkit.stages import Result, fact, register, stage_function, used_weights
from mirkit.store import Settings

NO_MODEL = Unknown("no model was asked; mirkit tags --backend tags=musicnn asks one")
NOT_TAGGED = Unknown("the file has no tag for it, and no model was asked")
NO_INSTRUMENT = Unknown("no instrument is probable enough")
#: Where a value comes from, for the provenance.
_FILE, _MODEL = "tags of the file", "musicnn"


@register("tags")
def tags(track: TrackAnalysis, settings: Settings) -> Result:
    """Find instruments, genre and mood."""
    values, origin, mean = _tagged(track, settings)
    facts = {"music_tags": fact(_rounded(mean))} if mean is not None else {}
    return Result(values, facts, method={"from": origin}, **used_weights("tags", settings))


def tag_values(track: TrackAnalysis, settings: Settings) -> Result:
    """Return the values of the stage in the window of an analysis; no model is loaded."""
    values, origin, mean = _tagged(track, settings)
    facts = {"music_tags": fact(_rounded(mean))} if mean is not None else {}
    return Result(values, facts, method={"from": origin})


def _tagged(track: TrackAnalysis, settings: Settings) -> tuple[dict[str, InfoValue], dict[str, str], FloatArray | None]:
    """Return the values, where they come from, and the probabilities that the model gives."""
    mean, no_model = _mean(track, settings)
    values: dict[str, InfoValue] = dict.fromkeys(stage("tags").keys, no_model)
    origin = {}
    for name, (chance, source) in _instruments(track, mean, no_model, settings).items():
        values[f"instrument_{name}"] = chance
        if not isinstance(chance, Unknown):
            origin[name] = source
    values["instruments"] = _named(values, origin)
    genre = track.once(("genre",), lambda: track.tags.genre)
    if genre:
        values |= {"genre": genre, "genre_confidence": 1.0}
        origin["genre"] = _FILE
    elif mean is not None:
        values |= _word("genre", words.best(mean, words.GENRES, words.GENRE_FROM))
        origin["genre"] = _MODEL
    else:
        values |= dict.fromkeys(("genre", "genre_confidence"), NOT_TAGGED if no_model is NO_MODEL else no_model)
    if mean is not None:
        values |= _word("mood", words.best(mean, words.MOODS, words.MOOD_FROM))
        values["music_tags"] = words.listed(mean)
        origin["mood"] = _MODEL
    return values, origin, mean


def _mean(track: TrackAnalysis, settings: Settings) -> tuple[FloatArray | None, Unknown]:
    """Return the mean probabilities of the model's tags, or why there are none."""
    backend = models.chosen("tags", settings)
    if not backend or not backend.is_network:
        return None, NO_MODEL
    mean = track.series(backend.source, backend.feature_kind).mean(track.window)
    return (None, mean) if isinstance(mean, Unknown) else (mean, NO_MODEL)


def _instruments(
    track: TrackAnalysis, mean: FloatArray | None, no_model: Unknown, settings: Settings
) -> dict[str, tuple[Value, str]]:
    """Return the probability of each instrument, and where it comes from: a measurement, else the model."""
    shares = stage_function(stage("loudness"))(track, settings).values
    found: dict[str, tuple[Value, str]] = {}
    for name in ("drums", "bass"):
        share = shares[f"{name}_presence"]
        found[name] = from_share(share if not isinstance(share, str) else no_model), "stem"
    found["vocals"] = _vocals(track, settings)
    embedded, mix = track.has_embedded_stems, track.series("full_mix", "loudness")
    if embedded or not track.has("drums"):
        found["drums"] = drums_in_mix(track.series("full_mix", "stem_onsets"), mix, track.window), "onsets of the mix"
    if embedded and track.has("bass"):
        chance = bass_in_stem(track.series("bass", "loudness"), track.series("bass", "f0"), mix, track.window)
        found["bass"] = chance, "embedded stem"
    if isinstance(found["vocals"][0], Unknown) and mean is not None:
        found["vocals"] = words.voice(mean), _MODEL
    for name, tag in words.MODEL_INSTRUMENTS.items():
        found[name] = no_model if mean is None else words.probability(mean, (tag,)), _MODEL
    return found


def _vocals(track: TrackAnalysis, settings: Settings) -> tuple[Value, str]:
    """Return the probability of a voice as the stage ``voice`` decides it, and what it is measured on."""
    result = stage_function(stage("voice"))(track, settings)
    presence, said, confidence = (result.values[key] for key in ("vocal_presence", "voice", "voice_confidence"))
    if isinstance(said, Unknown):
        return said, ""
    if isinstance(confidence, float):
        return (confidence if said == VOCALS else 1 - confidence), "mix"
    return from_share(presence if not isinstance(presence, str) else NO_MODEL), "stem"


def _named(values: Mapping[str, InfoValue], origin: Mapping[str, str]) -> str | Unknown:
    """Return the instruments that are probable enough, in a fixed order."""
    kept = []
    for name, source in origin.items():
        least = (words.MODEL_FROM if source == _MODEL else words.MEASURED_FROM).get(name, math.inf)
        chance = values[f"instrument_{name}"]
        if isinstance(chance, float) and chance >= least:
            kept.append(name)
    return ", ".join(kept) or NO_INSTRUMENT


def _word(key: str, named: words.Named | Unknown) -> dict[str, InfoValue]:
    if isinstance(named, Unknown):
        return {key: named, f"{key}_confidence": named}
    return {key: named.text, f"{key}_confidence": named.probability}


def _rounded(mean: FloatArray) -> dict[str, float]:
    return {tag: round(float(chance), 3) for tag, chance in zip(TAGS, mean, strict=True)}
