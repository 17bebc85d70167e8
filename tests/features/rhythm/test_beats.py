"""The tracker on synthetic music with exact beats, on sounds without a pulse, and on real drums."""

import numpy as np
import pytest

from features.rhythm.sounds import RATE, click, hat, kick, onset_curve, place, pluck, snare
from mirkit.features.rhythm.beats import Beats, track_beats
from mirkit.features.rhythm.tempo import tempo
from mirkit.features.types import Window


def band(bpm: float, seconds: float, rng: np.random.Generator, per_bar: int = 4, start: float = 0.3):
    """Kick on the bar, snare on the back beat (3/4: on two and three), hats in eighths, a new root every bar."""
    beats = np.arange(start, seconds - 0.6, 60 / bpm)
    place_in_bar = np.arange(len(beats)) % per_bar
    kicks = beats[(place_in_bar == 0) | ((place_in_bar == 2) & (per_bar == 4))]
    snares = beats[place_in_bar % 2 == 1] if per_bar == 4 else beats[place_in_bar > 0]
    hats = np.sort(np.concatenate((beats, beats + 30 / bpm)))
    out = place(kick(), kicks, seconds) + place(snare(rng), snares, seconds, np.full(len(snares), 0.6))
    out += place(hat(rng), hats, seconds)
    bars = beats[::per_bar]
    for i, bar in enumerate(bars):
        for tone in (0, 4, 7):
            out += place(
                0.5 * pluck(220 * 2 ** (((0, 5, 7, 9)[i % 4] + tone) / 12), per_bar * 60 / bpm), bar[None], seconds
            )
    return out, beats, bars


def f_measure(found: np.ndarray, truth: np.ndarray) -> float:
    hits = sum(np.abs(found - t).min() < 0.07 for t in truth) if len(found) else 0
    return 2 * hits / (len(found) + len(truth))


def tempo_of(beats: Beats, seconds: float):
    return tempo(beats, Window(0, seconds))


@pytest.mark.parametrize("bpm", [60, 72, 97.3, 120, 142.19, 174, 200])
def test_band_in_four(bpm, rng):
    sound, beats, bars = band(bpm, 30, rng)
    found = track_beats(onset_curve(sound))
    assert f_measure(found.times, beats) > 0.97
    assert f_measure(found.downbeats, bars) > 0.95
    assert (found.meter, found.steady) == ("4/4", True)
    assert tempo_of(found, 30).bpm == pytest.approx(bpm, abs=0.05)
    assert np.median(np.abs(found.times[:, None] - beats).min(axis=1)) < 0.003


@pytest.mark.parametrize("bpm", [90, 140])
def test_waltz(bpm, rng):
    sound, beats, bars = band(bpm, 30, rng, per_bar=3)
    found = track_beats(onset_curve(sound))
    assert f_measure(found.times, beats) > 0.97
    assert f_measure(found.downbeats, bars) > 0.95
    assert found.meter == "3/4"


def test_fast_waltz_is_not_taken_for_six_eight_at_a_third_of_the_tempo(rng):
    sound, beats, _ = band(168, 30, rng, per_bar=3)
    found = track_beats(onset_curve(sound))
    assert f_measure(found.times, beats) > 0.97
    assert found.meter == "3/4"


def accented(groups: tuple[int, ...], bpm: float, seconds: float, rng: np.random.Generator):
    """A bar of groups: a kick and a new root on the first beat, snares on the other groups, hats on all beats."""
    per_bar = sum(groups)
    starts = np.cumsum((0, *groups[:-1]))
    beats = np.arange(0.3, seconds - 0.6, 60 / bpm)
    place_in_bar = np.arange(len(beats)) % per_bar
    snares = beats[np.isin(place_in_bar, starts[1:])]
    out = place(kick(), beats[place_in_bar == 0], seconds) + place(hat(rng), beats, seconds)
    out += place(snare(rng), snares, seconds, np.full(len(snares), 0.6))
    for i, bar in enumerate(beats[::per_bar]):
        for tone in (0, 4, 7):
            out += place(0.5 * pluck(220 * 2 ** (((0, 5, 7, 9)[i % 4] + tone) / 12), 1.5), bar[None], seconds)
    return out, beats, beats[::per_bar]


@pytest.mark.parametrize(
    ("groups", "bpm", "name"),
    [
        ((3, 2), 132, "5/4"),
        ((2, 3), 110, "5/4"),
        ((4, 3), 120, "7/4"),
        ((2, 2, 3), 240, "7/8"),
        ((3, 2, 2), 215, "7/8"),
        ((2, 2, 2, 3), 260, "9/8"),
    ],
)
def test_odd_meters_have_their_name_and_their_bars(groups, bpm, name, rng):
    sound, beats, bars = accented(groups, bpm, 30, rng)
    found = track_beats(onset_curve(sound))
    assert found.meter == name
    assert f_measure(found.times, beats) > 0.97
    assert f_measure(found.downbeats, bars) > 0.9
    assert not found.compound
    assert found.beats_per_bar == sum(groups)


def in_three(bpm: float, seconds: float, rng: np.random.Generator, places: tuple[float, ...]):
    """Kick on one and three, snare on two and four, hats at places of each beat, a new root every bar."""
    beats = np.arange(0.3, seconds - 0.6, 60 / bpm)
    odd = np.arange(len(beats)) % 2 == 1
    hats = (beats[:, None] + 60 / bpm * np.array(places)).ravel()
    out = place(kick(), beats[~odd], seconds) + place(hat(rng), hats, seconds)
    out += place(snare(rng), beats[odd], seconds, np.full(odd.sum(), 0.6))
    for i, bar in enumerate(beats[::4]):
        for tone in (0, 4, 7):
            out += place(0.5 * pluck(220 * 2 ** (((0, 5, 7, 9)[i % 4] + tone) / 12), 240 / bpm), bar[None], seconds)
    return out, beats, beats[::4]


@pytest.mark.parametrize("bpm", [56, 70])
def test_a_beat_of_three_played_eighths_is_twelve_eight(bpm, rng):
    sound, beats, bars = in_three(bpm, 40, rng, (0, 1 / 3, 2 / 3))
    found = track_beats(onset_curve(sound))
    assert (found.meter, found.beats_per_bar, found.compound) == ("12/8", 4, True)
    assert found.meter_confidence > 0.5
    assert f_measure(found.times, beats) > 0.97
    assert f_measure(found.downbeats, bars) > 0.95


@pytest.mark.parametrize("bpm", [56, 70, 88, 120])
def test_a_shuffle_is_four_four(bpm, rng):
    sound, beats, _ = in_three(bpm, 40, rng, (0, 2 / 3))
    found = track_beats(onset_curve(sound))
    assert found.meter == "4/4"
    assert f_measure(found.times, beats) > 0.97


def played_freely(bpm: float, seconds: float, rng: np.random.Generator, depth: float, parts: int):
    """A piano: broken chords in equal parts of a beat, whose tempo rises and falls within eight beats, and drifts."""
    count = int(seconds * bpm / 60)
    drift = np.repeat(np.cumsum(rng.normal(0, depth / 6, count)), parts)
    tempo = bpm * np.exp(depth * np.sin(2 * np.pi * np.arange(count * parts) / (8 * parts)) + drift)
    times = 0.3 + np.concatenate(([0], np.cumsum(60 / tempo / parts)))[:-1]
    times = times[times < seconds - 0.6]
    out = np.zeros(int(seconds * RATE), np.float32)
    for i, tone in enumerate((220, 330, 440, 330, 247, 370, 494, 370)):
        out += place(pluck(tone, 0.4), times[i::8], seconds, np.full(len(times[i::8]), 0.6 + 0.4 * (i % parts == 0)))
    return out, times[::parts]


@pytest.mark.parametrize(("parts", "depth"), [(2, 0.12), (4, 0.08), (4, 0.12)])
def test_beats_follow_a_player(parts, depth):
    # The tempo changes by 27 % within four beats at a depth of 0.12.
    sound, beats = played_freely(90, 30, np.random.default_rng(0), depth, parts)
    found = track_beats(onset_curve(sound))
    assert f_measure(found.times, beats) > 0.95
    assert found.steady
    assert tempo_of(found, 30).bpm_is_defined == 0 or depth < 0.1


def test_clicks_at_120():
    found = track_beats(onset_curve(place(click(), np.arange(0.25, 20, 0.5), 20)))
    result = tempo_of(found, 20)
    assert (result.bpm_is_defined, result.beat_count) == (1, 40)
    assert result.bpm == pytest.approx(120, abs=0.05)
    assert result.beat_regularity < 0.002


@pytest.mark.parametrize("bpm", [45, 60, 90, 120, 160, 200])
@pytest.mark.parametrize("sound", ["click", "noise", "kick"])
def test_equal_sounds_are_the_beats(bpm, sound, rng):
    one = {"click": click(), "noise": snare(rng), "kick": kick()}[sound]
    found = track_beats(onset_curve(place(one, np.arange(0.25, 24, 60 / bpm), 25)))
    assert tempo_of(found, 25).bpm == pytest.approx(bpm, rel=0.002)


def test_hint_and_range_steer_the_octave(rng):
    curve = onset_curve(band(140, 24, rng)[0])
    assert tempo_of(track_beats(curve, bpm_hint=70), 24).bpm == pytest.approx(70, abs=0.1)
    assert tempo_of(track_beats(curve, bpm_range=(60, 100)), 24).bpm == pytest.approx(70, abs=0.1)
    assert tempo_of(track_beats(curve, bpm_range=(100, 180)), 24).bpm == pytest.approx(140, abs=0.1)


@pytest.mark.parametrize("hint", [93, 105, 210, 280 * 1.05, 420, 10000])
def test_a_hint_that_is_no_octave_has_no_effect(hint, rng):
    curve = onset_curve(band(140, 24, rng)[0])
    plain, hinted = track_beats(curve), track_beats(curve, bpm_hint=hint)
    np.testing.assert_array_equal(hinted.times, plain.times)
    assert hinted.meter == plain.meter


def test_a_hint_of_twice_the_tempo_doubles_the_beats(rng):
    curve = onset_curve(band(120, 24, rng)[0])
    found = track_beats(curve, bpm_hint=241)
    assert tempo_of(found, 24).bpm == pytest.approx(240, abs=0.2)


@pytest.mark.parametrize(("per_bar", "meter"), [(4, "3/4"), (3, "4/4"), (4, "2/4"), (4, "5/4"), (3, "3/4")])
def test_bars_of_a_known_meter(per_bar, meter, rng):
    audio, _, bars = band(110, 24.0, rng, per_bar)
    free = track_beats(onset_curve(audio))
    known = track_beats(onset_curve(audio), time_signature=meter)
    assert np.array_equal(known.times, free.times), "the beats stay"
    assert (known.meter, known.meter_confidence) == (meter, 1.0)
    steps = np.diff(np.searchsorted(known.times, known.downbeats))
    assert set(steps) == {known.beats_per_bar}
    assert known.candidates == free.candidates
    if known.beats_per_bar == per_bar:
        assert f_measure(known.downbeats, bars) > 0.95


def test_a_known_compound_meter_has_its_own_beat(rng):
    audio, _, _ = band(110, 24.0, rng, 3)
    known = track_beats(onset_curve(audio), time_signature="6/8")
    assert (known.meter, known.beats_per_bar) == ("6/8", 2)
    assert set(np.diff(np.searchsorted(known.times, known.downbeats))) == {2}


def test_a_known_meter_makes_no_pulse(rng):
    hiss = rng.normal(0, 0.1, 10 * RATE)
    assert not track_beats(onset_curve(hiss), time_signature="3/4").steady


def test_off_beat_chords_and_triplets_between_played_beats_are_a_pulse(rng):
    """A grid that is regular and played, although the onsets between the beats follow no single division."""
    beats = np.arange(0.3, 39, 0.5)
    between = [
        beat + 0.5 * share for i, beat in enumerate(beats) for share in ((1 / 3, 2 / 3), (1 / 4, 0.55, 5 / 6))[i % 2]
    ]
    sound = place(pluck(220, 0.4), beats, 40) + place(
        pluck(440, 0.3), np.array(between), 40, np.full(len(between), 1.5)
    )
    found = track_beats(onset_curve(sound), bpm_range=(100, 140))
    assert found.steady
    assert tempo_of(found, 40).bpm == pytest.approx(120, abs=0.2)


@pytest.mark.parametrize("seed", range(3))
def test_hum_that_swells_is_no_pulse(seed):
    rng = np.random.default_rng(seed)
    t = np.arange(20 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 7) for f in (50, rng.uniform(50.2, 51.5)))
    assert not track_beats(onset_curve(0.1 * hum + rng.normal(0, 0.002, len(t)))).steady


def test_rivals_are_told_with_their_share(rng):
    found = track_beats(onset_curve(band(110, 24, rng)[0]))
    assert found.candidates[0].bpm == pytest.approx(110, abs=0.1)
    assert len(found.candidates) > 1
    assert sum(c.weight for c in found.candidates) == pytest.approx(1)
    assert 0 <= found.meter_confidence <= 1
    assert found.confidence.shape == found.times.shape
    assert found.confidence.min() >= 0
    assert found.confidence.max() <= 1
    assert set(found.downbeats) <= set(found.times)


def test_breakdown_is_bridged(rng):
    sound, beats, _ = band(126, 40, rng)
    quiet = slice(int(15 * RATE), int(23 * RATE))
    t = np.arange(len(sound[quiet])) / RATE
    sound[quiet] = 0.05 * np.sin(2 * np.pi * 220 * t)
    found = track_beats(onset_curve(sound))
    assert f_measure(found.times, beats) > 0.97
    assert tempo_of(found, 40).bpm == pytest.approx(126, abs=0.05)


def test_drums_stem_decides_where_the_mix_is_blurred(rng):
    sound, beats, bars = band(104, 30, rng)
    wall = rng.normal(0, 0.25, len(sound))
    found = track_beats(onset_curve(sound + wall), onset_curve(sound))
    assert f_measure(found.times, beats) > 0.97
    assert f_measure(found.downbeats, bars) > 0.95


@pytest.mark.parametrize("bpm", [104, 132])
def test_a_drums_stem_that_plays_off_the_beat_moves_nothing(bpm, rng):
    """A tambourine between the beats is the loudest in the drums stem of a mix whose beats are plain."""
    sound, beats, bars = band(bpm, 30, rng)
    drums = place(hat(rng), beats + 30 / bpm, 30, np.full(len(beats), 2.0)) + 0.3 * place(kick(), bars, 30)
    found = track_beats(onset_curve(sound), onset_curve(drums))
    assert f_measure(found.times, beats) > 0.97
    assert f_measure(found.downbeats, bars) > 0.95


def test_level_changes_nothing(rng):
    sound, _, _ = band(104, 20, rng)
    plain, quiet = track_beats(onset_curve(sound)), track_beats(onset_curve(sound * 0.01))
    np.testing.assert_allclose(quiet.times, plain.times, atol=1e-4)
    assert quiet.meter == plain.meter


def speech_like(rng: np.random.Generator, seconds: int = 20) -> np.ndarray:
    """Voiced and unvoiced bursts of random length with pauses: syllables without a beat."""
    out = np.zeros(seconds * RATE)
    at = 0.2
    while at < seconds - 1:
        length = rng.uniform(0.06, 0.3)
        n = int(length * RATE)
        t = np.arange(n) / RATE
        pitch = rng.uniform(90, 180)
        voiced = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 20))
        burst = voiced if rng.random() < 0.7 else rng.normal(0, 1, n)
        start = int(at * RATE)
        out[start : start + n] += 0.2 * burst * np.sin(np.pi * np.arange(n) / n)
        at += length + (rng.uniform(0.2, 0.7) if rng.random() < 0.2 else rng.uniform(0, 0.08))
    return out


WITHOUT_PULSE = {
    "silence": lambda rng: np.zeros(20 * RATE),
    "noise": lambda rng: rng.normal(0, 0.1, 20 * RATE),
    "drone": lambda rng: (
        sum(np.sin(2 * np.pi * f * np.arange(20 * RATE) / RATE) for f in rng.uniform(60, 600, 4)) * 0.2
    ),
    "swell": lambda rng: rng.normal(0, 0.1, 20 * RATE) * (1 + np.sin(2 * np.pi * 0.21 * np.arange(20 * RATE) / RATE)),
    "speech": speech_like,
}


@pytest.mark.parametrize("name", WITHOUT_PULSE)
def test_no_steady_pulse(name):
    found = track_beats(onset_curve(WITHOUT_PULSE[name](np.random.default_rng(0))))
    assert not found.steady


@pytest.mark.slow
@pytest.mark.parametrize("name", ["noise", "drone", "speech"])
def test_no_steady_pulse_in_twenty_seeds(name):
    sounds = (WITHOUT_PULSE[name](np.random.default_rng(seed)) for seed in range(20))
    assert sum(track_beats(onset_curve(sound)).steady for sound in sounds) == 0


def test_free_tempo_has_beats_and_no_steady_pulse(rng):
    intervals = 0.6 * np.exp(0.3 * np.sin(np.arange(60) / 2) + rng.normal(0, 0.13, 60))
    notes = np.cumsum(np.repeat(intervals / 2, 2))
    found = track_beats(onset_curve(place(pluck(330), notes[notes < 29], 30)))
    assert len(found.times)
    assert not found.steady


def test_too_short_for_beats():
    assert len(track_beats(onset_curve(place(click(), np.array([0.2, 0.7]), 1))).times) == 0
    assert len(track_beats(onset_curve(np.zeros(0))).times) == 0


def test_real_drums_and_mixes(shared_data):
    soundfile = pytest.importorskip("soundfile")
    scores = []
    folder = shared_data / "mdb"
    paths = sorted((folder / "drum_only").glob("*.flac")) + sorted(folder.glob("MusicDelta_*/full_mix.flac"))
    for path in paths:
        name = path.parent.name if path.stem == "full_mix" else path.stem.removesuffix("_Drum")
        truth = np.loadtxt(folder / "annotations" / f"{name}_MIX.beats")[:, 0]
        samples = soundfile.read(path, always_2d=True)[0].mean(axis=1)
        scores.append(f_measure(track_beats(onset_curve(samples)).times, truth))
    assert np.median(scores) > 0.97
    assert np.mean(scores) > 0.85
