"""Prompts from what is known of a clip: whole clauses within a token budget, several wordings by seed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np

from mirkit.captions.facts import Facts, fix
from mirkit.captions.normalize import normalize
from mirkit.captions.sentences import sentences
from mirkit.catalog import FEATURES, TEXT_KEYS
from mirkit.errors import SettingsError
from mirkit.export.items import Item
from mirkit.export.tokens import Count, max_tokens

#: Clauses, in the order of their worth. A clause that names something unknown is left out as a whole.
TEMPLATES = {
    "plain": "{trigger}; {genre}; {bpm} BPM; {key}; {words}; {meter} time; {genre_mood}; {instrumentation}; {full}",
    "sa3": "TrackType: Music; VocalType: {vocal_type}; Genre: {genre}; {trigger}; BPM: {bpm}; Key: {key}; {words}; "
    "{genre_mood}; {instrumentation}; {full}; Length: {seconds} seconds",
}
#: Key -> words for a clip among the lowest, and among the highest, of the data set.
WORDS: dict[str, tuple[str, str]] = {
    "brightness": ("dark", "bright"),
    "warmth": ("cold", "warm"),
    "roughness": ("smooth", "rough"),
    "reverberation": ("dry", "reverberant"),
    "hardness": ("soft", "hard-hitting"),
    "depth": ("thin", "deep"),
    "onset_density": ("sparse", "busy"),
    "syncopation": ("straight", "syncopated"),
    "danceability": ("", "danceable"),
    "lra": ("even loudness", "dynamic"),
}
#: Share of the data set at either end that has a word.
_SHARE = 0.15
#: Below this share of sound, a vocals stem holds no voice.
_NO_VOICE = 0.02
_TAGS = ("artist", "title", "album", "genre", "year")
#: Fields that are texts of several sentences: each sentence is a clause.
_TEXTS = tuple(key.removeprefix("music_flamingo_") for key in TEXT_KEYS)
_FIELDS = frozenset(("trigger", "bpm", "key", "meter", "words", "vocal_type", "seconds", *_TAGS, *_TEXTS))


@dataclass(frozen=True)
class PromptTemplate:
    """How prompts are made.

    Attributes
    ----------
    template : str
        Clauses with ``{fields}``, parted by ``;``.
    budget : int
        Tokens that a prompt may have.
    variants : int
        Wordings a clip; the first has the template's order, the others are shuffled and leave clauses out.
    trigger : str
        A word that every prompt begins with, or "".
    seed : int
    count : callable
        Text -> tokens.
    """

    template: str = TEMPLATES["plain"]
    budget: int = 128
    variants: int = 4
    trigger: str = ""
    seed: int = 0
    count: Count = max_tokens

    def __post_init__(self) -> None:
        try:
            fields = {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}
        except ValueError as error:
            raise SettingsError(f"--template: {error}") from error
        if unknown := sorted(fields - _FIELDS - {row.name for row in FEATURES}):
            raise SettingsError(
                f"--template: unknown {{{unknown[0]}}}; known are {', '.join(sorted(_FIELDS))}, and every key"
            )


@dataclass(frozen=True)
class Extremes:
    """Where the lowest and the highest of a data set begin: key -> (low, high)."""

    bounds: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, samples: Sequence[Mapping[str, float]]) -> "Extremes":
        """Find them; a key of which fewer than eight samples have a number, or that does not vary, has none."""
        bounds = {}
        for name in WORDS:
            values = [numbers[name] for numbers in samples if name in numbers]
            if len(values) >= 8:
                low, high = (float(v) for v in np.quantile(values, (_SHARE, 1 - _SHARE)))
                if low < high:
                    bounds[name] = low, high
        return cls(bounds)

    def words(self, numbers: Mapping[str, float]) -> str:
        """Words for a sample, or ""."""
        found = []
        for name, (low, high) in self.bounds.items():
            if name in numbers:
                value = numbers[name]
                found.append(WORDS[name][0] if value <= low else WORDS[name][1] if value >= high else "")
        return ", ".join(word for word in found if word)


def prompts(item: Item, numbers: Mapping[str, float], extremes: Extremes, wording: PromptTemplate) -> tuple[str, ...]:
    """Make the prompts of one item: at least one, all different, ASCII, none of them empty.

    Parameters
    ----------
    item : Item
    numbers : mapping
        Key -> number, as they are in the bundle.
    extremes : Extremes
    wording : PromptTemplate
    """
    known = _known(item, numbers, extremes, wording)
    clauses = list(_clauses(wording.template, known))
    found = dict.fromkeys([_fitted(clauses, wording) or "music"])
    order = random.Random(f"{wording.seed} {item.mark or item.name}")
    fixed = 1 if wording.trigger and clauses and clauses[0] == known["trigger"] else 0
    for _ in range(4 * wording.variants):
        if len(found) >= wording.variants:
            break
        rest = [clause for clause in clauses[fixed:] if order.random() > 0.25]
        order.shuffle(rest)
        if text := _fitted(clauses[:fixed] + rest, wording):
            found[text] = None
    return tuple(found)


def _known(item: Item, numbers: Mapping[str, float], extremes: Extremes, wording: PromptTemplate) -> dict[str, str]:
    facts = item.facts
    tags: Mapping[str, Any] = facts.get("tags") or {}
    known: dict[str, Any] = {name: tags.get(name) for name in _TAGS}
    known |= {
        "trigger": wording.trigger,
        "bpm": str(round(numbers["bpm"])) if "bpm" in numbers else None,
        "key": f"{facts['key']} {facts['mode']}" if facts.get("key") and facts.get("mode") else None,
        "meter": facts.get("meter"),
        "words": extremes.words(numbers),
        "vocal_type": "Instrumental" if facts.get("vocals_share", 1) < _NO_VOICE else None,
        "seconds": str(round(item.seconds)),
        **{name: fix(normalize(text), _facts(item, numbers)) for name, text in item.texts.items()},
    }
    plain = {row.name: f"{numbers[row.name]:.4g}" for row in FEATURES if row.name in numbers}
    return plain | {name: text for name, value in known.items() if value and (text := normalize(str(value)))}


def _facts(item: Item, numbers: Mapping[str, float]) -> Facts:
    """What a text must not contradict. How long the piece is that it was written of, a clip does not know."""
    key, mode = item.facts.get("key"), item.facts.get("mode")
    return Facts(numbers.get("bpm"), (key, mode) if key and mode else None, item.facts.get("meter"))


def _clauses(template: str, known: Mapping[str, str]) -> Iterator[str]:
    for clause in template.split(";"):
        names = {name for _, name, _, _ in Formatter().parse(clause) if name}
        if not names <= known.keys() or not clause.strip():
            continue
        if clause.strip()[1:-1] in _TEXTS:
            yield from (sentence.rstrip(".") for sentence in sentences(known[clause.strip()[1:-1]]))
        else:
            yield clause.strip().format_map(known)


def _fitted(clauses: Sequence[str], wording: PromptTemplate) -> str:
    """Join clauses, in their order, leaving out those that would go over the budget."""
    text = ""
    for clause in clauses:
        longer = f"{text}, {clause}" if text else clause
        if wording.count(longer) <= wording.budget:
            text = longer
    return text
