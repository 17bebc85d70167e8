"""Lossy origin: planted quantization, real codecs, and audio that only looks as if."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfilt

import signals
from features.audit.lossy_audio import music, rounded, through
from mirkit.audio import resample
from mirkit.features.audit.filterbanks import sine_window
from mirkit.features.audit.lossy import SECONDS, Excerpt, LossyOrigin, codec_rates, excerpt_times, find_origin

RATE = signals.RATE


def origin(samples: np.ndarray, rate: int = RATE) -> LossyOrigin | None:
    """As the stage does it."""
    times = excerpt_times(samples.shape[1] / rate)
    for at, names in codec_rates(rate).items():
        parts = [samples[:, round(t * rate) : round((t + SECONDS) * rate)] for t in times]
        excerpts = [Excerpt(round(t * at), resample(part, rate, at)) for t, part in zip(times, parts, strict=True)]
        if found := find_origin(excerpts, at, names):
            return found
    return None


@pytest.mark.parametrize("codec", ["MP3", "AAC", "Opus"])
def test_codecs_are_found(codec: str) -> None:
    found = [origin(*through(codec, kbps, music())) for kbps in (64, 128, 320)]
    assert [one.codec for one in found if one] == [codec] * 3
    rates = [one.kbps for one in found if one]
    assert sorted(rates) == rates
    assert rates[2] >= 1.5 * rates[0]
    assert str(found[1]) == f"decoded from a lossy file: {codec}, about {rates[1]} kbit/s"


def test_a_quantized_mdct_is_found() -> None:
    """A known answer without any codec: an MDCT of 1024 lines with a sine window, whose small lines are set to zero."""
    samples, hop, window = music()[0], 1024, sine_window(2048).astype(np.float64)
    n, k = np.arange(2 * hop)[:, None], np.arange(hop)
    basis = np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5)) * np.sqrt(2 / hop) * window[:, None]
    quantized = np.zeros(len(samples))
    for start in range(37, len(samples) - 2 * hop, hop):
        lines = samples[start : start + 2 * hop] @ basis
        step = 0.7 * np.sqrt(np.convolve(lines**2, np.ones(31) / 31, "same"))
        quantized[start : start + 2 * hop] += basis @ (np.round(lines / step) * step)
    found = origin(rounded(quantized[None]))
    assert found is not None
    assert found.codec == "AAC"
    assert origin(rounded(samples[None])) is None


@pytest.mark.parametrize("gain", [0.1, 0.01])
def test_a_change_of_level_hides_nothing(gain: float) -> None:
    samples, rate = through("MP3", 128, music())
    found = origin(rounded(gain * samples), rate)
    assert found is not None
    assert found.codec == "MP3"


def test_samples_may_be_missing_at_the_start() -> None:
    samples, rate = through("AAC", 128, music())
    found = [origin(samples[:, cut:], rate) for cut in (1, 100, 777)]
    assert [one.codec for one in found if one] == ["AAC"] * 3


def test_resampled_audio_is_examined_at_the_rate_of_the_codec() -> None:
    opus, rate = through("Opus", 128, music())
    found = origin(rounded(resample(opus, rate, RATE)))
    assert found is not None
    assert found.codec == "Opus"
    mp3, rate = through("MP3", 128, music())
    found = origin(rounded(resample(mp3, rate, 48000)), 48000)
    assert found is not None
    assert found.codec == "MP3"


def test_one_channel() -> None:
    samples, rate = through("MP3", 96, music()[:1])
    found = origin(samples, rate)
    assert found is not None
    assert found.codec == "MP3"


def low_passed(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = sosfilt(butter(12, 16000, fs=RATE, output="sos"), x)
    return found


def up(factor: int) -> Callable[[np.ndarray], np.ndarray]:
    def sampled(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = resample_poly(resample_poly(x, 1, factor, axis=1), factor, 1, axis=1)
        return found

    return sampled


def record(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = sosfilt(butter(2, 8000, fs=RATE, output="sos"), x)
    return found + 1e-3 * np.random.default_rng(1).standard_normal(x.shape)


UNTOUCHED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda x: x,
    "low-pass at 16 kHz": low_passed,
    "of 22 kHz": up(2),
    "of 11 kHz": up(4),
    "old record": record,
    "very quiet": lambda x: 0.002 * x,
    "noise": lambda x: 0.1 * np.random.default_rng(2).standard_normal(x.shape),
    "synthesizer without highs": lambda x: np.stack([signals.chord((220, 277, 330), 4.0)] * 2),
    "one tone": lambda x: signals.sine(1000, 4.0)[None],
    "clicks": lambda x: signals.clicks(np.arange(0.1, 4, 0.25), 4.0)[None],
    "silence": lambda x: 0 * x,
    "8 bits": lambda x: np.round(127 * x) / 128,
    "square wave": lambda x: np.sign(np.sin(2 * np.pi * 441 * np.arange(4 * RATE) / RATE))[None] * 0.3,
    "0.1 s": lambda x: x[:, : RATE // 10],
    "0.3 s": lambda x: x[:, : RATE * 3 // 10],
    "limited": lambda x: np.tanh(5 * x),
}


@pytest.mark.parametrize("change", UNTOUCHED.values(), ids=list(UNTOUCHED))
def test_what_was_never_encoded_has_no_traces(change: Callable[[np.ndarray], np.ndarray]) -> None:
    assert origin(rounded(change(music()))) is None


@pytest.mark.parametrize("rate", [22050, 32000, 48000, 96000, 192000])
def test_no_traces_at_any_rate(rate: int) -> None:
    assert origin(music(seconds=2, rate=rate), rate) is None


def test_excerpts_begin_at_whole_samples_of_all_rates() -> None:
    for duration in (0.6, 4.0, 300.0):
        times = excerpt_times(duration)
        assert times
        assert times[-1] + SECONDS <= duration
        for rate in (44100, 48000, 96000):
            assert all(abs(time * rate - round(time * rate)) < 1e-6 for time in times)
    assert excerpt_times(0.2) == []
