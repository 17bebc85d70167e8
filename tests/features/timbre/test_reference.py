"""Every reference clip against upstream's own values, and synthetic sounds against golden ones."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from features.timbre.sounds import bursts, notes, pad
from mirkit.features.timbre import Timbre, timbre
from mirkit.features.types import Unknown

# timbral_models 0.4.0 (its code is that of commit 6a97eec) with librosa 0.11, NumPy 2.4 and pyloudnorm 0.2, on these
# very samples; reverberation is 100 times its probability.
GOLDEN = {
    notes: Timbre(54.784366, 37.488283, 50.38271, 50.642309, 31.687587, 75.049176, 33.705164, 49.93717),
    bursts: Timbre(87.474678, 80.745865, 89.117434, 35.784103, 14.431043, 32.083974, 75.182763, 15.095847),
    pad: Timbre(48.703842, 27.652046, 37.670928, 68.106916, 45.082216, 29.805501, 37.559946, 50.134659),
}
NAMES = [field.name for field in fields(Timbre)]


@pytest.mark.parametrize("sound", GOLDEN, ids=lambda sound: sound.__name__)
def test_golden_values(sound):
    assert asdict(timbre(sound())) == pytest.approx(asdict(GOLDEN[sound]), abs=0.001)


def expected(clip: dict, name: str) -> float | None:
    """Upstream's value, clipped; None where it raises."""
    value = clip["upstream_path"]["reverb" if name == "reverberation" else name]
    if isinstance(value, dict):
        return None
    if name == "reverberation":
        value = 100 * clip["upstream_dev"]["reverb"]["probability"]
    return min(100.0, max(0.0, value))


@pytest.mark.reference
def test_reference_clips(shared_data: Path):
    soundfile = pytest.importorskip("soundfile")
    clips = json.loads((shared_data / "timbral_reference_dev.json").read_text())["clips"]
    assert len(clips) > 10
    wrong = []
    for path, clip in clips.items():
        samples, rate = soundfile.read(shared_data / path, dtype="float32", always_2d=True)
        assert rate == 44100
        for name, ours in vars(timbre(samples.T)).items():
            theirs = expected(clip, name)
            print(f"{path:40} {name:14} {ours} {theirs}")  # noqa: T201 (the table, shown by -rP)
            if theirs is None:
                wrong += [] if isinstance(ours, Unknown) else [(path, name, ours)]
            elif not abs(ours - theirs) < 0.001:
                wrong.append((path, name, ours, theirs))
    assert not wrong


def test_silence_is_unknown():
    silent = timbre(np.zeros((2, 88200), np.float32))
    assert {value.reason for value in vars(silent).values()} == {"silent"}


def test_clicks_have_no_warmth():
    clicks = np.zeros((1, 4 * 44100), np.float32)
    clicks[0, 11025::22050] = 0.9
    values = vars(timbre(clicks))
    assert isinstance(values.pop("warmth"), Unknown)
    assert all(isinstance(value, float) for value in values.values())
