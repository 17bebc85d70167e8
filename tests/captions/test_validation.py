"""Sentences, budgets and checks, on planted texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.captions.prompts import QUESTIONS, fill, placeholders, questions
from mirkit.captions.sentences import is_whole, sentences, trim, words
from mirkit.captions.validation import loops, validate

GOOD = "This is a dreamy house track at 120.5 BPM. Pads shimmer above a soft kick, and the mood is calm."


def test_a_good_text_stays_as_it_is() -> None:
    judged = validate(GOOD, "stop", 90)
    assert (judged.text, judged.fault, judged.notes) == (GOOD, "", ())


@pytest.mark.parametrize(
    ("raw", "finish", "fault"),
    [
        ("", "stop", "empty"),
        (" \n\t ", "stop", "empty"),
        ("!!! 120 ...", "stop", "empty"),
        ("日本語", "stop", "empty"),
        ("<|im_end|>", "stop", "empty"),
        ("House music.", "stop", "only 2 words"),
        ("This track begins with a long and winding", "length", "the answer was cut off within its first sentence"),
        ("This track begins with a long and winding", "stop", "the answer was cut off within its first sentence"),
        ("The kick is hard. " * 12, "stop", "repeats itself"),
        ("It goes on " + "and " * 40 + "on.", "stop", "repeats itself"),
        ("The drum machine " + "la" * 60 + ".", "stop", "repeats itself"),
        ("I'm sorry, but I cannot listen to audio files.", "stop", "about itself"),
        ("As an AI language model, I have no ears.", "stop", "about itself"),
        ("Please provide the audio file so that it can be described.", "stop", "about itself"),
        ("A dark<|im_start|>user track with bass.", "stop", "special tokens"),
        ("A dark <sound><sound> track with bass.", "stop", "special tokens"),
        ("<think>It may be house, or techno", "length", "its reasoning does not end"),
        ("or techno.</think> A dark techno track.", "stop", "its reasoning does not end"),
    ],
)
def test_what_is_not_usable(raw: str, finish: str, fault: str) -> None:
    judged = validate(raw, finish, 90)
    assert fault in judged.fault
    assert judged.text == ""


@pytest.mark.parametrize(
    ("raw", "finish", "text", "notes"),
    [
        (f"{GOOD} Then it slowly", "length", GOOD, ("cut",)),
        (f"{GOOD} Then it slowly", "stop", GOOD, ("cut",)),
        (f"<think>hm</think>{GOOD}<|im_end|>", "stop", GOOD, ()),
        (f"{GOOD}</s><|endoftext|>", "stop", GOOD, ()),
    ],
)
def test_what_can_be_made_usable(raw: str, finish: str, text: str, notes: tuple[str, ...]) -> None:
    judged = validate(raw, finish, 90)
    assert (judged.text, judged.notes) == (text, notes)


def test_music_may_repeat_itself_a_little() -> None:
    assert not loops("A verse, a chorus, a verse, a chorus, a bridge, and at last a verse and a chorus once more.")
    assert not loops("Verse (0:00-0:30), chorus (0:30-1:00), verse (1:00-1:30), chorus (1:30-2:00), outro.")


def test_trim_keeps_whole_sentences() -> None:
    text = "One two three. Four five six. Seven eight nine."
    assert trim(text, 9) == text
    assert trim(text, 8) == "One two three. Four five six."
    assert trim(text, 5) == "One two three."
    assert trim("One two three, four five six, seven eight nine.", 7) == "One two three, four five six."
    assert trim("One two three four five.", 3) == "One two three."
    assert trim("", 5) == ""


def test_sentences_know_numbers_and_abbreviations() -> None:
    text = "It runs at approx. 120.5 BPM vs. 90. No. 5 is next! Is it? (Yes.) The end"
    assert sentences(text) == ["It runs at approx. 120.5 BPM vs. 90.", "No. 5 is next!", "Is it?", "(Yes.)", "The end"]
    assert not is_whole("The end")


@given(st.text(st.sampled_from("ab .,;!?-"), max_size=200), st.integers(1, 30))
def test_trim_holds_its_budget(text: str, budget: int) -> None:
    text = " ".join(text.split())
    short = trim(text, budget)
    assert words(short) <= budget
    assert trim(short, budget) == short
    assert bool(short) == bool(text)


def test_the_five_questions_fit_a_t5() -> None:
    assert [row.key for row in QUESTIONS] == [
        "music_flamingo_full",
        "music_flamingo_technical",
        "music_flamingo_genre_mood",
        "music_flamingo_instrumentation",
        "music_flamingo_structure",
    ]
    assert all(row.words <= 90 and row.tokens >= 2 * row.words for row in QUESTIONS)


def test_own_questions_go_before_and_beside() -> None:
    rows = {row.field: row for row in questions({"full": "Short?", "rhyme": "Rhyme!", "structure": ""}, {"rhyme": 20})}
    assert list(rows) == ["full", "technical", "genre_mood", "instrumentation", "rhyme"]
    assert rows["full"].prompt == "Short?"
    assert rows["rhyme"].key == "music_flamingo_rhyme"
    assert rows["rhyme"].words == 20


def test_placeholders() -> None:
    prompt = "The tempo is {bpm} BPM. The key is {key}. Describe it."
    assert placeholders(prompt) == {"bpm", "key"}
    assert fill(prompt, {"bpm": "120", "key": "A minor"}) == "The tempo is 120 BPM. The key is A minor. Describe it."
    assert fill(prompt, {"bpm": "120"}) == "The tempo is 120 BPM. Describe it.", "nothing stands in for an unknown"
    assert fill("It is {genre}.", {}) == ""
    for wrong in ("{tempo}", "{", "{bpm:>9}", "{0}", "{bpm.real}"):
        with pytest.raises(ValueError, match=r"^texts without braces other than those of \{bpm\}"):
            placeholders(wrong)
