"""Change of rate: no delay, exact length, flat band, nothing folded back, the same however the sound is cut."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soxr
from audio_files import as_float, lag, music, write
from hypothesis import given, settings
from hypothesis import strategies as st

from mirkit.audio import Resampler, open_audio, resample, resampled_length
from properties import tries

RATES = [8000, 11025, 16000, 22050, 32000, 48000, 88200, 96000, 176400, 192000]


@pytest.mark.parametrize("rate", RATES)
def test_a_file_comes_at_the_analysis_rate(rate: int, tmp_path: Path) -> None:
    x = as_float(write(tmp_path / "s16.flac", music(1.001, rate), rate))
    audio = open_audio(tmp_path / "s16.flac")
    y = audio.samples()
    assert audio.rate == 44100
    assert audio.source.sample_rate == rate
    assert y.shape == (2, round(Fraction(x.shape[1] * 44100, rate)))
    theirs = soxr.resample(x.T, rate, 44100).T[:, : y.shape[1]]
    assert np.allclose(y, theirs, atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
def test_no_delay(rate: int) -> None:
    """A click in the middle stays where it was, to a hundredth of a sample."""
    n = rate // 2
    x = np.zeros((1, n), np.float32)
    x[0, n // 4] = 1
    y = resample(x, rate, 44100)[0].astype(np.float64)
    # the center of a symmetric pulse: phase slope of its spectrum well below both Nyquist frequencies
    spectrum = np.fft.rfft(y)
    low = np.arange(1, int(len(spectrum) * min(1, rate / 44100) * 0.5))
    slope = np.polyfit(low, np.unwrap(np.angle(spectrum[low])), 1)[0]
    assert -slope * len(y) / (2 * np.pi) == pytest.approx((n // 4) * 44100 / rate, abs=0.01)


@pytest.mark.parametrize("rate", [48000, 96000, 22050])
def test_the_band_is_flat_and_what_is_above_does_not_fold_back(rate: int) -> None:
    edge = min(rate, 44100) / 2
    t = np.arange(rate) / rate
    for share in (0.01, 0.5, 0.9):
        tone = np.sin(2 * np.pi * share * edge * t).astype(np.float32)
        kept = resample(tone, rate, 44100)[4000:-4000]
        assert np.sqrt(2 * np.mean(kept.astype(np.float64) ** 2)) == pytest.approx(1, abs=0.002)
    if rate > 44100:
        tone = np.sin(2 * np.pi * 1.03 * edge * t).astype(np.float32)
        assert np.abs(resample(tone, rate, 44100)[4000:-4000]).max() < 1e-4


@settings(max_examples=tries(25), deadline=None)
@given(
    n=st.integers(0, 20_000),
    rates=st.sampled_from([(48000, 44100), (8000, 44100), (44100, 16000), (88200, 44100), (37000, 44100)]),
    cuts=st.lists(st.integers(0, 20_000), max_size=6),
)
def test_the_stream_does_not_depend_on_its_cuts(n: int, rates: tuple[int, int], cuts: list[int]) -> None:
    x = np.random.default_rng(n).standard_normal((2, n)).astype(np.float32)
    stream = Resampler(*rates, 2)
    edges = [0, *sorted(min(c, n) for c in cuts), n]
    parts = [stream.push(x[:, a:b]) for a, b in pairwise(edges)]
    y = np.concatenate([*parts, stream.finish()], axis=1)
    assert y.shape == (2, resampled_length(n, *rates))
    assert np.array_equal(y, resample(x, *rates))


def test_mono_arrays_and_equal_rates() -> None:
    x = music(0.3, channels=1)[0]
    assert resample(x, 44100, 44100) is x
    assert resample(x, 44100, 16000).shape == (4800,)
    assert resample(x.astype(np.float64), 44100, 16000).dtype == np.float32


def test_there_and_back(tmp_path: Path) -> None:
    x = music(1.0)
    back = resample(resample(x, 44100, 48000), 48000, 44100)
    assert back.shape == x.shape
    assert lag(back, x) == 0
    inner = slice(2000, -2000)
    low = np.abs(np.fft.rfft((back - x)[0, inner]))[: 15_000 * 40100 // 44100]  # below 15 kHz
    assert low.max() < 1e-3 * np.abs(np.fft.rfft(x[0, inner])).max()
