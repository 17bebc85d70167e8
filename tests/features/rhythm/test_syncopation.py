"""Syncopation: known answers with onsets and grid given, and layers of rendered sound."""

import numpy as np
import pytest

from mirkit.features.rhythm.beats import NO_BEATS, Beats
from mirkit.features.rhythm.layers import LayerExtractor, Layers, packed, unpacked
from mirkit.features.rhythm.syncopation import NO_PULSE, on_beat_ratio, syncopation
from mirkit.features.stft import PowerStft
from mirkit.features.types import FloatArray, Window

BEAT, BARS = 0.5, 8
TRACK = Window(0, BARS * 4 * BEAT)
EIGHTHS, BACKBEAT = "x.x.x.x.x.x.x.x.", "....x.......x..."


def grid(beats: int = 4 * BARS, per_bar: int = 4, meter: str = "4/4", beat: float = BEAT, steady: bool = True) -> Beats:
    times = np.arange(beats) * beat
    return Beats(times, times[::per_bar], np.ones(beats), meter, 1.0, steady)


def line(*patterns: str, beat: float = BEAT) -> FloatArray:
    """Onsets of patterns of 16 steps in four beats, repeated for eight bars."""
    steps = sorted({16 * bar + i for p in patterns for i, mark in enumerate(p) if mark == "x" for bar in range(BARS)})
    return np.array(steps) * beat / 4


def layered(low: str = "", middle: str = "", high: str = "") -> float:
    found = syncopation(
        Layers(*(line(*(p for p in (pattern,) if p)) for pattern in (low, middle, high))), grid(), TRACK
    )
    assert isinstance(found, float)
    return found


def alone(*patterns: str) -> float:
    found = syncopation(line(*patterns), grid(), TRACK)
    assert isinstance(found, float)
    return found


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param("x...x...x...x...", 0, id="four on the floor"),
        pytest.param(EIGHTHS, 0, id="eighths"),
        pytest.param("x" * 16, 0, id="sixteenths"),
        pytest.param("x..x..x.x..x..x.", 0.5, id="tresillo"),
        pytest.param("x..x..x...x.x...", 0.5, id="son clave"),
        pytest.param("..x...x...x...x.", 1, id="off-beat eighths"),
        pytest.param("...x...x...x...x", 1, id="last sixteenths"),
        pytest.param(".x...x...x...x..", 1, id="second sixteenths, the half empty"),
    ],
)
def test_known_answers_of_one_line(pattern: str, expected: float) -> None:
    assert alone(pattern) == expected


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param(("x.......x.......", BACKBEAT, EIGHTHS), 0, id="plain rock"),
        pytest.param(("x...x...x...x...", BACKBEAT, "..x...x...x...x."), 0, id="house"),
        pytest.param(("........x.......", "........x.......", EIGHTHS), 0, id="one drop"),
        pytest.param(("x.....x.........", BACKBEAT, EIGHTHS), 0.125, id="pushed kick"),
        pytest.param(("x.........x.....", "....x..x.x..x...", EIGHTHS), 0.375, id="drum'n'bass break"),
        pytest.param(("x...x...x...x...", "x.x..x..x.x.xx..", "x" * 16), 0.375, id="samba"),
        pytest.param(("x...x...x...x...", "x.x..x.x.x..x.x.", "x" * 16), 0.5, id="samba with a busier tamborim"),
        pytest.param(("........x.......", "..x...x.x.x...x.", EIGHTHS), 0.375, id="reggae skank"),
        pytest.param(("x.x.......xx....", "....x..x.x..x..x", EIGHTHS), 0.75, id="Amen break"),
    ],
)
def test_known_answers_of_layers(layers: tuple[str, str, str], expected: float) -> None:
    assert layered(*layers) == expected


def test_an_event_counts_half_where_another_layer_plays_and_less_in_the_high_layer() -> None:
    kicks, push = "x.......x.......", "x.....x........."
    assert layered(low=push) == 1 / 4
    assert layered(low=push, middle="........x.......") == 1 / 8
    assert layered(low=kicks, high="......x.......x.") == 0
    assert layered(low="x...............", high="......x.........") == 0.5 / 4


@pytest.mark.parametrize("jitter", [0.0, 0.008])
def test_a_wrong_compound_meter_changes_nothing(jitter: float, rng: np.random.Generator) -> None:
    """A tracker may call 4/4 12/8; eighths on halves of the beat tell."""
    for patterns in (("x.....x.........", BACKBEAT, EIGHTHS), ("x.........x.....", BACKBEAT, "x" * 16)):
        layers = Layers(*(np.sort(line(p) + rng.normal(0, jitter, len(line(p)))) for p in patterns))
        expected = syncopation(layers, grid(), TRACK)
        assert syncopation(layers, grid(meter="12/8"), TRACK) == expected
    thirds = np.arange(96) * BEAT / 3
    played = np.sort(np.concatenate((thirds, thirds[::3] + BEAT / 6)) + rng.normal(0, jitter, 128))
    assert syncopation(played, grid(meter="12/8"), TRACK) == 0


def test_triplets_and_compound_meters() -> None:
    swing = np.sort(np.concatenate((np.arange(32), np.arange(32) + 2 / 3))) * BEAT
    assert syncopation(swing, grid(), TRACK) == 0
    late = np.sort(np.concatenate((np.arange(0, 32, 2), np.arange(32) + 2 / 3))) * BEAT
    assert syncopation(late, grid(), TRACK) == pytest.approx(16 / 32)
    compound = grid(32, 2, "6/8")
    eighths = np.arange(96) * BEAT / 3
    assert syncopation(eighths, compound, TRACK) == 0
    tied = np.array([b + p for b in range(0, 32, 2) for p in (0, 2 / 3, 5 / 3)]) * BEAT
    assert syncopation(tied, compound, TRACK) == pytest.approx(16 / 32)


@pytest.mark.parametrize("jitter", [0.002, 0.008])
@pytest.mark.parametrize(("pattern", "expected"), [("x..x..x...x.x...", 0.5), (EIGHTHS, 0), ("..x...x...x...x.", 1)])
def test_human_timing_changes_nothing(pattern: str, expected: float, jitter: float, rng: np.random.Generator) -> None:
    times = line(pattern)
    loose = np.sort(np.abs(times + rng.normal(0, jitter, len(times))))
    assert syncopation(loose, grid(), TRACK) == pytest.approx(expected, abs=0.02)


def test_the_value_follows_the_octave_of_the_tempo() -> None:
    """With twice as many beats, off-beat eighths are on the beat."""
    double = grid(8 * BARS, 4, "4/4", BEAT / 2)
    assert syncopation(line("..x...x...x...x."), double, TRACK) == 0


def test_a_crop_of_a_periodic_pattern_measures_as_the_whole() -> None:
    assert syncopation(line("x..x..x...x.x..."), grid(), Window(4.0, 12.0)) == 0.5


def test_without_a_pulse_it_is_unknown() -> None:
    clave = line("x..x..x...x.x...")
    assert syncopation(clave, NO_BEATS, TRACK) == NO_PULSE
    assert syncopation(clave, grid(steady=False), TRACK) == NO_PULSE
    assert on_beat_ratio(clave, grid(steady=False), TRACK) == NO_PULSE


def test_it_is_not_one_less_the_ratio_on_the_beat() -> None:
    assert on_beat_ratio(line(EIGHTHS), grid(), TRACK) == 0.5
    assert alone(EIGHTHS) == 0


def test_on_beat_tolerance_is_an_eighth_of_a_beat_at_most_70_ms() -> None:
    slow, quick = grid(beat=1.0), grid(beat=0.3)
    late = np.arange(4.0, 12.0)
    assert on_beat_ratio(late + 0.069, slow, Window(0, 32)) == 1
    assert on_beat_ratio(late + 0.071, slow, Window(0, 32)) == 0
    near = np.arange(8, 16) * 0.3
    assert on_beat_ratio(near + 0.037, quick, Window(0, 9)) == 1
    assert on_beat_ratio(near + 0.038, quick, Window(0, 9)) == 0


# Layers of sound: a kit of plain synthesis


def _kit(low: str, middle: str, high: str, rng: np.random.Generator, beat: float = 0.5) -> FloatArray:
    n = int(TRACK.duration * 44100)
    times, out = np.arange(13230) / 44100, rng.normal(0, 1e-4, n + 13230)
    kick = np.sin(2 * np.pi * (50 * times + 1.2 * (1 - np.exp(-60 * times)))) * np.exp(-14 * times)
    noise = rng.normal(0, 1, len(times))
    hat = np.diff(noise, n=3, prepend=(0, 0, 0)) * np.exp(-60 * times) * 0.06
    snare = (0.35 * noise + 0.7 * np.sin(2 * np.pi * 210 * times)) * np.exp(-22 * times)
    for pattern, sound, gain in ((low, kick, 0.8), (middle, snare, 0.6), (high, hat, 0.5)):
        for start in line(pattern, beat=beat):
            at = int(start * 44100)
            out[at : at + len(sound)] += gain * sound
    return out[:n].astype(np.float32)


def layers_of_sound(mono: FloatArray) -> Layers:
    stft, extractor = PowerStft(), LayerExtractor()
    for power in (*stft.push(mono), *stft.finish()):
        extractor.push_frames(power.copy())
    return extractor.finish()


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("x.......x.......", BACKBEAT, EIGHTHS), 0),
        (("x...x...x...x...", BACKBEAT, EIGHTHS), 0),
        (("x.....x.........", BACKBEAT, EIGHTHS), 0.125),
        (("x.x.......xx....", "....x..x.x..x..x", EIGHTHS), 0.75),
    ],
    ids=["rock", "four on the floor", "pushed kick", "Amen break"],
)
def test_layers_of_a_synthetic_kit(patterns: tuple[str, str, str], expected: float, rng: np.random.Generator) -> None:
    found = syncopation(layers_of_sound(_kit(*patterns, rng)), grid(), TRACK)
    assert found == pytest.approx(expected, abs=0.1)


def test_layers_do_not_depend_on_the_level(rng: np.random.Generator) -> None:
    sound = _kit("x.....x.........", BACKBEAT, EIGHTHS, rng)
    loud, soft = layers_of_sound(sound), layers_of_sound(sound * np.float32(0.1))
    for ours, theirs in zip((loud.low, loud.middle, loud.high), (soft.low, soft.middle, soft.high), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("sound", [np.zeros(0, np.float32), np.zeros(44100, np.float32)], ids=["empty", "silence"])
def test_silence_has_no_layers(sound: FloatArray) -> None:
    found = layers_of_sound(sound)
    assert (len(found.low), len(found.middle), len(found.high)) == (0, 0, 0)


def test_weights_survive_packing(rng: np.random.Generator) -> None:
    layer = (rng.normal(0, 1, (5, 3)).astype(np.float32), rng.normal(0, 1, 3).astype(np.float32))
    ((weights, bias),) = unpacked(packed([layer]), ((5, 3),))
    assert weights == pytest.approx(layer[0], abs=0.02)
    assert bias == pytest.approx(layer[1], abs=0.02)
