"""What the audit of a source finds, and the verdict."""

from collections.abc import Iterable
from dataclasses import dataclass

FAULTS, NOTICES, OK = VERDICTS = ("faults", "notices", "ok")


@dataclass(frozen=True)
class Finding:
    """One thing that was found about a source.

    Attributes
    ----------
    name : str
        Key of ``FINDINGS``.
    text : str
        What was found, with its size, in a few words.
    """

    name: str
    text: str

    @property
    def is_fault(self) -> bool:
        """Whether the source should not be trained on as it is; else it is a notice."""
        return FINDINGS[self.name]


#: Name of each finding -> whether it is a fault.
FINDINGS = {
    "lossy": True,
    "silent_channel": True,
    "inverted_channel": True,
    "dc_offset": True,
    "scale": True,
    "dropouts": True,
    "mono": False,
    "out_of_phase": False,
    "small_offset": False,
    "clipped": False,
    "limited": False,
    "count_in": False,
    "silence": False,
    "noise": False,
}


def verdict(findings: Iterable[Finding]) -> str:
    """Return the verdict on a source.

    Parameters
    ----------
    findings : iterable of Finding

    Returns
    -------
    str
        ``faults``, ``notices`` or ``ok``.

    Examples
    --------
    >>> verdict([Finding("mono", "both channels are the same")])
    'notices'
    """
    kinds = [finding.is_fault for finding in findings]
    return FAULTS if any(kinds) else NOTICES if kinds else OK
