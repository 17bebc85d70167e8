"""Features of a window of a track, from its stored feature series."""

from collections.abc import Collection, Iterable

from mirkit.analysis import TrackAnalysis
from mirkit.audio import resample
from mirkit.catalog import FEATURES, MEASURED, stage
from mirkit.features import danceability, loudness
from mirkit.features.harmony.key import ATONALITY_MIN_SECONDS
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.onset_statistics import onset_statistics
from mirkit.features.rhythm.tempo import NO_TEMPO, tempo
from mirkit.features.stft import N_FFT
from mirkit.features.structure.form import section_values
from mirkit.features.timbre import TimbreExtractor
from mirkit.features.types import ANALYSIS_RATE, FloatArray, InfoValue, Unknown, Window
from mirkit.stages import Result, stage_function, values_of
from mirkit.stages.harmony import chord_values
from mirkit.stages.pitch import note_values, warning
from mirkit.stages.tags import tag_values
from mirkit.store import Settings

NO_METER, NO_BEATS = Unknown("no meter found"), Unknown("no beats in this window")
NO_CONFIDENCE = Unknown("the beats were read from the grid, which has no confidence")
NEEDS_SOUND = Unknown("it is computed from the audio, which was not decoded (see --samples)")

#: Stages whose features cannot be computed from stored feature series.
FROM_SOUND = ("timbral", "aesthetics")
#: Stages whose features are computed from feature series and events of a window. ``source`` reads the file, and
#: ``music_facts`` describes the values of the others.
FROM_SERIES = tuple(
    name for name in MEASURED if stage(name).keys and name not in (*FROM_SOUND, "source", "music_facts")
)

#: Feature -> the shortest window (s) in which it exists.
SHORTEST: dict[str, float] = {
    "danceability": danceability.MIN_SECONDS,
    "atonality": ATONALITY_MIN_SECONDS,
    **{row.name: loudness.SHORT_TERM_HOPS / loudness.HOPS_PER_SECOND for row in FEATURES if row.name.startswith("lra")},
    **{row.name: loudness.MOMENTARY_HOPS / loudness.HOPS_PER_SECOND for row in FEATURES if row.name.startswith("lufs")},
    "plr": loudness.MOMENTARY_HOPS / loudness.HOPS_PER_SECOND,
    **dict.fromkeys(stage("spectral_shape").keys, N_FFT / ANALYSIS_RATE),
}


def at_window(
    track: TrackAnalysis,
    window: Window,
    settings: Settings,
    *,
    names: Iterable[str] = FROM_SERIES,
    neural: Collection[str] = (),
) -> dict[str, Result]:
    """Measure a window of a track from its stored feature series.

    Beats, tuning and the silence threshold are those of the whole track.

    Parameters
    ----------
    track : TrackAnalysis
    window : Window
        Seconds, within the track.
    settings : Settings
    names : iterable of str
        Stages to measure, of ``FROM_SERIES``.
    neural : collection of str
        Stages that a neural model computed for this track; their values cannot be computed without the samples.

    Returns
    -------
    dict of str to Result
        Stage -> its result, for all of ``names``.
    """
    view = track.at(window)
    results = {}
    for name in names:
        row = stage(name)
        if name in neural:
            results[name] = Result(dict.fromkeys(row.keys, NEEDS_SOUND))
        elif name == "chords":  # likewise: a window has the chords of its track
            results[name] = Result(chord_values(view))
        elif name == "beats":  # not by the stage, which would track beats; a window has the beats of its track
            results[name] = Result(tempo_values(view.beats, window))
        elif name == "onsets":  # likewise: it would write a file
            results[name] = Result(values_of(onset_statistics(view.series("full_mix", "onsets"), window)))
        elif name == "notes":  # likewise: it would write files
            results[name] = Result(note_values(view, settings), method=dict(warning(view)))
        elif name == "tags":  # likewise: it would load a model
            results[name] = tag_values(view, settings)
        elif name == "sections":  # likewise: a window lies in the sections of its track
            results[name] = Result(values_of(section_values(view.form, window)))
        else:
            results[name] = stage_function(row)(view, settings)
    return results


def tempo_values(beats: Beats, window: Window) -> dict[str, InfoValue]:
    """Tempo and meter of a window of a track, with their confidences.

    Parameters
    ----------
    beats : Beats
        Grid of the whole track.
    window : Window

    Returns
    -------
    dict
        Key of ``.INFO`` -> value. The meter is that of the track, and unknown without a steady pulse, or where the
        window has no beat.
    """
    features = tempo(beats, window)
    meter: InfoValue = beats.meter or NO_METER
    if not beats.steady:
        meter = NO_TEMPO
    elif not features.beat_count:
        meter = NO_BEATS
    tempo_weight = beats.candidates[0].weight if beats.candidates else NO_CONFIDENCE
    return values_of(features) | {
        "time_signature": meter,
        "time_signature_confidence": meter if isinstance(meter, Unknown) else beats.meter_confidence,
        "bpm_confidence": features.bpm if isinstance(features.bpm, Unknown) else tempo_weight,
    }


def timbre_of(samples: FloatArray, rate: int) -> Result:
    """Measure the timbre of samples.

    Parameters
    ----------
    samples : array, float32, shape=(channels, n)
    rate : int
        Sample rate in Hz.

    Returns
    -------
    Result
        The eight timbre features.
    """
    if rate != ANALYSIS_RATE:
        samples = resample(samples, rate, ANALYSIS_RATE)
    extractor = TimbreExtractor(len(samples))
    extractor.push(samples)
    return Result(values_of(extractor.finish()))


def widened(window: Window, seconds: float, duration: float) -> Window:
    """Widen a window around its center to ``seconds``, and shift it if it would exceed a track of ``duration``."""
    if window.duration >= seconds:
        return window
    start = min(max((window.start + window.end - seconds) / 2, 0.0), max(duration - seconds, 0.0))
    return Window(start, min(start + seconds, duration))
