import numpy as np
import pytest

import signals
from mirkit.features.loudness import LoudnessCurve, LoudnessExtractor, to_energy, vocals_share
from mirkit.features.types import SILENT, TOO_SHORT, Window


def curve_of(mono):
    extractor = LoudnessExtractor(1)
    extractor.push(mono[None])
    return extractor.finish()


def share(vocals, mix, window=None):
    return vocals_share(curve_of(vocals), curve_of(mix), window or Window(0, len(mix) / signals.RATE))


def sung(seconds, start, end, db=-20.0):
    """A voice from ``start`` to ``end``."""
    t = np.arange(round(seconds * signals.RATE)) / signals.RATE
    return signals.noise(seconds, db, seed=9) * ((t >= start) & (t < end)).astype(np.float32)


@pytest.mark.parametrize("gain", [1, 10**-0.5])
def test_share_is_the_sung_part(gain):
    voice = sung(20, 5, 15)
    assert share(voice * gain, (signals.band(20) + voice) * gain) == pytest.approx(0.5, abs=0.03)


def test_an_instrumental_has_none():
    assert share(signals.silence(10), signals.band(10)) == 0


def test_what_leaks_through_separation_is_no_voice():
    assert share(signals.band(10) * np.float32(0.05), signals.band(10)) == 0


def test_sung_throughout():
    voice = sung(10, 0, 10)
    assert share(voice, voice) == 1


def test_pauses_of_the_mix_do_not_count():
    voice = sung(20, 0, 5)
    band = signals.band(10)
    mix = np.concatenate((band, signals.silence(10))) + voice
    assert share(voice, mix) == pytest.approx(0.5, abs=0.05)


def test_a_window_sees_its_own_part():
    voice = sung(20, 0, 10)
    mix = signals.band(20) + voice
    assert share(voice, mix, Window(1, 9)) == 1
    assert share(voice, mix, Window(11, 19)) == 0


def test_a_stem_shorter_than_the_mix_is_silent_where_it_ends():
    voice = sung(10, 0, 10)
    assert share(voice[: 5 * signals.RATE], signals.band(10) + voice) == pytest.approx(0.5, abs=0.05)


def test_a_silent_mix_has_no_share():
    assert share(signals.silence(5), signals.silence(5)) == SILENT


def test_less_than_a_block_is_too_short():
    assert share(signals.silence(0.3), signals.band(0.3)) == TOO_SHORT


def test_real_music(shared_data):
    soundfile = pytest.importorskip("soundfile")
    for track, low, high in (("Zeppelin", 0, 0), ("Rock", 0.5, 1)):
        folder = shared_data / f"mdb/MusicDelta_{track}"
        vocals, mix = (
            soundfile.read(folder / f"{part}.flac", dtype="float32", always_2d=True)[0].mean(axis=1)
            for part in ("vocals", "full_mix")
        )
        assert low <= share(vocals, mix) <= high


# Numbers that the documentation states, at their boundaries


def steady(*levels):
    """Curve that has each level (LUFS) for ten seconds."""
    return LoudnessCurve(np.repeat([to_energy(level) for level in levels], 100).astype(np.float32))


@pytest.mark.parametrize(("below", "expected"), [(0, 1), (15.5, 1), (19.9, 1), (20.1, 0), (21, 0)])
def test_vocals_count_up_to_20_lu_below_the_mix(below, expected):
    assert vocals_share(steady(-14 - below), steady(-14), Window(0, 10)) == expected


@pytest.mark.parametrize(("vocals", "expected"), [(-69.9, 1), (-70.1, 0)])
def test_vocals_count_above_minus_70_lufs(vocals, expected):
    assert vocals_share(steady(vocals), steady(-60), Window(0, 10)) == expected


@pytest.mark.parametrize(("below", "expected"), [(29.9, 0.5), (30.1, 1)])
def test_the_mix_sounds_up_to_30_lu_below_its_mean(below, expected):
    # Half of the mix is faint and without vocals: its mean is 3.01 LU below the loud half.
    share = vocals_share(steady(-10, -80), steady(-10, -10 - 3.01 - below), Window(0, 20))
    assert share == pytest.approx(expected, abs=0.02)
