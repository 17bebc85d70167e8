"""What says nothing about music, a single sound or silence, has no key, no chords, no voice and no instruments."""

import json
from pathlib import Path

import numpy as np
import pytest

from library import write
from mirkit.catalog import stage
from mirkit.cli import main
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import read_chords, read_provenance

MUSIC = (*stage("chords").keys, *stage("voice").keys, "key", "mode", "key_confidence", "music_facts")
INSTRUMENTS = tuple(key for key in stage("tags").keys if key.startswith("instrument_"))


def chord(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * ANALYSIS_RATE)) / ANALYSIS_RATE
    mono = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (220.0, 261.63, 329.63, 440.0, 523.25))
    return np.tile(mono.astype(np.float32), (2, 1))


def silence(seconds: float) -> np.ndarray:
    return np.zeros((2, round(seconds * ANALYSIS_RATE)), np.float32)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(5)
    write(root / "hit.wav", chord(0.3))
    write(root / "stab.wav", chord(1.5))
    write(root / "silent.wav", silence(6.0))
    write(root / "dither.wav", (rng.integers(-1, 2, (2, 6 * ANALYSIS_RATE)) / 32768).astype(np.float32))
    write(root / "loop.wav", chord(4.0))
    assert main(["run", str(root), "--samples", "--tags", "--quiet", "--jobs", "1"]) == 0
    return root


@pytest.mark.parametrize(
    ("name", "why"), [("hit", "too short"), ("stab", "too short"), ("silent", "silent"), ("dither", "silent")]
)
def test_a_single_sound_and_silence_have_no_music_facts(measured: Path, name: str, why: str) -> None:
    info = json.loads((measured / f"{name}.INFO").read_text())
    stages = read_provenance(measured / f"{name}.PROVENANCE").stages.values()
    reasons = {key: text for entry in stages for key, text in entry.reasons.items()}
    said = {key: info[key] for key in (*MUSIC, *INSTRUMENTS, "instruments") if info[key] is not None}
    assert said == {}
    assert {reasons[key] for key in MUSIC} == {why}
    assert reasons["instrument_vocals"] == why
    chords = read_chords(measured / f"{name}.CHORDS")
    assert [each.symbol for each in chords] == ([] if why == "too short" else ["N"])


def test_a_loop_of_four_seconds_has_them(measured: Path) -> None:
    info = json.loads((measured / "loop.INFO").read_text())
    assert info["key"] in ("A", "C")
    assert info["chords"]
    assert info["music_facts"]


def test_verify_takes_them_as_complete(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(measured)]) == 0
    assert "5 tracks: 5 complete" in capsys.readouterr().out
