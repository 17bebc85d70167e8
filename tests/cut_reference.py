"""Reference for the features of a window: the same window cut out, decoded and measured as a file of its own.

The measurement uses the beats, tuning and loudest frame of the whole track, which the cut file does not contain.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from mirkit.analysis import TrackAnalysis
from mirkit.audio import encode, open_audio
from mirkit.catalog import FEATURES, feature, stage
from mirkit.features.harmony.chroma import ChromaCurve, TuningExtractor
from mirkit.features.rhythm import onsets
from mirkit.features.rhythm.onset_envelope import sloped_peak
from mirkit.features.spectral import spectral
from mirkit.features.stft import activity_mask
from mirkit.features.types import Unknown, Value, Window
from mirkit.stages import values_of
from mirkit.stages.window import FROM_SERIES, at_window
from mirkit.staleness import TrackState
from mirkit.store import Settings
from mirkit.track import Track


@dataclass(frozen=True)
class Tolerance:
    """Largest difference of a feature of the window and the cut file: ``absolute + relative * |cut| + onsets / n``.

    ``n`` is the number of onsets of the signal in the window. An onset near either edge, or near the detector's
    threshold, may be detected in one and not in the other, which changes a feature by the share of one onset. The
    syncopation is events per beat, so there ``n`` is the number of beats, if it is smaller.
    """

    key: str
    absolute: float
    relative: float = 0.0
    onsets: float = 0.0

    def of(self, cut: float, n: int) -> float:
        return self.absolute + self.relative * abs(cut) + (self.onsets / n if self.onsets else 0.0)


_BY_BEGINNING = {
    # The same beats: equal.
    "bpm": (1e-6,),
    "beat_": (1e-9,),
    "onset_count": (2, 0.08),
    "onset_density": (0.25, 0.08),
    # Noise is told from notes over 1.5 s on both sides: near its edges, a cut has less of it to judge by.
    "onset_density_average": (0.35, 0.1),
    "onset_density_variance": (0.3, 0.3),
    "onset_strength": (0.1, 0.04, 2),
    "syncopation": (0.0, 0.0, 5),
    "on_beat_ratio": (0.0, 0.0, 5),
    "rhythmic_complexity": (0.0, 0.0, 6),
    "rhythmic_evenness": (0.0, 0.0, 4),
    "ioi_mean": (0.0, 0.12, 0.5),
    "ioi_std": (0.02, 0.15, 1.5),
    # The window begins on a step of 100 ms.
    "lufs": (0.2,),
    "lra": (0.4,),
    # The frames have another phase.
    "spectral_flatness": (0.0005, 0.02),
    "spectral_flux": (0.02, 0.02),
    "spectral_skewness": (0.05,),
    "spectral_kurtosis": (0.05, 0.02),
    "chroma": (0.02,),
    "harmonic_movement": (0.02,),
    "harmonic_variance": (0.02,),
    "atonality": (0.03,),
    # The energy of 186 ms is shared at the window's edges.
    "rms_energy": (0.3,),
    "danceability": (0.03,),
}


def _tolerances() -> Iterator[Tolerance]:
    for row in FEATURES:
        if row.stage in FROM_SERIES:
            beginning = max((b for b in _BY_BEGINNING if row.name.startswith(b)), key=len)
            yield Tolerance(row.name, *_BY_BEGINNING[beginning])


TOLERANCES = {row.key: row for row in _tolerances()}


#: With fewer onsets than this, a rhythm feature may be known for the window and not for the cut file, or the reverse.
FEW_ONSETS = 12


def outside(key: str, window: Value, cut: Value, n: int) -> float | None:
    """Return the difference in units of the tolerance; None if a value may be missing in the window or the cut file."""
    if isinstance(window, Unknown) or isinstance(cut, Unknown):
        few = n < FEW_ONSETS and stage(feature(key).stage).section == "rhythm"
        return None if few or (isinstance(window, Unknown) and isinstance(cut, Unknown)) else np.inf
    return abs(window - cut) / TOLERANCES[key].of(cut, max(n, 1))


def onsets_in(folder: Path, window: Window) -> dict[str, int]:
    """Key -> number of onsets of its signal in a window of a measured track; of syncopation at most its beats."""
    source = source_of(folder)
    beats = int(np.count_nonzero((source.beats.times >= window.start) & (source.beats.times < window.end)))
    counts = {
        part: len(source.series(part, "onsets").within(window).times)
        for part in ("full_mix", "bass", "drums", "other")
        if source.has(part)
    }
    inside = {key: counts.get(key.rpartition("_")[2], counts["full_mix"]) for key in TOLERANCES}
    return inside | {key: min(n, beats) for key, n in inside.items() if key.startswith("syncopation")}


def from_curves(folder: Path, window: Window) -> dict[str, Value]:
    """Features of a window of a measured track."""
    found = at_window(source_of(folder), window, Settings())
    return {key: value for result in found.values() for key, value in result.values.items()}


def source_of(folder: Path) -> TrackAnalysis:
    state = TrackState.of(Track.at(folder))
    wanted = [series for name in FROM_SERIES for series in state.inputs(stage(name), Settings()).series]
    return TrackAnalysis.load_cached(state.track, state.digests, wanted)


#: Stages whose values in a window are those of the whole track there; a cut file alone does not have them.
_OF_TRACK = ("sections", "chords", "notes", "music_facts")


def on_the_cut(folder: Path, window: Window, temp: Path) -> dict[str, Value]:
    """Cut the window out of every file of a track and measure the files."""
    source = source_of(folder)
    for part, path in source.track.sources.items():
        audio = open_audio(path, rate=None, hold_seconds=0)
        samples = audio.window(window.start, window.end)
        encode(temp / f"{part}.flac", [samples], rate=audio.rate, channels=audio.channels, bits=audio.source.bits)
    state = TrackState.of(Track.at(temp))
    cut = TrackAnalysis(state.track, state.digests)
    for name in FROM_SERIES:
        for part, kind in state.inputs(stage(name), Settings()).series:
            with _tuning_of(source, part), _highest_level_of(source, part, kind):
                cut.measure([(part, kind)], {})
    cut.beats = replace(
        source.beats, times=source.beats.times - window.start, downbeats=source.beats.downbeats - window.start
    )
    with _loudest_of(source, cut):
        found = at_window(cut, cut.window, Settings(), names=[name for name in FROM_SERIES if name not in _OF_TRACK])
    values = {key: value for result in found.values() for key, value in result.values.items()}
    loudest = float(source.series("full_mix", "spectral").level_db.max())
    return values | values_of(spectral(cut.series("full_mix", "spectral"), cut.window, loudest_db=loudest))


@contextmanager
def _tuning_of(source: TrackAnalysis, part: str) -> Iterator[None]:
    if (part, "chroma") not in source._series:
        yield
        return
    tuning = source.series(part, "chroma").tuning
    with patch.object(TuningExtractor, "finish", lambda self: tuning):
        yield


@contextmanager
def _highest_level_of(source: TrackAnalysis, part: str, kind: str) -> Iterator[None]:
    """Replace the highest levels of the cut, which onsets are judged relative to, with those of the source."""
    if kind not in ("onsets", "stem_onsets"):
        yield
        return
    levels: list[int] = []
    loudest: list[float] = []
    finish, begin = onsets.OnsetPicker.finish, onsets.OnsetPicker.__init__

    def record(mel: np.ndarray) -> int:
        levels.append(sloped_peak(mel))
        return levels[-1]

    def recording(self: Any) -> Any:
        loudest.append(float(onsets._rms(self._energy).max(initial=self._loudest)))
        return finish(self)

    def beginning(self: Any) -> None:
        begin(self)
        self._loudest = max(loudest)

    state = TrackState.of(source.track)
    with patch.object(onsets, "sloped_peak", record), patch.object(onsets.OnsetPicker, "finish", recording):
        TrackAnalysis(state.track, state.digests).measure([(part, "onsets")], {}, use_cache=False)
    with (
        patch.object(onsets, "sloped_peak", lambda mel: max(levels)),
        patch.object(onsets.OnsetPicker, "__init__", beginning),
    ):
        yield


@contextmanager
def _loudest_of(source: TrackAnalysis, cut: TrackAnalysis) -> Iterator[None]:
    """Replace the loudest frame of every chroma series of the cut with that of the source."""
    parts = [part for part, kind in source._series if kind == "chroma"]
    levels = {id(cut.series(part, "chroma")): source.series(part, "chroma").level_db.max() for part in parts}

    def gate(curve: ChromaCurve) -> Any:
        return activity_mask(curve.level_db.astype(np.float32), float(levels[id(curve)]))

    with patch.object(ChromaCurve, "active", property(gate)):
        yield
