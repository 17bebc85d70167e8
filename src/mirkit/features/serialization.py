"""Feature series as named arrays and back, for the sidecar ``.CURVES.npz``."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.features.bands import BandCurve
from mirkit.features.bandwidth import BandwidthCurve
from mirkit.features.danceability import EnvelopeCurve
from mirkit.features.harmony.chroma import ChromaCurve
from mirkit.features.level import LevelCurve
from mirkit.features.loudness import LoudnessCurve
from mirkit.features.pitch.f0 import F0Curve
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.rhythm.beats.grid import Beats, TempoCandidate
from mirkit.features.rhythm.layers import Layers
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.stem_onsets import StemOnsets
from mirkit.features.spectral import SpectralCurve
from mirkit.features.tags.music_tags import MusicTags
from mirkit.features.voice import VoiceCurve

Arrays = dict[str, npt.NDArray[Any]]

#: Kind of feature series that can be stored -> its class.
KINDS: dict[str, type[Any]] = {
    "loudness": LoudnessCurve,
    "level": LevelCurve,
    "bands": BandCurve,
    "bandwidth": BandwidthCurve,
    "spectral": SpectralCurve,
    "chroma": ChromaCurve,
    "envelope": EnvelopeCurve,
    "f0": F0Curve,
    "swift_f0": F0Curve,
    "music_tags": MusicTags,
    "notes": NoteEvents,
    "onsets": Onsets,
    "layers": Layers,
    "stem_onsets": StemOnsets,
    "voice": VoiceCurve,
}

#: Kinds whose stored series have another meaning than at first -> version; older ones are computed again.
_VERSIONS = {"chroma": 3, "onsets": 3}


def series_version(kind: str) -> int:
    """Return the version of the stored series of a kind, 1 if it has never changed.

    Parameters
    ----------
    kind : str

    Returns
    -------
    int
    """
    return _VERSIONS.get(kind, 1)


def to_arrays(curve: Any) -> Arrays:
    """Convert a series to arrays.

    Parameters
    ----------
    curve : dataclass
        Series of a kind of ``KINDS``.

    Returns
    -------
    dict of str to array
        Field -> values; numbers are zero-dimensional arrays.
    """
    return {field.name: np.asarray(getattr(curve, field.name)) for field in fields(curve)}


def from_arrays(kind: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Rebuild a series of a kind of ``KINDS``.

    Parameters
    ----------
    kind : str
        Key of ``KINDS``.
    arrays : mapping of str to array
        Field -> values, as returned by ``to_arrays``.

    Returns
    -------
    dataclass
        The series, of the class that ``KINDS`` names.

    Raises
    ------
    KeyError
        A field is missing.
    """
    series = KINDS[kind]
    values = {field.name: arrays[field.name] for field in fields(series)}
    return series(**{name: value if value.ndim else value.item() for name, value in values.items()})


def beats_to_arrays(beats: Beats) -> Arrays:
    """Convert a beat grid to arrays, without its meter, which is a string.

    Parameters
    ----------
    beats : Beats

    Returns
    -------
    dict of str to array
        Field -> values; ``candidates`` has the shape (n, 2).
    """
    return {
        "times": beats.times,
        "downbeats": beats.downbeats,
        "confidence": beats.confidence,
        "meter_confidence": np.asarray(beats.meter_confidence),
        "steady": np.asarray(beats.steady),
        "candidates": np.array([(c.bpm, c.weight) for c in beats.candidates], np.float64).reshape(-1, 2),
    }


def beats_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], meter: str | None) -> Beats:
    """Rebuild a grid from its arrays and its meter.

    Parameters
    ----------
    arrays : mapping of str to array
        As returned by ``beats_to_arrays``.
    meter : str or None
        Time signature.

    Returns
    -------
    Beats
    """
    return Beats(
        arrays["times"],
        arrays["downbeats"],
        arrays["confidence"],
        meter,
        float(arrays["meter_confidence"]),
        bool(arrays["steady"]),
        tuple(TempoCandidate(float(bpm), float(weight)) for bpm, weight in arrays["candidates"]),
    )
