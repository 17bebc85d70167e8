"""Ask a model until its answer is usable: first at the temperature of the settings, then at a higher one."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirkit.captions.prompts import Question
from mirkit.captions.validation import Validation, validate
from mirkit.errors import counted
from mirkit.models.captioners import Answer, CaptionSession, Prompt
from mirkit.settings import CaptionSettings

#: Temperature from the second attempt on.
RETRY_TEMPERATURE = 0.7
#: Smallest number of characters of a text, and largest number per allowed word.
_MIN_CHARACTERS, _CHARACTERS_PER_WORD = 20, 12


@dataclass(frozen=True)
class PendingPrompt:
    """A caption that has not been written yet.

    Attributes
    ----------
    question : Question
    prompt : str
        Its prompt, with the facts inserted.
    faults : tuple of str
        Why the answers of an earlier run were not usable. These attempts are not repeated.
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
        Answer of the model, unchanged.
    answer : Answer
    faults : tuple of str
        Why each answer so far was not usable, including this one.
    last : bool
        Whether this is the last attempt: the caption is usable, or no attempt is left.
    """

    pending: PendingPrompt
    validation: Validation
    raw: str
    answer: Answer
    faults: tuple[str, ...]
    last: bool

    @property
    def failure(self) -> str:
        """Why there is no caption, after the last attempt; "" if there is one."""
        faults = ", ".join(dict.fromkeys(self.faults))
        return self.validation.fault and f"no usable answer in {counted(len(self.faults), 'attempt')}: {faults}"


def _prompt(pending: PendingPrompt, attempt: int, settings: CaptionSettings) -> Prompt:
    """Return the prompt of an attempt, counted from 0; each attempt after the first has another seed."""
    question = pending.question
    characters = (_MIN_CHARACTERS, _CHARACTERS_PER_WORD * question.words)
    temperature = settings.temperature if attempt == 0 else max(RETRY_TEMPERATURE, settings.temperature)
    return Prompt(pending.prompt, question.tokens, characters, temperature, settings.seed + attempt)


def describe(
    session: CaptionSession, pending: Sequence[PendingPrompt], settings: CaptionSettings, *, batched: bool
) -> Iterator[Attempt]:
    """Yield each attempt as soon as it is complete; each caption has exactly one last attempt.

    Parameters
    ----------
    session : CaptionSession
        The model with the audio of the track.
    pending : sequence of PendingPrompt
    settings : CaptionSettings
        Number of attempts, temperature and seed of the first one, and whether all captions are first requested at once,
        as one JSON object.
    batched : bool
        Whether all questions are asked together, and then those without a usable answer again. Otherwise the questions
        are asked one after the other.

    Raises
    ------
    ModelError
        The model cannot answer.
    """
    if settings.one_call and len(pending) > 1 and not any(row.faults for row in pending):
        settled = set()
        for attempt in _at_once(session, pending, settings):
            settled.add(attempt.pending)
            yield attempt
        pending = [row for row in pending if row not in settled]
    for group in [list(pending)] if batched else [[row] for row in pending]:
        yield from _until_settled(session, group, settings)


def _until_settled(session: CaptionSession, group: list[PendingPrompt], settings: CaptionSettings) -> Iterator[Attempt]:
    faults = {row: row.faults for row in group}
    while group:
        again = []
        for index, answer in session.generate([_prompt(row, len(faults[row]), settings) for row in group]):
            row = group[index]
            validation = validate(answer.text, answer.finish, row.question.words)
            if validation.fault:
                faults[row] = (*faults[row], validation.fault)
            last = not validation.fault or len(faults[row]) >= settings.attempts
            if not last:
                again.append(row)
            yield Attempt(row, validation, answer.text, answer, faults[row], last)
        group = again


def _at_once(session: CaptionSession, pending: Sequence[PendingPrompt], settings: CaptionSettings) -> Iterator[Attempt]:
    """Ask for all captions as one JSON object; yield those that are usable."""
    fields = tuple(row.question.field for row in pending)
    lines = "\n".join(f'"{row.question.field}": {row.prompt}' for row in pending)
    prompt = f"Answer with one JSON object that has these keys, each with a text in plain English:\n{lines}"
    tokens = sum(row.question.tokens for row in pending) + 16 * len(pending)
    characters = (_MIN_CHARACTERS, _CHARACTERS_PER_WORD * max(row.question.words for row in pending))
    for _, answer in session.generate(
        [Prompt(prompt, tokens, characters, settings.temperature, settings.seed, fields)]
    ):
        try:
            texts = json.loads(answer.text)
        except ValueError:
            return  # cut off, or not JSON: each caption is then requested separately
        for row in pending:
            text = texts.get(row.question.field) if isinstance(texts, dict) else None
            if isinstance(text, str) and not (validation := validate(text, "stop", row.question.words)).fault:
                yield Attempt(row, validation, text, answer, (), last=True)
