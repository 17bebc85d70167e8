"""A track of six channels whose results are from before these were mixed down: stale, and not exported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirkit.audio import audio_from_array, encode
from mirkit.cli import main
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import read_info, update_info
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def surround(tmp_path: Path) -> Path:
    """A voice in the center, quiet noise in the other channels."""
    rng = np.random.default_rng(0)
    n = 6 * ANALYSIS_RATE
    samples = 0.003 * rng.standard_normal((6, n)).astype(np.float32)
    samples[2] += (0.2 * np.sin(2 * np.pi * 300 * np.arange(n) / ANALYSIS_RATE)).astype(np.float32)
    folder = tmp_path / "data" / "Song"
    folder.mkdir(parents=True)
    encode(folder / "full_mix.flac", [samples], rate=ANALYSIS_RATE, channels=6)
    assert main(["loudness", str(folder), "-q"]) == 0
    assert main(["source", str(folder), "-q"]) == 0
    return folder


def make_old(folder: Path) -> None:
    """Change provenance and number to those of a mirkit that measured all channels."""
    track = Track.at(folder)
    content: Any = json.loads(track.provenance.read_text())
    for entry in content["stages"].values():
        entry["parameters"].pop("downmix", None)
    del content["facts"]["downmix"]
    track.provenance.write_text(json.dumps(content))
    track.feature_series.unlink()
    update_info(track.info, {"lufs": -9.0})


def test_results_of_all_channels_are_stale(surround: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track = Track.at(surround)
    measured = read_info(track.info)["lufs"]
    # The reference is the downmix written down here: the center at -3 dB on both sides.
    samples = np.zeros((2, 6 * ANALYSIS_RATE), np.float32)
    samples += np.float32(0.2 / np.sqrt(2)) * np.sin(2 * np.pi * 300 * np.arange(samples.shape[1]) / ANALYSIS_RATE)
    import mirkit

    reference = mirkit.analyze((samples.astype(np.float32), ANALYSIS_RATE), "loudness")["lufs"]
    assert measured == pytest.approx(reference, abs=0.1)
    make_old(surround)
    capsys.readouterr()
    assert main(["loudness", str(surround), "--dry-run"]) == 0
    assert "to do" in capsys.readouterr().out
    assert main(["loudness", str(surround), "-q"]) == 0
    assert read_info(track.info)["lufs"] == measured
    assert main(["loudness", str(surround)]) == 0
    assert "1 skipped" in capsys.readouterr().out


def test_numbers_of_all_channels_are_not_exported(
    surround: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "export",
        "jsonl",
        str(surround.parent),
        "-o",
        str(tmp_path / "t.jsonl"),
        "--from",
        "tracks",
        "--val",
        "0",
        "-q",
    ]
    assert main(words) == 0
    make_old(surround)
    assert main(words) == 1
    shown = capsys.readouterr().err
    assert "its numbers are those of 6 channels, from before these were mixed down" in shown
    assert f'measure it again with: mirkit extract "{surround}"' in shown
    for stage in ("loudness", "source"):
        assert main([stage, str(surround), "-q"]) == 0
    assert main(words) == 0
    assert audio_from_array(np.zeros((6, 10), np.float32), ANALYSIS_RATE).channels == 2
