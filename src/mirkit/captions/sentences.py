"""Split a text into sentences, and trim it to a number of words."""

import re

# fmt: off
_ABBREVIATED = {
    "approx", "ca", "dr", "e.g", "etc", "feat", "ft", "i.e", "incl", "jr", "max", "min", "mr", "mrs", "ms", "no", "op",
    "sec", "sr", "st", "vol", "vs",
}
# fmt: on
_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")
_CLAUSE = re.compile(r"[,;:](?=\s)|\s-(?=\s)")


def sentences(text: str) -> list[str]:
    """Split one line of text into sentences, whose concatenation is the text. The last may be incomplete."""
    found, start = [], 0
    for end in _END.finditer(text):
        word = text[start : end.start()].rpartition(" ")[2].lstrip("(\"'").lower()
        if word in _ABBREVIATED and end.end() < len(text):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def is_whole(sentence: str) -> bool:
    """Whether a sentence is complete."""
    return bool(re.search(r"[.!?][\"')\]]*$", sentence))


def words(text: str) -> int:
    """Number of words."""
    return len(text.split())


def trim(text: str, budget: int) -> str:
    """Keep as many whole sentences as the budget of words allows.

    If even the first sentence is too long, it is cut after its last clause that fits, or after a word. An incomplete
    last sentence is left out if there is another sentence. The result is "" only for an empty text.
    """
    parts = sentences(text)
    if len(parts) > 1 and not is_whole(parts[-1]):
        parts = parts[:-1]
    kept: list[str] = []
    for part in parts:
        if words(" ".join([*kept, part])) > budget:
            break
        kept.append(part)
    if kept or not parts:
        return " ".join(kept)
    return _shortened(parts[0], budget)


def _shortened(sentence: str, budget: int) -> str:
    short = " ".join(sentence.split()[:budget])
    clauses = [found.start() for found in _CLAUSE.finditer(short) if words(short[: found.start()]) * 2 >= budget]
    if clauses:
        short = short[: clauses[-1]]
    return short.rstrip(" ,;:-.!?") + "."
