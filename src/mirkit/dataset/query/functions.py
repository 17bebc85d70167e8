"""The functions in SQL that conditions use: texts without case and accents, and regular expressions."""

import re
import sqlite3
import unicodedata
from functools import lru_cache


@lru_cache(4096)
def fold(text: str) -> str:
    """Return a text as it is compared: without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))


@lru_cache(64)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression that ignores case."""
    return re.compile(pattern, re.IGNORECASE)


def add_functions(connection: sqlite3.Connection) -> None:
    """Register ``mirkit_fold`` and ``mirkit_matches`` with a connection."""

    def folded(text: object) -> str | None:
        return None if text is None else fold(str(text))

    def matches(pattern: str, text: object) -> bool:
        return text is not None and compiled(pattern).search(str(text)) is not None

    connection.create_function("mirkit_fold", 1, folded, deterministic=True)
    connection.create_function("mirkit_matches", 2, matches, deterministic=True)
