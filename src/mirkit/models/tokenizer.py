"""Counting the tokens of a prompt with the tokenizer of a text encoder."""

from functools import cache
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, SettingsError, printable


class TokenCounter:
    """Counts the tokens of a text, including end tokens, with a ``tokenizer.json`` file.

    Each process to which it is sent reads the file once.

    Parameters
    ----------
    path : Path

    Raises
    ------
    MissingExtra
        The package tokenizers is not installed.
    SettingsError
        The file is not a tokenizer.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._tokenizer = path, _read(path)

    def __call__(self, text: str) -> int:
        """Return the number of tokens."""
        return len(self._tokenizer.encode(text).ids)

    def __reduce__(self) -> tuple[type["TokenCounter"], tuple[Path]]:
        return TokenCounter, (self._path,)


@cache
def _read(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("--tokenizer needs the package tokenizers: pip install tokenizers") from error
    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:
        # The library raises plain Exception, and only its own reader knows what a valid tokenizer is.
        raise SettingsError(f"--tokenizer {printable(path)}: this is not a tokenizer.json that can be read") from error
