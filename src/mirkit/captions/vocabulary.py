"""The closed vocabulary of prompts: words that follow from stored values by documented thresholds, in groups.

A word is said where a value reaches its threshold and left out elsewhere; docs/how_good/vocabulary.md shows how often
it is right. Nothing else is needed than what ``.INFO`` holds, so every word can be checked: :class:`Word` names the
value and the threshold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mirkit.catalog import CATEGORIES, VOICES
from mirkit.features.types import OTHER_METER

Group = Literal["rhythm", "harmony", "voice", "instruments", "timbre", "dynamics", "space"]
#: In the order of a prompt.
GROUPS: tuple[Group, ...] = ("rhythm", "harmony", "voice", "instruments", "timbre", "dynamics", "space")

#: Numbers, categories and texts of an ``.INFO``; unknown values are absent or None.
Values = Mapping[str, object]

#: Least confidence of a key or a meter that is named: nine in ten such values are right.
SURE = 0.9
#: Share of the sounding time with an instrument from which words say how it plays. Where it is not known whether there
#: is one (the drums of embedded stems), no word does: few onsets of drums may be those of a piano.
HEARD = 0.1
#: Condition of an instrument's name.
_NAMED = "its threshold in docs/how_good/tags.md"
#: Share of the sounding time with a voice from which music counts as sung.
LEAST_VOCALS = 0.02


@dataclass(frozen=True)
class Rule:
    """A word with its threshold.

    Attributes
    ----------
    group : str
    text : str
    key : str
        Feature or descriptor whose value decides.
    at_least, at_most : float or None
        The word is said for values of at least, or of at most, this.
    minus : str
        Value that is subtracted first, so that a level is compared with another level.
    confidence : str
        Confidence that must be at least ``SURE``.
    presence : str
        Share of the time that an instrument sounds, which must be at least ``HEARD``.
    """

    group: Group
    text: str
    key: str
    at_least: float | None = None
    at_most: float | None = None
    minus: str = ""
    confidence: str = ""
    presence: str = ""

    @property
    def threshold(self) -> str:
        """The condition in words, e.g. ``brightness >= 62``."""
        name = f"{self.key} - {self.minus}" if self.minus else self.key
        bounds = ((">=", self.at_least), ("<=", self.at_most))
        parts = [f"{name} {sign} {bound:g}" for sign, bound in bounds if bound is not None]
        needed = ((self.confidence, SURE), (self.presence, HEARD))
        return " and ".join([*parts, *(f"{key} >= {least:g}" for key, least in needed if key)])

    def value(self, values: Values) -> float | None:
        """Return the value that decides; None where it is unknown or not sure."""
        found = number(values, self.key)
        if self.confidence and (number(values, self.confidence) or 0.0) < SURE:
            return None
        if self.presence and (number(values, self.presence) or 0.0) < HEARD:
            return None
        if found is None or not self.minus:
            return found
        other = number(values, self.minus)
        return None if other is None else found - other

    def holds(self, value: float) -> bool:
        """Whether a value reaches the threshold."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Word:
    """A word that a value justifies.

    Attributes
    ----------
    group : str
    text : str
    key : str
        What was compared: a feature, a descriptor, or the difference of two.
    value : float or str
    threshold : str
        The condition that the value meets.
    """

    group: Group
    text: str
    key: str
    value: float | str
    threshold: str


#: Words that one number decides. The thresholds were chosen on renderings and are judged on others
#: (``benchmarks/vocabulary_words.py``, docs/how_good/vocabulary.md).
RULES: tuple[Rule, ...] = (
    Rule("rhythm", "slow tempo", "bpm", at_most=80, confidence="bpm_confidence"),
    Rule("rhythm", "medium tempo", "bpm", at_least=95, at_most=125, confidence="bpm_confidence"),
    Rule("rhythm", "fast tempo", "bpm", at_least=140, confidence="bpm_confidence"),
    Rule("rhythm", "no beat", "beat_count", at_most=0),
    Rule("rhythm", "straight eighths", "swing", at_most=0.54, confidence="bpm_confidence"),
    Rule("rhythm", "swung eighths", "swing", at_least=0.6, confidence="bpm_confidence"),
    Rule("rhythm", "sparse drums", "onset_density_average_drums", at_most=2.5, presence="drums_presence"),
    Rule("rhythm", "busy drums", "onset_density_average_drums", at_least=8, presence="drums_presence"),
    Rule("harmony", "atonal", "atonality", at_least=0.8),
    Rule("timbre", "dark", "brightness", at_most=45),
    Rule("timbre", "bright", "brightness", at_least=70),
    Rule("timbre", "heavy bass", "rms_energy_bass", at_least=1.5, minus="rms_energy_body"),
    Rule("timbre", "little bass", "rms_energy_bass", at_most=-18, minus="rms_energy_body"),
    Rule("dynamics", "quiet", "lufs", at_most=-30),
    Rule("dynamics", "loud", "lufs", at_least=-10),
    Rule("dynamics", "heavily compressed", "plr", at_most=8),
    Rule("dynamics", "wide dynamics", "lra", at_least=12),
    Rule("space", "mono", "stereo_width", at_most=0.01),
    Rule("space", "wide stereo", "stereo_width", at_least=0.42),
)

_OPTIONS = {row.name: row.categories for row in CATEGORIES}
_FLATS = {
    "major": {"C#": "Db", "D#": "Eb", "G#": "Ab", "A#": "Bb"},
    "minor": {"D#": "Eb", "A#": "Bb"},
}


def number(values: Values, key: str) -> float | None:
    """Return a value if it is a number."""
    value = values.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def key_name(tonic: str, mode: str) -> str:
    """Name a key as musicians write it: A# major is Bb major, C# minor stays.

    Examples
    --------
    >>> key_name("G#", "major"), key_name("G#", "minor"), key_name("F#", "minor")
    ('Ab major', 'G# minor', 'F# minor')
    """
    return f"{_FLATS.get(mode, {}).get(tonic, tonic)} {mode}"


def words(values: Values) -> list[Word]:
    """Return all words that the values of a track or clip justify, by group.

    Parameters
    ----------
    values : mapping
        Content of its ``.INFO``.

    Returns
    -------
    list of Word
        In the order of the groups.

    Examples
    --------
    >>> [word.text for word in words({"bpm": 152.0, "bpm_confidence": 0.95, "vocal_presence": 0.0})]
    ['152 BPM', 'fast tempo', 'instrumental']
    """
    found = [*_tempo(values), *_meter(values), *_key(values), *_voice(values)]
    for rule in RULES:
        value = rule.value(values)
        if value is not None and rule.holds(value):
            name = f"{rule.key} - {rule.minus}" if rule.minus else rule.key
            found.append(Word(rule.group, rule.text, name, value, rule.threshold))
    return sorted(found, key=lambda word: GROUPS.index(word.group))


def instrument_words(values: Values) -> list[Word]:
    """Return the instruments that the stage ``tags`` has named, or the user, where the track has them.

    They are no part of :func:`words`, because the stage runs only on request. A voice is a word of the voice, and only
    where nothing else tells of it.

    Parameters
    ----------
    values : mapping
        Content of its ``.INFO``.

    Returns
    -------
    list of Word

    Examples
    --------
    >>> [word.text for word in instrument_words({"instruments": "drums, bass, vocals", "vocal_presence": 0.4})]
    ['drums', 'bass']
    """
    named = values.get("instruments")
    found = []
    for name in dict.fromkeys(part.strip() for part in named.split(",")) if isinstance(named, str) else ():
        key = f"instrument_{name}"
        chance = number(values, key)
        # The stage names an instrument from a threshold on; what has no probability was written by the user.
        said: tuple[float | str, str] = ("your text", "instruments") if chance is None else (chance, _NAMED)
        if name == "vocals" and number(values, "vocal_presence") is None and values.get("voice") is None:
            found.append(Word("voice", name, key, *said))
        elif name and name != "vocals":
            found.append(Word("instruments", name, key, *said))
    return found


def plain_numbers(values: Values) -> list[Word]:
    """Return numbers in words, for a prompt that would otherwise have words of fewer than two groups."""
    lufs, width = number(values, "lufs"), number(values, "stereo_width")
    found = [] if lufs is None else [Word("dynamics", f"loudness of {lufs:.0f} LUFS", "lufs", lufs, "lufs is known")]
    if width is not None:
        found.append(Word("space", f"stereo width of {width:.0%}", "stereo_width", width, "stereo_width is known"))
    return found


def of_group(found: Iterable[Word], group: Group) -> list[Word]:
    """Return the words of one group."""
    return [word for word in found if word.group == group]


def _tempo(values: Values) -> list[Word]:
    bpm = number(values, "bpm")
    return [] if bpm is None else [Word("rhythm", f"{bpm:.0f} BPM", "bpm", bpm, "bpm is known")]


def _meter(values: Values) -> list[Word]:
    meter, confidence = values.get("time_signature"), number(values, "time_signature_confidence")
    if not isinstance(meter, str) or meter == OTHER_METER or confidence is None or confidence < SURE:
        return []
    condition = f"time_signature_confidence >= {SURE:g}"
    return [Word("rhythm", f"{meter} time", "time_signature_confidence", confidence, condition)]


def _key(values: Values) -> list[Word]:
    tonic, mode, confidence = values.get("key"), values.get("mode"), number(values, "key_confidence")
    if not (isinstance(tonic, str) and isinstance(mode, str)) or confidence is None or confidence < SURE:
        return []
    if tonic not in _OPTIONS["key"] or mode not in _OPTIONS["mode"]:  # written by the user; verify names it
        return []
    return [Word("harmony", key_name(tonic, mode), "key_confidence", confidence, f"key_confidence >= {SURE:g}")]


def _voice(values: Values) -> list[Word]:
    voice, confidence = values.get("voice"), number(values, "voice_confidence")
    if isinstance(voice, str) and voice in VOICES and confidence is not None:
        condition = f"voice_confidence >= {SURE:g}"
        return [Word("voice", voice, "voice_confidence", confidence, condition)] if confidence >= SURE else []
    share = number(values, "vocal_presence")
    if share is None:
        return []
    sung = share >= LEAST_VOCALS
    condition = f"vocal_presence {'>=' if sung else '<'} {LEAST_VOCALS:g}"
    return [Word("voice", "vocals" if sung else "instrumental", "vocal_presence", share, condition)]
