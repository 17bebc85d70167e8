"""What is measured of a track, as its texts are compared with it; and what they contradict."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mirkit.captions.facts import Compared, Facts, compare
from mirkit.captions.prompts import PREFIX
from mirkit.store import Provenance

#: A key that is less sure is not told to a model.
_LEAST_TOLD = 0.3


def facts_of(info: Mapping[str, Any], provenance: Provenance) -> Facts:
    """Gather the facts of a track from its sidecars; what is not measured is None."""
    tonic, mode = _value(provenance, "key"), _value(provenance, "mode")
    return Facts(
        bpm=_number(info.get("bpm")),
        key=(tonic, mode) if isinstance(tonic, str) and isinstance(mode, str) else None,
        meter=meter if isinstance(meter := _value(provenance, "meter"), str) else None,
        vocals_share=_vocals(provenance),
        duration=_number(_value(provenance, "duration")),
        key_confidence=_confidence(provenance, "key"),
        meter_confidence=_confidence(provenance, "meter"),
    )


def words_of(facts: Facts, provenance: Provenance) -> dict[str, str]:
    """The facts as words, for the placeholders of prompts; what is not known is left out."""
    told: dict[str, str] = {}
    if facts.bpm is not None:
        told["bpm"] = f"{facts.bpm:.0f}"
    if facts.key is not None and facts.key_confidence >= _LEAST_TOLD:
        told["key"] = " ".join(facts.key)
    if facts.meter is not None:
        told["meter"] = facts.meter
    if facts.duration is not None:
        told["duration"] = f"{facts.duration // 60:.0f}:{facts.duration % 60:02.0f}"
    tags = _value(provenance, "tags")
    if isinstance(tags, Mapping) and isinstance(genre := tags.get("genre"), str) and genre.strip():
        told["genre"] = genre.strip()
    return told


def compare_texts(info: Mapping[str, Any], provenance: Provenance) -> dict[str, Compared]:
    """Compare each text of a track with what is measured: field -> what came of it."""
    facts = facts_of(info, provenance)
    texts = {key.removeprefix(PREFIX): text for key, text in info.items() if key.startswith(PREFIX)}
    return {field: compare(text, facts) for field, text in texts.items() if isinstance(text, str)}


@dataclass(frozen=True)
class Contradictions:
    """How often the texts of a data set contradict what is measured.

    Attributes
    ----------
    texts, claims : int
        Texts looked at, and claims in them that could be compared.
    kinds : dict
        tempo, key, meter, vocals, duration -> contradicted claims.
    tracks : int
        Tracks with at least one of those.
    """

    texts: int = 0
    claims: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    tracks: int = 0

    @property
    def rate(self) -> float | None:
        """Contradicted claims of those that could be compared; None where none could."""
        return sum(self.kinds.values()) / self.claims if self.claims else None


def contradictions(tracks: Iterable[Mapping[str, Compared]]) -> Contradictions:
    """Sum up a data set."""
    texts = claims = with_some = 0
    kinds: Counter[str] = Counter()
    for compared in tracks:
        found = [conflict.claim.kind for one in compared.values() for conflict in one.conflicts]
        texts, claims = texts + len(compared), claims + sum(one.claims for one in compared.values())
        kinds.update(found)
        with_some += bool(found)
    return Contradictions(texts, claims, dict(kinds.most_common()), with_some)


def _value(provenance: Provenance, name: str) -> Any:
    return provenance.facts.get(name, {}).get("value")


def _confidence(provenance: Provenance, name: str) -> float:
    return _number(provenance.facts.get(name, {}).get("confidence")) or 0.0


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _vocals(provenance: Provenance) -> float | None:
    """Share that is sung. The embedded separation lets too much of the center into its vocals to tell."""
    entry = provenance.stages.get("separate")
    return None if entry is None or entry.backend == "embedded" else _number(_value(provenance, "vocals_share"))
