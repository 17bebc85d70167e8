"""Symbols of chords, what is counted of them in a window, and their text bar by bar."""

import mir_eval.chord
import numpy as np
import pytest

from mirkit.features.harmony.chord_list import NO_CHORD, Chord, bar_text, chord_features, within
from mirkit.features.harmony.chord_symbols import has_seventh, is_symbol, short_form, third_of
from mirkit.features.types import TOO_SHORT, Window

BARS = np.array([0.0, 2.0, 4.0, 6.0])
SONG = (
    Chord(0, 2, "N", 0.9),
    Chord(2, 4, "A:min7", 0.8),
    Chord(4, 5, "F:maj", 0.6),
    Chord(5, 6, "G:7", 0.4),
    Chord(6, 8, "C:maj", 1.0),
)


@pytest.mark.parametrize(
    "symbol",
    ["N", "X", "C", "A:min", "Bb:maj7(9)", "F#:hdim7/b3", "C:(1,5)", "E:sus4(b7,9)", "G:9/5", "D:min/b7", "C#:aug"],
)
def test_a_symbol_of_harte_is_one(symbol: str) -> None:
    assert is_symbol(symbol)
    mir_eval.chord.validate_chord_label(symbol)


@pytest.mark.parametrize("symbol", ["", "H:min", "Am", "C:majj", "C:min7/", "A:min ", "c:maj", "N:maj", "A:maj/0"])
def test_another_text_is_no_symbol(symbol: str) -> None:
    assert not is_symbol(symbol)


@pytest.mark.parametrize(
    ("symbol", "third", "seventh", "written"),
    [
        ("C:maj", "major", False, "C"),
        ("C", "major", False, "C"),
        ("A:min7", "minor", True, "Am7"),
        ("G:7", "major", True, "G7"),
        ("D#:maj7", "major", True, "Ebmaj7"),
        ("C#:min", "minor", False, "C#m"),
        ("G#:7", "major", True, "Ab7"),
        ("C:maj/3", "major", False, "C/E"),
        ("A:min/b7", "minor", False, "Am/G"),
        ("B:hdim7", "minor", True, "Bm7b5"),
        ("D:sus4(b7)", "other", True, "Dsus4(b7)"),
        ("E:5", "other", False, "E5"),
        ("C:aug", "major", False, "Caug"),
        ("C:min6", "minor", False, "Cm6"),
        ("N", "none", False, "N.C."),
        ("X", "other", False, "?"),
    ],
)
def test_a_chord_has_a_third_a_seventh_and_a_short_form(symbol: str, third: str, seventh: bool, written: str) -> None:
    assert (third_of(symbol), has_seventh(symbol), short_form(symbol)) == (third, seventh, written)


def test_the_bass_of_the_short_form_is_the_note_that_mir_eval_finds() -> None:
    names = ("C", "C# Db", "D", "Eb", "E", "F", "F#", "G", "G# Ab", "A", "Bb", "B")
    for symbol in ("C:maj/3", "A:min/b3", "Bb:7/b7", "F#:maj/5", "Cb:maj/b3", "E:maj/#4", "D:maj/9"):
        root, _, bass = mir_eval.chord.encode(symbol, reduce_extended_chords=True)
        assert short_form(symbol).partition("/")[2] in names[(root + bass) % 12].split()


def test_changes_shares_and_confidence_of_a_track() -> None:
    found = chord_features(SONG, BARS, Window(0, 8))
    assert found.chord_change_rate == pytest.approx(3 * 60 / 8)  # Am7 F, F G7, G7 C; not from no chord
    assert found.chord_major_share == pytest.approx(4 / 8)
    assert found.chord_minor_share == pytest.approx(2 / 8)
    assert found.chord_seventh_share == pytest.approx(3 / 8)
    assert found.chord_none_share == pytest.approx(2 / 8)
    assert found.chord_confidence == pytest.approx((2 * 0.8 + 0.6 + 0.4 + 2 * 1.0) / 6)
    assert found.chords == "| N.C. | Am7 | F G7 | C |"


def test_a_window_has_what_lies_in_it() -> None:
    found = chord_features(SONG, BARS, Window(3, 5))
    assert found.chord_change_rate == pytest.approx(60 / 2)
    assert found.chord_minor_share == found.chord_major_share == pytest.approx(0.5)
    assert found.chord_none_share == pytest.approx(0)
    assert found.chords == "| Am7 | F |"  # the half of a bar counts
    assert within(SONG, Window(3, 5)) == (Chord(0, 1, "A:min7", 0.8), Chord(1, 2, "F:maj", 0.6))


def test_a_sliver_of_a_chord_in_a_window_goes_to_its_neighbor() -> None:
    assert within(SONG, Window(1.95, 4.05)) == (Chord(0, pytest.approx(2.1), "A:min7", 0.8),)
    assert [chord.symbol for chord in within(SONG, Window(4.95, 5.02))] == ["G:7"]
    assert within(SONG, Window(9, 10)) == ()


def test_time_without_an_entry_is_without_a_chord() -> None:
    found = chord_features((Chord(0, 1, "C:maj"),), np.zeros(0), Window(0, 4))
    assert found.chord_none_share == pytest.approx(0.75)
    assert found.chord_confidence == NO_CHORD  # the user's file has none
    assert found.chords == "C"


def test_what_cannot_be_counted_is_unknown() -> None:
    silent = chord_features((Chord(0, 8, "N", 1.0),), BARS, Window(0, 8))
    assert silent.chord_none_share == 1
    assert silent.chord_major_share == 0
    assert silent.chord_change_rate == silent.chords == silent.chord_confidence == NO_CHORD
    assert chord_features(SONG, BARS, Window(1, 1.05)).chord_none_share == TOO_SHORT


def test_a_repeated_chord_of_one_name_is_written_once() -> None:
    chords = (Chord(0, 1, "C:maj"), Chord(1, 2, "C:maj"), Chord(2, 4, "G:maj"))
    assert bar_text(chords, np.zeros(0), 4) == "C G"
    assert bar_text(chords, np.array([0.0, 2.0]), 4) == "| C | G |"


def test_a_held_chord_is_written_in_every_bar() -> None:
    assert bar_text((Chord(0, 7.9, "C:maj"),), BARS, 8) == "| C | C | C | C |"
