"""The long transform with folded bands is a constant-Q transform."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirkit.features.harmony.constant_q import BINS_PER_OCTAVE, HOP, LOWEST, OCTAVES, ConstantQ, Decimator, gain
from notes import RATE, Mono
from properties import tries

BANDS = OCTAVES * BINS_PER_OCTAVE


def magnitudes(mono: Mono, cuts: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    transform, parts = ConstantQ(), []
    for part in np.split(mono, sorted(cuts)):
        parts += [(m.copy(), p.copy()) for m, p in transform.push(part)]
    parts += list(transform.finish())
    return np.concatenate([m for m, _ in parts], axis=1), np.concatenate([p for _, p in parts])


def direct(mono: Mono, band: int, frame: int) -> float:
    """One value by the definition: a Hann window around the frame's center, times a complex sine."""
    frequency = LOWEST * 2 ** (band / BINS_PER_OCTAVE)
    length = min(42 / frequency, 0.5)
    half = int(length * RATE / 2)
    t = np.arange(-half, half + 1)
    window = 0.5 + 0.5 * np.cos(2 * np.pi * t / (length * RATE))
    padded = np.pad(mono, half + 1)[frame * HOP + 1 : frame * HOP + 2 + 2 * half]
    total = (padded * window * np.exp(-2j * np.pi * frequency * t / RATE)).sum()
    return float(np.abs(total) * 2 / (length * RATE) * np.sqrt(length))


@pytest.mark.parametrize("band", [0, 5, 47, 100, 191, 250, 335])
def test_a_sine_at_a_band_s_center(band: int) -> None:
    frequency = LOWEST * 2 ** (band / BINS_PER_OCTAVE)
    t = np.arange(8 * RATE) / RATE
    found, power = magnitudes((0.4 * np.sin(2 * np.pi * frequency * t)).astype(np.float32))
    inside = slice(30, -30)
    expected = 0.4 / 2 * np.sqrt(min(42 / frequency, 0.5))
    np.testing.assert_allclose(found[band, inside], expected, rtol=0.01)
    assert abs(int(found[:, inside].mean(axis=1).argmax()) - band) <= 1  # below C2 neighbors are within 1 %
    expected_power = 0.08 * gain(np.array([frequency]))[0] ** 2
    np.testing.assert_allclose(power[inside], expected_power, rtol=0.15)


def test_the_definition_on_noise(rng: np.random.Generator) -> None:
    mono = (0.1 * rng.standard_normal(12 * RATE)).astype(np.float32)
    found, _ = magnitudes(mono)
    for band in range(0, BANDS, 19):
        frames = rng.integers(0, found.shape[1], 12)
        expected = np.array([direct(mono, band, frame) for frame in frames])
        # The lobe ends at its first zeros: 0.05 % of a Hann window's energy lies beyond.
        error = np.abs(found[band, frames] - expected).max()
        assert error < 0.06 * np.sqrt(np.mean(found[band] ** 2)), band


def test_frames_at_the_seams_of_blocks(rng: np.random.Generator) -> None:
    """What a frame says does not depend on where in a block it falls."""
    mono = (0.1 * rng.standard_normal(15 * RATE)).astype(np.float32)
    found, power = magnitudes(mono)
    later, later_power = magnitudes(np.concatenate((np.zeros(57 * HOP, np.float32), mono)))
    scale = np.sqrt(np.mean(found**2, axis=1, keepdims=True))
    assert np.abs((found - later[:, 57:]) / scale).max() < 0.05
    np.testing.assert_allclose(power, later_power[57:], rtol=1e-3)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (HOP - 1, 1), (HOP, 2), (114 * HOP, 115)])
def test_number_of_frames(samples: int, frames: int) -> None:
    transform = ConstantQ()
    parts = [*transform.push(np.ones(samples, np.float32)), *transform.finish()]
    assert sum(m.shape[1] for m, _ in parts) == frames
    assert all(m.shape[0] == BANDS and len(p) == m.shape[1] for m, p in parts)


@settings(max_examples=tries(6), deadline=None)
@given(st.lists(st.integers(0, 400_000), max_size=6))
def test_the_length_of_blocks_changes_no_bit(cuts: list[int]) -> None:
    mono = np.random.default_rng(3).standard_normal(400_000).astype(np.float32)
    for whole, cut in zip(magnitudes(mono), magnitudes(mono, tuple(cuts)), strict=True):
        np.testing.assert_array_equal(whole, cut)


def test_decimation_is_a_filter_and_every_fourth_sample(rng: np.random.Generator) -> None:
    mono = rng.standard_normal(10_003).astype(np.float32)
    decimator = Decimator()
    found = np.concatenate([decimator.push(part) for part in np.split(mono, [3, 4, 5000])] + [decimator.finish()])
    middle = np.zeros(401, np.float32)
    taps = np.zeros(41)
    for shift in range(4):  # the response to an impulse at each of the four phases holds every tap
        decimator = Decimator()
        middle[:] = 0
        middle[200 + shift] = 1
        response = np.concatenate((decimator.push(middle), decimator.finish()))
        for i, value in enumerate(response):
            if abs(offset := 200 + shift - 4 * i) <= 20:
                taps[offset + 20] = value
    expected = np.convolve(mono, taps[::-1], "same")[::4]
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-5)


def test_what_would_fold_onto_the_bands_is_gone() -> None:
    assert np.abs(gain(np.arange(6703.0, 22050.0, 10.0))).max() < 10 ** (-50 / 20)
    assert gain(np.array([4322.0]))[0] > 10 ** (-3 / 20)
