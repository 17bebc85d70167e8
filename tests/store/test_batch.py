"""Files that are written together: each as safe as one that is written alone, and links that cost no hashing."""

import os
from pathlib import Path

import pytest

from mirkit.errors import InfoError
from mirkit.store import (
    FileBatch,
    ProvenanceRecord,
    atomic,
    batch,
    file_digest,
    keep_all_stamps,
    lock,
    read_provenance,
    stamp_of,
    update_provenance,
)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("count", [0, 1, 5, 64, 150])
def test_all_files_are_in_place_at_the_end(count: int, tmp_path: Path) -> None:
    wanted = {f"{number}.txt": bytes([number]) * number for number in range(count)}
    (tmp_path / "0.txt").write_bytes(b"before")
    with FileBatch() as files:
        for name, data in wanted.items():
            files.write(tmp_path / name, data)
    assert contents(tmp_path) == {"0.txt": b"before"} | wanted


def test_a_file_with_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "same").write_bytes(b"words")
    (tmp_path / "other").write_bytes(b"WORDS")
    (tmp_path / "link").symlink_to("same")
    before = {name: (tmp_path / name).lstat().st_ino for name in ("same", "other", "link")}
    with FileBatch() as files:
        for name in before:
            files.write(tmp_path / name, b"words")
    after = {name: (tmp_path / name).lstat().st_ino for name in before}
    assert [name for name in before if before[name] == after[name]] == ["same"]
    assert set(contents(tmp_path).values()) == {b"words"}
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_of_a_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    path.chmod(0o664)
    with FileBatch() as files:
        files.write(path, b"new")
    assert (path.stat().st_mode & 0o777, path.read_bytes()) == (0o664, b"new")


def test_no_file_gets_its_name_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a power failure could leave an empty file under the name of a whole one."""
    synced: set[Path] = set()
    sync, replace = atomic.sync_file, atomic._replace

    def note(path: Path) -> None:
        sync(path)
        synced.add(path)

    def check(temp: Path, path: Path) -> None:
        assert temp in synced
        replace(temp, path)

    monkeypatch.setattr(batch, "sync_file", note)
    monkeypatch.setattr(atomic, "_replace", check)
    with FileBatch() as files:
        for number in range(150):
            files.write(tmp_path / str(number), b"x")
    assert len(contents(tmp_path)) == len(synced) == 150


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("step", [1, 2, 64, 65, 100])
def test_a_kill_leaves_each_file_whole(step: int, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).write_bytes(b"before")
    child = os.fork()
    if not child:
        left, replace = [step], atomic._replace

        def dying(temp: Path, path: Path) -> None:
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            replace(temp, path)

        atomic._replace = dying
        with FileBatch() as files:
            for number in range(100):
                files.write(tmp_path / str(number), b"after")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    atomic.remove_orphans(tmp_path)
    found = contents(tmp_path)
    assert len(found) == 100
    assert list(found.values()).count(b"after") == step - 1
    assert set(found.values()) <= {b"before", b"after"}


@pytest.mark.parametrize("at", ["sync_file", "put_in_place"])
def test_what_the_system_refuses_is_one_line_and_leaves_no_rest(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch, at, full)

    def write() -> None:
        with FileBatch() as files:
            files.write(tmp_path / "a.txt", b"a")
            files.write(tmp_path / "b.txt", b"b")

    with pytest.raises(InfoError, match="the disk is full") as caught:
        write()
    assert str(tmp_path / "a.txt") in str(caught.value)
    assert not contents(tmp_path)


def test_a_writer_that_fails_costs_its_file_alone(tmp_path: Path) -> None:
    with FileBatch() as files:
        files.write(tmp_path / "a", b"a")
        with pytest.raises(ZeroDivisionError), files.file(tmp_path / "b") as temp:
            temp.write_bytes(b"half" * (1 // 0))
        with pytest.raises(InfoError, match="cannot write"):
            files.write(tmp_path / "no folder" / "c", b"c")
    assert contents(tmp_path) == {"a": b"a"}


def _recorded(folder: Path, name: str = "full_mix") -> tuple[Path, Path]:
    """A file, and a provenance in which it is the input of one stage and the output of another."""
    folder.mkdir()
    path, record = folder / f"{name}.flac", folder / f"{folder.name}.PROVENANCE"
    path.write_bytes(folder.name.encode())
    digest = {name: file_digest(path)}
    read, made = ProvenanceRecord("loudness", "0", 1, inputs=digest), ProvenanceRecord("cut", "0", 1, outputs=digest)
    update_provenance(record, [read, made], facts={"peak": {"value": -3.0}})
    return path, record


def test_links_do_not_make_recorded_files_look_changed(tmp_path: Path) -> None:
    known = [_recorded(tmp_path / f"clip {number}") for number in range(20)]
    before = {record: read_provenance(record) for _, record in known}
    with keep_all_stamps({record: path for path, record in known}):
        for number, (path, _) in enumerate(known[:15]):
            os.link(path, tmp_path / f"{number}.flac")
    for path, record in known:
        now = read_provenance(record)
        assert now == before[record]  # stamps are not compared
        assert now.stages["cut"].outputs["full_mix"].stamp == stamp_of(path)
        assert now.stages["loudness"].inputs["full_mix"].stamp == stamp_of(path)
    assert {entry.name for path, _ in known for entry in path.parent.iterdir()} == {
        each.name for pair in known for each in pair
    }


def test_stamps_of_files_that_change_are_not_recorded(tmp_path: Path) -> None:
    """A file that another program writes meanwhile is hashed again by the next command."""
    path, record = _recorded(tmp_path / "clip")
    before = record.read_bytes()
    with keep_all_stamps({record: path}):
        path.write_bytes(b"another content")
    assert record.read_bytes() == before
    with keep_all_stamps({record: path}):  # its stamp is not the recorded one
        os.link(path, tmp_path / "linked")
    assert record.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 99, "stages": {}}', None])
def test_other_provenances_stay_as_they_are(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "full_mix.flac"
    path.write_bytes(b"sound")
    record = tmp_path / "x.PROVENANCE"
    if content is not None:
        record.write_bytes(content)
    with keep_all_stamps({record: path}):
        os.link(path, tmp_path / "linked")
    assert (record.read_bytes() if record.exists() else None) == content


def test_a_track_that_is_locked_keeps_its_older_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic.lock.__wrapped__, "__defaults__", (0.05, atomic.LOCK_NAME))
    known = [_recorded(tmp_path / name) for name in ("a", "b", "c")]
    with lock(tmp_path / "b"), keep_all_stamps({record: path for path, record in known}):
        for path, _ in known:
            os.link(path, tmp_path / f"{path.parent.name}.flac")
    same = [read_provenance(record).stages["cut"].outputs["full_mix"].stamp == stamp_of(path) for path, record in known]
    assert same == [True, False, True]
