"""What holds for the stems of any sound: they add up, keep their length and do not depend on blocks."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirkit.features.types import FloatArray
from mirkit.separation import STEMS, separate
from properties import tries

RATE = 8000


def stems_of(
    blocks: Iterable[FloatArray], rate: int = RATE, channels: int = 2, method: str = "embedded"
) -> dict[str, FloatArray]:
    parts = list(separate(blocks, rate, channels, method))
    return {k: np.concatenate([p[k] for p in parts], axis=1) for k in STEMS}


def music(rng: np.random.Generator, seconds: float, rate: int = RATE, channels: int = 2) -> FloatArray:
    """Noise bursts over a low tone and a high one that swings."""
    t = np.arange(int(seconds * rate)) / rate
    bursts = rng.standard_normal((channels, len(t))) * np.exp(-30 * (t % 0.5))
    tones = np.sin(2 * np.pi * 70 * t) + np.sin(2 * np.pi * 440 * t + 4 * np.sin(2 * np.pi * 6 * t))
    return (0.2 * bursts + 0.2 * tones).astype(np.float32)


def error_db(stems: dict[str, FloatArray], mix: FloatArray) -> float:
    difference = sum(stems.values()) - mix
    return float(10 * np.log10(np.square(difference, dtype=float).sum() / np.square(mix, dtype=float).sum() + 1e-30))


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_add_up_to_the_mix_at_any_rate(rng: np.random.Generator, rate: int, channels: int) -> None:
    mix = music(rng, 1.3, rate, channels)
    stems = stems_of([mix], rate, channels)
    assert set(stems) == {"drums", "bass", "other", "vocals"}
    assert all(s.shape == mix.shape and s.dtype == np.float32 for s in stems.values())
    assert error_db(stems, mix) < -120


@pytest.mark.parametrize("channels", [3, 6, 8])
def test_many_channels(rng: np.random.Generator, channels: int) -> None:
    mix = music(rng, 2, channels=channels)
    assert error_db(stems_of([mix], channels=channels), mix) < -120


@pytest.mark.parametrize("bits", [16, 24])
def test_sum_survives_integer_samples(rng: np.random.Generator, bits: int) -> None:
    mix = 2 * music(rng, 3)
    mix /= np.abs(mix).max()
    full = 2 ** (bits - 1)
    stored = {
        k: (np.clip(np.round(s * full), -full, full - 1) / full).astype(np.float32) for k, s in stems_of([mix]).items()
    }
    assert error_db(stored, mix) < -60


@pytest.mark.parametrize("length", [0, 1, 2, 184, 186, 745, 1500])
def test_short_sounds(length: int) -> None:
    mix = np.full((2, length), 0.5, np.float32)
    if not length:
        assert list(separate([mix], RATE, 2)) == []
        return
    stems = stems_of([mix])
    assert stems["drums"].shape == mix.shape
    np.testing.assert_allclose(sum(stems.values()), mix, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.9])
def test_silence_and_direct_current_give_finite_stems(level: float) -> None:
    mix = np.full((1, 3 * RATE), level, np.float32)
    stems = stems_of([mix], channels=1)
    assert all(np.isfinite(s).all() for s in stems.values())
    np.testing.assert_allclose(sum(stems.values()), mix, atol=1e-6)


def test_no_blocks_no_stems() -> None:
    assert list(separate([], RATE, 2)) == []


@pytest.mark.slow
@settings(max_examples=tries(4), deadline=None)
@given(cuts=st.lists(st.integers(0, 40 * RATE), max_size=12))
def test_blocks_do_not_matter(cuts: list[int]) -> None:
    mix = music(np.random.default_rng(5), 40)
    whole = stems_of([mix])
    cut = stems_of(np.split(mix, sorted(cuts), axis=1))
    for k in STEMS:
        np.testing.assert_array_equal(whole[k], cut[k])


def test_the_past_is_bounded() -> None:
    """Stems come out while the mix still comes in: never more than some 30 s are held back."""
    held, worst = 0.0, 0.0
    block = np.zeros((1, RATE), np.float32)

    def blocks() -> Iterable[FloatArray]:
        nonlocal held
        for _ in range(90):
            held += 1
            yield block

    for stems in separate(blocks(), RATE, 1):
        worst = max(worst, held)
        held -= stems["drums"].shape[1] / RATE
    assert worst < 30
    assert held == pytest.approx(0)


# Numbers that the documentation states, at their boundaries


def level_of(stem: str, hz: float) -> float:
    """Amplitude of a stem over that of the mix, which is one steady tone, the same on both channels."""
    mix = np.sin(2 * np.pi * hz * np.arange(10 * 44100) / 44100).astype(np.float32)[None].repeat(2, axis=0)
    middle = slice(4 * 44100, 6 * 44100)
    return float(
        np.sqrt(
            np.square(stems_of([mix], 44100, method="embedded-dsp")[stem][:, middle]).mean()
            / np.square(mix[:, middle]).mean()
        )
    )


@pytest.mark.parametrize(
    ("hz", "expected"),
    [(50, 0.9998), (100, 0.985), (150, 0.849), (180, 0.653), (200, 0.5), (250, 0.208), (400, 0.0154)],
)
def test_bass_and_the_rest_cross_over_at_200_hz(hz: float, expected: float) -> None:
    """The share is 1 / (1 + (f / 200 Hz)^6): 98 % at 100 Hz, half at 200 Hz, 1.5 % at 400 Hz."""
    # A tone between two bins has parts in its neighbors, whose shares differ a little.
    assert level_of("bass", hz) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("hz", "expected"), [(2000, 0.988), (6000, 0.5), (9000, 0.165)])
def test_vocals_in_the_middle_end_at_6_khz(hz: float, expected: float) -> None:
    """The share is 1 / (1 + (f / 6 kHz)^4) of what stands in the middle between left and right."""
    assert level_of("vocals", hz) == pytest.approx(expected, abs=0.03)
