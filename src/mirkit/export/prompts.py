"""Prompts from the features, metadata and texts of a clip: whole clauses within a token budget, in several variants."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

import numpy as np

from mirkit.captions.facts import Facts, fix
from mirkit.captions.normalize import normalize, normalize_name
from mirkit.captions.sentences import sentences
from mirkit.captions.vocabulary import GROUPS, Group, Values, Word, instrument_words, of_group, plain_numbers, words
from mirkit.catalog import NUMBERS, TEXT_KEYS
from mirkit.dataset.scales import MIN_TRACKS_PERCENTILE
from mirkit.errors import SettingsError
from mirkit.export.item import CAPTION, Item
from mirkit.export.items import TEXT_PREFIX
from mirkit.features.types import OTHER_METER

#: Clauses, the most important first. A clause with an unknown field is left out as a whole.
TEMPLATES = {
    "plain": "{trigger}; {caption}; {stem}; {genre}; {mood}; {rhythm}; {harmony}; {voice}; {instruments}; {timbre}; "
    "{dynamics}; {space}; {genre_mood}; {instrumentation}; {full}",
    "sa3": "{trigger}; TrackType: Music; VocalType: {vocal_type}; {caption}; {stem}; Genre: {genre}; Mood: {mood}; "
    "BPM: {bpm}; Key: {key}; {words}; {genre_mood}; {instrumentation}; {full}; Length: {seconds} seconds",
}
#: Feature -> words for the lowest and for the highest values of the data set.
RELATIVE: dict[str, tuple[Group, str, str]] = {
    "brightness": ("timbre", "dark", "bright"),
    "warmth": ("timbre", "cold", "warm"),
    "roughness": ("timbre", "smooth", "rough"),
    "hardness": ("timbre", "soft", "hard-hitting"),
    "depth": ("timbre", "thin", "deep"),
    "reverberation": ("space", "dry", "reverberant"),
    "stereo_width": ("space", "narrow", "wide stereo"),
    "onset_density": ("rhythm", "sparse", "busy"),
    "syncopation": ("rhythm", "straight", "syncopated"),
    "lra": ("dynamics", "even loudness", "wide dynamics"),
}
#: Share of the data set that gets the low word, and share that gets the high word.
_SHARE = 0.15
#: Least number of groups of the vocabulary that a prompt has words of.
_FEWEST_GROUPS = 2
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
_TEXTS = (CAPTION, *(key.removeprefix(TEXT_PREFIX) for key in TEXT_KEYS), "music_facts")
_FIELDS = frozenset(
    (
        "trigger",
        "stem",
        "bpm",
        "key",
        "meter",
        "chords",
        "words",
        "vocal_type",
        "seconds",
        "mood",
        *GROUPS,
        *TAGS,
        *_TEXTS,
    )
)
#: Fields of the vocabulary, each word of which is a clause; ``words`` are those that no other field of ``sa3`` holds.
_VOCABULARY = frozenset(("words", *GROUPS))


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
        if unknown := sorted(fields - _FIELDS - {row.name for row in NUMBERS}):
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
    tracks : int
        Tracks that the thresholds come from.
    """

    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tracks: int = 0

    @classmethod
    def of(cls, samples: Sequence[Mapping[str, float]], tracks: int) -> "Extremes":
        """Compute the thresholds.

        Parameters
        ----------
        samples : sequence of mapping
            Feature's name -> value, for each sample. A feature that does not vary gets no thresholds.
        tracks : int
            Number of tracks that the samples come from. Of fewer than 50 tracks there are no thresholds, because the
            extremes of a small set may be nothing special.
        """
        bounds = {}
        for name in RELATIVE if tracks >= MIN_TRACKS_PERCENTILE else ():
            values = [features[name] for features in samples if name in features]
            if len(values) >= MIN_TRACKS_PERCENTILE:
                low, high = (float(v) for v in np.quantile(values, (_SHARE, 1 - _SHARE)))
                if low < high:
                    bounds[name] = low, high
        return cls(bounds, tracks)

    def words(self, features: Mapping[str, float]) -> list[Word]:
        """Return the words for the features of a sample."""
        found = []
        for name, (low, high) in self.bounds.items():
            group, for_low, for_high = RELATIVE[name]
            value = features.get(name)
            if value is not None and not low < value < high:
                text, sign, bound = (for_low, "<=", low) if value <= low else (for_high, ">=", high)
                whose = f"the {'lowest' if value <= low else 'highest'} {_SHARE:.0%} of {self.tracks} tracks"
                found.append(Word(group, text, name, value, f"{name} {sign} {bound:.4g}, {whose}"))
        return found


def words_of(item: Item, features: Mapping[str, float], extremes: Extremes) -> list[Word]:
    """Return the words for an item.

    Thresholds decide first, then the data set's extremes. What the user's lyrics say of the voice has precedence.

    Parameters
    ----------
    item : Item
    features : mapping
        Feature's name -> value, as they are in the bundle.
    extremes : Extremes

    Returns
    -------
    list of Word
        In the order of the groups.
    """
    values: Values = {**features, **item.categories, "vocal_presence": item.vocal_presence}
    found = words(values) + instrument_words({**values, **item.texts})
    if item.user_texts.lyrics and (item.is_instrumental or item.lyrics):
        text, why = ("instrumental", "it has no words") if item.is_instrumental else ("vocals", "words are sung in it")
        found = [word for word in found if word.group != "voice"] + [Word("voice", text, "lyrics", "your text", why)]
    decided, said = {word.key for word in found}, {word.text for word in found}
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    found += [word for word in extremes.words(numbers) if word.key not in decided and word.text not in said]
    if len({word.group for word in found}) < _FEWEST_GROUPS:
        found += [word for word in plain_numbers(values) if word.group not in {other.group for other in found}]
    return sorted(found, key=lambda word: GROUPS.index(word.group))


@dataclass(frozen=True)
class _Clause:
    """A clause, and the group of the vocabulary that it belongs to, "" for a clause of another kind."""

    text: str
    group: str = ""
    is_trigger: bool = False


def prompts(
    item: Item, features: Mapping[str, float], found: Sequence[Word], template: PromptTemplate
) -> tuple[str, ...]:
    """Make the prompts of one item.

    Parameters
    ----------
    item : Item
    features : mapping
        Feature's name -> value, as they are in the bundle.
    found : sequence of Word
        Words for these values, see :func:`words_of`.
    template : PromptTemplate

    Returns
    -------
    tuple of str
        At least one prompt; all are different, in ASCII, and not empty. Each has words of two groups of the vocabulary
        where the template has them.
    """
    fields = _fields(item, features, found, template)
    clauses = list(dict.fromkeys(_clauses(template.template, fields, found)))
    if "trigger" in fields and not any(clause.is_trigger for clause in clauses):
        clauses.insert(0, _Clause(fields["trigger"], is_trigger=True))
    clauses.sort(key=lambda clause: not clause.is_trigger)
    texts = dict.fromkeys([_joined(clauses, template) or "music"])
    rng = random.Random(f"{template.seed} {item.seed_key or item.name}")
    fixed = sum(clause.is_trigger for clause in clauses)
    for _ in range(4 * template.variants):
        if len(texts) >= template.variants:
            break
        rest = [clause for clause in clauses[fixed:] if rng.random() > 0.25]
        rng.shuffle(rest)
        rest += _missing_groups(rest, clauses[fixed:])
        if text := _joined(clauses[:fixed] + rest, template):
            texts[text] = None
    return tuple(texts)


def _fields(
    item: Item, features: Mapping[str, float], found: Sequence[Word], template: PromptTemplate
) -> dict[str, str]:
    """Text of each field that is known."""
    tags: Mapping[str, Any] = item.metadata.get("tags") or {}
    facts = _facts(item, features)
    said = {word.key: word.text for word in found}
    voice = of_group(found, "voice")
    fields: dict[str, Any] = {name: normalize_name(str(tags[name])) for name in TAGS if name in tags}
    fields |= {
        "trigger": template.trigger,
        "stem": _STEMS.get(item.label),
        "bpm": str(round(features["bpm"])) if "bpm" in features else None,
        "key": said.get("key_confidence"),
        "meter": said.get("time_signature_confidence", "").removesuffix(" time"),
        "vocal_type": voice[0].text.capitalize() if voice else None,
        "seconds": str(round(item.seconds)),
        # What a model wrote is corrected; what the user wrote is not.
        **{name: text if name == CAPTION else fix(normalize(text), facts) for name, text in item.texts.items()},
    }
    formatted = {row.name: f"{features[row.name]:.4g}" for row in NUMBERS if row.name in features}
    return formatted | {name: text for name, value in fields.items() if value and (text := normalize(str(value)))}


def _facts(item: Item, features: Mapping[str, float]) -> Facts:
    """Facts that a text must not contradict; without the duration, because a text may describe the whole track."""
    key, mode, meter = (item.categories.get(name) for name in ("key", "mode", "time_signature"))
    return Facts(features.get("bpm"), (key, mode) if key and mode else None, None if meter == OTHER_METER else meter)


def _clauses(template: str, fields: Mapping[str, str], found: Sequence[Word]) -> Iterator[_Clause]:
    for clause in template.split(";"):
        names = {name for _, name, _, _ in Formatter().parse(clause) if name}
        if not clause.strip():
            continue
        alone = clause.strip()[1:-1]
        if alone in _VOCABULARY:
            yield from (_Clause(word.text, word.group) for word in found if _belongs(word, alone))
        elif not names <= fields.keys():
            continue
        elif alone in _TEXTS:
            yield from (_Clause(sentence.rstrip(".")) for sentence in sentences(fields[alone]))
        else:
            group = next((_OF_FIELD[name] for name in names if name in _OF_FIELD), "")
            yield _Clause(clause.strip().format_map(fields), group, "trigger" in names)


#: Field -> the group of the vocabulary that its clause belongs to.
_OF_FIELD = {"bpm": "rhythm", "meter": "rhythm", "key": "harmony", "vocal_type": "voice"}


#: Values whose words have fields of their own in the template ``sa3``, as those of the voice have.
_ELSEWHERE = ("bpm", "key_confidence")


def _belongs(word: Word, name: str) -> bool:
    """Whether a word is part of a field: of its group, or of the words that have no field of their own."""
    return word.group != "voice" and word.key not in _ELSEWHERE if name == "words" else word.group == name


def _missing_groups(chosen: Sequence[_Clause], clauses: Sequence[_Clause]) -> list[_Clause]:
    """Return clauses of other groups, so that a prompt has two."""
    groups = {clause.group for clause in chosen} - {""}
    missing = []
    for clause in clauses:
        if len(groups) < _FEWEST_GROUPS and clause.group and clause.group not in groups:
            groups.add(clause.group)
            missing.append(clause)
    return missing


def _joined(clauses: Sequence[_Clause], template: PromptTemplate) -> str:
    """Join clauses in their order, without those that would exceed the budget.

    The trigger word has precedence, and then words of two groups.
    """
    if template.count(whole := ", ".join(clause.text for clause in clauses)) <= template.budget:
        return whole
    first = [*(clause for clause in clauses if clause.is_trigger), *_missing_groups((), clauses)]
    kept: list[_Clause] = []
    for clause in (*first, *(clause for clause in clauses if clause not in first)):
        longer = sorted([*kept, clause], key=clauses.index)
        if template.count(", ".join(each.text for each in longer)) <= template.budget:
            kept = longer
    return ", ".join(clause.text for clause in kept)
