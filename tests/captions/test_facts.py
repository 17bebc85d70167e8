"""What texts claim, where measurements contradict it, and what becomes of it then. All claims are planted."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirkit.captions.facts import Facts, claims, compare, fix

FACTS = Facts(bpm=92.0, key=("A", "minor"), meter="4/4", vocals_share=0.4, duration=185.0)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("It runs at 128 BPM.", "tempo", (128.0, 128.0)),
        ("A 128BPM beat.", "tempo", (128.0, 128.0)),
        ("Around 120-125 bpm.", "tempo", (120.0, 125.0)),
        ("Between 90 and 95 beats per minute.", "tempo", (90.0, 95.0)),
        ("With a tempo of around 101.3 it walks.", "tempo", (101.3, 101.3)),
        ("Tempo: 174, fast.", "tempo", (174.0, 174.0)),
        ("BPM: 174.", "tempo", (174.0, 174.0)),
        ("It is in the key of F# minor.", "key", ("F#", "minor")),
        ("In Bb major, it shines.", "key", ("A#", "major")),
        ("Key: E-flat Major.", "key", ("D#", "major")),
        ("A C sharp minor ballad.", "key", ("C#", "minor")),
        ("It is in 3/4 time.", "meter", ("3/4",)),
        ("A slow waltz.", "meter", ("3/4",)),
        ("A purely instrumental piece.", "vocals", (False,)),
        ("There are no vocals.", "vocals", (False,)),
        ("Soft female vocals float above it.", "vocals", (True,)),
        ("It lasts 3:05.", "duration", (185.0, True)),
        ("A 4-minute track.", "duration", (240.0, True)),
        ("With a duration of 3 minutes and 20 seconds.", "duration", (200.0, True)),
        ("The chorus enters at 1:20.", "duration", (80.0, False)),
    ],
)
def test_claims(text: str, kind: str, value: tuple[Any, ...]) -> None:
    (claim,) = claims(text)
    assert (claim.kind, claim.value) == (kind, value)
    assert text[claim.start : claim.end] == claim.wording


@pytest.mark.parametrize(
    "text",
    [
        "It is made in 1985 with 808 drums.",
        "It moves from A minor to F major.",
        "An E minor chord rings out.",
        "The chord progression is C major and G major.",
        "An instrumental break follows.",
        "There is room for vocals.",
        "Vocal-like synths, vocal chops and no drums.",
        "Half the time, 1/2 of it, is quiet.",
        "A major hit with a minor flaw.",
        "The 90s are back.",
    ],
)
def test_no_claims(text: str) -> None:
    assert claims(text) == []


@pytest.mark.parametrize(
    ("text", "conflicts"),
    [
        ("At 92 BPM.", []),
        ("At 94 BPM.", []),
        ("At 184 BPM, or 46 BPM.", []),
        ("At 90-100 BPM.", []),
        ("At 128 BPM.", ["tempo"]),
        ("In A minor.", []),
        ("In C major.", []),
        ("In A major.", ["key"]),
        ("In 2/4 time.", []),
        ("In 3/4 time.", ["meter"]),
        ("A waltz in 3/4 time at 140 BPM in Db major.", ["meter", "meter", "tempo", "key"]),
        ("Female vocals sing.", []),
        ("It is an instrumental track.", ["vocals"]),
        ("It lasts 3 minutes.", []),
        ("It lasts 5 minutes.", ["duration"]),
        ("A bridge at 2:30.", []),
        ("A bridge at 4:30.", ["duration"]),
    ],
)
def test_conflicts(text: str, conflicts: list[str]) -> None:
    assert [conflict.claim.kind for conflict in compare(text, FACTS).conflicts] == conflicts


def test_what_is_not_known_contradicts_nothing() -> None:
    text = "A waltz at 140 BPM in Db major, an instrumental track that lasts 9 minutes."
    assert compare(text, Facts()).claims == 0
    unsure = Facts(key=("A", "minor"), meter="4/4", key_confidence=0.3, meter_confidence=0.3)
    assert compare(text, unsure).claims == 0
    assert compare(text, FACTS).claims == 5
    assert compare("Female vocals sing.", Facts(vocals_share=0.0)).conflicts
    assert not compare("Female vocals sing.", Facts(vocals_share=0.05)).conflicts
    assert not compare("A purely instrumental piece.", Facts(vocals_share=0.05)).conflicts


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("It runs at 128 BPM in E major.", "It runs at 92 BPM in A minor."),
        ("Around 120-125 BPM, it drives.", "Around 92 BPM, it drives."),
        ("Tempo: 128. Key: F# minor.", "Tempo: 92. Key: A minor."),
        ("A song in 3/4 time.", "A song in 4/4 time."),
        ("It is dark. It is a purely instrumental piece. It ends.", "It is dark. It ends."),
        ("It is dark, with no vocals, and slow.", "It is dark, and slow."),
        ("Guitars play softly in the dark, and there are no vocals.", "Guitars play softly in the dark."),
        ("A slow waltz. It is dark.", "It is dark."),
        ("It lasts 9 minutes. It is dark.", "It is dark."),
        ("It lasts 9 minutes.", ""),
        ("It runs at 92 BPM in A minor.", "It runs at 92 BPM in A minor."),
        # what only announces something ends no sentence
        ("It runs at 128 BPM, a waltz, key:", "It runs at 92 BPM."),
        ("It is dark and slow, it is a purely instrumental piece, with:", "It is dark and slow."),
        ("It is dark and slow and, with no vocals.", "It is dark and slow."),
        ("It is dark and slow, and with, it lasts 9 minutes;", "It is dark and slow."),
        ("Key: , it lasts 9 minutes.", ""),
    ],
)
def test_fix(text: str, fixed: str) -> None:
    assert fix(text, FACTS) == fixed


PIECES = st.sampled_from(
    [
        *("at 128 BPM", "at 92 BPM", "in E major", "in A minor", "in 3/4 time", "a waltz", "with no vocals"),
        *(
            "an instrumental track",
            "it lasts 9 minutes",
            "at 7:30 it ends",
            "with guitars",
            "and so on",
            "dark",
            "key:",
        ),
        *(",", ".", ";", "!", "and"),
    ]
)


@given(st.lists(PIECES, max_size=12).map(" ".join))
@example("at 128 BPM , a waltz , key:")
def test_a_fixed_text_has_no_conflicts_and_no_new_words(text: str) -> None:
    fixed = fix(text, FACTS)
    assert compare(fixed, FACTS).conflicts == ()
    known = set(text.replace(",", " ").replace(";", " ").replace(".", " ").replace("!", " ").split())
    added = set(fixed.replace(",", " ").replace(";", " ").replace(".", " ").replace("!", " ").split()) - known
    assert added <= {"92", "A", "minor", "4/4"}
    if not compare(text, FACTS).conflicts:
        assert fixed == text
