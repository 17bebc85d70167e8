"""Words and prompts of all samples of an export, made in all processes."""

from collections.abc import Mapping, Sequence
from functools import partial

from mirkit import engines
from mirkit.captions.vocabulary import Word
from mirkit.export.item import Item
from mirkit.export.prompts import Extremes, PromptTemplate, prompts, words_of

#: Words and prompts of a sample.
Made = tuple[tuple[Word, ...], tuple[str, ...]]
#: Position of a sample, its item, and the features that its prompts may name.
_Described = tuple[int, Item, Mapping[str, float]]


def words_and_prompts(
    described: Sequence[tuple[Item, Mapping[str, float]]],
    extremes: Extremes,
    template: PromptTemplate | None,
    *,
    jobs: int,
) -> list[Made | str]:
    """Make the words and prompts of all samples.

    Parameters
    ----------
    described : sequence of (Item, mapping)
        Item of each sample, and the features that its prompts may name.
    extremes : Extremes
        Of the samples for training.
    template : PromptTemplate or None
        None where only the words are wanted.
    jobs : int
        Worker processes, 0 for one per core.

    Returns
    -------
    list
        For each sample its words and prompts, or why they cannot be made.
    """
    numbered: list[_Described] = [(i, item, features) for i, (item, features) in enumerate(described)]
    work = partial(_make, extremes=extremes, template=template)
    finished = {done.item[0]: done for done in engines.run_chunked(work, numbered, jobs=jobs or engines.cores())}
    results = [finished[i] for i in range(len(numbered))]
    return [done.error if done.result is None else done.result for done in results]


def _make(sample: _Described, extremes: Extremes, template: PromptTemplate | None) -> Made:
    _, item, features = sample
    found = tuple(words_of(item, features, extremes))
    return found, prompts(item, features, found, template) if template else ()


def steady_features(features: Mapping[str, float], windows: Sequence[Mapping[str, float | str]]) -> Mapping[str, float]:
    """Features that a prompt may name: the tempo of a whole track only if all of its windows have the same."""
    tempi = {round(float(row["bpm"])) if "bpm" in row else None for row in windows}
    if not windows or (len(tempi) == 1 and None not in tempi):
        return features
    return {name: value for name, value in features.items() if name != "bpm"}
