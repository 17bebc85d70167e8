"""Counting the tokens of a prompt with the tokenizer of a text encoder."""

from collections.abc import Callable
from pathlib import Path

from mirkit.errors import MissingExtra, SettingsError, printable


def counter(path: Path) -> Callable[[str], int]:
    """Return a function that counts the tokens of a text, including end tokens, with a ``tokenizer.json`` file.

    Raises
    ------
    MissingExtra
        The package tokenizers is not installed.
    SettingsError
        The file is not a tokenizer.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("--tokenizer needs the package tokenizers: pip install tokenizers") from error
    try:
        found = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:
        # The library raises plain Exception, and only its own reader knows what a valid tokenizer is.
        raise SettingsError(f"--tokenizer {printable(path)}: this is not a tokenizer.json that can be read") from error
    return lambda text: len(found.encode(text).ids)
