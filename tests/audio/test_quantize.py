"""Rounding to bits, peaks, and the gains that keep audio below full scale."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mirkit.audio import check_peak, full_scale_gain, may_exceed_full_scale, peak_of, probe, quantize
from mirkit.errors import AudioError


def noise(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("bits", [16, 24])
def test_steps_do_not_change(bits: int) -> None:
    steps = np.random.default_rng(1).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (2, 5000))
    x = (steps / 2.0 ** (bits - 1)).astype(np.float32)
    assert np.array_equal(quantize(x, bits, noise()), x)


def test_dither_keeps_what_is_below_one_step() -> None:
    # A sine of a quarter of a step would vanish by rounding; with dither it is there, and its error is noise.
    t = np.arange(1 << 17)
    x = (0.25 / 32768 * np.sin(2 * np.pi * 64 * t / 4096))[None].astype(np.float32)
    y = quantize(x, 16, noise())
    assert np.array_equal(y * 32768, np.rint(y * 32768))
    spectrum = np.abs(np.fft.rfft(y[0])) / len(t) * 2 * 32768
    at = 64 * len(t) // 4096
    assert spectrum[at] == pytest.approx(0.25, abs=0.02)
    for harmonic in (2, 3, 5):
        assert spectrum[harmonic * at] < 0.02
    assert not np.rint(x * 32768).any()


def test_the_error_has_the_power_of_triangular_dither() -> None:
    x = np.random.default_rng(2).uniform(-0.5, 0.5, (2, 50_000)).astype(np.float32)
    error = (quantize(x, 16, noise()) - x) * 32768
    assert error.std() == pytest.approx(0.5, abs=0.01)  # sqrt(1/4): 1/6 of the dither and 1/12 of rounding
    assert abs(error.mean()) < 0.01


def test_silence_stays_silent_and_full_scale_is_the_limit() -> None:
    x = np.zeros((1, 1000), np.float32)
    x[0, 500:] = 0.123456789
    y = quantize(x, 16, noise())
    assert not y[0, :500].any()
    assert quantize(np.full((1, 9), 1.7, np.float32), 16, noise()).max() == 32767 / 32768
    assert quantize(np.full((1, 9), -1.7, np.float32), 16, noise()).min() == -1


def test_the_same_seed_gives_the_same_samples() -> None:
    x = np.random.default_rng(3).uniform(-0.5, 0.5, (2, 999)).astype(np.float32)
    assert np.array_equal(quantize(x, 16, noise(5)), quantize(x, 16, noise(5)))
    assert not np.array_equal(quantize(x, 16, noise(5)), quantize(x, 16, noise(6)))


@pytest.mark.parametrize("peak", [1.0001, 1.25, 1.9, 2.4142, 9.99])
def test_a_lowered_peak_fits_with_its_dither(peak: float) -> None:
    gain = full_scale_gain(peak)
    assert -20 * np.log10(peak) - 0.0021 <= gain < 0
    x = np.full((2, 4000), peak * 10 ** (gain / 20), np.float32)
    assert quantize(x, 16, noise()).max() <= 32767 / 32768
    assert x.max() * 32768 + 1 <= 32767.5


@pytest.mark.parametrize("peak", [0.0, 0.3, 1.0])
def test_what_fits_is_not_lowered(peak: float) -> None:
    assert full_scale_gain(peak) == 0


def test_a_peak_above_20_dbfs_is_refused(tmp_path: Path) -> None:
    check_peak(tmp_path / "x.wav", 10.0)
    with pytest.raises(AudioError, match=r"x\.wav: its samples reach \+84\.3 dBFS, and the limit is \+20; .* 32768"):
        check_peak(tmp_path / "x.wav", 16384.0)


def test_which_files_may_exceed_full_scale(tmp_path: Path) -> None:
    x = np.zeros((4000, 2))
    x[100, 1] = -1.5
    for name, may, options in [
        ("a.flac", False, {}),
        ("b.wav", False, {"subtype": "PCM_24"}),
        ("c.wav", True, {"subtype": "FLOAT"}),
        ("d.mp3", True, {}),
    ]:
        soundfile.write(tmp_path / name, x, 44100, **options)
        assert may_exceed_full_scale(probe(tmp_path / name)) == may
    soundfile.write(tmp_path / "e.flac", np.zeros((4000, 6)), 44100)
    assert may_exceed_full_scale(probe(tmp_path / "e.flac"))
    assert peak_of(tmp_path / "c.wav") == 1.5
    assert peak_of(tmp_path / "c.wav", samples=100) == 0
