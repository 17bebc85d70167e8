"""True peak, peak to loudness ratio, stereo width: known answers, then FFmpeg's ebur128, then windows and blocks."""

import av
import numpy as np
import pytest

from mirkit.features.level import LevelExtractor, LevelFeatures, level
from mirkit.features.loudness import LoudnessExtractor
from mirkit.features.types import ANALYSIS_RATE as RATE
from mirkit.features.types import Unknown, Window


def measure(sound: np.ndarray, window: Window | None = None, block: int = 1 << 16) -> LevelFeatures:
    sound = np.atleast_2d(sound).astype(np.float32)
    peaks, energies = LevelExtractor(len(sound)), LoudnessExtractor(len(sound))
    for at in range(0, sound.shape[1], block):
        peaks.push(sound[:, at : at + block])
        energies.push(sound[:, at : at + block])
    return level(peaks.finish(), energies.finish(), window or Window(0, sound.shape[1] / RATE))


def sine(hz: float, seconds: float = 3.0, amplitude: float = 0.5, phase: float = 0.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE + phase)


def ffmpeg_true_peak(sound: np.ndarray) -> float:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo", time_base="1/44100")
    measuring, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(measuring)
    measuring.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, np.float32), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = RATE, 0
    source.push(frame)
    source.push(None)
    highest = 0.0
    while True:
        try:
            metadata = sink.pull().metadata
        except (av.error.EOFError, av.error.BlockingIOError):
            return float(20 * np.log10(highest))
        highest = max(highest, *(float(metadata[f"lavfi.r128.true_peaks_ch{channel}"]) for channel in (0, 1)))


def test_known_answers() -> None:
    tone = sine(997)
    both = measure(np.stack((tone, tone)))
    assert both.true_peak == pytest.approx(-6.02, abs=0.02)
    assert both.plr == pytest.approx(0, abs=0.1), "EBU Tech 3341: a sine on both channels has its peak as loudness"
    assert measure(tone).plr == pytest.approx(3.01, abs=0.1), "on one channel, 3 LU less"
    assert both.stereo_width == 0
    assert measure(np.stack((tone, -tone))).stereo_width == 1
    assert measure(np.stack((tone, 0 * tone))).stereo_width == pytest.approx(0.5)
    assert measure(tone).stereo_width == 0, "mono"
    # Sides 12 dB below the middle: 10 ** (-12 / 20) = 0.251; 0.251 / 1.251 = 0.2.
    side = 10 ** (-12 / 20) * sine(1401)
    assert measure(np.stack((tone + side, tone - side))).stereo_width == pytest.approx(0.2007, abs=0.001)


def test_independent_sides_have_half_the_width(rng: np.random.Generator) -> None:
    assert measure(0.1 * rng.standard_normal((2, 3 * RATE))).stereo_width == pytest.approx(0.5, abs=0.005)


def test_the_samples_may_miss_the_crest() -> None:
    between = measure(sine(RATE / 4, phase=np.pi / 4) * np.minimum(1, np.arange(3 * RATE) / 4000))
    assert between.true_peak == pytest.approx(-6.02, abs=0.2)


def test_a_gain_moves_the_peak_alone(rng: np.random.Generator) -> None:
    sound = 0.1 * rng.standard_normal((2, 3 * RATE))
    loud, quiet = measure(sound), measure(0.1 * sound)
    assert quiet.true_peak == pytest.approx(loud.true_peak - 20, abs=1e-3)
    assert (quiet.plr, quiet.stereo_width) == (pytest.approx(loud.plr, abs=1e-3), pytest.approx(loud.stereo_width))


@pytest.mark.parametrize("seed", range(4))
def test_true_peak_agrees_with_ffmpeg(seed: int) -> None:
    """FFmpeg interpolates at 192 kHz; 4 times 44.1 kHz misses up to 0.2 dB."""
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal((2, 2 * RATE))
    if seed % 2:  # as in music, with less at the upper end of the spectrum
        sound += np.roll(sound, 1, axis=1)
    sound *= 0.5 / np.abs(sound).max()
    assert measure(sound).true_peak == pytest.approx(ffmpeg_true_peak(sound), abs=0.2)


def test_unknown_values_have_reasons() -> None:
    silent, short = measure(np.zeros((2, RATE))), measure(sine(440, 0.3))
    assert [silent.true_peak, silent.plr, silent.stereo_width] == [Unknown("silent")] * 3
    assert isinstance(short.true_peak, float)
    assert short.plr == Unknown("too short"), "a loudness needs 400 ms"
    assert measure(np.zeros((2, 0)), Window(0, 0)).true_peak == Unknown("too short")


def test_a_window_has_the_values_of_its_cut(rng: np.random.Generator) -> None:
    swell = np.linspace(0.01, 0.4, 8 * RATE)
    sound = swell * rng.standard_normal((2, 8 * RATE)) * np.array([[1.0], [0.3]])
    for start, end in ((1.0, 3.0), (2.5, 7.3), (0.0, 8.0)):
        cut = measure(sound[:, round(start * RATE) : round(end * RATE)])
        window = measure(sound, Window(start, end))
        assert window.true_peak == pytest.approx(cut.true_peak, abs=0.05)
        assert window.plr == pytest.approx(cut.plr, abs=0.1)
        assert window.stereo_width == pytest.approx(cut.stereo_width, abs=1e-3)


def test_blocks_make_no_difference(rng: np.random.Generator) -> None:
    sound = 0.2 * rng.standard_normal((2, RATE + 123))
    whole = measure(sound)
    for size in (1000, 441, 7777):
        parts = measure(sound, block=size)
        assert parts.true_peak == pytest.approx(whole.true_peak, abs=1e-5)
        assert parts.stereo_width == pytest.approx(whole.stereo_width, abs=1e-6)
