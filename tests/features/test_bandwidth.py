"""Bandwidth: low-passed noise and music, resampled sources, lossy codecs."""

import io

import numpy as np
import pytest

import signals
from mirkit.features.bandwidth import BandwidthCurve, BandwidthExtractor, bandwidth
from mirkit.features.stft import PowerStft
from mirkit.features.types import SILENT, TOO_SHORT

RATE = signals.RATE


def curve_of(mono, block=1 << 16) -> BandwidthCurve:
    stft, extractor = PowerStft(), BandwidthExtractor()
    for part in signals.in_blocks(np.asarray(mono, np.float32), range(block, len(mono), block)):
        for power in stft.push(part):
            extractor.push_frames(power)
    for power in stft.finish():
        extractor.push_frames(power)
    return extractor.finish()


def measure(mono):
    return bandwidth(curve_of(mono))


def resampled(mono, rate):
    return pytest.importorskip("soxr").resample(mono, rate, RATE)


def in_16_bits(mono, rng):
    """As a 16-bit file with triangular dither holds it."""
    dither = rng.random(len(mono)) - rng.random(len(mono))
    return (np.round(mono * 32768 + dither) / 32768).astype(np.float32)


def as_mp3(mono, kbits):
    """Through an MP3 coder and back."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=RATE, layout="stereo", format="fltp")
        stream.bit_rate = kbits * 1000
        frame = av.AudioFrame.from_ndarray(np.stack((mono, mono)), format="fltp", layout="stereo")
        frame.sample_rate = RATE
        out.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as back:
        return np.concatenate([frame.to_ndarray() for frame in back.decode(audio=0)], axis=1).mean(axis=0)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000])
@pytest.mark.parametrize("db", [-10, -45])
def test_noise_of_a_lower_rate(rate, db):
    assert measure(resampled(signals.noise(5, db, rate=rate), rate)) == pytest.approx(rate / 2, rel=0.05)


@pytest.mark.parametrize("db", [-20, -40])
def test_noise_of_a_lower_rate_in_a_16_bit_file(db, rng):
    narrow = resampled(signals.noise(5, db, rate=16000), 16000)
    assert measure(in_16_bits(narrow, rng)) == pytest.approx(8000, rel=0.05)


@pytest.mark.parametrize("db", [-10, -70])
def test_full_band_noise_reaches_the_top(db):
    assert measure(signals.noise(3, db)) > 21900


@pytest.mark.parametrize(("kbits", "expected"), [(96, 15000), (128, 16500), (192, 18800), (320, 20200)])
def test_low_pass_of_mp3(kbits, expected):
    mono = signals.noise(5, -20)
    assert measure(as_mp3(mono, kbits)) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("kbits", [96, 128])
def test_low_pass_of_mp3_on_real_music(shared_data, kbits):
    soundfile = pytest.importorskip("soundfile")
    mono = soundfile.read(shared_data / "mdb/drum_only/MusicDelta_Punk_Drum.flac", dtype="float32")[0]
    mono = mono if mono.ndim == 1 else mono.mean(axis=1)
    assert measure(mono) > 21000
    assert measure(as_mp3(mono.astype(np.float32), kbits)) == pytest.approx({96: 15400, 128: 16800}[kbits], rel=0.05)


def test_a_faint_whistle_is_no_bandwidth():
    narrow = resampled(signals.noise(5, -20, rate=16000), 16000)
    assert measure(narrow + signals.sine(19000, 5, -70)[: len(narrow)]) == pytest.approx(8000, rel=0.05)


def test_the_edges_of_the_sound_do_not_count():
    # Cut off in full swing: the step into the padding holds every frequency.
    assert measure(signals.sine(1000, 3, 0)) < 2500


def test_level_changes_little():
    narrow = resampled(signals.noise(5, -20, rate=16000), 16000)
    assert measure(narrow * 10**-0.5) == pytest.approx(measure(narrow), rel=0.01)


@pytest.mark.parametrize("mono", [signals.silence(2), np.full(RATE, 0.5, np.float32), signals.noise(2, -100)])
def test_silence_is_silent(mono):
    assert measure(mono) == SILENT


@pytest.mark.parametrize("n", [0, 1, 2047])
def test_less_than_a_frame_is_too_short(n):
    assert measure(signals.noise(1)[:n]) == TOO_SHORT


@pytest.mark.parametrize("block", [100, 512, 3000])
def test_block_length_changes_nothing(block):
    mono = signals.noise(1)[:40000]
    pieces, whole = curve_of(mono, block), curve_of(mono)
    assert pieces.frames == whole.frames == 1 + 40000 // 512 - 4
    np.testing.assert_allclose(pieces.power, whole.power, rtol=1e-5)


# Numbers that the documentation states, at their boundaries


def spectrum(low_db, high_db):
    """Mean power spectrum that has one level up to 5 kHz and another from there to 15 kHz."""
    hz = np.arange(1025) * RATE / 2048
    levels = np.where(hz < 5000, low_db, np.where(hz < 15000, high_db, -200.0))
    return BandwidthCurve(10 ** (levels / 10), 10)


@pytest.mark.parametrize(("below", "expected"), [(89.5, 15000), (90.5, 5000)])
def test_bandwidth_ends_90_db_below_the_peak(below, expected):
    assert bandwidth(spectrum(60.0, 60.0 - below)) == pytest.approx(expected, abs=30)


@pytest.mark.parametrize(("above", "expected"), [(9.5, 5000), (10.5, 15000)])
def test_bandwidth_ends_10_db_above_the_noise_of_16_bits(above, expected):
    # Dither and rounding leave a variance of a quarter of a squared step; the squares of the Hann window add up to 768.
    noise = 10 * np.log10(2.0**-30 / 4 * 768)
    assert bandwidth(spectrum(noise + 60, noise + above)) == pytest.approx(expected, abs=30)
