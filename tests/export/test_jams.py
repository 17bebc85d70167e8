"""JAMS files of chords, beats and key: valid, with the content of the sidecars, and recognized when written again."""

import json
from pathlib import Path

import numpy as np
import pytest

from mirkit.errors import MissingInput
from mirkit.export.jams import format_jams, is_our_jams
from mirkit.features.harmony.chord_list import Chord
from mirkit.store import BeatGrid, format_chords, format_grid, update_info
from mirkit.track import Track

CHORDS = (Chord(0, 2, "C:maj7", 0.9), Chord(2, 3, "A:min", None), Chord(3, 4, "N", 0.7))


@pytest.fixture
def track(tmp_path: Path) -> Track:
    folder = tmp_path / "Song"
    folder.mkdir()
    track = Track(folder)
    track.chords.write_bytes(format_chords(CHORDS))
    track.grid.write_bytes(format_grid(BeatGrid(np.array([0.5, 1.0, 1.5, 2.0]), np.array([1.0]), 120.0)))
    values = {"duration_seconds": 4.0, "key": "C", "mode": "major", "key_confidence": 0.8}
    update_info(track.info, values)
    return track


def by_namespace(data: bytes) -> dict[str, list[dict[str, object]]]:
    return {part["namespace"]: part["data"] for part in json.loads(data)["annotations"]}


def test_chords_beats_and_key_are_annotations(track: Track) -> None:
    data = format_jams(track)
    found = by_namespace(data)
    assert found["chord"] == [
        {"time": 0.0, "duration": 2.0, "value": "C:maj7", "confidence": 0.9},
        {"time": 2.0, "duration": 1.0, "value": "A:min", "confidence": None},
        {"time": 3.0, "duration": 1.0, "value": "N", "confidence": 0.7},
    ]
    assert [(row["time"], row["value"]) for row in found["beat"]] == [(0.5, 4), (1.0, 1), (1.5, 2), (2.0, 3)]
    assert found["key_mode"] == [{"time": 0.0, "duration": 4.0, "value": "C:major", "confidence": 0.8}]
    assert json.loads(data)["file_metadata"]["duration"] == 4.0


def test_what_is_not_known_is_no_annotation(track: Track) -> None:
    track.grid.unlink()
    update_info(track.info, {"key": None, "mode": None})
    assert list(by_namespace(format_jams(track))) == ["chord"]
    track.chords.unlink()
    with pytest.raises(MissingInput, match="mirkit measure chords"):
        format_jams(track)


def test_the_jams_package_reads_it(track: Track, tmp_path: Path) -> None:
    jams = pytest.importorskip("jams")
    path = tmp_path / "song.jams"
    path.write_bytes(format_jams(track))
    loaded = jams.load(str(path), strict=True, validate=True)
    intervals, labels = loaded.search(namespace="chord")[0].to_interval_values()
    assert intervals.tolist() == [[0, 2], [2, 3], [3, 4]]
    assert labels == ["C:maj7", "A:min", "N"]


def test_a_file_of_another_program_is_not_ours(track: Track, tmp_path: Path) -> None:
    path = tmp_path / "song.jams"
    path.write_bytes(format_jams(track))
    assert is_our_jams(path)
    for content in (b"", b"[]", b'{"sandbox": {}}', b'{"annotations": []}', b"\xff"):
        path.write_bytes(content)
        assert not is_our_jams(path)
