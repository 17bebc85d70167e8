"""Text whose encoding a file does not state: marked while it is read, and decoded together.

Old programs wrote tags in the code page of their country, while the formats say Latin-1 or UTF-8. One title is too
short to tell the code pages apart; all texts of a file together usually suffice.
"""

import codecs
import re
import unicodedata
from collections.abc import Sequence

#: Name of a codec, registered here, that keeps each byte above 127 as a character of a private plane.
MARKED = "mirkit_marked"
_PLANE = 0x10FF00
_TABLE = "".join(chr(byte if byte < 128 else _PLANE + byte) for byte in range(256))
_MARKS = re.compile(f"[{chr(_PLANE + 128)}-{chr(_PLANE + 255)}]")

#: Encodings to choose from -> the narrower one to which everyday text keeps.
_EVERYDAY = {
    "utf_8": "utf_8",
    "cp1252": "cp1252",
    "cp1251": "cp1251",
    "cp932": "shift_jis",
    "gb18030": "gb2312",
    "big5": "big5",
    "cp949": "euc_kr",
}
#: Two encodings whose disorder (share of unlikely sequences, by charset-normalizer) differs less are not told apart.
_MARGIN = 0.01


def _find(name: str) -> codecs.CodecInfo | None:
    if name != MARKED:
        return None
    return codecs.CodecInfo(
        lambda text, errors="strict": codecs.charmap_encode(text, errors, codecs.charmap_build(_TABLE)),
        lambda data, errors="strict": codecs.charmap_decode(data, errors, _TABLE),
        name=MARKED,
    )


codecs.register(_find)


def marked(data: bytes) -> str:
    """Decode UTF-8; anything else becomes text with marks for its bytes, see :func:`decode_marked`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(MARKED)


def is_marked(text: str) -> bool:
    """Whether a text has bytes of an encoding that is not known yet."""
    return bool(_MARKS.search(text))


def encoding_of(texts: Sequence[str]) -> str | None:
    """Find the encoding of all texts of a file that have marked bytes.

    Parameters
    ----------
    texts : sequence of str
        At least one, with marks.

    Returns
    -------
    str or None
        Python's name of the encoding; None if none is clearly more likely than the others.
    """
    from charset_normalizer import from_bytes

    values = [text.encode(MARKED) for text in texts]
    data = b"\n".join(values)
    ranked = sorted(
        (not _is_everyday(values, match.encoding), match.chaos, -match.coherence, match.encoding)
        for match in from_bytes(data, cp_isolation=[*_EVERYDAY])
    )
    if not ranked:
        return None
    if "cp1252" in {encoding for *_, encoding in ranked} and _has_single_letters(values):
        return "cp1252"
    best, *others = ranked
    if best[0] or any(other[:1] == best[:1] and other[1] - best[1] < _MARGIN for other in others):
        return None
    return best[-1]


def decode_marked(text: str, encoding: str) -> str:
    """Decode the marked bytes of a text.

    A text without marks is returned as it is.
    """
    return text.encode(MARKED).decode(encoding) if is_marked(text) else text


def _is_everyday(values: Sequence[bytes], encoding: str) -> bool:
    """Whether texts use the common characters of an encoding, and no mixture of scripts that nobody writes."""
    try:
        texts = [value.decode(_EVERYDAY[encoding]) for value in values]
    except UnicodeDecodeError:
        return False
    return all(_is_one_script(word) for text in texts for word in re.findall(r"[^\W\d_]+|[^\w\s]+", text))


def _is_one_script(word: str) -> bool:
    if not word.isalpha():
        return all(_is_punctuation(sign) for sign in word)
    scripts = {unicodedata.name(letter, "?").split()[0] for letter in word if letter.isalpha()}
    scripts = {
        "CJK" if script in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "FULLWIDTH") else script for script in scripts
    }
    if "HANGUL" in scripts or "CYRILLIC" in scripts:
        return len(scripts) == 1
    return "HALFWIDTH" not in scripts


def _is_punctuation(sign: str) -> bool:
    return sign.isascii() or unicodedata.category(sign)[0] == "P"


def _has_single_letters(values: Sequence[bytes]) -> bool:
    """Whether bytes above 127 stand alone between ASCII letters, as accented letters do in Western languages."""
    runs = [run for value in values for run in re.findall(rb"[\x80-\xff]+", value)]
    return all(len(run) == 1 for run in runs) and all(
        re.search(rb"[A-Za-z]{2}", value) for value in values if not value.isascii()
    )
