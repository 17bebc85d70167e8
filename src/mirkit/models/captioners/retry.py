"""Ask a model until its answer is usable: first as the settings say, then at a higher temperature with other seeds."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirkit.captions.prompts import Question
from mirkit.captions.validation import Validation, validate
from mirkit.models.captioners import Answer, CaptionSession, Prompt

#: Temperature from the second attempt on.
RETRY_TEMPERATURE = 0.7
#: Characters that a text must have, and most for each word of its budget.
_MIN_CHARACTERS, _CHARACTERS_PER_WORD = 20, 12


@dataclass(frozen=True)
class PendingPrompt:
    """A caption that is not there yet.

    Attributes
    ----------
    question : Question
    prompt : str
        Its prompt with the facts in it.
    faults : tuple of str
        Why answers of an earlier run were not usable; those attempts are not made again.
    """

    question: Question
    prompt: str
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One attempt at a caption.

    Attributes
    ----------
    pending : PendingPrompt
    validation : Validation
    raw : str
        What the model wrote.
    answer : Answer
    faults : tuple of str
        Why each answer so far was not usable, this one included.
    last : bool
        Whether the caption is settled: it is usable, or no attempt is left.
    """

    pending: PendingPrompt
    validation: Validation
    raw: str
    answer: Answer
    faults: tuple[str, ...]
    last: bool


@dataclass(frozen=True)
class RetryPolicy:
    """How a question is asked.

    Attributes
    ----------
    attempts : int
        How often, until an answer is usable.
    temperature : float
        Of the first attempt.
    seed : int
        Of the first attempt; each further one adds 1.
    one_call : bool
        Ask for all captions at once first.
    """

    attempts: int
    temperature: float
    seed: int
    one_call: bool = False

    def prompt(self, pending: PendingPrompt, attempt: int) -> Prompt:
        """Give the prompt of an attempt, counted from 0."""
        question = pending.question
        characters = (_MIN_CHARACTERS, _CHARACTERS_PER_WORD * question.words)
        temperature = self.temperature if attempt == 0 else max(RETRY_TEMPERATURE, self.temperature)
        return Prompt(pending.prompt, question.tokens, characters, temperature, self.seed + attempt)


def describe(
    session: CaptionSession, pending: Sequence[PendingPrompt], policy: RetryPolicy, *, batched: bool
) -> Iterator[Attempt]:
    """Yield each attempt as it comes; each caption has exactly one that is its last.

    Parameters
    ----------
    session : CaptionSession
        The model with the audio of the track.
    pending : sequence of PendingPrompt
    policy : RetryPolicy
    batched : bool
        Ask all questions together, and again those whose answer is not usable. Else one after the other, each until it
        is settled.

    Raises
    ------
    ModelError
        The model cannot answer.
    """
    if policy.one_call and len(pending) > 1 and not any(row.faults for row in pending):
        settled = set()
        for attempt in _at_once(session, pending, policy):
            settled.add(attempt.pending)
            yield attempt
        pending = [row for row in pending if row not in settled]
    for group in [list(pending)] if batched else [[row] for row in pending]:
        yield from _until_settled(session, group, policy)


def _until_settled(session: CaptionSession, group: list[PendingPrompt], policy: RetryPolicy) -> Iterator[Attempt]:
    faults = {row: row.faults for row in group}
    while group:
        again = []
        for index, answer in session.generate([policy.prompt(row, len(faults[row])) for row in group]):
            row = group[index]
            validation = validate(answer.text, answer.finish, row.question.words)
            if validation.fault:
                faults[row] = (*faults[row], validation.fault)
            last = not validation.fault or len(faults[row]) >= policy.attempts
            if not last:
                again.append(row)
            yield Attempt(row, validation, answer.text, answer, faults[row], last)
        group = again


def _at_once(session: CaptionSession, pending: Sequence[PendingPrompt], policy: RetryPolicy) -> Iterator[Attempt]:
    """Ask for all captions as one JSON object; yield those that are usable."""
    fields = tuple(row.question.field for row in pending)
    lines = "\n".join(f'"{row.question.field}": {row.prompt}' for row in pending)
    prompt = f"Answer with one JSON object that has these keys, each with a text in plain English:\n{lines}"
    tokens = sum(row.question.tokens for row in pending) + 16 * len(pending)
    characters = (_MIN_CHARACTERS, _CHARACTERS_PER_WORD * max(row.question.words for row in pending))
    for _, answer in session.generate([Prompt(prompt, tokens, characters, policy.temperature, policy.seed, fields)]):
        try:
            texts = json.loads(answer.text)
        except ValueError:
            return  # cut off, or no JSON: each caption is asked for by itself
        for row in pending:
            text = texts.get(row.question.field) if isinstance(texts, dict) else None
            if isinstance(text, str) and not (validation := validate(text, "stop", row.question.words)).fault:
                yield Attempt(row, validation, text, answer, (), last=True)
