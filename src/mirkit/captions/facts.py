"""Claims of a caption (tempo, key, meter, vocals, duration), compared with measurements, and corrected."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from mirkit.captions.sentences import sentences
from mirkit.catalog import VOCALS

Kind = Literal["tempo", "key", "meter", "vocals", "duration"]

_NUMBER = r"\d{2,3}(?:\.\d{1,3})?"
_TEMPO = re.compile(
    rf"(?P<low>{_NUMBER})(?:\s*(?:-|to|and)\s*(?P<high>{_NUMBER}))?\s*-?\s*(?:bpm|beats[ -]per[ -]minute)\b"
    rf"|\btempo(?:\s+(?:of|is|at|near)|:)\s*(?:about|around|approximately|roughly)?\s*(?P<bare>{_NUMBER})\b"
    rf"|\bbpm\s*(?:of|is|:|=)?\s*(?:about|around|approximately)?\s*(?P<after>{_NUMBER})\b",
    re.IGNORECASE,
)
_TONIC = r"(?P<note>[A-G])(?P<accidental>#|b|[ -]sharp|[ -]flat)?"
_MODE = r"(?P<mode>[Mm]ajor|[Mm]inor|[Mm]aj\b|[Mm]in\b|MAJOR|MINOR)"
_KEY = re.compile(
    rf"(?:\b(?:[Kk]ey|[Tt]onality|[Tt]onal cent(?:er|re)) ?(?:signature ?)?(?:of|is|in|:)? ?(?:the )?(?:of )?"
    rf"|\b[Ii]n (?:the key of )?|\b)"
    rf"(?<![A-Za-z#]){_TONIC}[ -]{_MODE}(?P<rest>[^.!?;]{{0,24}})"
)
#: Words around a tonic and mode that indicate a chord, a modulation, or a key that is not the track's.
_NO_KEY = re.compile(r"^\s*(?:7|9|11|13|7th|seventh|ninth|chord|triad|arpeggio|pentatonic|scale run)", re.IGNORECASE)
_CHANGE = re.compile(
    r"\b(?:chords?|progressions?|modulat\w*|shift\w*|relative|parallel|mov(?:es|ing)|from|hints?|borrow\w*|between)\b",
    re.IGNORECASE,
)
_SURE_A = re.compile(
    r"^(?:[Kk]ey|[Tt]onal|[Ii]n ).*|[a-zA-Z] (?:key|tonality|scale)|(?:[Mm]ajor|[Mm]inor|aj|in)(?:[,:)]|$)"
)
_METER = re.compile(
    r"\b(?P<top>2|3|4|5|6|7|9|12)/(?P<bottom>4|8)\b(?! ?(?:cent|of|bars?))|\b(?P<name>waltz|common time)\b", re.I
)
_NO_VOCALS = re.compile(
    r"\b(?:(?:purely|entirely|completely|fully|wholly|strictly)[ -]instrumental"
    r"|instrumental (?:track|piece|composition|song|recording|music|work|arrangement)"
    r"|(?:is|an) instrumental\b(?! (?:sec|break|bri|int|out|pass|hook|backing|bed|layer|accomp|solo|part))"
    r"|no (?:lead |discernible |audible |human )?(?:vocals?|singing|voices?|lyrics)"
    r"|without (?:any )?(?:vocals?|singing|lyrics)"
    r"|(?:absence|lack) of (?:any )?(?:vocals?|singing|lyrics)|(?:vocals?|lyrics) (?:are|is) absent|vocal-free)\b",
    re.IGNORECASE,
)
_VOCALS = re.compile(
    r"\b(?:vocals?|vocalists?|singers?|singing|sings|sung|lyrics|lyrical|rapping|rapper|raps|choir|verses sung)\b", re.I
)
#: Words in a sentence that make a claim of vocals doubtful.
_UNSURE = re.compile(
    r"\b(?:vocal-like|(?:vocal|voice) (?:samples?|chops?|synths?|pads?)|choir (?:pads?|synths?)|room for vocals?"
    r"|could|would|might|no|not|without|absent|lack\w*|absence)\b",
    re.I,
)
_CLOCK = r"(?P<minutes>\d{1,2}):(?P<seconds>[0-5]\d)"
_LENGTH = re.compile(
    rf"\b(?:duration|length|running time|runtime|lasts?|lasting|runs(?: for)?|spans?|total of)"
    rf"(?: (?:of|is|for|about|around|approximately|roughly|just|over|under|at))*:? {_CLOCK}(?!\d)"
    r"|\b(?:duration|length|running time|runtime|lasts?|lasting|runs(?: for)?|spans?|total of)"
    r"(?: (?:of|is|for|about|around|approximately|roughly|just|over|under|at))*:? "
    r"(?P<number>\d{1,4}(?:\.\d)?)[ -](?P<unit>minutes?|mins?|seconds?|secs?)\b(?:(?: and|,)? (?P<more>\d{1,2}) sec)?"
    r"|\b(?P<adjective>\d{1,4})[ -](?P<adjective_unit>minute|second)s?(?:[ -]long)? (?:track|song|piece|composition)",
    re.IGNORECASE,
)
_POINT = re.compile(r"(?<![\d:])(?P<minutes>\d{1,2}):(?P<seconds>[0-5]\d)(?![\d:])")
_FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb", "B": "Cb", "E": "Fb"}
_SHARP = {flat: sharp for sharp, flat in _FLATS.items()} | {"E#": "F", "B#": "C"}


@dataclass(frozen=True)
class Claim:
    """One claim of a text.

    Attributes
    ----------
    kind : str
    wording : str
        The wording in the text.
    start, end : int
        Position in the text.
    value : tuple
        tempo (low, high) in BPM; key (tonic with sharps, mode); meter ("4/4",); vocals (True or False,); duration
        (seconds, True) or (a point in time that the track must reach, False).
    """

    kind: Kind
    wording: str
    start: int
    end: int
    value: tuple[object, ...]


def claims(text: str) -> list[Claim]:
    """Find the claims of a normalized text, in order; doubtful claims are left out."""
    found: list[Claim] = []
    at = 0
    for sentence in sentences(text):
        at = text.index(sentence, at)
        for extract in (_tempos, _keys, _meters, _voices, _durations):
            found += [replace(claim, start=claim.start + at, end=claim.end + at) for claim in extract(sentence)]
        at += len(sentence)
    return sorted(found, key=lambda claim: (claim.start, claim.kind))


def _tempos(sentence: str) -> Iterator[Claim]:
    for found in _TEMPO.finditer(sentence):
        low = float(found["low"] or found["bare"] or found["after"])
        high = float(found["high"] or low)
        yield _claim("tempo", found, (min(low, high), max(low, high)))


def _keys(sentence: str) -> Iterator[Claim]:
    for found in _KEY.finditer(sentence):
        named = re.match(r"(?i)key|tonal", found[0]) is not None
        around = sentence[max(0, found.start() - 30) : found.start()] + found["rest"]
        if _NO_KEY.match(found["rest"]) or (not named and _CHANGE.search(around)):
            continue
        if found["note"] == "A" and not found["accidental"] and not _SURE_A.search(found[0]):
            continue  # "A" is an article, as in "A major hit"
        accidental = (found["accidental"] or "").strip(" -")
        sign = {"sharp": "#", "flat": "b"}.get(accidental, accidental)
        note = _SHARP.get(found["note"] + sign, found["note"] + sign)
        mode = "major" if found["mode"].lower().startswith("maj") else "minor"
        start, end = found.start("note"), found.end("mode")
        yield Claim("key", sentence[start:end], start, end, (note, mode))


def _meters(sentence: str) -> Iterator[Claim]:
    for found in _METER.finditer(sentence):
        name = (found["name"] or "").lower()
        meter = {"waltz": "3/4", "common time": "4/4"}.get(name) or f"{found['top']}/{found['bottom']}"
        if name == "waltz" and "like" in sentence[found.end() : found.end() + 6]:
            continue
        yield _claim("meter", found, (meter,))


def _voices(sentence: str) -> Iterator[Claim]:
    if found := _NO_VOCALS.search(sentence):
        yield _claim("vocals", found, (False,))
    elif (found := _VOCALS.search(sentence)) and not _UNSURE.search(sentence):
        yield _claim("vocals", found, (True,))


def _durations(sentence: str) -> Iterator[Claim]:
    taken: list[tuple[int, int]] = []
    for found in _LENGTH.finditer(sentence):
        if found["minutes"]:
            seconds = 60 * int(found["minutes"]) + int(found["seconds"])
        else:
            number = float(found["number"] or found["adjective"])
            in_minutes = (found["unit"] or found["adjective_unit"]).lower().startswith("min")
            seconds = round(number * 60 if in_minutes else number) + int(found["more"] or 0)
        taken.append(found.span())
        yield _claim("duration", found, (float(seconds), True))
    for found in _POINT.finditer(sentence):
        if not any(start <= found.start() < end for start, end in taken):
            yield _claim("duration", found, (60.0 * int(found["minutes"]) + int(found["seconds"]), False))


def _claim(kind: Kind, found: re.Match[str], value: tuple[object, ...]) -> Claim:
    return Claim(kind, found[0], found.start(), found.end(), value)


#: A tempo agrees if it is within this share of the measured tempo, or of its half or double.
TEMPO_TOLERANCE = 0.04
#: Least confidence of a measured key or meter that can contradict a claim.
LEAST_CONFIDENCE = 0.6
#: The claim "instrumental" is contradicted above the first share of vocals, and "vocals" below the second.
SUNG, UNSUNG = 0.25, 0.01
#: Tolerances: of a duration, as a share and in seconds; of a point in time after the end, in seconds.
_DURATION_TOLERANCE, _DURATION_SECONDS, _PAST_END = 0.15, 10.0, 3.0
#: Text that is removed from the end of a sentence: punctuation, conjunctions, and an introductory clause ("key:").
_DANGLING = re.compile(r"[\s,;]+$|(?:^|\s)(?:and|but|or|with|while)$|(?:^|[,;])[^,;]*:$")
_TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class Facts:
    """Measurements of a track; None for unknown ones, which contradict nothing.

    Attributes
    ----------
    bpm : float or None
    key : (str, str) or None
        Tonic with sharps, ``major`` or ``minor``.
    meter : str or None
        Such as ``4/4``.
    vocals_share : float or None
        Share of the time with vocals, 0 to 1.
    voice : str or None
        ``vocals`` or ``instrumental``, where the share is not known.
    duration : float or None
        Seconds.
    key_confidence, meter_confidence : float
        0 to 1.
    """

    bpm: float | None = None
    key: tuple[str, str] | None = None
    meter: str | None = None
    vocals_share: float | None = None
    duration: float | None = None
    key_confidence: float = 1.0
    meter_confidence: float = 1.0
    voice: str | None = None


@dataclass(frozen=True)
class Conflict:
    """A claim that a measurement contradicts."""

    claim: Claim
    measured: str

    @property
    def description(self) -> str:
        """Describe the conflict in one clause."""
        return f'"{self.claim.wording}", measured {self.measured}'


@dataclass(frozen=True)
class Compared:
    """Result of a comparison: number of claims that could be compared, and the contradicted ones."""

    claims: int
    conflicts: tuple[Conflict, ...]


def compare(text: str, facts: Facts) -> Compared:
    """Compare the claims of a text with measurements."""
    compared, conflicts = 0, []
    for claim in claims(text):
        verdict = _VERDICTS[claim.kind](claim, facts)
        if verdict is not None:
            compared += 1
            if verdict:
                conflicts.append(Conflict(claim, verdict))
    return Compared(compared, tuple(conflicts))


def fix(text: str, facts: Facts) -> str:
    """Correct contradicted claims: tempo, key and meter are replaced by the measured value, other clauses removed.

    Nothing is added, and a text without conflicts is unchanged. The result has no conflicts; it is "" if every sentence
    had a conflict that could not be corrected.
    """
    for conflict in reversed(compare(text, facts).conflicts):
        claim = conflict.claim
        if corrected := _corrected(claim, facts):
            text = text[: claim.start] + corrected + text[claim.end :]
    if not compare(text, facts).conflicts:
        return text
    kept = (_without_clause(sentence, facts) for sentence in sentences(text))
    text = " ".join(sentence for sentence in kept if sentence)
    # Removing a clause may change what "it" refers to: sentences that still have a conflict are removed.
    return " ".join(part for part in sentences(text) if not compare(part, facts).conflicts)


def _tempo(claim: Claim, facts: Facts) -> str | None:
    if facts.bpm is None:
        return None
    low, high = (float(str(value)) for value in claim.value)
    low, high = low * (1 - TEMPO_TOLERANCE), high * (1 + TEMPO_TOLERANCE)
    agrees = any(low <= facts.bpm * factor <= high for factor in (0.5, 1.0, 2.0))
    return "" if agrees else f"{facts.bpm:.0f} BPM"


def _key(claim: Claim, facts: Facts) -> str | None:
    if facts.key is None or facts.key_confidence < LEAST_CONFIDENCE:
        return None
    tonic, mode = facts.key
    at = _TONICS.index(tonic)
    # The relative key has the same notes, and the measurement hardly distinguishes them, so both agree.
    relative = (_TONICS[(at + 9) % 12], "minor") if mode == "major" else (_TONICS[(at + 3) % 12], "major")
    return "" if claim.value in (facts.key, relative) else f"{tonic} {mode}"


def _meter(claim: Claim, facts: Facts) -> str | None:
    if facts.meter is None or facts.meter_confidence < LEAST_CONFIDENCE:
        return None
    # Meters that differ only in how the same beat is counted.
    alike = ({"2/4", "4/4", "12/8"}, {"3/4", "6/8", "9/8"})
    agrees = claim.value == (facts.meter,) or any({str(claim.value[0]), facts.meter} <= group for group in alike)
    return "" if agrees else facts.meter


def _vocals(claim: Claim, facts: Facts) -> str | None:
    sung = bool(claim.value[0])
    if facts.vocals_share is None:
        if facts.voice is None:
            return None
        return "" if sung == (facts.voice == VOCALS) else facts.voice
    contradicted = facts.vocals_share < UNSUNG if sung else facts.vocals_share > SUNG
    return f"vocals in {100 * facts.vocals_share:.0f} % of the time" if contradicted else ""


def _duration(claim: Claim, facts: Facts) -> str | None:
    if facts.duration is None:
        return None
    seconds, whole = float(str(claim.value[0])), bool(claim.value[1])
    if whole:
        far = abs(seconds - facts.duration) > max(_DURATION_TOLERANCE * facts.duration, _DURATION_SECONDS)
    else:
        far = seconds > facts.duration + _PAST_END
    return f"{math.floor(facts.duration / 60)}:{facts.duration % 60:02.0f} long" if far else ""


_VERDICTS: dict[str, Callable[[Claim, Facts], str | None]] = {
    "tempo": _tempo,
    "key": _key,
    "meter": _meter,
    "vocals": _vocals,
    "duration": _duration,
}


def _corrected(claim: Claim, facts: Facts) -> str:
    """The claim with the measured value, or "" if that does not fit into the sentence."""
    if claim.kind == "tempo" and facts.bpm is not None:
        return re.sub(r"\d[\d.]*(?:\s*(?:-|to|and)\s*\d[\d.]*)?", f"{facts.bpm:.0f}", claim.wording, count=1)
    if claim.kind == "key" and facts.key is not None:
        return " ".join(facts.key)
    if claim.kind == "meter" and facts.meter is not None and claim.wording[0].isdigit():
        return facts.meter
    return ""


def _without_clause(sentence: str, facts: Facts) -> str:
    """Remove contradicted clauses from a sentence; "" if the rest is not a sentence."""
    if not compare(sentence, facts).conflicts:
        return sentence
    clauses = re.split(r"(?<=[,;]) ", sentence)
    kept = [clause for clause in clauses if not compare(clause, facts).conflicts]
    # The rest must contain the start of the sentence, because a later clause alone has no subject.
    if not kept or kept[0] != clauses[0]:
        return ""
    left = " ".join(kept)
    while (shorter := _DANGLING.sub("", left)) != left:
        left = shorter
    if len(left.split()) < 3:
        return ""
    return left if left[-1] in ".!?" else f"{left}."
