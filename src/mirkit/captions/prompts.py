"""The prompts for the model: five standard ones, and those of the user."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from mirkit.captions.sentences import sentences

#: Prefix of the key of every text.
PREFIX = "music_flamingo_"


@dataclass(frozen=True)
class Question:
    """One question about a track.

    Attributes
    ----------
    field : str
        The answer is stored as ``music_flamingo_<field>``.
    prompt : str
        It may contain ``{bpm}``, ``{key}``, ``{meter}``, ``{genre}``, ``{duration}``, which are replaced by
        measurements or tags.
    words : int
        Largest number of words of the text. T5 conditioners truncate at 128 tokens, about 90 words.
    tokens : int
        Largest number of tokens of the answer.
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
#: Largest numbers of words and tokens of the answer to a prompt of the user.
OWN_WORDS, OWN_TOKENS = 90, 300
PLACEHOLDERS = ("bpm", "key", "meter", "genre", "duration")
FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")


def questions(own: Mapping[str, str], budgets: Mapping[str, int]) -> tuple[Question, ...]:
    """Return the standard questions and the user's; a user's question replaces the standard one of its name.

    Parameters
    ----------
    own : mapping
        Field -> prompt. An empty prompt removes a question.
    budgets : mapping
        Field -> largest number of words of its text.
    """
    rows = {row.field: row for row in QUESTIONS}
    for field, prompt in own.items():
        known = rows.get(field)
        words, tokens = (known.words, known.tokens) if known else (OWN_WORDS, OWN_TOKENS)
        rows[field] = Question(field, prompt, words, tokens)
    for field, words in budgets.items():
        if field in rows:
            # A word has fewer than two tokens; half as many more allow the last sentence to end.
            rows[field] = Question(field, rows[field].prompt, words, 3 * words + 10)
    return tuple(row for row in rows.values() if row.prompt.strip())


def placeholders(prompt: str) -> set[str]:
    """Return the names in braces in a prompt.

    Raises
    ------
    ValueError
        A brace is unbalanced, or a name is not one of ``PLACEHOLDERS``.
    """
    known = ", ".join("{" + name + "}" for name in PLACEHOLDERS)
    wrong = f"texts without braces other than those of {known}"
    try:
        fields = [field for field in Formatter().parse(prompt) if field[1] is not None]
    except ValueError as error:
        raise ValueError(wrong) from error
    if any(name not in PLACEHOLDERS or spec or conversion for _, name, spec, conversion in fields):
        raise ValueError(wrong)
    return {str(name) for _, name, _, _ in fields}


def fill(prompt: str, facts: Mapping[str, str]) -> str:
    """Replace the placeholders of a prompt by facts; a sentence with an unknown fact is left out."""
    kept = [part for part in sentences(" ".join(prompt.split())) if placeholders(part) <= facts.keys()]
    return " ".join(part.format_map(facts) for part in kept)
