"""True peak: the cases of EBU Tech 3341, and blocks of any length."""

import numpy as np
import pytest

from mirkit.features.true_peak import TruePeakExtractor


def true_peak_db(samples: np.ndarray, block: int) -> float:
    extractor = TruePeakExtractor()
    for at in range(0, samples.shape[1], block):
        extractor.push(samples[:, at : at + block])
    return 20 * np.log10(extractor.finish())


@pytest.mark.parametrize(
    ("divisor", "phase", "amplitude", "expected"),
    # Cases 15 to 18: a sine of fs/4, fs/4, fs/6 and fs/8 whose samples miss its crests; 19: half a crest more.
    [(4, 0, 0.50, -6.0), (4, 45, 0.50, -6.0), (6, 60, 0.50, -6.0), (8, 67.5, 0.50, -6.0), (4, 45, 1.41, 3.0)],
)
@pytest.mark.parametrize("rate", [44100, 48000])
def test_cases_of_tech_3341(divisor: int, phase: float, amplitude: float, expected: float, rate: int) -> None:
    n = np.arange(rate)
    sine = amplitude * np.sin(2 * np.pi * n / divisor + np.radians(phase))
    ramp = np.minimum(1, np.minimum(n, n[::-1]) / 4000)
    measured = true_peak_db((sine * ramp)[None].astype(np.float32), 4096)
    assert expected - 0.4 <= measured <= expected + 0.2


def test_blocks_make_no_difference(rng: np.random.Generator) -> None:
    noise = (0.3 * rng.standard_normal((2, 5000))).astype(np.float32)
    whole = true_peak_db(noise, 5000)
    assert [true_peak_db(noise, size) for size in (1, 7, 100, 4999)] == pytest.approx([whole] * 4, abs=1e-5)
    assert whole >= 20 * np.log10(np.abs(noise).max())


def test_silence_has_no_peak() -> None:
    extractor = TruePeakExtractor()
    extractor.push(np.zeros((2, 100), np.float32))
    assert extractor.finish() == 0
