"""``.CHORDS``: what is written is read again, and what is no list of chords is refused with one line."""

import json
from pathlib import Path

import pytest

from mirkit.errors import InfoError, MissingInput
from mirkit.features.harmony.chord_list import Chord
from mirkit.store import NewerFormatError
from mirkit.store.chords import format_chords, read_chords

CHORDS = (Chord(0.0, 1.25, "N", 0.5), Chord(1.25, 3.123457, "A:min7", 0.987), Chord(3.123457, 4.0, "F:maj", None))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "Song.CHORDS"
    path.write_bytes(format_chords(CHORDS))
    assert read_chords(path) == CHORDS
    content = json.loads(path.read_text())
    assert content["format"] == 1
    assert content["chords"][1] == {"start": 1.25, "end": 3.123457, "symbol": "A:min7", "confidence": 0.987}


def test_a_track_without_audio_has_no_chords(tmp_path: Path) -> None:
    path = tmp_path / "Song.CHORDS"
    path.write_bytes(format_chords(()))
    assert read_chords(path) == ()


def test_a_file_of_the_user_needs_no_confidence_and_may_have_gaps_and_any_symbol(tmp_path: Path) -> None:
    path = tmp_path / "Song.CHORDS"
    rows = [{"start": 0, "end": 2, "symbol": "D:sus4(b7)/5"}, {"start": 3.5, "end": 4, "symbol": "Bb"}]
    path.write_text(json.dumps({"chords": rows}))
    assert read_chords(path) == (Chord(0, 2, "D:sus4(b7)/5"), Chord(3.5, 4, "Bb"))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"start": 0, "end": 1, "symbol": "Am"}, "'Am' at 0 s is not a chord such as A:min, G:7 or N"),
        ({"start": 0, "end": 1}, "'None' at 0 s is not a chord"),
        ({"start": 2, "end": 1, "symbol": "N"}, "from 2 to 1 s has no length"),
        ({"start": -1, "end": 1, "symbol": "N"}, "from -1 to 1 s has no length"),
        ({"start": "0", "end": 1, "symbol": "N"}, "start of a chord is not a number"),
        ({"start": 0, "end": True, "symbol": "N"}, "end of a chord is not a number"),
        ({"start": 0, "end": 1e999, "symbol": "N"}, "end of a chord is not a number"),
        ({"start": 0, "end": 1, "symbol": "N", "confidence": 2}, "is not between 0 and 1"),
        ({"start": 8, "end": 9, "symbol": "N"}, "the chord at 1 s begins before the one before it ends"),
        ("A:min", "a chord is not an object"),
    ],
)
def test_a_wrong_chord_is_refused_with_the_reason(row: object, why: str, tmp_path: Path) -> None:
    path = tmp_path / "Song.CHORDS"
    path.write_text(json.dumps({"format": 1, "chords": [row, {"start": 1, "end": 2, "symbol": "N"}]}))
    with pytest.raises(InfoError, match="these are not chords") as error:
        read_chords(path)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_a_newer_format_and_an_absent_file_have_errors_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "Song.CHORDS"
    with pytest.raises(MissingInput, match="mirkit measure chords"):
        read_chords(path)
    path.write_text('{"format": 2, "chords": []}')
    with pytest.raises(NewerFormatError):
        read_chords(path)
    path.write_text('{"format": 1, "chords": {}}')
    with pytest.raises(InfoError, match="chords are not a list"):
        read_chords(path)
