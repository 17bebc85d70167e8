"""Licenses of recordings: one name for each, from the many ways in which tags, tables and people write them.

Creative Commons licenses have the names of the Hugging Face Hub, in lower case: ``cc0-1.0``, ``cc-by-4.0``,
``cc-by-nc-sa-3.0``. A statement that names no version gives ``cc-by``. A text that names no known license stays a name
of its own, so that a user may write ``label-contract-7`` and export by it.
"""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

#: Name of the statement that nothing is allowed.
ALL_RIGHTS_RESERVED = "all-rights-reserved"
PUBLIC_DOMAIN = "public-domain"
#: Names that a misspelled one is compared with.
_COMMON = (
    *("cc0", "cc-by", "cc-by-sa", "cc-by-nc", "cc-by-nd", "cc-by-nc-sa", "cc-by-nc-nd"),
    *(PUBLIC_DOMAIN, ALL_RIGHTS_RESERVED),
)

_LONGEST = 80
#: Number of licenses that a message names.
_MOST_NAMED = 6
_URL = re.compile(r"creativecommons\.org/(?:licenses|licences)/([a-z+-]+)(?:/(\d+\.\d+))?")
_ZERO_URL = re.compile(r"creativecommons\.org/(?:publicdomain/zero|share-your-work/public-domain/cc0)")
_MARK_URL = re.compile(r"creativecommons\.org/publicdomain/mark")
_ZERO = re.compile(r"\bcc[ -]?0\b|\b(?:creative commons|cc) zero\b|\bcreative commons 0\b")
_CODE = re.compile(r"\bcc[ -]by((?:[ -](?:nc|nd|sa))*)\b(?:[ -]?v?(\d(?:\.\d)?)\b)?")
_WORDS = re.compile(
    r"\battribution((?:[ -]*(?:non ?commercial|no ?deriv(?:ative)?s?(?: works)?|share ?alike))*)"
    r"(?: v?(\d\.\d))?\b"
)
_RESERVED = re.compile(r"\ball rights (?:are )?reserved\b|\balle rechte vorbehalten\b|\btous droits reserves\b")
_PUBLIC = re.compile(r"\bpublic domain\b")
#: A sentence with such a word may deny the license that it names.
_DENIAL = re.compile(r"\b(?:not|no longer|never|except|isn't|without)\b")
_PARTS = (("nc", r"non ?commercial|\bnc\b"), ("nd", r"no ?deriv|\bnd\b"), ("sa", r"share ?alike|\bsa\b"))


def license_of(statement: str) -> str | None:
    """Return the license that a statement names, or None where it names none that is known, or several.

    Parameters
    ----------
    statement : str
        For example the text of a copyright tag, or the address of a license.

    Examples
    --------
    >>> license_of("http://creativecommons.org/licenses/by-nc/3.0/us/")
    'cc-by-nc-3.0'
    >>> license_of("Attribution-ShareAlike 4.0 International"), license_of("(c) 2019 A Label")
    ('cc-by-sa-4.0', None)
    """
    text = " ".join(statement.lower().replace("_", "-").replace("–", "-").replace("é", "e").split())
    named = {_cc(codes, version) for codes, version in _URL.findall(text)}
    named |= {"cc0-1.0"} if _ZERO_URL.search(text) else set()
    named |= {PUBLIC_DOMAIN} if _MARK_URL.search(text) else set()
    if not named:
        if _DENIAL.search(text):
            return None
        named |= {_cc("by" + codes, version) for codes, version in _CODE.findall(text)}
        if not named:
            named |= {_cc("by " + words, version) for words, version in _attributions(text)}
        named |= {"cc0-1.0"} if _ZERO.search(text) else set()
    if not named:
        named |= {PUBLIC_DOMAIN} if _PUBLIC.search(text) else set()
    named |= {ALL_RIGHTS_RESERVED} if _RESERVED.search(text) else set()
    return named.pop() if len(named) == 1 else None


def license_name(statement: str) -> str:
    """Return the name of a license: that of a known one, else the statement itself as a short name.

    Examples
    --------
    >>> license_name("CC BY 4.0"), license_name("Label contract 7"), license_name(" ")
    ('cc-by-4.0', 'label-contract-7', '')
    """
    return license_of(statement) or re.sub(r"[^\w.+]+", "-", statement.strip().lower()).strip("-")[:_LONGEST]


def permits(allowed: Iterable[str], license: str) -> bool:
    """Whether a license is among the allowed ones; a name without version allows all versions.

    ``cc-by`` allows ``cc-by-3.0`` and ``cc-by-4.0``, not ``cc-by-nc-4.0``.
    """
    return any(license == name or re.fullmatch(rf"{re.escape(name)}-\d[\d.]*", license) for name in allowed)


def misspelled(allowed: Iterable[str], licenses: Collection[str]) -> list[str]:
    """Return a line for each allowed name that no track has and that is not the name of a known license.

    Parameters
    ----------
    allowed : iterable of str
        As the user writes them.
    licenses : collection of str
        Licenses of the tracks.

    Examples
    --------
    >>> misspelled(["CC BY", "cc-bi", "label-contract-7"], {"label-contract-7"})
    ["'cc-bi': no track has this license, and it is not the name of a known one; did you mean cc-by?"]
    """
    lines = []
    for text in allowed:
        name = license_name(text)
        if license_of(text) or name in _COMMON or any(permits([name], license) for license in licenses):
            continue
        known = sorted({*licenses} - {""})
        near = get_close_matches(name, [*known, *_COMMON], n=1)
        there = f"; the tracks have {', '.join(known[:_MOST_NAMED])}" if known else "; no track has a license"
        what = f"; did you mean {near[0]}?" if near else there
        lines.append(f"{text!r}: no track has this license, and it is not the name of a known one{what}")
    return lines


def _attributions(text: str) -> list[tuple[str, str]]:
    """Licenses in words: only with other words of Creative Commons, or as the whole text, as on Freesound."""
    found = _WORDS.findall(text)
    alone = _WORDS.fullmatch(re.sub(r"creative commons | international| license", "", text))
    return found if alone or "creative commons" in text or any(words or version for words, version in found) else []


def _cc(codes: str, version: str) -> str:
    if re.match(r"(?:zero|0)\b", codes):
        return "cc0-1.0"
    parts = [code for code, pattern in _PARTS if re.search(pattern, codes)]
    name = "-".join(["cc-by", *parts])
    return f"{name}-{version if '.' in version else version + '.0'}" if version else name
