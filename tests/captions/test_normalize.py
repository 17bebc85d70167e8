"""Plain text for T5: the table of signs by example, and what holds for every text."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirkit.captions.normalize import ALLOWED, dropped_characters, normalize, to_ascii

KEPT = set(string.ascii_letters + string.digits)
#: Signs that a word stands for.
WORDY = "~≈≤≥<>♮°º℃℉˚⁓∼＜＞～"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        # The manual's three.
        ("warm—bright", "warm - bright"),
        ("‘a’ and “b”", "'a' and \"b\""),
        ("four‑on‑the‑floor", "four-on-the-floor"),
        # Dashes and minus.
        ("a – b", "a - b"),
        ("−12 dB", "-12 dB"),
        # Music.
        ("C♯ minor to B♭", "C# minor to Bb"),
        ("F𝄪 and E𝄫", "F## and Ebb"),
        ("B♮", "B natural"),
        ("CΔ7, B°, F♯ø", "Cmaj7, Bdim, F#m7b5"),
        ("turned 90°", "turned 90 degrees"),
        # Numbers.
        ("1½ bars, ¾ time", "1 1/2 bars, 3/4 time"),
        ("x² and Ⅳ and ٣", "x2 and IV and 3"),
        ("3×4 ÷ 2 ± 1", "3x4 / 2 +/- 1"),
        ("≈120 BPM, ~90 BPM", "about 120 BPM, about 90 BPM"),
        ("≤ 5 → 6", "under 5 to 6"),
        ("€5, №1", "EUR5, No.1"),
        # Letters.
        ("Beyoncé, Mötley Crüe, Straße, Łódź, Þór", "Beyonce, Motley Crue, Strasse, Lodz, Thor"),
        ("e\u0301tude", "etude"),
        ("ﬁne ＡＢＣ", "fine ABC"),
        # White space, and what is not seen.
        ("a\u00a0b\u202fc\u2009d\u2028e\tf\x85g", "a b c d e f g"),
        ("a\u200bb\ufeffc\u00add\u202ae\u2060f", "abcdef"),
        ("wait…  what ?", "wait... what?"),
        # Left out.
        ("party 🎉 time ©", "party time"),
        ("日本 rock", "rock"),
        # Signs that T5 lacks.
        ("{a} <b c> \\ ^ `d`", "(a) under b c over / 'd'"),
        # Markdown.
        ("**Genre:** *House*", "Genre: House"),
        ("# Overview\n- drums\n- bass.\n\n## Mood\n* dark", "Overview. drums. bass. Mood. dark."),
        ("• kick\n• snare", "kick. snare."),
        ("C# minor", "C# minor"),
        ("a<br>b", "a b"),
        # The model's own marks.
        ("<|im_start|>Bright.<|im_end|>", "Bright."),
        ("<think>hm, 120?</think>A waltz.", "A waltz."),
        ("<sound>A waltz.</s>", "A waltz."),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_known(text: str, plain: str) -> None:
    assert normalize(text) == plain


@given(st.text())
@example("## # a")
@example("--- # *_* x")
@example("＃ ＊＊x＊＊")
def test_allowed_signs_only_and_idempotent(text: str) -> None:
    plain = normalize(text)
    assert set(plain) <= ALLOWED
    assert "  " not in plain
    assert plain == plain.strip()
    assert normalize(plain) == plain


@given(st.text())
def test_bounded_growth(text: str) -> None:
    wordy = sum(sign in WORDY for sign in text)
    assert len(normalize(text)) <= 4 * len(text) + 8 * wordy


@given(st.text(st.one_of(st.sampled_from(sorted(KEPT) + list(" .,#*-_\n♯°½ø—“{")), st.characters())))
def test_keeps_ascii_letters_and_digits(text: str) -> None:
    if "<" in text or "[" in text:  # marks of the model's format go with their letters
        return
    plain = normalize(text)
    remains = iter(plain)
    assert all(sign in remains for sign in text if sign in KEPT), "in their order"


@given(
    st.text(
        st.characters(
            codec="ascii", exclude_characters="{}<>\\^~`#*_-+[\t\n\r\x0b\x0c", categories=("L", "N", "P", "S", "Zs")
        )
    )
)
def test_leaves_plain_ascii_alone(text: str) -> None:
    assert normalize(text).replace(" ", "") == text.replace(" ", "")


def test_lost_letters_are_counted() -> None:
    assert dropped_characters("日本 rock") == 2
    assert dropped_characters("Beyoncé — 90°") == 0
    assert dropped_characters("<|日本|>") == 0


@pytest.mark.hypothesis
def test_t5s_own_normalizer_changes_nothing_more(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SentencePiece's nmt_nfkc, the rule that T5 was trained with, finds nothing left to do."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("toy")
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog 0123456789 and again\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "toy"),
        vocab_size=60,
        normalization_rule_name="nmt_nfkc",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    toy = sentencepiece.SentencePieceProcessor(model_file=str(folder / "toy.model"))

    @given(st.text())
    def unchanged(text: str) -> None:
        plain = normalize(text)
        assert toy.normalize(plain).replace("▁", " ").strip() == plain

    unchanged()


def test_every_character_there_is() -> None:
    assert set("".join(map(to_ascii.__wrapped__, map(chr, range(0x110000))))) <= ALLOWED | {"\n"}
