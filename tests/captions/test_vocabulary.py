"""The vocabulary of prompts: a word stands and falls with its number; and the sentences made of the words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.captions.music_facts import music_facts
from mirkit.captions.vocabulary import (
    GROUPS,
    HEARD,
    RULES,
    SURE,
    Rule,
    instrument_words,
    key_name,
    plain_numbers,
    words,
)
from mirkit.catalog import CATEGORIES, INFO_SPECS, NUMBERS

SONG = {
    "bpm": 152.0,
    "bpm_confidence": 0.9,
    "beat_count": 400,
    "time_signature": "4/4",
    "time_signature_confidence": 0.97,
    "key": "A#",
    "mode": "major",
    "key_confidence": 0.95,
    "vocal_presence": 0.6,
    "brightness": 90.0,
    "lufs": -7.5,
    "stereo_width": 0.5,
    "duration_seconds": 125.0,
}


def texts(values: dict[str, object]) -> list[str]:
    return [word.text for word in words(values)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_a_word_goes_with_its_number(rule: Rule) -> None:
    bound = rule.at_least if rule.at_least is not None else rule.at_most
    assert bound is not None
    if rule.at_least is not None and rule.at_most is not None:
        assert rule.at_least < rule.at_most
        assert not rule.holds(rule.at_most + 0.01)
    other: dict[str, object] = {rule.minus: 0.0} if rule.minus else {}
    if rule.confidence:
        other[rule.confidence] = SURE
        assert rule.text not in texts({rule.key: bound, rule.confidence: SURE - 0.01})
    if rule.presence:
        other[rule.presence] = HEARD
        assert rule.text not in texts({rule.key: bound, rule.presence: HEARD - 0.01})
        assert rule.text not in texts({rule.key: bound, rule.presence: None})
    beyond = bound - 0.01 if rule.at_least is not None else bound + 0.01
    assert rule.text in texts({rule.key: bound, **other})
    assert rule.text not in texts({rule.key: beyond, **other})
    assert rule.text not in texts({rule.key: None, **other})
    if rule.minus:
        assert rule.text not in texts({rule.key: bound})
        assert rule.text in texts({rule.key: bound - 3, rule.minus: -3.0}), "a gain makes no difference"
    (word,) = [word for word in words({rule.key: bound, **other}) if word.text == rule.text]
    assert (word.value, word.threshold, word.group) == (bound, rule.threshold, rule.group)


def test_every_rule_reads_a_stored_value_and_words_are_distinct() -> None:
    known = {row.name for row in INFO_SPECS} | {"vocal_presence"}
    for rule in RULES:
        assert {rule.key, rule.minus or rule.key, rule.confidence or rule.key, rule.presence or rule.key} <= known, rule
        assert (rule.at_least, rule.at_most) != (None, None)
        assert re.fullmatch("[a-z0-9 ,/-]+", rule.text)
    assert len({rule.text for rule in RULES}) == len(RULES)


def test_a_key_that_is_none_is_not_named() -> None:
    for key, mode in (("H", "minor"), ("C", "dorian")):
        assert texts({"key": key, "mode": mode, "key_confidence": 1.0}) == []


def test_what_plays_without_drums_has_no_words_of_drums() -> None:
    for density in (0.0, 1.2, 9.0):
        assert texts({"onset_density_average_drums": density, "drums_presence": 0.0}) == []


def test_words_of_a_song() -> None:
    assert texts(SONG) == ["152 BPM", "4/4 time", "fast tempo", "Bb major", "vocals", "bright", "loud", "wide stereo"]


@pytest.mark.parametrize(("name", "word"), [("key_confidence", "Bb major"), ("time_signature_confidence", "4/4 time")])
def test_key_and_meter_need_confidence(name: str, word: str) -> None:
    assert word in texts(SONG | {name: SURE})
    assert word not in texts(SONG | {name: SURE - 0.001})
    assert word not in texts(SONG | {name: None})


def test_a_meter_that_explains_nothing_is_not_named() -> None:
    assert "other time" not in texts(SONG | {"time_signature": "other"})


def test_vocals_or_instrumental() -> None:
    assert "vocals" in texts(SONG)
    assert "instrumental" in texts(SONG | {"vocal_presence": 0.0})
    heard = SONG | {"vocal_presence": None, "voice": "vocals", "voice_confidence": 0.9}
    assert "vocals" in texts(heard)
    assert "instrumental" in texts(heard | {"voice": "instrumental", "vocal_presence": 0.0})
    assert not {"vocals", "instrumental"} & {
        *texts(heard | {"voice_confidence": 0.89}),
        *texts(heard | {"voice": None}),
    }
    assert "vocals" in texts(SONG | {"voice": "vocals", "voice_confidence": None}), "the stem decides"
    assert not instrument_words(heard | {"instruments": "vocals"}), "it is said once"
    assert not {"vocals", "instrumental"} & set(texts(SONG | {"vocal_presence": None}))


@pytest.mark.parametrize(
    ("tonic", "mode", "name"),
    [
        *(("A#", "major", "Bb major"), ("D#", "major", "Eb major"), ("G#", "major", "Ab major")),
        *(("C#", "major", "Db major"), ("F#", "major", "F# major"), ("A#", "minor", "Bb minor")),
        *(("C#", "minor", "C# minor"), ("G#", "minor", "G# minor"), ("D#", "minor", "Eb minor")),
    ],
)
def test_flats_as_musicians_write_them(tonic: str, mode: str, name: str) -> None:
    assert key_name(tonic, mode) == name


def test_sentences_hold_the_words() -> None:
    assert music_facts(SONG) == (
        "The music has a fast tempo of 152 BPM in 4/4 time. It has vocals, in Bb major. "
        "It is bright and loud, with wide stereo."
    )
    assert music_facts({"duration_seconds": 65.0}) == "It lasts 1 minute and 5 seconds."
    assert music_facts({"beat_count": 0, "vocal_presence": 0.0, "duration_seconds": 60}) == (
        "The music has no beat. It is instrumental."
    )
    assert music_facts({"lufs": -30.0, "duration_seconds": 1.0}) == "It is quiet. It lasts 1 second."
    assert music_facts({}) is None


_SOME = st.one_of(st.none(), st.floats(-100, 400, allow_nan=False))


@given(
    st.dictionaries(st.sampled_from([row.name for row in NUMBERS] + ["vocal_presence"]), _SOME),
    st.fixed_dictionaries({row.name: st.sampled_from([*row.categories, None]) for row in CATEGORIES}),
)
def test_any_values_make_plain_sentences(numbers: dict[str, float | None], categories: dict[str, str | None]) -> None:
    values = {**numbers, **categories, "duration_seconds": 30.0}
    text = music_facts(values)
    assert text is not None
    assert text.isascii()
    assert 1 <= len(re.findall(r"\.(?: |$)", text)) <= 4
    for word in words(values):
        said = word.text.removesuffix(" tempo")
        assert said.removesuffix(" time") in text or word.text in ("vocals", "instrumental"), text
    assert [word.group for word in words(values)] == sorted((w.group for w in words(values)), key=GROUPS.index)


def test_plain_numbers_of_what_has_no_words() -> None:
    values = {"lufs": -14.2, "stereo_width": 0.2}
    assert not words(values)
    assert [word.text for word in plain_numbers(values)] == ["loudness of -14 LUFS", "stereo width of 20%"]


def test_instruments_are_those_that_the_stage_has_named() -> None:
    known: dict[str, object] = {"instruments": "drums, bass, vocals", "instrument_drums": 0.97, "instrument_bass": 0.8}
    drums, bass, voice = sorted(instrument_words(known), key=lambda word: word.group != "instruments")
    assert (drums.group, drums.text, drums.key, drums.value) == ("instruments", "drums", "instrument_drums", 0.97)
    assert (bass.text, voice.group, voice.text) == ("bass", "voice", "vocals")
    assert [word.text for word in instrument_words(known | {"vocal_presence": 0.0})] == ["drums", "bass"]
    assert instrument_words({"instruments": "kalimba"})[0].value == "your text"
    assert instrument_words({}) == instrument_words({"instruments": None}) == []
    assert not {"drums", "bass"} & {word.text for word in words(known)}, "they are no part of the measured words"
