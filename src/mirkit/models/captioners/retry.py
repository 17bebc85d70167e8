"""Ask until an answer is usable: first as the settings say, then warmer, with new seeds."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirkit.captions.prompts import Question
from mirkit.captions.validation import Validation, validate
from mirkit.models.captioners import Answer, CaptionSession, Prompt

#: Temperature from the second attempt on.
WARM = 0.7
#: Signs that a text must have, and most that a word of its budget may have.
_LEAST_SIGNS, _SIGNS_A_WORD = 20, 12


@dataclass(frozen=True)
class PendingPrompt:
    """A text that is not there yet.

    Attributes
    ----------
    question : Question
    prompt : str
        Its prompt with the facts in it.
    faults : tuple of str
        Why answers of an earlier run were not usable: those attempts are not made again.
    """

    question: Question
    prompt: str
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """What came of one attempt at a text.

    Attributes
    ----------
    wanted : PendingPrompt
    judged : Validation
    raw : str
        What the model wrote.
    answer : Answer
    faults : tuple of str
        Why each answer so far was not usable, this one included.
    last : bool
        Whether the text is settled: it is usable, or no attempt is left.
    """

    wanted: PendingPrompt
    judged: Validation
    raw: str
    answer: Answer
    faults: tuple[str, ...]
    last: bool


@dataclass(frozen=True)
class RetryPolicy:
    """How often, how warm, from which seed; whether all at once first."""

    attempts: int
    temperature: float
    seed: int
    one_call: bool = False

    def ask(self, wanted: PendingPrompt, attempt: int) -> Prompt:
        """Give the question of an attempt, counted from 0."""
        row = wanted.question
        letters = (_LEAST_SIGNS, _SIGNS_A_WORD * row.words)
        warm = self.temperature if attempt == 0 else max(WARM, self.temperature)
        return Prompt(wanted.prompt, row.tokens, letters, warm, self.seed + attempt)


def describe(
    hearing: CaptionSession, wanted: Sequence[PendingPrompt], ladder: RetryPolicy, *, batched: bool
) -> Iterator[Attempt]:
    """Yield what comes of each attempt, as it comes; the last word on every wanted text is among it.

    Parameters
    ----------
    hearing : CaptionSession
        The track.
    wanted : sequence of PendingPrompt
    ladder : RetryPolicy
    batched : bool
        Ask all questions together, and those again that need it. Else one after the other, each until it is settled.

    Raises
    ------
    ModelError
        The model cannot answer.
    """
    if ladder.one_call and len(wanted) > 1 and not any(row.faults for row in wanted):
        settled = set()
        for told in _at_once(hearing, wanted, ladder):
            settled.add(told.wanted)
            yield told
        wanted = [row for row in wanted if row not in settled]
    for group in [list(wanted)] if batched else [[row] for row in wanted]:
        yield from _climb(hearing, group, ladder)


def _climb(hearing: CaptionSession, group: list[PendingPrompt], ladder: RetryPolicy) -> Iterator[Attempt]:
    faults = {row: row.faults for row in group}
    while group:
        again = []
        for index, answer in hearing.ask([ladder.ask(row, len(faults[row])) for row in group]):
            row = group[index]
            judged = validate(answer.text, answer.finish, row.question.words)
            if judged.fault:
                faults[row] = (*faults[row], judged.fault)
            last = not judged.fault or len(faults[row]) >= ladder.attempts
            if not last:
                again.append(row)
            yield Attempt(row, judged, answer.text, answer, faults[row], last)
        group = again


def _at_once(hearing: CaptionSession, wanted: Sequence[PendingPrompt], ladder: RetryPolicy) -> Iterator[Attempt]:
    """Ask for all texts as one JSON object; yield those that are usable."""
    fields = tuple(row.question.field for row in wanted)
    lines = "\n".join(f'"{row.question.field}": {row.prompt}' for row in wanted)
    prompt = f"Answer with one JSON object that has these keys, each with a text in plain English:\n{lines}"
    tokens = sum(row.question.tokens for row in wanted) + 16 * len(wanted)
    letters = (_LEAST_SIGNS, _SIGNS_A_WORD * max(row.question.words for row in wanted))
    for _, answer in hearing.ask([Prompt(prompt, tokens, letters, ladder.temperature, ladder.seed, fields)]):
        try:
            found = json.loads(answer.text)
        except ValueError:
            return  # cut off, or no JSON: one by one
        for row in wanted:
            text = found.get(row.question.field) if isinstance(found, dict) else None
            if isinstance(text, str) and not (judged := validate(text, "stop", row.question.words)).fault:
                yield Attempt(row, judged, text, answer, (), last=True)
