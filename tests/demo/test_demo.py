"""The demo set: its truth is exact, its level sensible, its samples the same every time."""

import numpy as np
import pytest

from mirkit.demo import DemoTrack, demo_tracks, rock

STEMS = {"drums", "bass", "other", "vocals"}
FACTS = {  # title: bpm, meter, key, mode
    "Last Tram": (124.0, 4, "A", "minor"),
    "Home by Nine": (96.0, 4, "G", "major"),
    "Three Chairs": (168.0, 3, "D", "major"),
    "Inland Fog": (None, None, "E", "minor"),
}


@pytest.fixture(scope="module")
def pieces() -> dict[str, DemoTrack]:
    return {piece.title: piece for piece in demo_tracks()}


def test_four_pieces_and_their_facts(pieces: dict[str, DemoTrack]) -> None:
    truths = {title: piece.truth for title, piece in pieces.items()}
    assert {title: (t.bpm, t.meter, t.key, t.mode) for title, t in truths.items()} == FACTS
    assert len({piece.name for piece in pieces.values()}) == 4


def test_shape_level_and_sum(pieces: dict[str, DemoTrack]) -> None:
    for piece in pieces.values():
        mix = piece.samples
        assert mix.shape == (2, 30 * piece.rate)
        assert mix.dtype == np.float32
        assert np.max(np.abs(mix)) == pytest.approx(10 ** (-1 / 20), abs=1e-4)
        assert set(piece.stems) == STEMS
        total = np.sum([piece.stems[stem].astype(np.float64) for stem in STEMS], axis=0)
        np.testing.assert_allclose(mix, total, atol=1e-6)
        assert abs(np.mean(mix)) < 1e-3


def test_silent_stems_are_silent_and_the_others_are_heard(pieces: dict[str, DemoTrack]) -> None:
    silent = {title: {stem for stem, x in piece.stems.items() if not x.any()} for title, piece in pieces.items()}
    assert silent == {
        "Last Tram": set(),
        "Home by Nine": set(),
        "Three Chairs": {"vocals"},
        "Inland Fog": {"drums", "vocals"},
    }
    for title, piece in pieces.items():
        for stem in STEMS - silent[title]:
            assert 20 * np.log10(np.sqrt(np.mean(piece.stems[stem] ** 2))) > -32


@pytest.mark.reference
def test_loudness_is_that_of_a_release(pieces: dict[str, DemoTrack]) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    for piece in pieces.values():
        loudness = pyloudnorm.Meter(piece.rate).integrated_loudness(piece.samples.T.astype(np.float64))
        assert -17 < loudness < -11


def test_beats_are_on_the_grid(pieces: dict[str, DemoTrack]) -> None:
    for title in ("Last Tram", "Home by Nine", "Three Chairs"):
        truth = pieces[title].truth
        assert truth.bpm is not None
        np.testing.assert_allclose(np.diff(truth.beats), 60 / truth.bpm, rtol=1e-9)
        np.testing.assert_array_equal(truth.downbeats, truth.beats[:: truth.meter])
        assert 0 < truth.beats[0] < 0.5
        assert 26 < truth.beats[-1] < 30
    still = pieces["Inland Fog"].truth
    assert still.beats.size == still.downbeats.size == 0
    assert all(times.size == 0 for times in still.onsets.values())
    assert not still.drums


def test_drums_are_where_the_score_puts_them(pieces: dict[str, DemoTrack]) -> None:
    house, waltz = pieces["Last Tram"].truth, pieces["Three Chairs"].truth
    break_bars = (house.beats >= house.downbeats[8]) & (house.beats < house.downbeats[10])
    np.testing.assert_allclose(house.drums["kick"], house.beats[~break_bars], atol=1 / 44100)
    np.testing.assert_allclose(waltz.drums["kick"], waltz.downbeats, atol=1 / 44100)
    for truth in (house, waltz):
        everything = np.unique(np.concatenate(list(truth.drums.values())))
        np.testing.assert_array_equal(everything, truth.onsets["drums"])


@pytest.mark.parametrize("stem", ["drums", "bass"])
def test_sound_starts_at_every_onset_and_not_before(pieces: dict[str, DemoTrack], stem: str) -> None:
    for piece in pieces.values():
        onsets = np.round(piece.truth.onsets[stem] * piece.rate).astype(int)
        if not onsets.size:
            continue
        sound = piece.stems[stem].mean(axis=0)
        assert np.max(np.abs(sound[: onsets[0]])) < 1e-7
        assert np.max(np.abs(sound[onsets[0] : onsets[0] + 10])) > 1e-4
        # The first difference weighs attacks up against what still rings.
        power = np.diff(sound, prepend=0.0) ** 2
        width = piece.rate // 200  # 5 ms
        rises = [power[n : n + width].sum() / (power[n - width : n].sum() + 1e-12) for n in onsets]
        assert min(rises) > 2


def test_the_last_chord_is_the_tonic(pieces: dict[str, DemoTrack]) -> None:
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    for piece in pieces.values():
        if piece.truth.bpm is None:
            continue
        start = int(piece.truth.beats[-1] * piece.rate)
        x = (piece.stems["other"] + piece.stems["bass"]).mean(axis=0)[start : start + piece.rate]
        power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
        hz = np.fft.rfftfreq(len(x), 1 / piece.rate)
        part = (hz > 60) & (hz < 1000)
        classes = np.round(69 + 12 * np.log2(hz[part] / 440)).astype(int) % 12
        chroma = np.bincount(classes, power[part], 12)
        third = {"major": 4, "minor": 3}[piece.truth.mode]
        tonic = names.index(piece.truth.key)
        triad = {tonic, (tonic + third) % 12, (tonic + 7) % 12}
        assert set(np.argsort(chroma)[-3:]) == triad


def test_the_same_samples_every_time(pieces: dict[str, DemoTrack]) -> None:
    again = rock()
    for stem in STEMS:
        np.testing.assert_array_equal(again.stems[stem], pieces["Home by Nine"].stems[stem])
