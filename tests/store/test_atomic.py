"""Whole files, the lock, and what the system may refuse."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mirkit.errors import InfoError
from mirkit.store import atomic


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    atomic.atomic_write(path, b"one")
    atomic.atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == {"x.INFO"}


def test_a_failed_writer_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "drums.flac"
    path.write_bytes(b"old")

    def stop(temp: Path) -> None:
        temp.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), atomic.atomic_file(path) as temp:
        stop(temp)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"drums.flac"}


def test_an_encoder_sees_the_suffix_and_a_name_that_no_scan_takes_for_a_sound(tmp_path: Path) -> None:
    with atomic.atomic_file(tmp_path / "drums.flac") as temp:
        assert temp.suffix == ".flac"
        assert temp.name.startswith(".")
        temp.write_bytes(b"")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_file_that_a_group_shares_stays_shared(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    path.write_bytes(b"")
    path.chmod(0o664)
    atomic.atomic_write(path, b"{}")
    assert path.stat().st_mode & 0o777 == 0o664
    atomic.atomic_write(tmp_path / "new", b"{}")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_hard_link_keeps_the_permissions_of_its_file(tmp_path: Path) -> None:
    original, target = tmp_path / "original", tmp_path / "target"
    original.write_bytes(b"sound")
    original.chmod(0o444)
    target.write_bytes(b"stale")
    target.chmod(0o666)
    with atomic.atomic_file(target) as temp:
        os.link(original, temp)
    assert target.samefile(original)
    assert original.stat().st_mode & 0o777 == 0o444


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".INFO")
    atomic.atomic_write(path, b"{}")
    assert path.read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
        (errno.EIO, "reports an error"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EXDEV, "cross-device"),
    ],
)
def test_what_the_system_refuses_is_one_line_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    path = tmp_path / "x.INFO"
    path.write_bytes(b"old")

    def refuse(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InfoError) as caught:
        atomic.atomic_write(path, b"new")
    message = str(caught.value)
    assert words.lower() in message.lower()
    assert str(path) in message
    assert "\n" not in message
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"x.INFO"}


def test_a_vanished_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InfoError, match="gone"):
        atomic.atomic_write(tmp_path / "no" / "x.INFO", b"")
    with pytest.raises(InfoError, match="gone"), atomic.lock(tmp_path / "no"):
        pass


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to mount")
@pytest.mark.parametrize(("options", "words"), [("size=64k", "disk is full"), ("size=64k,ro", "read-only")])
def test_a_real_small_disk_and_a_real_read_only_one(tmp_path: Path, options: str, words: str) -> None:
    """In a mount namespace of its own, so that nothing stays mounted."""
    script = f"""
import subprocess, sys
from pathlib import Path
subprocess.run(["mount", "-t", "tmpfs", "-o", {options!r}, "none", {str(tmp_path)!r}], check=True)
from mirkit.errors import InfoError
from mirkit.store import update_info
path = Path({str(tmp_path)!r}) / "x.INFO"
try:
    update_info(path, {{"lufs": -9.0}})
    kept = path.read_bytes()
    update_info(path, {{"music_flamingo_full": "x" * 200_000}})
except InfoError as error:
    assert {options!r}.endswith("ro") or path.read_bytes() == kept
    assert not [p for p in path.parent.iterdir() if p != path]
    print(error)
"""
    run = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", script], capture_output=True, text=True, env=_environment()
    )
    if "unshare" in run.stderr or "mount" in run.stderr:
        pytest.skip("no file system can be mounted here")
    assert run.returncode == 0, run.stderr
    assert words in run.stdout
    assert run.stdout.count("\n") == 1


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_a_file_system_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InfoError, match="cannot lock files") as caught, atomic.lock(tmp_path):
        pass
    assert "NFS" in str(caught.value)


def test_the_lock_excludes_threads_and_leaves_no_litter(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(30):
            with atomic.lock(tmp_path):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert names(tmp_path) == set()


def test_a_lock_that_is_held_too_long_says_so(tmp_path: Path) -> None:
    with (
        atomic.lock(tmp_path),
        pytest.raises(InfoError, match="another process of mirkit"),
        atomic.lock(tmp_path, timeout=0.05),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from mirkit.store import lock
import sys, time
with lock(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=_environment())
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert atomic.remove_orphans(tmp_path) == [], "a held lock is not litter"
    holder.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    holder.wait()
    holder.stdout.close()
    assert names(tmp_path) == {atomic.LOCK_NAME}
    with atomic.lock(tmp_path, timeout=1):
        pass
    assert names(tmp_path) == set()


def test_sweep_removes_what_dead_writers_left_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = atomic.machine()
    orphan = tmp_path / f"{atomic.TEMP_PREFIX}{here}-{dead.pid}-00000000.flac"
    alive = tmp_path / f"{atomic.TEMP_PREFIX}{here}-{os.getpid()}-00000000"
    elsewhere = tmp_path / f"{atomic.TEMP_PREFIX}ffffffff-{dead.pid}-00000000"
    ancient = tmp_path / f"{atomic.TEMP_PREFIX}eeeeeeee-1-00000000"
    strange = tmp_path / f"{atomic.TEMP_PREFIX}?"
    lock = tmp_path / atomic.LOCK_NAME
    sound = tmp_path / "full_mix.flac"
    for path in (orphan, alive, elsewhere, ancient, strange, lock, sound):
        path.write_bytes(b"")
    long_ago = time.time() - 30 * 24 * 3600
    os.utime(ancient, (long_ago, long_ago))
    os.utime(sound, (long_ago, long_ago))
    assert sorted(atomic.remove_orphans(tmp_path)) == sorted([orphan, ancient, lock])
    assert names(tmp_path) == {alive.name, elsewhere.name, strange.name, sound.name}


def test_sweeping_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InfoError, match="gone"):
        atomic.remove_orphans(tmp_path / "no")
