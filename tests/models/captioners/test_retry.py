"""Asking until an answer is usable, with a model that gives scripted answers."""

import json
from collections.abc import Iterator, Sequence

from mirkit.captions.prompts import QUESTIONS
from mirkit.models.captioners import Answer, Prompt
from mirkit.models.captioners.retry import Attempt, PendingPrompt, describe
from mirkit.settings import CaptionSettings

GOOD = "A warm and slow house track with soft pads."


class Script:
    """A session with scripted answers, in the order of the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.rounds: list[list[Prompt]] = []

    def generate(self, asks: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        self.rounds.append(list(asks))
        for index in range(len(asks)):
            yield index, Answer(self.answers.pop(0))


PENDING = [PendingPrompt(row, row.prompt) for row in QUESTIONS[:2]]
SETTINGS = CaptionSettings(attempts=3, temperature=0.0, seed=10)


def lasts(attempts: Sequence[Attempt]) -> dict[str, tuple[str, int]]:
    return {row.pending.question.field: (row.validation.text, len(row.faults)) for row in attempts if row.last}


def test_one_question_after_the_other() -> None:
    script = Script("", GOOD, "", "", "")
    attempts = list(describe(script, PENDING, SETTINGS, batched=False))
    assert lasts(attempts) == {"full": (GOOD, 1), "technical": ("", 3)}
    asks = [ask for (ask,) in script.rounds]
    assert [ask.prompt for ask in asks] == [PENDING[0].prompt] * 2 + [PENDING[1].prompt] * 3
    assert [(ask.temperature, ask.seed) for ask in asks] == [(0.0, 10), (0.7, 11), (0.0, 10), (0.7, 11), (0.7, 12)]
    assert attempts[-1].faults == ("empty", "empty", "empty")


def test_all_questions_together() -> None:
    script = Script(GOOD, "", GOOD)
    attempts = list(describe(script, PENDING, SETTINGS, batched=True))
    assert lasts(attempts) == {"full": (GOOD, 0), "technical": (GOOD, 1)}
    assert [len(asks) for asks in script.rounds] == [2, 1], "only what was not usable is asked again"


def test_attempts_of_an_earlier_run_are_not_made_again() -> None:
    script = Script("")
    attempts = list(describe(script, [PendingPrompt(QUESTIONS[0], "?", ("empty", "empty"))], SETTINGS, batched=False))
    assert [(row.last, row.faults) for row in attempts] == [(True, ("empty",) * 3)]
    assert script.rounds[0][0].seed == 12


def test_one_call_and_one_by_one_what_it_leaves_open() -> None:
    script = Script(json.dumps({"full": GOOD, "technical": ""}), GOOD)
    settings = CaptionSettings(attempts=3, temperature=0.0, seed=10, one_call=True)
    assert lasts(list(describe(script, PENDING, settings, batched=False))) == {
        "full": (GOOD, 0),
        "technical": (GOOD, 0),
    }
    assert script.rounds[0][0].fields == ("full", "technical")
    assert [asks[0].fields for asks in script.rounds[1:]] == [()]
    cut_off = Script('{"full": "A war', GOOD, GOOD)
    assert len(lasts(list(describe(cut_off, PENDING, settings, batched=False)))) == 2
