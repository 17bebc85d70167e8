"""Which of two names may be taken away: only where the other is a file of its own with the same content."""

import os
from pathlib import Path

import pytest

from mirkit.organize.plan import is_redundant, links_to

SONG, OTHER = b"the only copy" * 1000, b"another song." * 1000


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.flac"
    path.write_bytes(SONG)
    return path


def test_a_copy_and_a_hard_link_are_files_of_their_own(song: Path) -> None:
    copy, hard = song.with_name("copy.flac"), song.with_name("hard.flac")
    copy.write_bytes(SONG)
    os.link(song, hard)
    assert is_redundant(song, copy)
    assert is_redundant(copy, song)
    assert is_redundant(song, hard)
    copy.write_bytes(OTHER)
    assert not is_redundant(song, copy)
    copy.write_bytes(SONG + b"!")
    assert not is_redundant(song, copy)


@pytest.mark.parametrize("relative", [True, False])
def test_a_link_is_none(song: Path, relative: bool) -> None:
    link, chain = song.with_name("link.flac"), song.with_name("chain.flac")
    link.symlink_to(song.name if relative else song)
    chain.symlink_to(link)
    assert not is_redundant(song, link)
    assert not is_redundant(song, chain)
    assert links_to(link, song)
    assert links_to(chain, song)
    assert not links_to(song, song)


def test_a_link_to_another_copy_is_none_either(song: Path, tmp_path: Path) -> None:
    copy, link = tmp_path / "copy.flac", tmp_path / "link.flac"
    copy.write_bytes(SONG)
    link.symlink_to(copy)
    assert not is_redundant(song, link)
    assert is_redundant(link, song), "a link holds nothing itself"


def test_two_paths_to_one_entry_are_one_file(song: Path, tmp_path: Path) -> None:
    os.link(song, tmp_path / "hard.flac")  # two names, but not these two
    (tmp_path / "again").symlink_to(tmp_path)
    assert not is_redundant(song, tmp_path / "again" / "song.flac")
    assert not is_redundant(tmp_path / "again" / "song.flac", song)
    assert is_redundant(song, tmp_path / "again" / "hard.flac")
    assert not is_redundant(song, song)


def test_links_of_which_one_leads_through_the_other(song: Path, tmp_path: Path) -> None:
    one, twin, chain = tmp_path / "one.flac", tmp_path / "twin.flac", tmp_path / "chain.flac"
    one.symlink_to(song)
    twin.symlink_to(song.name)
    chain.symlink_to(one)
    assert is_redundant(one, twin)
    assert not is_redundant(one, chain)
    assert not is_redundant(chain, one)
    loop = tmp_path / "loop.flac"
    loop.symlink_to(loop)
    assert not is_redundant(loop, one)
    assert not is_redundant(one, loop)


def test_what_is_no_file_is_none(song: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert not is_redundant(song, tmp_path / "folder")
    assert not is_redundant(song, tmp_path / "pipe")
    assert not is_redundant(tmp_path / "pipe", song)
    with pytest.raises(OSError, match="nowhere"):
        is_redundant(song, tmp_path / "nowhere")
