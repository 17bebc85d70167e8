"""Onset curves of sounds too long to be held until their highest level is known."""

import numpy as np
import pytest

from features.rhythm.sounds import onset_curve, rise_curves
from mirkit.features.rhythm import onsets
from mirkit.features.rhythm.onset_envelope import N_MELS
from mirkit.features.types import ANALYSIS_RATE


def curves_of(mono: np.ndarray, block: int = 1 << 16) -> dict[str, np.ndarray]:
    curve = onset_curve(mono, block)
    named = {name: getattr(curve, name) for name in ("growth", "hits", "profile")}
    return named | rise_curves(mono, block) | {"times": curve.all_onsets.times, "strengths": curve.all_onsets.strengths}


def bursts(seconds: float, gains: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(3)
    n = round(seconds * ANALYSIS_RATE)
    each = gains[np.arange(n) * len(gains) // n]
    return (each * rng.standard_normal(n)).astype(np.float32)


def test_sections_change_nothing_after_the_loudest_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = bursts(30.0, np.append(0.5, np.random.default_rng(5).uniform(0.001, 0.4, 99)))
    whole = curves_of(sound)
    monkeypatch.setattr(onsets, "_SECTION", 512)
    cut = curves_of(sound)
    assert len(whole["times"]) > 30
    for field, curve in whole.items():
        np.testing.assert_array_equal(cut[field], curve, err_msg=field)


def test_a_later_climax_only_moves_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = bursts(30.0, np.append(np.tile([0.7, 0.5], 40), np.ones(20)))
    whole = curves_of(sound)
    monkeypatch.setattr(onsets, "_SECTION", 512)
    cut = curves_of(sound)
    np.testing.assert_allclose(cut["envelope"], whole["envelope"], atol=1e-4)
    # The soft floor lies 45 dB below the climax, this sound 3 to 6, its weakest moments more.
    np.testing.assert_allclose(cut["novelty"] / N_MELS, whole["novelty"] / N_MELS, rtol=0.05, atol=0.1)
    assert not np.array_equal(cut["novelty"], whole["novelty"]), "there is a section that has not heard the climax"


@pytest.mark.parametrize("block", [1000, 44100])
def test_blocks_of_any_length_give_the_same_sections(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(onsets, "_SECTION", 512)
    sound = bursts(20.0, np.linspace(0.01, 1, 50))
    one, other = curves_of(sound), curves_of(sound, block)
    for field, curve in one.items():
        np.testing.assert_array_equal(other[field], curve, err_msg=field)
