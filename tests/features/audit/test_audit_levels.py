"""Faults and notices of channels, offset, scale, peaks, ends, dropouts: planted, and absent from untouched audio."""

from collections.abc import Callable

import numpy as np
import pytest

import signals
from features.audit.lossy_audio import music
from mirkit.features.audit.extractor import AuditExtractor
from mirkit.features.audit.findings import Finding, verdict

RATE = signals.RATE


def audit(samples: np.ndarray, block: int = 1 << 16) -> dict[str, str]:
    """Name -> text of what is found."""
    samples = np.atleast_2d(np.asarray(samples, np.float32))
    extractor = AuditExtractor(len(samples))
    for start in range(0, samples.shape[1], block):
        extractor.push(samples[:, start : start + block])
    return {finding.name: finding.text for finding in extractor.finish()}


def faults(samples: np.ndarray) -> set[str]:
    return {name for name, text in audit(samples).items() if Finding(name, text).is_fault}


def with_channel(x: np.ndarray, number: int, gain: float) -> np.ndarray:
    changed = x.copy()
    changed[number] *= gain
    return changed


def with_gaps(x: np.ndarray, length: int, places: tuple[int, ...] = (50_000, 120_000)) -> np.ndarray:
    changed = x.copy()
    for place in places:
        changed[:, place : place + length] = 0
    return changed


def repeated(x: np.ndarray, length: int = 512, place: int = 60_000) -> np.ndarray:
    changed = x.copy()
    changed[:, place : place + length] = x[:, place - length : place]
    return changed


PLANTED: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "silent left": ("silent_channel", lambda x: with_channel(x, 0, 0)),
    "silent right": ("silent_channel", lambda x: with_channel(x, 1, 0)),
    "nearly silent": ("silent_channel", lambda x: with_channel(x, 1, 1e-4)),
    "inverted": ("inverted_channel", lambda x: with_channel(x, 1, -1)),
    "offset of 5 %": ("dc_offset", lambda x: x + 0.05),
    "offset of one channel": ("dc_offset", lambda x: x - np.array([[0.07], [0]])),
    "scale of 16 bits": ("scale", lambda x: x * 32768),
    "scale of 1e-5": ("scale", lambda x: x * 1e-5),
    "gaps of 2 ms": ("dropouts", lambda x: with_gaps(x, 88)),
    "gaps of 20 ms": ("dropouts", lambda x: with_gaps(x, 882)),
    "gap of one channel": ("dropouts", lambda x: np.stack((x[0], with_gaps(x, 441)[1]))),
    "block played twice": ("dropouts", repeated),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_faults_are_found_and_no_others(name: str) -> None:
    fault, change = PLANTED[name]
    for seed in range(3):
        assert faults(change(music(seed=seed))) == {fault}


@pytest.mark.parametrize("gain", [1.0, 0.1, 0.01, 1.4])
def test_untouched_music_has_no_fault_at_any_level(gain: float) -> None:
    for seed in range(3):
        assert faults(gain * music(seed=seed)) == set()


@pytest.mark.parametrize("gain", [0.3, 0.03])
@pytest.mark.parametrize("name", ["silent left", "inverted", "gaps of 2 ms", "block played twice"])
def test_faults_are_found_at_any_level(name: str, gain: float) -> None:
    fault, change = PLANTED[name]
    assert faults(gain * change(music())) == {fault}


def ramp(length: int) -> np.ndarray:
    return np.linspace(0, 1, length)


def gated(x: np.ndarray, fade: int) -> np.ndarray:
    """Music that is on for 60 ms and off for 60 ms, with fades of some samples."""
    period = np.concatenate((ramp(fade), np.ones(2646 - 2 * fade), ramp(fade)[::-1], np.zeros(2646)))
    found: np.ndarray = x * np.tile(period, x.shape[1] // len(period) + 1)[: x.shape[1]]
    return found


UNTOUCHED: dict[str, Callable[[], np.ndarray]] = {
    "a band": lambda: signals.band(),
    "one channel": lambda: music()[0],
    "noise": lambda: np.stack((signals.noise(4), signals.noise(4, seed=1))),
    "low tone": lambda: signals.sine(30, 4),
    "slow tone": lambda: signals.sine(8, 6),
    "silence": lambda: np.zeros((2, 4 * RATE)),
    "nothing": lambda: np.zeros((2, 0)),
    "very short": lambda: music()[:, :700],
    "shorter than a row": lambda: music()[:, :100],
    "wide": lambda: np.stack((signals.noise(4), 0.7 * signals.noise(4, seed=1) - 0.3 * signals.noise(4))),
    "music in one half": lambda: np.concatenate((0 * music(), music()), axis=1),
    "gate with short fades": lambda: gated(music(), 220),
    "square wave": lambda: np.sign(signals.sine(441, 4)) * 0.3,
    "fade in": lambda: music() * ramp(4 * RATE),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_untouched_audio_has_no_fault(name: str) -> None:
    assert faults(UNTOUCHED[name]()) == set()


def test_where_the_dropouts_are() -> None:
    x = with_gaps(music(), 400, (RATE + 5000, 2 * RATE + 5000, 3 * RATE + 5000))
    assert audit(x)["dropouts"] == "3 dropouts, the first at 0:01.1"
    assert audit(with_gaps(music(), 400, (2 * RATE + 5000,)))["dropouts"] == "1 dropout at 0:02.1"


@pytest.mark.parametrize("block", [1 << 16, 10_000, 4097, 512])
def test_blocks_make_no_difference(block: int) -> None:
    x = repeated(with_gaps(music(), 441))
    assert audit(x, block) == audit(x)


NOTICES: dict[str, tuple[str, Callable[[], np.ndarray]]] = {
    "mono as stereo": ("mono", lambda: np.stack((music()[0], music()[0]))),
    "small offset": ("small_offset", lambda: music() + 0.1 * float(music().std())),
    "out of phase": ("out_of_phase", lambda: with_channel(music(), 1, -1) + 0.3 * signals.noise(4, -20)),
    "clipped": ("clipped", lambda: np.clip(4 * music(), -0.9, 0.9)),
    "limited": ("limited", lambda: 0.8 * np.sin(np.clip(30 * music(), -1.5, 1.5) + 1e-3 * signals.noise(4))),
    "silent start": ("silence", lambda: np.concatenate((np.zeros((2, 3 * RATE)), music()), axis=1)),
    "hiss": ("noise", lambda: music() * np.repeat([1, 0, 1, 0], RATE) + np.stack([signals.noise(4, -45)] * 2)),
}


@pytest.mark.parametrize("name", NOTICES)
def test_notices(name: str) -> None:
    notice, make = NOTICES[name]
    assert notice in audit(make())
    assert notice not in audit(music())
    assert faults(make()) == set()


def test_ends_and_whole_silence() -> None:
    assert audit(np.zeros((2, RATE))) == {"silence": "silent throughout"}
    padded = np.concatenate((np.zeros((2, 3 * RATE)), music(), np.zeros((2, 5 * RATE))), axis=1)
    assert audit(padded)["silence"] == "silence: 3.0 s at the start and 5.0 s at the end"


@pytest.mark.parametrize("beats", [3, 4, 8])
def test_count_in(beats: int) -> None:
    ticks = signals.clicks(np.arange(beats) * 0.5 + 0.2, beats * 0.5 + 0.2, db=-10)
    song = np.concatenate((np.stack((ticks, ticks)), music(8)), axis=1)
    assert audit(song)["count_in"].startswith(f"count-in of {beats} beats before 0:0{beats * 0.5 + 0.2:.1f}")
    assert "count_in" not in audit(music(8))


def test_a_drum_solo_is_no_count_in() -> None:
    solo = signals.clicks(np.arange(0.2, 12, 0.5), 12, db=-6)
    assert "count_in" not in audit(solo)


def test_verdict() -> None:
    assert verdict([]) == "ok"
    assert verdict([Finding("mono", ""), Finding("scale", "")]) == "faults"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("level", [1e-20, 1e-30])
def test_a_source_whose_power_is_zero_in_single_precision_is_at_a_wrong_scale(level: float) -> None:
    assert audit(level * music(3.0)).keys() == {"scale"}
