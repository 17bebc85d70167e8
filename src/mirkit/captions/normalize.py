"""Convert text so that a T5 tokenizer finds no unknown characters.

T5's vocabulary has no fallback to bytes: an unknown character becomes ``<unk>``, and white space, including line
breaks, becomes one space. Therefore a text is converted to one line of ASCII without the few characters that T5 lacks.
"""

import re
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
REPLACEMENTS = {
    "—": " - ", "―": " - ", "−": "-", "⁃": "-",
    "‚": "'", "′": "'", "´": "'", "ʼ": "'", "„": '"', "″": '"', "‴": '"',
    "…": "...", "•": "-", "·": "-", "‧": "-", "¿": "", "¡": "", "⁄": "/",
    "×": "x", "÷": "/", "±": "+/-", "≈": "about ", "≤": " under ", "≥": " over ", "→": " to ",
    "€": "EUR", "£": "GBP", "¥": "JPY", "№": "No.", "§": "", "¶": "", "†": "", "‡": "",
    "°": " degrees", "º": " degrees", "©": "", "®": "", "™": "",
}
# fmt: on


@lru_cache(maxsize=4096)
def to_ascii(character: str) -> str:
    """Return the replacement of one character: allowed ASCII, a newline, or ""."""
    if character in ALLOWED or character == "\n":
        return character
    for table in (_UNSAFE, REPLACEMENTS, _LETTERS):
        if character in table:
            return table[character]
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp") or character in "\t\r\x0b\x0c\x85":
        return " "
    if category in ("Nd", "No", "Nl"):
        return _number(character)
    if category[0] == "L":
        return _letter(character)
    return {"Pd": "-", "Pi": "'", "Pf": "'", "Ps": "(", "Pe": ")"}.get(category, "")


def _number(character: str) -> str:
    value = unicodedata.numeric(character, -1.0)
    return f"{value:.0f}" if value >= 0 and value.is_integer() and value < 1e6 else ""


def _letter(character: str) -> str:
    """Remove the diacritics of a Latin letter; a letter of another script has no replacement."""
    base = "".join(part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part)[0] == "L")
    plain = "".join(_LETTERS.get(part, part) for part in base)
    return plain if plain.isascii() else ""


#: Special tokens of the model: ``<|im_end|>``, ``<sound>``, ``</s>``, ``[INST]``.
SPECIAL = re.compile(r"<\|[^<>|]{0,40}\|>|</?(?:sound|s|unk|pad|bos|eos|image|audio|video)>|\[/?INST\]", re.IGNORECASE)
#: The reasoning of a model before its answer.
THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.IGNORECASE | re.DOTALL)

_NOTE = r"(?<![A-Za-z])[A-G](?:#|b|♯|♭)?m?"
#: Characters with a special meaning in the name of a note or chord; applied in this order.
_MUSIC = (
    (re.compile("\U0001d12a"), "##"),
    (re.compile("\U0001d12b"), "bb"),
    (re.compile("♯"), "#"),
    (re.compile("♭"), "b"),
    (re.compile("♮"), " natural"),
    (re.compile(f"({_NOTE})[Δ△∆]"), r"\1maj"),
    (re.compile(f"({_NOTE})[°º](?![CF])"), r"\1dim"),
    (re.compile(f"({_NOTE})[øØ](?![A-Za-z])"), r"\1m7b5"),
)
_FRACTIONS = {
    character: f"{top}/{bottom}"
    for bottom, signs in {
        2: {"½": 1},
        3: {"⅓": 1, "⅔": 2},
        4: {"¼": 1, "¾": 3},
        5: {"⅕": 1, "⅖": 2, "⅗": 3, "⅘": 4},
        6: {"⅙": 1, "⅚": 5},
        7: {"⅐": 1},
        8: {"⅛": 1, "⅜": 3, "⅝": 5, "⅞": 7},
        9: {"⅑": 1},
        10: {"⅒": 1},
    }.items()
    for character, top in signs.items()
}
_FRACTION = re.compile(f"(\\d?)([{''.join(_FRACTIONS)}])")
_REPLACEMENTS = str.maketrans(REPLACEMENTS)
_TAG = re.compile(r"</?[a-z][a-z0-9]{0,9} ?/?>")
_DOUBLE_QUOTES = re.compile("[“”«»‟„″‴]")

_HEADING = re.compile(r"^[ ]*(?:#{1,6}[ ]+)+(.*)$", re.MULTILINE)
_BULLET = re.compile(r"^[ ]*(?:[-*+][ ]+)+(.*)$", re.MULTILINE)
_EMPHASIS = re.compile(r"\*{2,}|__+|(?<![\w*])\*(?=\w)|(?<=[\w.!?,:])\*(?![\w*])")
_ENDED = re.compile(r"[.!?:;,]$")
_SPACES = re.compile(r"\s+")
_LOOSE = re.compile(r" +(?=[,;!?](?: |$)|\.(?: |$))")


def normalize(text: str) -> str:
    """Convert a text to one line of ASCII that T5 knows.

    Special tokens, reasoning and Markdown are removed. Musical symbols, fractions, dashes, quotes and accented letters
    are replaced by ASCII. Characters without a replacement (emoji, other scripts) are left out, see
    :func:`dropped_characters`.

    The result has only characters of ``ALLOWED``, and normalizing it again does not change it. A character
    becomes at most four, except for the few that are replaced by a word (``~`` about, ``♮`` natural).
    """
    text = _plain(text)
    while (again := _plain(text)) != text:  # each further pass only removes characters, so this ends
        text = again
    return text


def normalize_name(text: str) -> str:
    """Return a name or genre as :func:`normalize` does, or "" if letters would be lost: "J" is not "Jポップ"."""
    return "" if dropped_characters(text) else normalize(text)


def dropped_characters(text: str) -> int:
    """Count letters that :func:`normalize` leaves out because they have no ASCII replacement."""
    text = unicodedata.normalize("NFKC", SPECIAL.sub("", THOUGHT.sub("", text)))
    return sum(character.isalpha() and not to_ascii(character) for character in text)


def _plain(text: str) -> str:
    text = SPECIAL.sub(" ", THOUGHT.sub(" ", text))
    text = _DOUBLE_QUOTES.sub('"', _TAG.sub(" ", text))
    for pattern, replacement in _MUSIC:
        text = pattern.sub(replacement, text)
    text = _FRACTION.sub(lambda found: f"{found[1]}{' ' if found[1] else ''}{_FRACTIONS[found[2]]}", text)
    text = unicodedata.normalize("NFKC", text.replace("\r\n", "\n").translate(_REPLACEMENTS))
    text = "".join(map(to_ascii, text))
    text = _BULLET.sub(_sentence, _HEADING.sub(_sentence, _EMPHASIS.sub("", text)))
    return _LOOSE.sub("", _SPACES.sub(" ", text)).strip()


def _sentence(found: re.Match[str]) -> str:
    """Convert a heading or a list item to a sentence."""
    inner = found[1].strip()
    return inner if not inner or _ENDED.search(inner) else f"{inner}."
