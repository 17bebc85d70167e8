"""Messages about errors of the system, and numbers in messages."""

import errno
import os
from pathlib import Path

import pytest

from mirkit.errors import InfoError, MissingInput, as_error, counted, printable, system_errors


@pytest.mark.parametrize(("doing", "kind"), [("read", MissingInput), ("write", InfoError)])
def test_an_error_of_the_system_is_one_line_of_the_kind_that_the_caller_needs(
    tmp_path: Path, doing: str, kind: type[InfoError]
) -> None:
    path = tmp_path / "gone"
    with pytest.raises(kind) as caught, system_errors(path, doing, kind):
        os.stat(path)
    assert str(caught.value).startswith(f"{path}: cannot {doing}: the file or its folder is gone")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_only_errors_of_the_system_are_turned_into_messages() -> None:
    with pytest.raises(ZeroDivisionError), system_errors(Path("x"), "read"):
        _ = 1 / 0
    with pytest.raises(MissingInput, match="a message"), system_errors(Path("x"), "read"):
        raise MissingInput("a message")
    with pytest.raises(InfoError, match="the disk is full"), system_errors(Path("x"), "write"):
        raise OSError(errno.ENOSPC, "")


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(0, "track", "0 tracks"), (1, "track", "1 track"), (2, "copy", "2 copies"), (1, "copy", "1 copy")],
)
def test_a_number_has_its_noun(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text


def test_a_path_is_shown_in_one_printable_line() -> None:
    assert printable(Path("a\nb\x1b[31m\udcff\u202e \U0001f3b5")) == r"a\nb\x1b[31m\udcff\u202e " + "\U0001f3b5"


def test_an_unknown_error_keeps_the_words_of_the_system() -> None:
    assert str(as_error(OSError(errno.ELOOP, "too many links"), Path("x"), "read")) == "x: cannot read: too many links"
