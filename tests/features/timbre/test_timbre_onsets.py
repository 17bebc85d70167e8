"""Onset strength, onsets and the percussive share against librosa; notes, envelopes, attacks and peaks by hand."""

import numpy as np
import pytest

from features.timbre.sounds import RATE, bursts, noise, notes
from mirkit.features.kernels.hpss import PercussiveShare
from mirkit.features.peaks import peaks
from mirkit.features.stft import HOP
from mirkit.features.timbre.hardness import effort_attack, fixed_start
from mirkit.features.timbre.onsets import backtrack_onsets, detect_onsets, hold_envelope, rms_envelope, strength_of


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.parametrize("sound", [notes, bursts])
def test_onsets_are_librosas(sound):
    librosa = pytest.importorskip("librosa")
    x = sound()[0]
    strength = strength_of(x, 1.0)
    np.testing.assert_allclose(strength, librosa.onset.onset_strength(y=x.astype(float), sr=RATE), atol=1e-3)
    expected = librosa.onset.onset_detect(y=x.astype(float), sr=RATE, backtrack=True)
    assert len(expected) > 4
    np.testing.assert_array_equal(detect_onsets(strength), expected)


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.parametrize("n", [2100, 5000, 33000, 150000])
def test_percussive_share_is_librosas(n):
    librosa = pytest.importorskip("librosa")
    x = (notes()[0] + 0.3 * np.resize(bursts()[0], 4 * RATE))[:n]
    share = PercussiveShare(n)
    strength_of(x, 1.0, share)
    harmonic, percussive = (librosa.istft(part) for part in librosa.decompose.hpss(librosa.stft(x.astype(float))))

    def levels(y):
        windows = np.lib.stride_tricks.sliding_window_view(y, min(1024, len(y)))[::512]
        return np.sqrt((windows**2).mean(axis=1)).sum()

    expected = levels(percussive) / (levels(percussive) + levels(harmonic))
    assert share.share() == pytest.approx(expected, abs=1e-5)


def test_percussive_share_tells_clicks_from_tones():
    clicks = np.zeros(2 * RATE, np.float32)
    clicks[::5000] = 1
    tone = np.sin(np.arange(2 * RATE) / 10).astype(np.float32)
    shares = []
    for x in (clicks, tone):
        share = PercussiveShare(len(x))
        strength_of(x, 1.0, share)
        shares.append(share.share())
    assert shares[0] > 0.99
    assert shares[1] < 0.01


def test_notes_begin_with_the_silence_before_them():
    x = np.zeros(3 * RATE, np.float32)
    starts = RATE // 4 + np.arange(5) * RATE // 2
    for i, start in enumerate(starts):
        x[start : start + 4000] = noise(4000, i) * np.exp(-np.arange(4000) / 800)
    envelope = np.empty_like(x)
    hold_envelope(x, 0.1, envelope)
    # Followed back as long as the envelope does not rise: to where the note before has died away.
    silent_from = [start + int((envelope[start + 1 :] == 0).argmax()) + 1 for start in starts[:-1]]
    assert backtrack_onsets(strength_of(x, 1.0), envelope, 4096) == [0, *silent_from]


def test_nothing_to_find_is_one_note_from_the_start():
    assert backtrack_onsets(np.zeros(50), np.ones(50 * HOP, np.float32), 512) == [0]


def test_envelope_holds_and_falls():
    x = np.zeros(2000, np.float32)
    x[100], x[1500] = -1, 0.5
    out = np.empty_like(x)
    hold_envelope(x, 0.01, out)
    assert out[99] == 0
    assert (out[100:542] == 1).all()  # the peak and 10 ms
    np.testing.assert_allclose(np.diff(out[541:900]), -1 / 441, atol=1e-6)
    assert out[1000] == 0
    assert out[1500] == 0.5


def test_rms_envelope():
    x = np.concatenate((np.full(256, 0.5), np.full(256, -1.0), np.full(10, 0.25)))
    np.testing.assert_allclose(rms_envelope(x.astype(np.float32)), [0.5, 1, 0.25])


def test_attack_of_a_ramp():
    ramp = np.concatenate((np.zeros(1000), np.linspace(0, 1, 2000), np.linspace(1, 0, 5000))).astype(np.float32)
    seconds, start = effort_attack(ramp)
    # From 10 % to 80 %: the last step found that takes no longer than others ends the attack.
    assert 10**seconds == pytest.approx(0.7 * 2000 / RATE, rel=0.01)
    assert start == pytest.approx(1200, abs=2)
    assert fixed_start(ramp) == pytest.approx(1400, abs=2)
    slow = np.linspace(0, 1, RATE).astype(np.float32)
    assert 10 ** effort_attack(slow)[0] == pytest.approx(0.1, rel=1e-3)
    assert effort_attack(ramp[3000:]) is None
    assert effort_attack(np.zeros(100, np.float32)) is None


def test_peaks_stand_out_on_both_sides():
    spectrum = np.array([0.0, 1, 0, 0, 0.85, 0.8, 0.9, 0.1, 0, 0, 0.05, 0, 0, 0.3])
    found = peaks(spectrum, 0.2, 10.0)
    # 0.85 stands 0.05 above its right foot only, 0.05 is too low, and the last bin may be a peak.
    assert found.index.tolist() == [1, 6, 13]
    assert found.hz[0] == 10
    assert found.hz[1] == pytest.approx(60 + 10 * (0.1 - 0.8) / (2 * (1.8 - 0.1 - 0.8)))
    assert found.hz[2] == 130
    assert not len(peaks(np.zeros(10) + np.nan, 0.2, 1.0).index)


def test_onset_strength_of_noise_is_small():
    assert strength_of(0.1 * noise(3 * RATE, 2).astype(np.float32), 1.0)[5:].max() < 3
