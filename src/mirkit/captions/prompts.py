"""The questions that a model is asked: five standard ones, and those of the user."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from mirkit.captions.sentences import sentences

#: Begins the key of every text.
PREFIX = "music_flamingo_"


@dataclass(frozen=True)
class Question:
    """One question about a track.

    Attributes
    ----------
    field : str
        Its text becomes ``music_flamingo_<field>``.
    prompt : str
        May hold ``{bpm}``, ``{key}``, ``{meter}``, ``{genre}``, ``{duration}``: what is measured or in the tags.
    words : int
        Words that the text may have. T5 conditioners cut at 128 tokens, about 90 words.
    tokens : int
        Tokens that the model may write.
    """

    field: str
    prompt: str
    words: int
    tokens: int

    @property
    def key(self) -> str:
        """Key of ``.INFO``."""
        return PREFIX + self.field


QUESTIONS: tuple[Question, ...] = (
    Question(
        "full",
        "Describe this track in full detail - tell me the genre, tempo, and key, then dive into the instruments, "
        "production style, and overall mood it creates.",
        90,
        300,
    ),
    Question(
        "technical",
        "Break the track down like a critic - list its tempo, key, and chordal motion, then explain the textures, "
        "dynamics and prominent production aesthetics. Keep the description compact, under 50 words.",
        60,
        160,
    ),
    Question(
        "genre_mood",
        "What is the genre and mood of this music? Be specific about subgenres and describe the emotional character. "
        "Keep the description under 30 words.",
        40,
        120,
    ),
    Question(
        "instrumentation",
        "What instruments and sounds are present in this track? Describe their timbre very briefly, in under 30 words.",
        40,
        120,
    ),
    Question(
        "structure",
        "Describe the arrangement and structure of this track. Include sections, transitions, and how the energy "
        "develops, in under 60 words.",
        75,
        200,
    ),
)
#: For a question of the user's.
OWN_WORDS, OWN_TOKENS = 90, 300
PLACEHOLDERS = ("bpm", "key", "meter", "genre", "duration")
FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")


def questions(own: Mapping[str, str], budgets: Mapping[str, int]) -> tuple[Question, ...]:
    """Give the five questions and the user's; one of the user's replaces the standard one of the same name.

    Parameters
    ----------
    own : mapping
        Field -> prompt. An empty prompt takes a question out.
    budgets : mapping
        Field -> words that its text may have.
    """
    rows = {row.field: row for row in QUESTIONS}
    for field, prompt in own.items():
        known = rows.get(field)
        words, tokens = (known.words, known.tokens) if known else (OWN_WORDS, OWN_TOKENS)
        rows[field] = Question(field, prompt, words, tokens)
    for field, words in budgets.items():
        if field in rows:
            # A word is less than two tokens; half as many again leaves room for a last sentence to end.
            rows[field] = Question(field, rows[field].prompt, words, 3 * words + 10)
    return tuple(row for row in rows.values() if row.prompt.strip())


def placeholders(prompt: str) -> set[str]:
    """Names in braces in a prompt.

    Raises
    ------
    ValueError
        A brace stands alone, or a name is none of ``PLACEHOLDERS``.
    """
    names = set()
    for _, name, spec, conversion in Formatter().parse(prompt):
        if name is not None:
            if name not in PLACEHOLDERS or spec or conversion:
                raise ValueError(f"placeholders are {', '.join('{' + name + '}' for name in PLACEHOLDERS)}")
            names.add(name)
    return names


def fill(prompt: str, facts: Mapping[str, str]) -> str:
    """Put facts into a prompt. A sentence whose fact is not known is left out: nothing stands in for an unknown."""
    kept = [part for part in sentences(" ".join(prompt.split())) if placeholders(part) <= facts.keys()]
    return " ".join(part.format_map(facts) for part in kept)
