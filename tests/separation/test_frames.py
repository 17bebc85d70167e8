import numpy as np
import pytest

from mirkit.separation.stft import HOP_SECONDS, HZ_PER_BIN, Analysis, StftConfig, Synthesis


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000])
def test_bins_and_frames_mean_the_same_at_any_rate(rate: int) -> None:
    grid = StftConfig(rate)
    assert rate / grid.n_fft == pytest.approx(HZ_PER_BIN, rel=0.035)
    assert rate / grid.hop == pytest.approx(1 / HOP_SECONDS, rel=0.035)


@pytest.mark.parametrize("length", [1, 100, 4096, 5000, 30000])
@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_there_and_back(rng: np.random.Generator, length: int, rate: int) -> None:
    x = rng.standard_normal((2, length)).astype(np.float32)
    grid = StftConfig(rate)
    analysis, synthesis = Analysis(grid, 2), Synthesis(grid, 2)
    pieces = [synthesis.push(analysis.push(block)) for block in np.array_split(x, 3, axis=1)]
    pieces.append(synthesis.push(analysis.finish()))
    back = np.concatenate(pieces, axis=1)
    assert length <= back.shape[1] < length + grid.hop
    np.testing.assert_allclose(back[:, :length], x, atol=5e-6)  # seen: 9.5e-7, rounding in single precision
    np.testing.assert_allclose(back[:, length:], 0, atol=2e-6)


def test_a_tone_stands_in_its_bin() -> None:
    grid = StftConfig(48000)
    tone = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000).astype(np.float32)[None]
    spectra = Analysis(grid, 1).push(tone)
    assert abs(int(np.abs(spectra[0, 10]).argmax()) - 1000 * grid.n_fft / 48000) <= 0.5
