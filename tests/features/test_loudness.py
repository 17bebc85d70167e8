"""Loudness: the EBU's own cases, other implementations, and the rules of every feature."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import signals
from mirkit.features.loudness import (
    LoudnessCurve,
    LoudnessExtractor,
    LoudnessFeatures,
    hops_in,
    loudness,
    to_energy,
    to_lufs,
)
from mirkit.features.types import SILENT, TOO_SHORT, Window
from properties import tries

RATE = signals.RATE


def curve_of(sound, block=1 << 16) -> LoudnessCurve:
    sound = np.atleast_2d(sound)
    extractor = LoudnessExtractor(len(sound))
    for part in signals.in_blocks(sound, range(block, sound.shape[1], block)):
        extractor.push(part)
    return extractor.finish()


def measure(sound) -> LoudnessFeatures:
    return loudness(curve_of(sound), Window(0, np.shape(sound)[-1] / RATE))


def at(rate, steps, channels=2):
    """A 1 kHz sine on every channel with ``(peak dBFS, seconds)`` one after the other, brought to 44.1 kHz."""
    mono = np.concatenate([signals.sine(1000, seconds, db, rate) for db, seconds in steps])
    if rate != RATE:
        mono = pytest.importorskip("soxr").resample(mono, rate, RATE)
    return np.tile(mono, (channels, 1))


def ebur128(sound, rate=RATE) -> tuple[float, float]:
    """Integrated loudness and range by FFmpeg's filter."""
    av = pytest.importorskip("av")
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=rate, layout=layout, time_base=Fraction(1, rate))
    extractor, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(extractor)
    extractor.link_to(sink)
    graph.configure()
    says = {}
    for start in range(0, sound.shape[1], 4410):
        part = np.ascontiguousarray(sound[:, start : start + 4410], np.float32)
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, start
        graph.push(frame)
        while True:
            try:
                says = graph.pull().metadata or says
            except (av.BlockingIOError, av.EOFError):
                break
    return float(says["lavfi.r128.I"]), float(says["lavfi.r128.LRA"])


# The EBU's cases (those that are made of sines; the others are recordings)

TECH_3341 = {
    1: ([(-23, 20)], -23),
    2: ([(-33, 20)], -33),
    3: ([(-36, 10), (-23, 60), (-36, 10)], -23),
    4: ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
    5: ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
}
TECH_3342 = {
    1: ([(-20, 20), (-30, 20)], 10),
    2: ([(-20, 20), (-15, 20)], 5),
    3: ([(-40, 20), (-20, 20)], 20),
    4: ([(-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)], 15),
}


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("case", TECH_3341)
def test_ebu_tech_3341(case, rate):
    steps, expected = TECH_3341[case]
    assert measure(at(rate, steps)).lufs == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("rate", [44100, 48000])
def test_ebu_tech_3341_case_6_five_channels(rate):
    sound = np.concatenate([at(rate, [(db, 20)], 1) for db in (-28, -28, -24, -30, -30)])
    assert measure(sound).lufs == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("case", TECH_3342)
def test_ebu_tech_3342(case, rate):
    steps, expected = TECH_3342[case]
    assert measure(at(rate, steps)).lra == pytest.approx(expected, abs=0.1)


# Known answers


def test_full_scale_sine_of_997_hz_on_one_channel_is_minus_3_01():
    # BS.1770-4, annex 1.
    assert measure(signals.sine(997, 5, 0)).lufs == pytest.approx(-3.01, abs=0.01)


def test_the_weighting_is_that_of_the_standard_at_every_frequency():
    """Response of the filters at 44.1 kHz against the standard's own at 48 kHz."""
    from scipy.signal import freqz

    shelf = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585])
    high_pass = ([1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621])
    for hz, tolerance in ((20, 0.01), (38, 0.01), (100, 0.01), (1000, 0.01), (1682, 0.01), (4000, 0.03), (10000, 0.1)):
        gain = np.prod([abs(freqz(*section, [hz], fs=48000)[1][0]) for section in (shelf, high_pass)])
        expected = -0.691 + 20 * np.log10(gain) - 3.0103
        assert measure(signals.sine(hz, 12, 0)).lufs == pytest.approx(expected, abs=tolerance), hz


@pytest.mark.parametrize(
    ("channels", "weights"),
    [
        (1, [1]),
        (2, [1, 1]),
        (3, [1, 1, 1]),
        (5, [1, 1, 1, 1.41, 1.41]),
        (6, [1, 1, 1, 0, 1.41, 1.41]),
        (8, [1, 1, 1, 0, 1, 1, 1.41, 1.41]),
    ],
)
def test_weight_of_each_channel(channels, weights):
    tone = signals.sine(997, 2, 0)
    for channel, weight in enumerate(weights):
        sound = np.zeros((channels, len(tone)), np.float32)
        sound[channel] = tone
        lufs = measure(sound).lufs
        if weight:
            assert lufs == pytest.approx(-3.01 + 10 * np.log10(weight), abs=0.02)
        else:
            assert lufs == SILENT


def test_range_of_a_steady_sound_is_zero():
    assert measure(signals.sine(1000, 10)).lra == pytest.approx(0, abs=0.01)


# Other implementations


@pytest.mark.reference
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_agrees_with_ffmpeg(channels):
    level = 10 ** ((-6 - 14 * np.sin(np.arange(30 * RATE) / RATE / 4)) / 20)
    sound = np.stack([signals.band(30, seed=k) * level for k in range(channels)]).astype(np.float32)
    found, (lufs, lra) = measure(sound), ebur128(sound)
    assert found.lufs == pytest.approx(lufs, abs=0.05)
    # FFmpeg counts in steps of 0.1 LU, and a range has two ends. Seen: 0.093; the EBU allows 1 LU.
    assert found.lra == pytest.approx(lra, abs=0.2)


@pytest.mark.reference
def test_agrees_with_pyloudnorm():
    pyloudnorm = pytest.importorskip("pyloudnorm")
    sound = np.stack([signals.band(20, seed=k) for k in range(2)])
    extractor = pyloudnorm.Meter(RATE, filter_class="DeMan")
    assert measure(sound).lufs == pytest.approx(extractor.integrated_loudness(sound.T.astype(float)), abs=0.02)


@pytest.mark.reference
def test_agrees_with_ffmpeg_on_real_music(shared_data):
    soundfile = pytest.importorskip("soundfile")
    files = [*sorted((shared_data / "mdb").glob("MusicDelta_*/*.flac")), *sorted(shared_data.glob("mdb/drum_only/*"))]
    for file in files:
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
        assert rate == RATE
        found, (lufs, lra) = measure(sound.T), ebur128(sound.T)
        if not sound.any():
            assert found == LoudnessFeatures(SILENT, SILENT)
            continue
        assert found.lufs == pytest.approx(lufs, abs=0.1), file  # seen: 0.026; the EBU allows 0.1 LU
        assert found.lra == pytest.approx(lra, abs=0.2), file  # seen: 0.116


# The rules of every feature


def test_level_moves_loudness_and_nothing_else():
    sound = signals.band(15) * np.linspace(0.1, 1, 15 * RATE, dtype=np.float32)
    loud, quiet = measure(sound), measure(sound * np.float32(10**-0.5))
    assert quiet.lufs == pytest.approx(loud.lufs - 10, abs=0.001)
    assert quiet.lra == pytest.approx(loud.lra, abs=0.001)


def test_silence_around_the_sound_is_gated():
    sound, hush = signals.band(20), signals.silence(10)
    assert measure(np.concatenate((hush, sound, hush))).lufs == pytest.approx(measure(sound).lufs, abs=0.1)


def test_channels_add_up():
    mono = signals.band(5)
    one = measure(mono).lufs
    assert measure(np.stack((mono, mono))).lufs == pytest.approx(one + 3.01, abs=0.001)
    assert measure(np.stack((mono, -mono))).lufs == pytest.approx(one + 3.01, abs=0.001)
    assert measure(np.stack((mono, 0 * mono))).lufs == pytest.approx(one, abs=0.001)


@pytest.mark.parametrize("sound", [signals.silence(5), signals.sine(1000, 5, -75), np.full(5 * RATE, 1e-3, np.float32)])
def test_nothing_above_the_gate_is_silent(sound):
    assert measure(sound) == LoudnessFeatures(SILENT, SILENT)


@pytest.mark.parametrize("seconds", [0, 1 / RATE, 0.39])
def test_less_than_a_block_is_too_short(seconds):
    assert measure(signals.sine(1000, seconds)) == LoudnessFeatures(TOO_SHORT, TOO_SHORT)


def test_range_needs_three_seconds():
    assert measure(signals.band(2.95)).lra == TOO_SHORT
    assert measure(signals.band(2.95)).lufs < 0
    assert measure(signals.band(3)).lra == pytest.approx(0)


def test_clipped_sound_is_measured():
    square = np.where(signals.sine(997, 5) >= 0, 1, -1).astype(np.float32)
    # Of its power 0.81 is the fundamental, the rest lies where the weighting lifts by 3.3 dB more.
    expected = 3.01 + 10 * np.log10(0.81 + 0.19 * 10**0.33)
    assert measure(np.stack((square, square))).lufs == pytest.approx(expected, abs=0.1)


def test_silence_after_sound_leaves_no_denormal_numbers():
    extractor = LoudnessExtractor(1)
    extractor.push(signals.sine(100, 1)[None])
    extractor.push(signals.silence(4)[None])
    assert not extractor._state[:, :4].any()


def test_a_window_is_the_cut_file():
    sound = np.stack([signals.band(30, seed=k) for k in range(2)])
    sound *= np.linspace(0.05, 1, 30 * RATE, dtype=np.float32)
    for start, end in ((5.0, 20.0), (3.333, 17.777)):
        ours = loudness(curve_of(sound), Window(start, end))
        theirs = measure(sound[:, round(start * RATE) : round(end * RATE)])
        assert ours.lufs == pytest.approx(theirs.lufs, abs=0.05)
        assert ours.lra == pytest.approx(theirs.lra, abs=0.15)


def test_a_window_beyond_the_end_has_what_there_is():
    curve = curve_of(signals.band(5))
    assert loudness(curve, Window(0, 100)) == loudness(curve, Window(0, 5))
    assert loudness(curve, Window(50, 100)) == LoudnessFeatures(TOO_SHORT, TOO_SHORT)


@settings(max_examples=tries(10), deadline=None)
@given(st.lists(st.integers(0, 30000), max_size=8), st.integers(0, 30000))
def test_blocks_of_any_length_give_the_same_bytes(cuts, n):
    sound = np.stack([signals.band(1, seed=k) for k in range(2)])[:, :n]
    extractor = LoudnessExtractor(2)
    for part in signals.in_blocks(sound, cuts):
        extractor.push(part)
    assert np.array_equal(extractor.finish().energy, curve_of(sound).energy)


# Numbers that the documentation states, at their boundaries


@pytest.mark.parametrize("start", [0.0, 0.04, 0.05, 0.051, 0.06, 0.1, 2.06, 3.049])
def test_a_window_has_every_whole_step_that_fits_into_it(start):
    # A curve of exactly the window's end: where the start is rounded up, the last step would lie beyond the end.
    duration = 10.0
    curve = LoudnessCurve(np.arange(1, math.floor((start + duration) * 10 + 1e-6) + 1, dtype=np.float32))
    steps = hops_in(curve, Window(start, start + duration))
    assert len(steps) == 100
    assert abs((steps[0] - 1) / 10 - start) <= 0.1


def test_loudness_exists_from_400_ms_and_its_range_from_3_s_on():
    energy = np.full(30, to_energy(-20.0), np.float32)
    assert loudness(LoudnessCurve(energy[:3]), Window(0, 0.3)).lufs == TOO_SHORT
    assert loudness(LoudnessCurve(energy[:4]), Window(0, 0.4)).lufs == pytest.approx(-20, abs=1e-4)
    assert loudness(LoudnessCurve(energy), Window(0, 2.9)).lra == TOO_SHORT
    assert loudness(LoudnessCurve(energy), Window(0, 3.0)).lra == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("lufs", "counts"), [(-69.9, True), (-70.1, False)])
def test_the_absolute_gate_is_at_minus_70(lufs, counts):
    found = loudness(LoudnessCurve(np.full(40, to_energy(lufs), np.float32)), Window(0, 4))
    assert found.lufs == (pytest.approx(lufs, abs=1e-3) if counts else SILENT)
    assert found.lra == (pytest.approx(0, abs=1e-6) if counts else SILENT)


@pytest.mark.parametrize(("below", "counts"), [(9.9, True), (10.1, False)])
def test_the_relative_gate_is_10_lu_below_the_mean(below, counts):
    # Quiet blocks so few that they hardly move the mean to which the gate is relative.
    loud, quiet = np.full(40000, to_energy(-20.0)), np.full(400, to_energy(-20.0 - below))
    curve = LoudnessCurve(np.concatenate((loud, quiet)).astype(np.float32))
    mean = np.mean([to_energy(-20.0)] * 40000 + [to_energy(-20.0 - below)] * 397)
    found = loudness(curve, Window(0, 4040)).lufs
    # Three blocks lie across the step and are louder than the gate either way.
    assert found == pytest.approx(float(to_lufs(mean)) if counts else -20, abs=2e-4)
