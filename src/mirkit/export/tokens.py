"""How many tokens of a text encoder a prompt takes: counted, or estimated from above."""

import re
from collections.abc import Callable

Count = Callable[[str], int]

_PIECES = re.compile(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]")
#: Letters that a piece of a word has at the least, on the average over a word.
_LETTERS = 2


def max_tokens(text: str) -> int:
    """Estimate the tokens of T5 (and T5Gemma) for a text of ASCII from above, its end token too.

    One for each digit and each mark, and one for every two letters of a word: English has 4.5 letters a token, names
    and foreign words fewer. A prompt within a budget by this count is within it by the tokenizer's, for any text but
    strings of random letters.
    """
    return 1 + sum(-(-len(piece) // _LETTERS) for piece in _PIECES.findall(text))
