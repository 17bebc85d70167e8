"""Stages of rhythm: beats, tempo, onsets, and features derived from them, for the mix and three stems."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.catalog import RHYTHM_STEMS, TIME_SIGNATURES
from mirkit.features.rhythm.beats.from_activations import beats_from_activations
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.beats.track import track_beats
from mirkit.features.rhythm.complexity import complexity as measure_complexity
from mirkit.features.rhythm.layers import Layers
from mirkit.features.rhythm.onset_statistics import onset_density, onset_statistics
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.swing import swing as measure_swing
from mirkit.features.rhythm.syncopation import RatedOnsets, on_beat_ratio, rated
from mirkit.features.rhythm.syncopation import syncopation as measure_syncopation
from mirkit.features.rhythm.tempo import octave_of, tempo_map
from mirkit.features.types import OTHER_METER, FloatArray, InfoValue, Unknown, Window
from mirkit.stages import Result, fact, register, used_weights, values_of
from mirkit.stages.heard import NOT_HEARD, not_heard
from mirkit.stages.window import tempo_values
from mirkit.store import BeatGrid, Settings, format_grid, format_onsets

STEM_NAMES = (
    "onset_density_average",
    "onset_density_variance",
    "syncopation",
    "rhythmic_complexity",
    "rhythmic_evenness",
)
#: Features that neither embedded stems nor the mix tell: their correlation with those of true stems is too low
#: (docs/how_good/onsets.md).
LOST_IN_EMBEDDED_STEMS = (
    "onset_density_average_other",
    "onset_density_variance_other",
    "rhythmic_complexity_other",
    "rhythmic_evenness_other",
)
_METER_KEYS = ("time_signature", "time_signature_confidence")
NOT_IN_EMBEDDED_STEMS = Unknown("embedded stems do not carry it")


@register("beats")
def beats(track: TrackAnalysis, settings: Settings) -> Result:
    """Track the beats of the mix, using the drums stem if it exists, and measure the tempo."""
    with_drums = settings.rhythm.stems and track.has("drums")
    tagged = track.tags.bpm
    hint = settings.rhythm.bpm or tagged
    series = track.series("full_mix", "onset"), track.series("drums", "onset") if with_drums else None
    options: dict[str, Any] = {"bpm_range": settings.rhythm.bpm_range, "bpm_hint": hint}
    backend = models.chosen("beats", settings)
    find = track_beats
    if backend and backend.is_network:
        find = partial(beats_from_activations, track.series(backend.source, backend.feature_kind))
    measured = tracked = find(*series, **options)
    meter = track.edited_values.get("time_signature")
    if meter in TIME_SIGNATURES and meter != OTHER_METER:
        tracked = find(*series, **options, time_signature=meter)
    track.beats = tracked
    values = tempo_values(tracked, track.window)
    # The measured meter is recorded: the user's takes its place in the .INFO (mirkit.staleness.edits).
    values |= {name: tempo_values(measured, track.window)[name] for name in _METER_KEYS}
    bpm = values["bpm"] if isinstance(values["bpm"], float) else None
    grid = BeatGrid(
        np.asarray(tracked.times, np.float64), np.asarray(tracked.downbeats, np.float64), bpm, tempo_map(tracked)
    )
    hint_from = "settings" if settings.rhythm.bpm else "tag" if tagged else None
    return Result(
        values=values,
        facts=_facts(tracked),
        files={"BEATS_GRID": format_grid(grid)},
        method={
            "signals": "full_mix + drums" if with_drums else "full_mix",
            "bpm_hint": hint,
            "hint_from": hint_from,
        },
        notes=(*_notes(hint, hint_from, tracked), *_meter_notes(track.edited_values, tracked)),
        **used_weights("beats", settings),
    )


def _notes(hint: float | None, hint_from: str | None, beats: Beats) -> tuple[str, ...]:
    """Say that a known tempo had no effect."""
    if hint is None:
        return ()
    known = f"the tempo of the {hint_from}, {hint:g} BPM, was not used:"
    if not beats.steady:
        return (f"{known} no steady pulse was found",)
    measured = beats.candidates[0].bpm
    if octave_of(hint, measured) == 0:
        return ()
    return (f"{known} it is no octave of the measured tempo, {measured:.1f} BPM",)


def _meter_notes(edited: Mapping[str, object], beats: Beats) -> tuple[str, ...]:
    """Say what became of the bars, where the user has set the meter."""
    if "time_signature" not in edited:
        return ()
    meter = edited["time_signature"]
    if meter not in TIME_SIGNATURES or meter == OTHER_METER:
        set_to = meter or "null"
        return (
            f"the time signature that you set, {set_to}, does not define bars; the downbeats are the measured ones",
        )
    if beats.meter != meter:
        return (f"there is no steady pulse, so there are no bars in the time signature that you set, {meter}",)
    return (f"the bars are those of the time signature that you set, {meter}",)


def _facts(beats: Beats) -> dict[str, dict[str, object]]:
    # All are always written, so that no metadata of earlier audio remain.
    second = beats.candidates[1] if len(beats.candidates) > 1 else None
    return {
        "pulse": fact(beats.steady),
        "tempo_second_candidate": fact(second.bpm, second.weight) if second else fact(None),
    }


@register("onsets")
def onsets(track: TrackAnalysis, settings: Settings) -> Result:
    """Detect onsets; measure their number, strength and intervals."""
    detected = track.series("full_mix", "onsets")
    features = onset_statistics(detected, track.window)
    return Result(values_of(features), files={"ONSETS": format_onsets(detected.times)})


@register("syncopation")
def syncopation(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure syncopation by layers, the share of onsets on the beat, and swing."""
    layers, signals = track.once(("syncopation",), lambda: _rated_layers(track))
    detected = track.series("full_mix", "onsets")
    return Result(
        {
            "syncopation": measure_syncopation(layers, track.beats, track.window),
            "on_beat_ratio": on_beat_ratio(detected.times, track.beats, track.window),
            "swing": measure_swing(detected, track.beats, track.window),
        },
        method={"layers": signals},
    )


def _rated_layers(track: TrackAnalysis) -> tuple[RatedOnsets, str]:
    layers, signals = _layers(track)
    return rated(layers, track.beats), signals


def _layers(track: TrackAnalysis) -> tuple[Layers, str]:
    """Onsets by register and the signals they are from: the stems, or the mix if the stems are only estimates of it."""
    if track.has_embedded_stems or not all(track.has(stem) for stem in RHYTHM_STEMS):
        return track.series("full_mix", "layers"), "full_mix"
    middle = [stem for stem in ("other", "vocals") if track.has(stem)]
    layers: Layers = track.series("drums", "layers")
    added = {stem: track.series(stem, "onsets").times for stem in ("bass", *middle)}
    return layers.merged(low=[added["bass"]], middle=[added[stem] for stem in middle]), " + ".join(("drums", *added))


@register("complexity")
def complexity(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure the variety and evenness of the inter-onset intervals."""
    return Result(values_of(measure_complexity(track.series("full_mix", "onsets"), track.beats, track.window)))


@register("stem_rhythm")
def stem_rhythm(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure onset density, syncopation, complexity and evenness of bass, drums and other.

    Stems of the embedded separation hold attacks of other instruments; there, the onsets of the mix count of which the
    instrument plays a part, and what does not survive is unknown (docs/how_good/onsets.md).
    """
    embedded = track.has_embedded_stems
    values: dict[str, InfoValue] = {}
    for stem in RHYTHM_STEMS:
        missing = None if track.has(stem) else track.missing_reason(stem)
        if missing is None and not_heard(track, stem):
            missing = NOT_HEARD
        if missing is not None:
            values |= dict.fromkeys((f"{name}_{stem}" for name in STEM_NAMES), missing)
            continue
        onsets, line = track.once(("line", stem), partial(_rated_line, track, stem))
        measured = line_rhythm(onsets, line, track.beats, track.window)
        values |= {f"{name}_{stem}": measured[name] for name in STEM_NAMES}
    if embedded:
        values |= dict.fromkeys(LOST_IN_EMBEDDED_STEMS, NOT_IN_EMBEDDED_STEMS)
    return Result(values, method={"onsets": "full_mix" if embedded else "stems"})


def _rated_line(track: TrackAnalysis, stem: str) -> tuple[Onsets, RatedOnsets]:
    """Onsets of a stem, and what they count for syncopation."""
    onsets, line = _embedded_line(track, stem) if track.has_embedded_stems else _line(track, stem)
    return onsets, rated(line, track.beats)


def _line(track: TrackAnalysis, stem: str) -> tuple[Onsets, Layers | FloatArray]:
    """Onsets of a stem, and those for syncopation: drums have three layers, the others are one."""
    onsets: Onsets = track.series(stem, "onsets")
    return onsets, track.series("drums", "layers") if stem == "drums" else onsets.times


def _embedded_line(track: TrackAnalysis, stem: str) -> tuple[Onsets, Layers | FloatArray]:
    """As :func:`_line`, from the onsets of the mix that the instrument plays."""
    onsets: Onsets = track.series("full_mix", "stem_onsets").of(stem)
    return onsets, track.series("full_mix", "layers").near(onsets.times) if stem == "drums" else onsets.times


def line_rhythm(
    onsets: Onsets, line: Layers | FloatArray | RatedOnsets, beats: Beats, window: Window
) -> dict[str, InfoValue]:
    """Return the five features of the rhythm of a stem by name; ``line`` is what syncopation is measured on."""
    return (
        values_of(onset_density(onsets, window))
        | {"syncopation": measure_syncopation(line, beats, window)}
        | values_of(measure_complexity(onsets, beats, window))
    )
