"""``mirkit export --explain CLIP``: the words of a prompt, each with the value and the threshold that justify it."""

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from mirkit.captions.vocabulary import GROUPS, Word, instrument_words, plain_numbers, words
from mirkit.cli.output import table
from mirkit.errors import MissingInput, SettingsError, pasted, printable
from mirkit.export.items import read_item
from mirkit.export.plan import ExportPlan
from mirkit.export.prompts import Extremes, words_of
from mirkit.store import read_info
from mirkit.track import Track


def explain(arguments: Namespace, plan_of: Callable[[Namespace], ExportPlan]) -> int:
    """Print the words for a clip or track.

    Parameters
    ----------
    arguments : Namespace
    plan_of : callable
        Returns the plan of the export that the arguments describe, with the words of the data set's extremes; called
        where they name a target.
    """
    clip = Path(arguments.explain)
    found = _of_plan(plan_of(arguments), clip) if arguments.target else _of_info(clip)
    if arguments.json:
        print(json.dumps([asdict(word) for word in found], indent=2))
    elif not arguments.quiet:
        rows = [(word.group, word.text, f"{word.key} = {_shown(word.value)}", word.threshold) for word in found]
        table(("group", "word", "value", "threshold"), [tuple(map(printable, row)) for row in rows])
    return 0


def _of_info(clip: Path) -> Sequence[Word]:
    """Return the words that the values of the ``.INFO``, and lyrics beside the track, justify."""
    track = Track.at(clip)
    info = read_info(track.info)
    if not info:
        raise MissingInput(
            f"{printable(clip)}: it has not been measured, so no words are known; measure it with: "
            f"mirkit extract {pasted(clip)}"
        )
    if (item := read_item(track)) and item.user_texts.lyrics:
        return words_of(item, item.features, Extremes())
    found = sorted((*words(info), *instrument_words(info)), key=lambda word: GROUPS.index(word.group))
    return found or plain_numbers(info)


def _of_plan(plan: ExportPlan, clip: Path) -> Sequence[Word]:
    """Return the words of the prompts that an export would write."""
    target = clip.resolve()
    for sample in plan.samples:
        if target in (sample.item.mix.resolve().parent, sample.item.mix.resolve()):
            return sample.words
    raise SettingsError(f"--explain {printable(clip)}: this export does not hold it")


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
