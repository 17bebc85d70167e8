"""Replace a character of any script by plain ASCII, according to its Unicode category."""

import unicodedata
from functools import lru_cache

#: ASCII characters that T5's vocabulary may lack.
UNSAFE = frozenset("{}<>\\^~`")
#: The characters that a text for T5 may contain.
ALLOWED = frozenset(map(chr, range(32, 127))) - UNSAFE

# fmt: off
_LETTERS = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "ng",
    "Ŋ": "NG", "ĸ": "k", "ŧ": "t", "Ŧ": "T", "ſ": "s",
}
_UNSAFE = {"{": "(", "}": ")", "<": " under ", ">": " over ", "\\": "/", "^": "", "~": "about ", "`": "'"}
#: Characters that NFKC would decompose differently -> their replacement.
SIGNS = {
    "—": " - ", "―": " - ", "−": "-", "⁃": "-",
    "‚": "'", "′": "'", "´": "'", "ʼ": "'", "„": '"', "″": '"', "‴": '"',
    "…": "...", "•": "-", "·": "-", "‧": "-", "¿": "", "¡": "", "⁄": "/",
    "×": "x", "÷": "/", "±": "+/-", "≈": "about ", "≤": " under ", "≥": " over ", "→": " to ",
    "€": "EUR", "£": "GBP", "¥": "JPY", "№": "No.", "§": "", "¶": "", "†": "", "‡": "",
    "°": " degrees", "º": " degrees", "©": "", "®": "", "™": "",
}
# fmt: on


@lru_cache(maxsize=4096)
def to_ascii(sign: str) -> str:
    """Return the replacement of one character: allowed ASCII, a newline, or ""."""
    if sign in ALLOWED or sign == "\n":
        return sign
    for table in (_UNSAFE, SIGNS, _LETTERS):
        if sign in table:
            return table[sign]
    category = unicodedata.category(sign)
    if category in ("Zs", "Zl", "Zp") or sign in "\t\r\x0b\x0c\x85":
        return " "
    if category in ("Nd", "No", "Nl"):
        return _number(sign)
    if category[0] == "L":
        return _letter(sign)
    return {"Pd": "-", "Pi": "'", "Pf": "'", "Ps": "(", "Pe": ")"}.get(category, "")


def _number(sign: str) -> str:
    value = unicodedata.numeric(sign, -1.0)
    return f"{value:.0f}" if value >= 0 and value.is_integer() and value < 1e6 else ""


def _letter(sign: str) -> str:
    """Remove the diacritics of a Latin letter; a letter of another script has no replacement."""
    base = "".join(part for part in unicodedata.normalize("NFKD", sign) if unicodedata.category(part)[0] == "L")
    plain = "".join(_LETTERS.get(part, part) for part in base)
    return plain if plain.isascii() else ""
