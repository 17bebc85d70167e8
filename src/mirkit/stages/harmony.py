"""Stages of harmony: pitch classes, key, harmonic movement."""

from mirkit.analysis import TrackAnalysis
from mirkit.catalog import HARMONY_STEMS, stage
from mirkit.features.harmony.chord_list import chord_features
from mirkit.features.harmony.chords import chords as find_chords
from mirkit.features.harmony.chroma import chroma as measure_chroma
from mirkit.features.harmony.key import key
from mirkit.features.harmony.movement import harmony
from mirkit.features.loudness import unheard
from mirkit.features.types import SHORTEST_MUSIC, InfoValue, Unknown, Window
from mirkit.stages import Result, register, values_of
from mirkit.store import Settings, chords_as_stored, format_chords, read_chords


@register("chroma")
def chroma(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure twelve pitch-class weights and the key, from the tonal stems or the mix."""
    series = track.series(track.tonal_source, "chroma")
    # In stems of the embedded separation, drums and speech may look like notes.
    separated = track.tonal_source == "tonal" and not track.has_embedded_stems
    stems = [track.series(stem, "chroma") for stem in HARMONY_STEMS] if separated else []
    estimate = key(series, track.window, stems)
    confidence = estimate.key if isinstance(estimate.key, Unknown) else estimate.confidence
    described: dict[str, InfoValue] = {"key": estimate.key, "mode": estimate.mode, "key_confidence": confidence}
    return Result(values_of(measure_chroma(series, track.window)) | described, method={"signal": track.tonal_source})


@register("stem_harmonic")
def stem_harmonic(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure harmonic movement and variance of bass and other."""
    values: dict[str, InfoValue] = {}
    for stem in HARMONY_STEMS:
        if track.has(stem):
            measured = harmony(track.series(stem, "chroma"), track.beats.times, track.window)
            values |= values_of(measured, f"_{stem}")
        else:
            names = (f"harmonic_movement_{stem}", f"harmonic_variance_{stem}")
            values |= dict.fromkeys(names, track.missing_reason(stem))
    return Result(values)


def chord_values(track: TrackAnalysis) -> dict[str, InfoValue]:
    """Count the chords in the window of an analysis; unknown for a track that is silent or a single sound."""
    if "CHORDS" not in track.edited_files and (
        why := unheard(track.series("full_mix", "loudness"), Window(0.0, track.duration))
    ):
        return dict.fromkeys(stage("chords").keys, why)
    return values_of(chord_features(track.chords, track.beats.downbeats, track.window))


@register("chords")
def chords(track: TrackAnalysis, settings: Settings) -> Result:
    """Find the chords of a whole track; where the user has edited the file, its values are those of the file."""
    bass = track.series("bass", "chroma") if track.has("bass") else None
    tonal = track.series(track.tonal_source, "chroma")
    found = chords_as_stored(find_chords(tonal, bass, track.beats, track.duration))
    found = () if track.duration < SHORTEST_MUSIC else found
    track.chords = read_chords(track.track.chords) if "CHORDS" in track.edited_files else found
    return Result(
        chord_values(track),
        files={"CHORDS": format_chords(found)},
        method={
            "signal": track.tonal_source,
            "bass": "bass" if bass else track.tonal_source,
            "steps": "beats" if len(track.beats.times) > 1 else "time",
        },
    )
