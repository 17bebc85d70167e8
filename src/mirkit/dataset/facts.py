"""The measured facts with which the texts of a track are compared, and statistics of contradictions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mirkit.captions.facts import Compared, Facts, compare
from mirkit.captions.prompts import PREFIX
from mirkit.catalog import VOICES
from mirkit.features.types import OTHER_METER
from mirkit.store import Provenance, as_number

#: Least confidence of a key that is named in a prompt for a model.
_MIN_KEY_CONFIDENCE = 0.3


def facts_of(info: Mapping[str, Any], provenance: Provenance) -> Facts:
    """Read the facts of a track from its sidecars; unknown ones are None.

    Parameters
    ----------
    info : mapping
        Content of its ``.INFO``.
    provenance : Provenance

    Returns
    -------
    Facts
    """
    tonic, mode, meter = (info.get(name) for name in ("key", "mode", "time_signature"))
    return Facts(
        bpm=as_number(info.get("bpm")),
        key=(tonic, mode) if isinstance(tonic, str) and isinstance(mode, str) else None,
        meter=meter if isinstance(meter, str) and meter != OTHER_METER else None,
        vocals_share=as_number(info.get("vocal_presence")),
        duration=as_number(_value(provenance, "duration")),
        key_confidence=as_number(info.get("key_confidence")) or 0.0,
        meter_confidence=as_number(info.get("time_signature_confidence")) or 0.0,
        voice=voice if (voice := info.get("voice")) in VOICES else None,
    )


def words_of(facts: Facts, provenance: Provenance) -> dict[str, str]:
    """Convert facts to texts for the placeholders of prompts; unknown facts are left out."""
    tags = _value(provenance, "tags")
    genre = tags.get("genre") if isinstance(tags, Mapping) else None
    words = {
        "bpm": None if facts.bpm is None else f"{facts.bpm:.0f}",
        "key": " ".join(facts.key) if facts.key and facts.key_confidence >= _MIN_KEY_CONFIDENCE else None,
        "meter": facts.meter,
        "duration": None if facts.duration is None else f"{facts.duration // 60:.0f}:{facts.duration % 60:02.0f}",
        "genre": genre.strip() if isinstance(genre, str) else None,
    }
    return {name: text for name, text in words.items() if text}


def compare_texts(info: Mapping[str, Any], provenance: Provenance) -> dict[str, Compared]:
    """Compare each text of a track with the measured facts: field -> result."""
    facts = facts_of(info, provenance)
    texts = {key.removeprefix(PREFIX): text for key, text in info.items() if key.startswith(PREFIX)}
    return {field: compare(text, facts) for field, text in texts.items() if isinstance(text, str)}


@dataclass(frozen=True)
class Contradictions:
    """How often the texts of a data set contradict the measured facts.

    Attributes
    ----------
    texts, claims : int
        Number of texts, and of claims in them that could be compared.
    kinds : dict
        Kind of claim (tempo, key, meter, vocals, duration) -> number of contradicted claims.
    tracks : int
        Tracks with at least one contradicted claim.
    """

    texts: int = 0
    claims: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    tracks: int = 0

    @property
    def rate(self) -> float | None:
        """Share of contradicted claims; None where no claim could be compared."""
        return sum(self.kinds.values()) / self.claims if self.claims else None


def contradictions(tracks: Iterable[Mapping[str, Compared]]) -> Contradictions:
    """Sum up the comparisons of all tracks of a data set."""
    texts = claims = with_some = 0
    kinds: Counter[str] = Counter()
    for compared in tracks:
        conflicts = [conflict.claim.kind for one in compared.values() for conflict in one.conflicts]
        texts, claims = texts + len(compared), claims + sum(one.claims for one in compared.values())
        kinds.update(conflicts)
        with_some += bool(conflicts)
    return Contradictions(texts, claims, dict(kinds.most_common()), with_some)


def _value(provenance: Provenance, name: str) -> Any:
    return provenance.facts.get(name, {}).get("value")
