"""A text encoder's own tokenizer, to count the tokens of a prompt."""

from collections.abc import Callable
from pathlib import Path

from mirkit.errors import MissingExtra, SettingsError
from mirkit.store import printable


def counter(path: Path) -> Callable[[str], int]:
    """Give what counts the tokens of a text, those that end it too, by a ``tokenizer.json`` file.

    Raises
    ------
    MissingExtra
        The package tokenizers is not installed.
    SettingsError
        The file is no tokenizer.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("--tokenizer needs the package tokenizers: pip install tokenizers") from error
    try:
        found = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:
        # The library raises plain Exception, and its reader of JSON is the only judge of what is a tokenizer.
        raise SettingsError(f"--tokenizer {printable(path)}: no tokenizer.json that can be read") from error
    return lambda text: len(found.encode(text).ids)
