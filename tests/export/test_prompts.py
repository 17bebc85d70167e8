"""Prompts: whole clauses within the budget, facts that do not change, variants by seed."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.captions.lyrics import parse_lyrics
from mirkit.captions.vocabulary import Word
from mirkit.errors import SettingsError
from mirkit.export.item import Item
from mirkit.export.plan import _of_length
from mirkit.export.prompts import TEMPLATES, Extremes, PromptTemplate, max_tokens, prompts, words_of
from mirkit.store import FileDigest
from mirkit.track import Track
from mirkit.track.user_texts import UserTexts

FEATURES = {
    "bpm": 123.96,
    "brightness": 80.0,
    "lufs": -12.5,
    "key_confidence": 0.95,
    "time_signature_confidence": 0.95,
    "vocal_presence": 0.0,
    "warmth": 0.5,
}
TEXT = "A driving track. It runs at 90 BPM. Synths swell – softly…"
ITEM = Item(
    name="a/crops/a_001",
    source="a",
    track=Track(Path("a")),
    mix=Path("a.flac"),
    digest=FileDigest(1, "x"),
    sample_rate=44100,
    start=0.0,
    seconds=47.55,
    features=FEATURES,
    missing_reasons={},
    metadata={
        "tags": {"genre": "Électro", "year": 1999},
    },
    texts={"genre_mood": TEXT},
    methods={},
    categories={"key": "F#", "mode": "minor", "time_signature": "4/4"},
)
EXTREMES = Extremes({"brightness": (20.0, 70.0), "warmth": (1.0, 2.0)}, 50)


def of(item: Item = ITEM, **changes: object) -> tuple[str, ...]:
    template = replace(PromptTemplate(), **changes)  # type: ignore[arg-type]
    return prompts(item, item.features, found(item), template)


def found(item: Item) -> list[Word]:
    return words_of(item, item.features, EXTREMES)


def test_the_first_prompt_has_the_order_of_the_template() -> None:
    first = of()[0]
    assert first.startswith("Electro, 124 BPM, 4/4 time, F# minor, instrumental, bright, cold, A driving track")
    assert first.isascii()


def test_prose_is_corrected_by_the_features() -> None:
    assert "90 BPM" not in of()[0]
    assert "It runs at 124 BPM" in of()[0]


def test_chords_are_a_clause_as_they_are_written() -> None:
    item = replace(ITEM, texts={"chords": "| Am | F | C/E G7 | Bbmaj7 |"})
    assert of(item, template="{bpm} BPM; chords {chords}")[0] == "124 BPM, chords | Am | F | C/E G7 | Bbmaj7 |"


def test_stable_audio_3_gets_its_vocabulary() -> None:
    assert of(template=TEMPLATES["sa3"])[0].startswith(
        "TrackType: Music, VocalType: Instrumental, Genre: Electro, BPM: 124, Key: F# minor, 4/4 time, bright"
    )
    assert of(template=TEMPLATES["sa3"])[0].endswith("Length: 48 seconds")


@pytest.mark.parametrize("text", ["la la la\nhey hey", "[Instrumental]", ""])
@pytest.mark.parametrize("presence", [0.0, 0.5, None])
@pytest.mark.parametrize("tagged", [None, 0.9])
def test_the_voice_is_named_once(text: str, presence: float | None, tagged: float | None) -> None:
    values = {"vocal_presence": presence, "instrument_vocals": tagged}
    features = FEATURES | {name: value for name, value in values.items() if value is not None}
    if presence is None:
        del features["vocal_presence"]
    texts = UserTexts(parse_lyrics(text) if text else None, origin={"lyrics": {"from": "a.txt"}})
    item = replace(ITEM, name="a", features=features, user_texts=texts, texts={"instruments": "vocals, piano"})
    for template in TEMPLATES.values():
        for prompt in of(item, template=template):
            assert sum(prompt.lower().count(word) for word in ("vocals", "instrumental")) <= 1, prompt


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (9.9996, "it has 9.9996 s; the trainer needs at least 10 s"),
        (9.0, "it has 9.00 s; the trainer needs at least 10 s"),
        (20.0006, "it has 20.001 s, more than 20 s; cut shorter clips"),
        (20.009, "it has 20.01 s, more than 20 s; cut shorter clips"),
        (10.0, ""),
        (20.0, ""),
    ],
)
def test_a_length_is_told_apart_from_the_limit(seconds: float, says: str) -> None:
    item = replace(ITEM, seconds=seconds)
    kept, dropped = _of_length([item], 10.0, 20.0)
    assert dropped == ({item.name: says} if says else {})
    assert kept == ([] if says else [item])


def test_a_clause_with_an_unknown_is_left_out_whole() -> None:
    item = replace(ITEM, metadata={}, categories={}, features={}, texts={})
    assert of(item, template="{bpm} BPM; key of {key}; by hand; {genre}") == ("by hand",)
    assert of(item, template="{bpm} BPM") == ("music",)


@pytest.mark.parametrize("genre", ["Jポップ", "Русский рок", "K-팝"])
def test_a_tag_that_t5_cannot_hold_is_left_out_whole(genre: str) -> None:
    item = replace(ITEM, metadata={**ITEM.metadata, "tags": {"genre": genre, "year": 1999}})
    assert of(item, template="{genre}; {genre} of {year}; from {year}") == ("from 1999",)


def test_no_prompt_is_a_length_alone_or_of_one_group() -> None:
    groups = {word.text: word.group for word in found(ITEM)} | {"VocalType: Instrumental": "voice"}
    groups |= {"BPM: 124": "rhythm", "Key: F# minor": "harmony"}
    for template in TEMPLATES.values():
        for seed in range(40):
            for text in of(template=template, variants=8, seed=seed):
                assert len({groups[clause] for clause in text.split(", ") if clause in groups}) >= 2, text


def test_what_has_no_words_gets_numbers() -> None:
    plain = replace(ITEM, features={"lufs": -14.2, "stereo_width": 0.2}, categories={}, texts={}, metadata={})
    assert of(plain) == ("loudness of -14 LUFS, stereo width of 20%", *of(plain)[1:])
    assert of(plain, template=TEMPLATES["sa3"])[0].startswith("TrackType: Music, loudness of -14 LUFS")


def test_extremes_need_fifty_tracks() -> None:
    samples = [{"warmth": float(i), "brightness": 50.0} for i in range(100)]
    assert not Extremes.of(samples, 49).bounds
    of_fifty = Extremes.of(samples, 50)
    assert set(of_fifty.bounds) == {"warmth"}, "brightness does not vary"
    low, high = of_fifty.bounds["warmth"]
    assert [word.text for word in of_fifty.words({"warmth": low})] == ["cold"]
    assert [word.text for word in of_fifty.words({"warmth": high})] == ["warm"]
    assert not of_fifty.words({"warmth": low + 0.1})
    (word,) = of_fifty.words({"warmth": high + 1})
    assert word.threshold == f"warmth >= {high:.4g}, the highest 15% of 50 tracks"


def test_a_threshold_decides_before_the_extremes() -> None:
    assert [word.text for word in found(ITEM) if word.key == "brightness"] == ["bright"]
    dark = replace(ITEM, features={**FEATURES, "brightness": 30.0})
    assert [word.text for word in found(dark) if word.key == "brightness"] == ["dark"]


def test_variants_depend_on_the_seed_and_hold_the_same_facts() -> None:
    assert of(variants=6) == of(variants=6)
    assert of(variants=6)[1:] != of(variants=6, seed=1)[1:]
    assert len(set(of(variants=6))) == 6
    clauses = set(of()[0].split(", "))
    assert all(set(text.split(", ")) <= clauses for text in of(variants=6))


@pytest.mark.parametrize(
    "template",
    [*TEMPLATES.values(), "{bpm} BPM; {trigger}", "{bpm} BPM; {key}", "{caption}; style of {trigger}; {bpm}"],
)
def test_a_trigger_stays_in_front(template: str) -> None:
    """Also where a template has it in another place, or not at all."""
    first = "style of mystyle" if "style of" in template else "mystyle"
    texts = [
        *of(trigger="mystyle", variants=6, template=template),
        *of(trigger="mystyle", template=template, budget=12),
    ]
    assert all(text == first or text.startswith(f"{first}, ") for text in texts)
    assert all(text.count("mystyle") == 1 for text in texts)


@given(st.lists(st.text(min_size=1, max_size=40), max_size=8), st.integers(8, 64))
def test_never_over_the_budget_and_only_whole_clauses(sentences: list[str], budget: int) -> None:
    item = replace(ITEM, texts={"full": ". ".join(sentences)})
    whole = prompts(item, FEATURES, found(item), PromptTemplate(budget=10_000, variants=1))[0]
    for text in prompts(item, FEATURES, found(item), PromptTemplate(budget=budget)):
        assert max_tokens(text) <= budget or text == "music"
        assert text.isascii()
        rest = whole
        for clause in text.split(", "):
            assert clause in whole or text == "music"
        assert rest


@given(st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=60))
def test_the_estimate_counts_every_word_digit_and_mark(text: str) -> None:
    digits = sum(sign.isdigit() for sign in text)
    marks = sum(not sign.isalnum() and not sign.isspace() for sign in text)
    letters = sum(sign.isalpha() for sign in text)
    assert digits + marks + letters / 2 + 1 <= max_tokens(text) <= digits + marks + letters + 1


def test_a_tokenizer_counts_exactly(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    from mirkit.models.tokenizer import TokenCounter

    words = {"[UNK]": 0, "deep": 1, "house": 2, "music": 3}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    count = TokenCounter(tmp_path / "tokenizer.json")
    assert count("deep house music") == 3
    assert pickle.loads(pickle.dumps(count))("deep house music house") == 4  # as a worker receives it
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(SettingsError, match="not a tokenizer"):
        TokenCounter(tmp_path / "no.json")


@pytest.mark.parametrize("template", ["{tempo}", "{bpm", "{}"])
def test_a_wrong_template_is_named(template: str) -> None:
    with pytest.raises(SettingsError, match="--template"):
        PromptTemplate(template)
