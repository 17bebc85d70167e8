"""Words with times: how they are read, and what of them is in a clip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.captions.lyrics import LONGEST_LINE, parse_lyrics

SONG = """[ar:Somebody]
[ti:A song]
[Verse 1]
[00:10.00]First line
[00:14.00]Second line
[00:18.50]
[Chorus]
[00:30.00][01:10.00]Up and down
[00:34.00]Down again
[00:38.00]
[00:40.00][Guitar Solo]
[01:00.00]
"""


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0, 120, "[Verse 1]\nFirst line\nSecond line\n\n[Chorus]\nUp and down\nDown again\n\n"
         "[Guitar Solo]\n\n[Chorus]\nUp and down"),
        (10, 18.5, "[Verse 1]\nFirst line\nSecond line"),
        (10, 18.4, "[Verse 1]\nFirst line"),  # the second line is still sung
        (10.1, 18.5, "[Verse 1]\nSecond line"),  # the first one has begun before
        (18.5, 30, ""),
        (20, 36, "[Chorus]\nUp and down"),
        (39, 60, "[Guitar Solo]"),
        (60, 80, "[Chorus]\nUp and down"),
        (60, 79.9, ""),
    ],
)  # fmt: skip
def test_lines_of_a_clip(start: float, end: float, text: str) -> None:
    assert parse_lyrics(SONG).between(start, end) == text


def test_words_with_times_of_their_own() -> None:
    song = parse_lyrics("[00:10.00]<00:10.00>One <00:11.00>two <00:12.50>three <00:14.00>\n[00:15.00]")
    assert song.text == "One two three"
    assert song.between(10, 14) == "One two three"
    assert song.between(11, 13) == "two"
    assert song.between(10.5, 15) == "two three"
    assert song.between(12.6, 13.9) == ""


@pytest.mark.parametrize("offset", [500, -250, 0])
def test_an_offset_shifts_all_times(offset: int) -> None:
    song = parse_lyrics(f"[offset:{offset:+d}]\n[00:10.000]<00:10.000>a <00:12.000>b\n[00:20]")
    at = 10 - offset / 1000
    assert (song.lines[0].start, song.lines[0].words[:1]) == (at, ((at, at + 2, "a "),))


@pytest.mark.parametrize("stamp", ["[0:07]", "[00:07]", "[00:07.0]", "[00:07.00]", "[00:07.000]", "[00:07:00]"])
def test_forms_of_a_time(stamp: str) -> None:
    assert parse_lyrics(f"{stamp} word").lines[0].start == 7


def test_a_line_before_a_long_pause_ends_after_ten_seconds() -> None:
    song = parse_lyrics("[00:10]a\n[02:00]b")
    assert [line.end for line in song.lines] == [20, 120 + LONGEST_LINE]


def test_lines_in_any_order_and_translations() -> None:
    song = parse_lyrics("[00:20]b\n[00:10]a\nin other words\n[00:25]")
    assert song.text == "a\nin other words\nb"
    assert song.between(9, 21) == "a\nin other words"


def test_words_without_times() -> None:
    song = parse_lyrics("\n\n[Verse 1: Somebody]\r\nOne\u202e  two\x07\n\n\n[Chorus]\nla la\n\n")
    assert song.text == "[Verse 1: Somebody]\nOne two\n\n[Chorus]\nla la"
    assert song.words == "One two\nla la"
    assert not song.timed
    assert song.between(0, 1000) == ""


@pytest.mark.parametrize("text", ["[Instrumental]", " instrumental\n", "(Instrumental)"])
def test_a_text_that_says_there_are_no_words(text: str) -> None:
    assert parse_lyrics(text).is_instrumental
    assert not parse_lyrics(f"{text}\nla").is_instrumental


@pytest.mark.parametrize("text", ["", " \n\t\n", "[ar:x]\n[ti:y]\n"])
def test_no_words(text: str) -> None:
    assert parse_lyrics(text).lines == ()


@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from("abc")), min_size=1, max_size=30, unique_by=lambda r: r[0]),
    st.integers(0, 300),
    st.integers(1, 100),
)  # fmt: skip
def test_no_word_that_is_sung_outside(rows: list[tuple[int, str]], start: int, seconds: int) -> None:
    """Known answer: a line is in a clip where its time and the next one are."""
    rows.sort()
    song = parse_lyrics("\n".join(f"[{time // 60:02d}:{time % 60:02d}]{text}" for time, text in rows))
    ends = [time for time, _ in rows[1:]] + [rows[-1][0] + 10]
    expected = [
        text
        for (time, text), end in zip(rows, ends, strict=True)
        if time >= start and min(end, time + 10) <= start + seconds
    ]
    assert song.between(start, start + seconds) == "\n".join(expected)
    # Clips without gaps or overlap never hold a line twice.
    middle = start + seconds / 2
    both = song.between(start, middle).split() + song.between(middle, start + seconds).split()
    assert len(both) <= len(expected)


@pytest.mark.parametrize(
    "token", ["<|endoftext|>", "<|im_end|>", "<|EndOfText|>", "</s>", "<pad>", "<unk>", "<|end<|x|>oftext|>", "<|a b|>"]
)
@pytest.mark.parametrize("form", ["One {}two\nThree", "[00:01]One {}two\n[00:03]Three", "{}\nOne two\nThree{}"])
def test_special_tokens_of_text_encoders_are_left_out(token: str, form: str) -> None:
    """The encoder of a trainer would read them as the end of the words."""
    assert parse_lyrics(form.format(token, token)).text.split() == ["One", "two", "Three"]


@pytest.mark.parametrize("text", ["I <3 you", "[Inst]", "a < b | c > d", "<laughs>", "[INST]"])
def test_what_looks_like_a_token_stays(text: str) -> None:
    assert parse_lyrics(text).text == text
