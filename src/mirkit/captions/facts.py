"""Compare the claims of a caption with measurements, and correct those that are contradicted."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from mirkit.captions.claim_extraction import Claim, claims
from mirkit.captions.sentences import sentences

#: A tempo within this share of the measured one, or of its half or double, agrees with it.
TEMPO_TOLERANCE = 0.04
#: A measured key or meter with less confidence contradicts nothing.
LEAST_CONFIDENCE = 0.6
#: Share of a track that must be sung to contradict "instrumental", and below which "vocals" is contradicted.
SUNG, UNSUNG = 0.25, 0.01
#: A duration may be off by this share, and by so many seconds; a point in time may lie so many seconds past the end.
_DURATION_TOLERANCE, _DURATION_SECONDS, _PAST_END = 0.15, 10.0, 3.0
#: What cannot end a sentence: punctuation, a word that joins, and a clause that announces something ("key:").
_DANGLING = re.compile(r"[\s,;]+$|(?:^|\s)(?:and|but|or|with|while)$|(?:^|[,;])[^,;]*:$")
_TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class Facts:
    """Measurements of a track; None is unknown, and contradicts nothing.

    Attributes
    ----------
    bpm : float or None
    key : (str, str) or None
        Tonic with sharps, ``major`` or ``minor``.
    meter : str or None
        Such as ``4/4``.
    vocals_share : float or None
        Share of the time that is sung, 0 to 1.
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


@dataclass(frozen=True)
class Conflict:
    """A claim that a measurement contradicts."""

    claim: Claim
    measured: str

    @property
    def description(self) -> str:
        """One clause for a reader."""
        return f'"{self.claim.said}", measured {self.measured}'


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
    """Correct what the facts contradict: a tempo, key or meter is written as measured, another clause is dropped.

    Nothing is added, and a text without conflicts stays as it is. The result has none; it is "" where every sentence
    had one that could not be corrected.
    """
    for conflict in reversed(compare(text, facts).conflicts):
        claim = conflict.claim
        if corrected := _corrected(claim, facts):
            text = text[: claim.start] + corrected + text[claim.end :]
    if not compare(text, facts).conflicts:
        return text
    kept = (_without_clause(sentence, facts) for sentence in sentences(text))
    text = " ".join(sentence for sentence in kept if sentence)
    # The clause that "it" refers to may be gone: a sentence that is still contradicted is dropped.
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
    # The relative key has the same notes: which of the two it is, a measurement knows little better than the model.
    relative = (_TONICS[(at + 9) % 12], "minor") if mode == "major" else (_TONICS[(at + 3) % 12], "major")
    return "" if claim.value in (facts.key, relative) else f"{tonic} {mode}"


def _meter(claim: Claim, facts: Facts) -> str | None:
    if facts.meter is None or facts.meter_confidence < LEAST_CONFIDENCE:
        return None
    # The same beat, counted in another way.
    alike = ({"2/4", "4/4", "12/8"}, {"3/4", "6/8", "9/8"})
    agrees = claim.value == (facts.meter,) or any({str(claim.value[0]), facts.meter} <= group for group in alike)
    return "" if agrees else facts.meter


def _vocals(claim: Claim, facts: Facts) -> str | None:
    if facts.vocals_share is None:
        return None
    sung = bool(claim.value[0])
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
    """The claim as measured, or "" where it cannot be said in its place."""
    if claim.kind == "tempo" and facts.bpm is not None:
        return re.sub(r"\d[\d.]*(?:\s*(?:-|to|and)\s*\d[\d.]*)?", f"{facts.bpm:.0f}", claim.said, count=1)
    if claim.kind == "key" and facts.key is not None:
        return " ".join(facts.key)
    if claim.kind == "meter" and facts.meter is not None and claim.said[0].isdigit():
        return facts.meter
    return ""


def _without_clause(sentence: str, facts: Facts) -> str:
    """A sentence without the clauses that are contradicted, where enough of it is left to be one."""
    if not compare(sentence, facts).conflicts:
        return sentence
    clauses = re.split(r"(?<=[,;]) ", sentence)
    kept = [clause for clause in clauses if not compare(clause, facts).conflicts]
    # What is left must begin as the sentence did: a clause on its own has no subject.
    if not kept or kept[0] != clauses[0]:
        return ""
    left = " ".join(kept)
    while (shorter := _DANGLING.sub("", left)) != left:
        left = shorter
    if len(left.split()) < 3:
        return ""
    return left if left[-1] in ".!?" else f"{left}."
