"""Prompts from the features, metadata and texts of a clip: whole clauses within a token budget, in several variants."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np

from mirkit.captions.facts import Facts, fix
from mirkit.captions.normalize import normalize
from mirkit.captions.sentences import sentences
from mirkit.catalog import FEATURES, TEXT_KEYS
from mirkit.errors import SettingsError
from mirkit.export.items import CAPTION, TEXT_PREFIX, Item
from mirkit.features.types import OTHER_METER

#: Clauses, the most important first. A clause with an unknown field is left out as a whole.
TEMPLATES = {
    "plain": "{trigger}; {caption}; {stem}; {genre}; {bpm} BPM; {key}; {words}; {meter} time; {genre_mood}; "
    "{instrumentation}; {full}",
    "sa3": "TrackType: Music; VocalType: {vocal_type}; {caption}; {stem}; Genre: {genre}; {trigger}; BPM: {bpm}; "
    "Key: {key}; {words}; {genre_mood}; {instrumentation}; {full}; Length: {seconds} seconds",
}
#: Feature -> words for the lowest and for the highest values of the data set.
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
#: Share of the data set that gets the low word, and share that gets the high word.
_SHARE = 0.15
#: Least number of samples with a value that is needed for these words.
_MIN_SAMPLES = 8
#: What is exported instead of the mix -> how a prompt names it.
_STEMS = {
    "drums": "drums only",
    "bass": "bass only",
    "other": "other instruments only",
    "vocals": "vocals only",
    "instrumental": "instrumental version",
}
TAGS = ("artist", "title", "album", "genre", "year")
#: Fields that hold several sentences, each of which becomes a clause.
_TEXTS = (CAPTION, *(key.removeprefix(TEXT_PREFIX) for key in TEXT_KEYS))
_FIELDS = frozenset(("trigger", "stem", "bpm", "key", "meter", "words", "vocal_type", "seconds", *TAGS, *_TEXTS))


#: Counts the tokens of a text.
CountTokens = Callable[[str], int]
_TOKEN_PARTS = re.compile(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]")
#: Lower bound of the mean number of letters per token of a word.
_LETTERS_PER_TOKEN = 2


def max_tokens(text: str) -> int:
    """Estimate an upper bound of the number of T5 (and T5Gemma) tokens of an ASCII text, with its end token.

    Each digit and each punctuation mark counts as one token, and so do every two letters of a word: English has 4.5
    letters per token, names and foreign words have fewer. A prompt that is within a budget by this count is within it
    by the tokenizer's count too, except for strings of random letters.
    """
    return 1 + sum(-(-len(part) // _LETTERS_PER_TOKEN) for part in _TOKEN_PARTS.findall(text))


@dataclass(frozen=True)
class PromptTemplate:
    """How prompts are made.

    Attributes
    ----------
    template : str
        Clauses with ``{fields}``, separated by ``;``.
    budget : int
        Tokens that a prompt may have.
    variants : int
        Prompts per clip; the first one has the template's order, the others have shuffled clauses and omit some.
    trigger : str
        A word that every prompt begins with, or "".
    seed : int
    count : callable
        Counts the tokens of a text.

    Raises
    ------
    SettingsError
        The template is malformed, or has an unknown field.
    """

    template: str = TEMPLATES["plain"]
    budget: int = 128
    variants: int = 4
    trigger: str = ""
    seed: int = 0
    count: CountTokens = max_tokens

    def __post_init__(self) -> None:
        try:
            fields = {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}
        except ValueError as error:
            raise SettingsError(f"--template: the template cannot be read ({error})") from error
        if unknown := sorted(fields - _FIELDS - {row.name for row in FEATURES}):
            raise SettingsError(
                f"--template: there is no field {{{unknown[0]}}}; the fields are {', '.join(sorted(_FIELDS))}, and the "
                "name of every feature"
            )


@dataclass(frozen=True)
class Extremes:
    """Thresholds of the lowest and the highest values of a data set.

    Attributes
    ----------
    bounds : dict
        Feature's name -> (low, high): values up to ``low`` get the low word, values from ``high`` on the high word.
    """

    bounds: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, samples: Sequence[Mapping[str, float]]) -> "Extremes":
        """Compute the thresholds.

        Parameters
        ----------
        samples : sequence of mapping
            Feature's name -> value, for each sample. A feature that fewer than eight samples have, or that does not
            vary, gets no thresholds.
        """
        bounds = {}
        for name in WORDS:
            values = [features[name] for features in samples if name in features]
            if len(values) >= _MIN_SAMPLES:
                low, high = (float(v) for v in np.quantile(values, (_SHARE, 1 - _SHARE)))
                if low < high:
                    bounds[name] = low, high
        return cls(bounds)

    def words(self, features: Mapping[str, float]) -> str:
        """Words for the features of a sample, separated by commas, or ""."""
        words = []
        for name, (low, high) in self.bounds.items():
            if name in features:
                value = features[name]
                words.append(WORDS[name][0] if value <= low else WORDS[name][1] if value >= high else "")
        return ", ".join(word for word in words if word)


def prompts(item: Item, features: Mapping[str, float], extremes: Extremes, template: PromptTemplate) -> tuple[str, ...]:
    """Make the prompts of one item.

    Parameters
    ----------
    item : Item
    features : mapping
        Feature's name -> value, as they are in the bundle.
    extremes : Extremes
    template : PromptTemplate

    Returns
    -------
    tuple of str
        At least one prompt; all are different, in ASCII, and not empty.
    """
    fields = _fields(item, features, extremes, template)
    clauses = list(_clauses(template.template, fields))
    texts = dict.fromkeys([_joined(clauses, template) or "music"])
    rng = random.Random(f"{template.seed} {item.seed_key or item.name}")
    fixed = 1 if template.trigger and clauses and clauses[0] == fields["trigger"] else 0
    for _ in range(4 * template.variants):
        if len(texts) >= template.variants:
            break
        rest = [clause for clause in clauses[fixed:] if rng.random() > 0.25]
        rng.shuffle(rest)
        if text := _joined(clauses[:fixed] + rest, template):
            texts[text] = None
    return tuple(texts)


def _fields(item: Item, features: Mapping[str, float], extremes: Extremes, template: PromptTemplate) -> dict[str, str]:
    """Text of each field that is known."""
    metadata = item.metadata
    tags: Mapping[str, Any] = metadata.get("tags") or {}
    facts = _facts(item, features)
    fields: dict[str, Any] = {name: tags.get(name) for name in TAGS}
    fields |= {
        "trigger": template.trigger,
        "stem": _STEMS.get(item.label),
        "bpm": str(round(features["bpm"])) if "bpm" in features else None,
        "key": " ".join(facts.key) if facts.key else None,
        "meter": _meter(item),
        "words": extremes.words(features),
        "vocal_type": "Instrumental" if item.is_instrumental else None,
        "seconds": str(round(item.seconds)),
        # What a model wrote is corrected; what the user wrote is not.
        **{name: text if name == CAPTION else fix(normalize(text), facts) for name, text in item.texts.items()},
    }
    formatted = {row.name: f"{features[row.name]:.4g}" for row in FEATURES if row.name in features}
    return formatted | {name: text for name, value in fields.items() if value and (text := normalize(str(value)))}


def _facts(item: Item, features: Mapping[str, float]) -> Facts:
    """Facts that a text must not contradict; without the duration, because a text may describe the whole track."""
    key, mode = item.categories.get("key"), item.categories.get("mode")
    return Facts(features.get("bpm"), (key, mode) if key and mode else None, _meter(item))


def _clauses(template: str, fields: Mapping[str, str]) -> Iterator[str]:
    for clause in template.split(";"):
        names = {name for _, name, _, _ in Formatter().parse(clause) if name}
        if not names <= fields.keys() or not clause.strip():
            continue
        if clause.strip()[1:-1] in _TEXTS:
            yield from (sentence.rstrip(".") for sentence in sentences(fields[clause.strip()[1:-1]]))
        else:
            yield clause.strip().format_map(fields)


def _joined(clauses: Sequence[str], template: PromptTemplate) -> str:
    """Join clauses in their order, without those that would exceed the budget."""
    text = ""
    for clause in clauses:
        longer = f"{text}, {clause}" if text else clause
        if template.count(longer) <= template.budget:
            text = longer
    return text


def _meter(item: Item) -> str | None:
    """Time signature; None where it is unknown or no usual one."""
    meter = item.categories.get("time_signature")
    return None if meter == OTHER_METER else meter
