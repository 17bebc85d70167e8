"""Presence of instruments: shares of the sounding time in which the stems sound."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import beat_music, write
from mirkit.audio import encode
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings
from mirkit.track import Track
from mirkit.track.names import STEM_MARK


def measured(path: Path) -> dict[str, Any]:
    assert process(TrackJob(path, ("loudness", "voice"), {}, Settings())).ok
    found: dict[str, Any] = json.loads(Track.at(path).info.read_text())
    return found


def test_a_bass_in_one_half_and_no_vocals(tmp_path: Path) -> None:
    parts = beat_music(seconds=12)
    parts["bass"][:, : parts["bass"].shape[1] // 2] = 0
    for stem, samples in {**parts, "full_mix": np.sum(list(parts.values()), axis=0)}.items():
        write(tmp_path / "Track" / f"{stem}.flac", samples.astype(np.float32))
    values = measured(tmp_path / "Track")
    assert values["bass_presence"] == pytest.approx(0.5, abs=0.05)
    assert values["drums_presence"] > 0.8  # the blocks between two hits may have none
    assert values["other_presence"] == 1.0
    assert (values["vocal_presence"], values["voice"], values["voice_confidence"]) == (0.0, "instrumental", None)


def test_without_stems_only_the_voice_is_known(tmp_path: Path) -> None:
    parts = beat_music(seconds=6)
    write(tmp_path / "Track" / "full_mix.flac", np.sum(list(parts.values()), axis=0).astype(np.float32))
    values = measured(tmp_path / "Track")
    assert [values[f"{name}_presence"] for name in ("drums", "bass", "other")] == [None] * 3
    assert (values["voice"], values["vocal_presence"]) == ("instrumental", 0.0)


def test_stems_of_mirkit_without_provenance_are_not_trusted(tmp_path: Path) -> None:
    """Copied without their sidecars: they may be embedded ones, which hold other instruments too."""
    parts = beat_music(seconds=6)
    for stem, samples in {**parts, "full_mix": np.sum(list(parts.values()), axis=0)}.items():
        path = tmp_path / "Track" / f"{stem}.flac"
        path.parent.mkdir(exist_ok=True)
        tags = {} if stem == "full_mix" else {"artist": STEM_MARK}
        encode(path, [samples.astype(np.float32)], rate=44100, channels=2, tags=tags)
    values = measured(tmp_path / "Track")
    assert values["drums_presence"] is None
    assert values["other_presence"] is None
