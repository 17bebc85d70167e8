"""Band energies: sines, a brick-wall cut of one long transform, and the rules of every feature."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import signals
from mirkit.features.bands import EDGES, BandCurve, BandExtractor, BandFeatures, bands
from mirkit.features.types import SILENT, TOO_SHORT, Unknown, Window
from properties import tries

RATE = signals.RATE
ALL_SILENT = BandFeatures(SILENT, SILENT, SILENT, SILENT)
ALL_TOO_SHORT = BandFeatures(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT)


def curve_of(sound, block=1 << 16) -> BandCurve:
    sound = np.atleast_2d(sound)
    extractor = BandExtractor(len(sound))
    for part in signals.in_blocks(sound, range(block, sound.shape[1], block)):
        extractor.push(part)
    return extractor.finish()


def measure(sound) -> BandFeatures:
    return bands(curve_of(sound), Window(0, np.shape(sound)[-1] / RATE))


def levels(features: BandFeatures) -> np.ndarray:
    return np.array([np.nan if isinstance(value, Unknown) else value for value in vars(features).values()])


def brick_wall(sound) -> np.ndarray:
    """Band levels from one transform of the whole signal."""
    sound = np.atleast_2d(sound).astype(np.float64)
    power = (np.abs(np.fft.rfft(sound)) ** 2).mean(axis=0) * 2 / sound.shape[1] ** 2
    hz = np.fft.rfftfreq(sound.shape[1], 1 / RATE)
    return np.array([10 * np.log10(power[(hz >= low) & (hz < high)].sum()) for low, high in pairwise(EDGES)])


# Known answers


@pytest.mark.parametrize(
    ("hz", "band"),
    [
        *[(60, 0), (250, 1), (1000, 2), (8000, 3)],  # centers
        *[(24, 0), (115, 0), (125, 1), (595, 1), (605, 2), (2495, 2), (2505, 3), (21990, 3)],  # two bins from an edge
    ],
)
def test_a_sine_is_in_its_band_alone(hz, band):
    found = levels(measure(signals.sine(hz, 10, db=-12)))
    assert found[band] == pytest.approx(-15.01, abs=0.1)
    others = np.delete(found, band)
    assert np.nanmax(others, initial=-100) < -35


def test_white_noise_has_the_energy_of_the_width():
    width = np.diff(EDGES) / (RATE / 2)
    np.testing.assert_allclose(levels(measure(signals.noise(20, -20))), -20 + 10 * np.log10(width), atol=0.3)


def test_a_single_sample_keeps_its_energy():
    sound = signals.silence(3)
    sound[70000] = 1
    share = 10 ** (levels(measure(sound)) / 10) * len(sound)
    np.testing.assert_allclose(share, np.diff(EDGES) / (RATE / 2), rtol=0.02)


# The reference


@pytest.mark.reference
@pytest.mark.parametrize("seconds", [1.0, 7.3, 12.0])
def test_agrees_with_a_brick_wall(seconds):
    sound = np.stack([signals.band(seconds, seed=k) + signals.noise(seconds, -45, seed=k) for k in range(2)])
    # Without a fade the long transform joins end and beginning, where a file has two steps out of silence.
    ramp = np.minimum(1, np.arange(sound.shape[1], dtype=np.float32) / 4410)
    sound *= ramp * ramp[::-1]
    np.testing.assert_allclose(levels(measure(sound)), brick_wall(sound), atol=0.2)


@pytest.mark.reference
def test_agrees_with_a_brick_wall_on_real_music(shared_data):
    soundfile = pytest.importorskip("soundfile")
    for file in sorted((shared_data / "mdb").glob("*/*.flac")):
        sound = soundfile.read(file, dtype="float32", always_2d=True)[0].T
        if not sound.any():
            assert measure(sound) == ALL_SILENT
            continue
        found, expected = levels(measure(sound)), brick_wall(sound)
        heard = expected > -90
        np.testing.assert_allclose(found[heard], expected[heard], atol=0.1, err_msg=str(file))


# The rules of every feature


def test_level_moves_every_band_alike():
    sound = signals.band(5)
    np.testing.assert_allclose(levels(measure(sound * np.float32(10**-0.5))), levels(measure(sound)) - 10, atol=1e-3)


def test_channels_are_averaged_in_energy():
    mono = signals.band(5)
    one = levels(measure(mono))
    np.testing.assert_allclose(levels(measure(np.stack((mono, -mono)))), one, atol=1e-6)
    np.testing.assert_allclose(levels(measure(np.stack((mono, 0 * mono)))), one - 3.0103, atol=1e-4)


def test_silence_counts_as_time():
    sound = signals.band(8)
    padded = np.concatenate((signals.silence(4), sound, signals.silence(4)))
    np.testing.assert_allclose(levels(measure(padded)), levels(measure(sound)) - 3.0103, atol=0.05)


@pytest.mark.parametrize("sound", [signals.silence(3), signals.noise(3, -96)])
def test_silence_and_dither_are_silent(sound):
    assert measure(sound) == ALL_SILENT


def test_an_empty_signal_or_window_is_too_short():
    assert measure(signals.silence(0)) == ALL_TOO_SHORT
    assert bands(curve_of(signals.band(1)), Window(0.5, 0.5)) == ALL_TOO_SHORT
    assert bands(curve_of(signals.band(1)), Window(2, 3)) == ALL_TOO_SHORT


@pytest.mark.parametrize("n", [1, 100, 8191, 8192, 8193])
def test_short_signals_keep_their_energy(n):
    sound = signals.noise(1, -10)[:n]
    energy = (10 ** (levels(measure(sound)) / 10)).sum() * n
    assert energy <= np.sum(sound**2, dtype=float) * 1.001
    assert energy >= np.sum(sound**2, dtype=float) * 0.9


def test_clipped_sound_is_measured():
    sound = np.clip(signals.band(5) * 50, -1, 1)
    np.testing.assert_allclose(levels(measure(sound)), brick_wall(sound), atol=0.2)


def test_windows_add_up_to_the_whole():
    sound = np.stack([signals.band(20, seed=k) for k in range(2)])
    curve = curve_of(sound)
    bounds = [0, 3.21, 9.87, 10, 20]
    energy = sum(10 ** (levels(bands(curve, Window(a, b))) / 10) * (b - a) for a, b in pairwise(bounds))
    np.testing.assert_allclose(energy / 20, 10 ** (levels(bands(curve, Window(0, 20))) / 10), rtol=1e-6)


@pytest.mark.parametrize("start", [3.0, 5.123, 6.66])
def test_a_window_is_the_cut_file(start):
    sound = signals.band(20) + signals.noise(20, -45)
    cut = sound[round(start * RATE) : round((start + 10) * RATE)]
    np.testing.assert_allclose(levels(bands(curve_of(sound), Window(start, start + 10))), brick_wall(cut), atol=0.3)


@settings(max_examples=tries(8), deadline=None)
@given(st.lists(st.integers(0, 60000), max_size=6), st.integers(0, 60000))
def test_blocks_of_any_length_give_the_same_curve(cuts, n):
    sound = np.stack([signals.band(1.5, seed=k) for k in range(2)])[:, :n]
    extractor = BandExtractor(2)
    for part in signals.in_blocks(sound, cuts):
        extractor.push(part)
    pieces, whole = extractor.finish(), curve_of(sound)
    assert pieces.samples == whole.samples == n
    np.testing.assert_allclose(pieces.energy, whole.energy, rtol=1e-5, atol=1e-9)


# Numbers that the documentation states, at their boundaries


@pytest.mark.parametrize(("rms", "silent"), [(-89.9, False), (-90.1, True)])
def test_a_band_below_minus_90_dbfs_is_silent(rms, silent):
    assert (measure(signals.sine(300, 10, db=rms + 3.01)).rms_energy_body == SILENT) is silent
