"""Validate an answer of a model by its text."""

import re
from collections import Counter
from dataclasses import dataclass

from mirkit.captions.normalize import SPECIAL, THOUGHT, normalize
from mirkit.captions.sentences import is_whole, sentences, trim, words

#: Least number of words of a description.
LEAST_WORDS = 3
_OPEN_THOUGHT = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_BOILERPLATE = re.compile(
    r"\b(?:as an? (?:ai|artificial|large|language|audio)\b|language model"
    r"|i(?:'m| am) (?:sorry|unable|not able)|i apologi[sz]e|unable to (?:listen|hear|access|process|play)"
    r"|(?:cannot|can't|can not|couldn't|could not) (?:listen|hear|access|play|process|assist|help|provide)"
    r"|(?:please|could you) (?:provide|upload|share|attach)|no (?:audio|music|sound) (?:file|was|is|has been)\b"
    r"|how (?:can|may) i help|i don't have (?:access|the ability))",
    re.IGNORECASE,
)
#: A text is a loop if a phrase of this many words occurs this often and covers this share of the text.
_PHRASE, _TIMES, _SHARE = 4, 3, 0.3
_SAME_WORD = re.compile(r"\b(\w+)(?:\W+\1\b){4,}", re.IGNORECASE)
_SAME_SIGNS = re.compile(r"(\S{1,8}?)\1{7,}")


@dataclass(frozen=True)
class Validation:
    """An answer as a usable text, or why it is not usable.

    Attributes
    ----------
    text : str
        The usable text, "" if there is none.
    fault : str
        Why the answer is not usable, or "".
    notes : tuple of str
        Changes: ``cut`` (the last sentence was removed), ``trimmed`` (the answer was longer than its budget).
    """

    text: str
    fault: str = ""
    notes: tuple[str, ...] = ()


def validate(raw: str, finish: str, budget: int) -> Validation:
    """Check an answer, and convert it to plain text within the word limit.

    Parameters
    ----------
    raw : str
        The answer of the model.
    finish : str
        Why the model stopped: ``stop`` or ``length``.
    budget : int
        Largest number of words of the text.
    """
    inner = THOUGHT.sub(" ", raw).strip()
    if _OPEN_THOUGHT.search(inner):
        return Validation("", "its reasoning does not end")
    inner = _trailing(inner)
    if SPECIAL.search(inner):
        return Validation("", "the answer holds special tokens")
    text = normalize(inner)
    if not any(sign.isalpha() for sign in text):
        return Validation("", "empty")
    if words(text) < LEAST_WORDS:
        return Validation("", f"only {words(text)} words")
    if _BOILERPLATE.search(text):
        return Validation("", "the model talks about itself instead of the music")
    if loops(text):
        return Validation("", "it repeats itself")
    parts = sentences(text)
    notes = []
    if finish == "length" or not is_whole(parts[-1]):
        if not is_whole(parts[0]):
            return Validation("", "the answer was cut off within its first sentence")
        if not is_whole(parts[-1]):
            text = " ".join(parts[:-1])
            notes.append("cut")
    short = trim(text, budget)
    if short != text:
        notes.append("trimmed")
    return Validation(short, notes=tuple(notes))


def loops(text: str) -> bool:
    """Whether a text repeats itself in a loop."""
    if _SAME_WORD.search(text) or _SAME_SIGNS.search(text):
        return True
    listed = re.findall(r"\w+", text.lower())
    phrases = Counter(tuple(listed[i : i + _PHRASE]) for i in range(len(listed) - _PHRASE + 1))
    repeated = Counter({phrase: n for phrase, n in phrases.items() if n >= _TIMES})
    if not repeated:
        return False
    return repeated.total() >= _SHARE * max(1, phrases.total())


def _trailing(text: str) -> str:
    """Remove the end token, which some servers leave in the answer."""
    while (found := list(SPECIAL.finditer(text))) and found[-1].end() == len(text):
        text = text[: found[-1].start()].rstrip()
    return text
