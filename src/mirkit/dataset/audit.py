"""The audit of a source as the provenance of its track holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mirkit.features.audit.findings import FINDINGS, OK, Finding, verdict


@dataclass(frozen=True)
class Audit:
    """What was found about the source of a track.

    Attributes
    ----------
    findings : tuple of Finding
    """

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """``faults``, ``notices`` or ``ok``."""
        return verdict(self.findings)

    @property
    def faults(self) -> list[str]:
        """Texts of the faults."""
        return [found.text for found in self.findings if found.is_fault]

    @property
    def notices(self) -> list[str]:
        """Texts of the notices."""
        return [found.text for found in self.findings if not found.is_fault]

    @property
    def line(self) -> str:
        """Faults and notices in one line; ``ok`` for neither."""
        parts = [f"fault: {text}" for text in self.faults] + [f"notice: {text}" for text in self.notices]
        return "; ".join(parts) or OK

    @property
    def stored(self) -> str:
        """Names and texts of the findings as the library holds them; see :func:`stored_audit`."""
        return "; ".join(f"{found.name}: {found.text}" for found in self.findings)


def read_audit(facts: Mapping[str, Any]) -> Audit | None:
    """Return the audit from plain metadata; None where there is none, or what there is was not written by mirkit.

    Parameters
    ----------
    facts : mapping
        Name of a fact -> its value.
    """
    value = facts.get("audit")
    listed = value.get("findings") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return None
    found = []
    for row in listed:
        name, text = (row.get("name"), row.get("text")) if isinstance(row, dict) else (None, None)
        if not (isinstance(name, str) and isinstance(text, str)):
            return None
        if name in FINDINGS:
            found.append(Finding(name, text))
    return Audit(tuple(found))


def stored_audit(text: str | None) -> Audit:
    """Return the audit from the library's field ``findings``."""
    pairs = [part.partition(": ") for part in (text or "").split("; ")]
    return Audit(tuple(Finding(name, what) for name, _, what in pairs if name in FINDINGS))
