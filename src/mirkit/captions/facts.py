"""Compare the claims of a caption with measurements, and correct contradicted claims."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from mirkit.captions.claim_extraction import Claim, claims
from mirkit.captions.sentences import sentences

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
        """Describe the conflict in one clause."""
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
    """The claim with the measured value, or "" if that does not fit into the sentence."""
    if claim.kind == "tempo" and facts.bpm is not None:
        return re.sub(r"\d[\d.]*(?:\s*(?:-|to|and)\s*\d[\d.]*)?", f"{facts.bpm:.0f}", claim.said, count=1)
    if claim.kind == "key" and facts.key is not None:
        return " ".join(facts.key)
    if claim.kind == "meter" and facts.meter is not None and claim.said[0].isdigit():
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
