"""Copies of files, by the system or by reading and writing."""

import errno
import os
from pathlib import Path

import pytest

from mirkit.store import copy_content

CONTENTS = (b"", b"x", bytes(range(256)) * 5000)


@pytest.mark.parametrize("content", CONTENTS, ids=len)
@pytest.mark.parametrize("how", ["here", "refused", "elsewhere", "short"])
def test_a_copy_has_the_content_and_is_a_file_of_its_own(
    content: bytes, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: int) -> int:
        raise OSError(errno.EXDEV, "another file system")

    if how == "refused":
        monkeypatch.setattr(os, "copy_file_range", refused, raising=False)
    elif how == "short":  # as file systems do whose files have no blocks
        monkeypatch.setattr(os, "copy_file_range", lambda *_: 0, raising=False)
    elif how == "elsewhere":
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    source, target = tmp_path / "a.flac", tmp_path / "b.flac"
    source.write_bytes(content)
    copy_content(source, target)
    assert target.read_bytes() == content
    with open(target, "r+b") as file:  # an edit in place
        file.write(b"edited")
    assert source.read_bytes() == content


def test_a_missing_source_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        copy_content(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(FileNotFoundError):
        copy_content(tmp_path / "a", tmp_path / "no folder" / "b")
