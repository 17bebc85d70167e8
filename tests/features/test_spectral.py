"""Flatness, flux, skewness, kurtosis: by theory, against a plain second implementation, and under the rules."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import signals
from mirkit.features.spectral import SpectralCurve, SpectralExtractor, SpectralFeatures, spectral
from mirkit.features.stft import HOP, PowerStft, activity_mask, frames_in
from mirkit.features.types import SILENT, TOO_SHORT, Window
from properties import tries

RATE = signals.RATE


def curve_of(mono, block=1 << 16) -> SpectralCurve:
    stft, extractor = PowerStft(), SpectralExtractor()
    for part in signals.in_blocks(mono, range(block, len(mono), block)):
        for power in stft.push(part):
            extractor.push_frames(power)
    for power in stft.finish():
        extractor.push_frames(power)
    return extractor.finish()


def measure(mono) -> SpectralFeatures:
    return spectral(curve_of(mono), Window(0, len(mono) / RATE))


def values(features: SpectralFeatures) -> np.ndarray:
    return np.array(list(asdict(features).values()), float)


def shape_of(power, frames=1) -> SpectralCurve:
    """Curve of one made-up spectrum, without the frames at the edges."""
    extractor = SpectralExtractor()
    extractor.push_frames(np.tile(np.asarray(power, np.float32), (frames + 4, 1)))
    curve = extractor.finish()
    return SpectralCurve(
        *(getattr(curve, name)[2:-2] for name in ("level_db", "flatness", "skewness", "kurtosis", "flux"))
    )


# Known answers


def test_white_noise_has_the_flatness_of_the_periodogram():
    # Bins of a noise spectrum are exponentially distributed: geometric over arithmetic mean is exp(-Euler's constant).
    assert measure(signals.noise(10)).spectral_flatness == pytest.approx(np.exp(-np.euler_gamma), abs=0.005)


@pytest.mark.parametrize("hz", [60, 440, 1000, 9000])
def test_a_steady_sine_is_not_flat_and_has_no_flux(hz):
    features = measure(signals.sine(hz, 5))
    assert features.spectral_flatness < 1e-6
    assert features.spectral_flux < 0.1


def test_flatness_of_two_levels():
    power = np.zeros(1025)
    power[3:465] = np.where(np.arange(462) % 2, 1.0, 0.01)
    assert shape_of(power).flatness[0] == pytest.approx(0.1 / 0.505, rel=1e-5)


def test_flatness_counts_bins_a_hundred_db_down():
    power = np.zeros(1025)
    power[100] = 1
    assert shape_of(power).flatness[0] == pytest.approx(1e-10 ** (461 / 462) * 462, rel=1e-4)


@pytest.mark.parametrize("low_weight", [0.5, 0.2, 0.9])
def test_moments_of_two_bins(low_weight):
    power = np.zeros(1025)
    power[[50, 700]] = low_weight, 1 - low_weight
    variance = low_weight * (1 - low_weight)
    curve = shape_of(power)
    assert curve.skewness[0] == pytest.approx((2 * low_weight - 1) / np.sqrt(variance), abs=1e-5)
    assert curve.kurtosis[0] == pytest.approx(1 / variance - 3, rel=1e-5)


def test_moments_of_a_gaussian_over_log_frequency():
    hz = np.maximum(np.fft.rfftfreq(2048, 1 / RATE), 1)
    octaves = np.log2(hz / 2000)
    # A bin of fixed width covers less of the logarithmic axis the higher it is.
    curve = shape_of(np.exp(-(octaves**2) / (2 * 0.5**2)) / hz)
    assert curve.skewness[0] == pytest.approx(0, abs=0.02)
    assert curve.kurtosis[0] == pytest.approx(3, abs=0.02)


def test_bright_is_negative_and_dark_is_positive():
    assert measure(signals.noise(3)).spectral_skewness < -1
    dark = np.convolve(signals.noise(3), np.ones(200) / 200, "same").astype(np.float32)
    assert measure(dark).spectral_skewness > -0.5
    low_peak = np.zeros(1025)
    low_peak[[5, 800]] = 0.9, 0.1
    assert shape_of(low_peak).skewness[0] > 1


def test_flux_of_a_step_in_level():
    # All bands rise by 6 dB once in 100 frames.
    power = np.ones((104, 1025), np.float32)
    power[52:] = 10**0.6
    extractor = SpectralExtractor()
    extractor.push_frames(power)
    features = spectral(extractor.finish(), Window(0, 104 * HOP / RATE))
    assert features.spectral_flux == pytest.approx(6 / 100, rel=0.01)


def test_falling_levels_are_no_flux():
    power = np.ones((104, 1025), np.float32) * 10 ** (-np.arange(104) / 10)[:, None]
    extractor = SpectralExtractor()
    extractor.push_frames(power.astype(np.float32))
    assert extractor.finish().flux.max() == 0


def test_level_of_a_sine_is_its_rms():
    for hz in (100, 1000, 1010, 15000):
        assert curve_of(signals.sine(hz, 1, db=-20)).level_db[10:-10] == pytest.approx(-23.01, abs=0.02)


# An independent reference


def reference(mono) -> np.ndarray:
    """The definitions written down once more, in double precision, all at once, mel bands by librosa."""
    librosa = pytest.importorskip("librosa")
    power = np.abs(librosa.stft(mono.astype(np.float64), n_fft=2048, hop_length=512, pad_mode="constant")) ** 2 + 1e-20
    hz = librosa.fft_frequencies(sr=RATE, n_fft=2048)
    level = 10 * np.log10(power[2:].sum(axis=0) * 2 / (2048 * 768) + 1e-20)
    votes = level > max(level[2:-2].max() - 60, -70)
    votes[:2] = votes[-2:] = False

    band = power[(hz >= 50) & (hz <= 10000)]
    band = np.maximum(band, 1e-10 * band.max(axis=0))
    flatness = np.exp(np.log(band).mean(axis=0)) / band.mean(axis=0)

    inside = (hz >= 20) & (hz <= 20000)
    x, p = np.log2(hz[inside])[:, None], power[inside] / power[inside].sum(axis=0)
    mean = (p * x).sum(axis=0)
    sigma = np.sqrt((p * (x - mean) ** 2).sum(axis=0))
    skewness, kurtosis = ((p * ((x - mean) / sigma) ** k).sum(axis=0) for k in (3, 4))

    mel = librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=40)
    mel_db = librosa.power_to_db(mel, amin=1e-20, top_db=80)
    flux = np.maximum(np.diff(mel_db, axis=1, prepend=mel_db[:, :1]), 0).mean(axis=0)
    flux[:3] = 0
    return np.array([
        flatness[votes].mean(), flux[votes].mean(), np.median(skewness[votes]), np.median(kurtosis[votes])
    ])  # fmt: skip


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.parametrize("mono", [signals.band(8), signals.noise(3), signals.clicks([0.5, 1, 2.2], 3)])
def test_agrees_with_the_definitions(mono):
    np.testing.assert_allclose(values(measure(mono)), reference(mono), rtol=2e-3, atol=2e-3)


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.parametrize("name", ["mdb/MusicDelta_Rock/full_mix.flac", "mdb/MusicDelta_Zeppelin/full_mix.flac"])
def test_agrees_with_the_definitions_on_real_music(shared_data, name):
    sound, _ = pytest.importorskip("soundfile").read(shared_data / name, dtype="float32", always_2d=True)
    mono = sound.mean(axis=1)
    found = values(measure(mono))
    np.testing.assert_allclose(found, reference(mono), rtol=2e-3, atol=2e-3)
    flatness, flux, skewness, kurtosis = found
    assert 0.0005 < flatness < 0.05
    assert 0.5 < flux < 2
    assert -0.7 < skewness < 0.7
    assert 2 < kurtosis < 5


# The rules of every feature


def test_level_changes_nothing():
    mono = signals.band(8)
    np.testing.assert_allclose(
        values(measure(mono * np.float32(10**-0.5))), values(measure(mono)), rtol=1e-3, atol=1e-4
    )


def test_silence_around_the_music_changes_nothing():
    mono, hush = signals.band(10), signals.silence(5)
    padded = np.concatenate((hush, mono, hush))
    # What remains is the onset out of silence: one frame with a large flux in 860.
    np.testing.assert_allclose(values(measure(padded)), values(measure(mono)), rtol=0.02, atol=0.05)


def test_a_fade_out_hardly_changes_the_shape():
    mono = signals.band(16)
    faded = mono * np.minimum(1, 10 ** (-(np.arange(len(mono)) / RATE - 12) / 4 * 60 / 20)).astype(np.float32)
    before, after = measure(mono), measure(faded)
    assert after.spectral_flatness == pytest.approx(before.spectral_flatness, rel=0.05)
    assert after.spectral_skewness == pytest.approx(before.spectral_skewness, abs=0.05)
    assert after.spectral_kurtosis == pytest.approx(before.spectral_kurtosis, rel=0.05)


def test_a_window_is_the_cut_file():
    mono = signals.band(20)
    source = curve_of(mono)
    first, last = 300 * HOP, 1100 * HOP
    window = Window(first / RATE, last / RATE)
    cut = curve_of(mono[first:last])
    ours = spectral(source, window)
    theirs = spectral(cut, Window(0, window.duration), loudest_db=float(source.level_db.max()))
    # The cut file lacks two frames at each end, and its own highest band sets the floor of the flux.
    np.testing.assert_allclose(values(ours), values(theirs), rtol=0.02, atol=0.01)


def test_the_gate_is_that_of_the_source():
    loud, quiet = signals.noise(5, -10), signals.sine(1000, 5, -85)
    curve = curve_of(np.concatenate((loud, quiet)))
    assert spectral(curve, Window(6, 9)) == SpectralFeatures(SILENT, SILENT, SILENT, SILENT)
    assert spectral(curve, Window(0, 10)).spectral_flatness > 0.5


@pytest.mark.parametrize("mono", [signals.silence(3), np.full(RATE, 0.5, np.float32), signals.noise(3, -80)])
def test_silence_offset_and_hiss_are_silent(mono):
    assert measure(mono) == SpectralFeatures(SILENT, SILENT, SILENT, SILENT)


@pytest.mark.parametrize("n", [0, 1, 2047])
def test_less_than_a_frame_is_too_short(n):
    mono = signals.noise(1)[:n]
    assert measure(mono) == SpectralFeatures(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT)


@pytest.mark.parametrize("n", [2048, 3000, 5000])
def test_a_few_frames_are_enough(n):
    assert np.isfinite(values(measure(signals.noise(1)[:n]))).all()


def test_clipped_sound_is_measured():
    assert np.isfinite(values(measure(np.clip(signals.band(3) * 50, -1, 1)))).all()


@settings(max_examples=tries(6), deadline=None)
@given(st.lists(st.integers(0, 30000), max_size=6), st.integers(0, 30000))
def test_blocks_of_any_length_give_the_same_curve(cuts, n):
    mono = signals.band(1)[:n]
    stft, extractor = PowerStft(), SpectralExtractor()
    for part in signals.in_blocks(mono, cuts):
        for power in stft.push(part):
            extractor.push_frames(power)
    for power in stft.finish():
        extractor.push_frames(power)
    whole, pieces = asdict(curve_of(mono)), asdict(extractor.finish())
    for name in whole:
        np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-3, atol=1e-3)


# Frames and gates


@given(st.floats(0, 100), st.floats(0, 100), st.integers(0, 5000))
def test_neighboring_windows_share_no_frame_and_lose_none(a, b, count):
    middle, end = sorted((a, b))
    left, right = (frames_in(w, 86.13, count) for w in (Window(0, middle), Window(middle, end)))
    assert left.stop == right.start
    assert frames_in(Window(0, end), 86.13, count) == slice(left.start, right.stop)


def test_active_is_within_60_db_and_above_minus_70():
    level = np.array([-5, -64.9, -65.1, -200])
    assert activity_mask(level, -5).tolist() == [True, True, False, False]
    assert activity_mask(level, -30).tolist() == [True, True, True, False]
