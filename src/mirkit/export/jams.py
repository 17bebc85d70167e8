"""JAMS files: chords, beats and key of a track in the format of music information research.

Source: E. Humphrey, J. Salamon, O. Nieto, J. Forsyth, R. Bittner and J. Bello, "JAMS: a JSON annotated music
specification for reproducible MIR research", ISMIR 2014; jams.readthedocs.io.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mirkit import __version__
from mirkit.errors import MissingInput
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.store import (
    DamagedFileError,
    JsonObject,
    as_number,
    read_bounded,
    read_chords,
    read_grid,
    read_info,
    read_provenance,
)
from mirkit.store.sidecars import encode_object, loads
from mirkit.track import Track

SUFFIX = ".jams"
_MADE_BY = "mirkit"
#: Version of the JAMS schema.
_SCHEMA = "0.3.4"


def format_jams(track: Track) -> bytes:
    """Return the annotations of a measured track as JAMS.

    Parameters
    ----------
    track : Track
        With a ``.CHORDS``. The beats and the key are left out where they are not known.

    Returns
    -------
    bytes
        JSON with annotations in the namespaces ``chord`` (Harte's syntax), ``beat`` (the value is the place in the bar)
        and ``key_mode``.

    Raises
    ------
    MissingInput
        There is no ``.CHORDS``.
    InfoError
        A file of the track cannot be read.
    """
    info, facts = read_info(track.info), read_provenance(track.provenance).facts
    duration = as_number(info.get("duration_seconds")) or 0.0
    chords = [
        _observation(chord.start, chord.end - chord.start, chord.symbol, chord.confidence)
        for chord in read_chords(track.chords)
    ]
    annotations = [_annotation("chord", chords, duration, "mirkit chords")]
    if beats := _beats(track):
        annotations.append(_annotation("beat", beats, duration, "mirkit beats"))
    key, mode = info.get("key"), info.get("mode")
    if isinstance(key, str) and isinstance(mode, str):
        sure = as_number(info.get("key_confidence"))
        whole = [_observation(0.0, duration, f"{key}:{mode}", sure)]
        annotations.append(_annotation("key_mode", whole, duration, "mirkit chroma"))
    tags: Any = facts.get("tags", {}).get("value") or {}
    metadata: JsonObject = {
        "title": str(tags.get("title") or track.name),
        "artist": str(tags.get("artist") or ""),
        "release": str(tags.get("album") or ""),
        "duration": duration,
        "identifiers": {},
        "jams_version": _SCHEMA,
    }
    return encode_object(
        {"sandbox": {"made_by": _MADE_BY}, "file_metadata": metadata, "annotations": annotations}, levels=2
    )


def is_our_jams(path: Path) -> bool:
    """Return whether :func:`format_jams` wrote a file."""
    try:
        content: Any = loads(read_bounded(path, follow=True) or b"")
    except (ValueError, RecursionError, DamagedFileError):
        return False
    sandbox = content.get("sandbox") if isinstance(content, dict) else None
    return isinstance(sandbox, dict) and sandbox.get("made_by") == _MADE_BY


def _beats(track: Track) -> list[JsonObject]:
    try:
        grid = read_grid(track.grid)
    except MissingInput:
        return []
    places = Beats(grid.beats, grid.downbeats, np.ones(len(grid.beats))).bar_positions()
    return [
        _observation(time, 0.0, int(place) + 1 if place >= 0 else None, None)
        for time, place in zip(grid.beats.tolist(), places, strict=True)
    ]


def _observation(time: float, duration: float, value: str | int | None, confidence: float | None) -> JsonObject:
    return {"time": round(time, 6), "duration": round(duration, 6), "value": value, "confidence": confidence}


def _annotation(namespace: str, data: list[JsonObject], duration: float, tool: str) -> JsonObject:
    return {
        "namespace": namespace,
        "annotation_metadata": {
            "curator": {"name": "", "email": ""},
            "version": __version__,
            "corpus": "",
            "annotator": {},
            "annotation_tools": tool,
            "annotation_rules": "",
            "validation": "",
            "data_source": "program",
        },
        "data": data,
        "sandbox": {},
        "time": 0.0,
        "duration": duration,
    }
