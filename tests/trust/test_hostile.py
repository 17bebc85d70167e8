"""Sessions in which something around the files is wrong: one clear line for what it touches, and the rest goes on."""

import ctypes
import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from library import make_track
from mirkit import engines
from mirkit.cli import main
from mirkit.engines import run_serially
from mirkit.store import atomic, read_info

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sessions as POSIX systems have them")
SRC = Path(__file__).resolve().parents[2] / "src"
ALL = ("A", "B", "C")


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tracks")
    for number, name in enumerate(ALL):
        make_track(root / name, seconds=1.0, seed=number)
    return root


@pytest.fixture
def library(tracks: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tracks, tmp_path / "library"))


def mirkit(*words: object, code: str = "", env: dict[str, str] | None = None, **how: Any) -> Any:
    """Run as a process of its own."""
    program = ["-c", code] if code else ["-m", "mirkit"]
    return subprocess.run(
        [sys.executable, *program, *map(str, words)],
        env=(os.environ if env is None else env) | {"PYTHONPATH": str(SRC)},
        capture_output="stdout" not in how,
        text=True,
        errors="surrogateescape",
        timeout=300,
        **how,
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run in this process, without workers."""
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
    return lambda *words: main(list(map(str, words)))


def measured(library: Path) -> list[str]:
    """Tracks whose loudness is known."""
    return [path.parent.name for path in sorted(library.glob("*/*.INFO")) if "lufs" in read_info(path)]


def give_up_roots_rights() -> None:
    """Have the permissions of files hold for root, too, in the program that is started now."""
    drop, write_anything, read_anything, own_anything = 24, 1, 2, 3
    for right in (write_anything, read_anything, own_anything):
        ctypes.CDLL(None).prctl(drop, right, 0, 0, 0)


linux = pytest.mark.skipif(sys.platform != "linux", reason="takes rights away in the way of Linux")


@linux
@pytest.mark.slow
def test_a_track_that_nobody_may_write_to(library: Path) -> None:
    (library / "B").chmod(0o555)
    run = mirkit("loudness", library, "--batch", "--jobs", "1", preexec_fn=give_up_roots_rights)
    (library / "B").chmod(0o755)
    assert run.returncode == 1
    assert "FAILED B: cannot lock it: no permission; make the folder writable" in run.stderr
    assert measured(library) == ["A", "C"]


@linux
@pytest.mark.slow
def test_tracks_that_nobody_may_read(library: Path) -> None:
    (library / "B" / "full_mix.flac").chmod(0)
    (library / "C").chmod(0)
    run = mirkit("loudness", library, "--batch", "--jobs", "1", preexec_fn=give_up_roots_rights)
    (library / "C").chmod(0o755)
    assert run.returncode == 1
    assert "FAILED B: full_mix.flac: cannot read: no permission; make it readable" in run.stderr
    assert f"FAILED {library}/C: cannot read: no permission; make it readable" in run.stderr
    assert measured(library) == ["A"]


@linux
@pytest.mark.slow
def test_a_data_set_that_nobody_may_write_to(library: Path) -> None:
    assert mirkit("loudness", library / "A").returncode == 0
    for folder in (library, *library.iterdir()):
        folder.chmod(0o555)
    try:
        done = mirkit("loudness", library / "A", preexec_fn=give_up_roots_rights)
        run = mirkit("loudness", library / "B", preexec_fn=give_up_roots_rights)
        looked = mirkit("verify", library, preexec_fn=give_up_roots_rights)
    finally:
        for folder in (library, *library.iterdir()):
            folder.chmod(0o755)
    assert (done.returncode, done.stderr) == (0, ""), "what is done stays so"
    assert run.returncode == 1
    assert "B: cannot lock it: no permission" in run.stderr
    assert "3 tracks" in looked.stdout


def full_disk(folder: Path) -> Iterator[Callable[[int], None]]:
    """A file system of its own, and how to give it more room."""

    def mount(size: int, *options: str) -> None:
        how = ",".join((f"size={size}", *options))
        command = ["mount", "-t", "tmpfs", "-o", how, "none", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")

    folder.mkdir()
    if not shutil.which("mount"):
        pytest.skip("no file system can be mounted here")
    mount(600_000)
    try:
        yield lambda size: mount(size, "remount")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk(
    tracks: Path, tmp_path: Path, here: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    library = tmp_path / "disk"
    for more_room in full_disk(library):
        for name in "AB":
            shutil.copytree(tracks / name, library / name)
        filler = library / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(library).free - 380_000))
        assert here("run", library) == 1
        said = capsys.readouterr().err
        assert "the disk is full; free some space and run the same command again" in said
        assert "Traceback" not in said
        assert "a bug" not in said
        assert not list(library.rglob(".mirkit-*")), "no litter takes up what room there is"
        failed = {line.split(":")[0] for line in said.splitlines() if line.startswith("FAILED")}
        assert failed <= {"FAILED A", "FAILED B"}
        more_room(10_000_000)
        assert here("run", library) == 0
        assert here("verify", library) == 0


def test_too_little_room_is_told_before(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mirkit.pipeline import RunRequest, make_plan

    request = RunRequest(library, ("separate",), batch=True, fixed={"stems": "embedded"})
    assert not [line for line in make_plan(request).notices if "the stems need" in line]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(2, 1, 1))
    assert "the stems need about 1 MB, but only 0 MB of the disk are free" in make_plan(request).notices


@pytest.mark.slow
def test_files_may_not_be_large(library: Path) -> None:
    """Stands in for a full disk and a quota where nothing can be mounted."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    run = mirkit("separate", library / "A", "--model", "embedded", preexec_fn=limit)
    assert run.returncode == 1
    assert "cannot write: the file is larger than this system allows" in run.stderr
    assert not list(library.rglob(".mirkit-tmp*"))
    assert not (library / "A" / "drums.flac").exists()


@pytest.mark.parametrize("moment", ["before it is opened", "when it is claimed", "while it is measured"])
def test_a_track_that_vanishes(
    moment: str,
    library: Path,
    here: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from mirkit.pipeline import track_task

    def vanish(*_: object) -> None:
        shutil.rmtree(library / "B", ignore_errors=True)

    def run(work: Any, items: Any, **_: object) -> Any:
        vanish()
        return run_serially(work, items)

    def after(function: Any) -> Any:
        def called(*arguments: Any, **more: Any) -> Any:
            result = function(*arguments, **more)
            vanish()
            return result

        return called

    if moment == "before it is opened":
        monkeypatch.setattr(engines, "run", run)
    elif moment == "when it is claimed":
        monkeypatch.setattr(track_task.TrackState, "of", after(track_task.TrackState.of))
    else:
        monkeypatch.setattr(track_task, "network_streams", after(track_task.network_streams))
    assert here("loudness", library, "--batch") == 1
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("FAILED")]
    assert line.startswith("FAILED B: ")
    assert str(library) not in line
    assert "gone" in line or "there is no such file" in line
    assert measured(library) == ["A", "C"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_that_cannot_lock(
    number: int,
    library: Path,
    here: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fcntl = pytest.importorskip("fcntl")
    flock = fcntl.flock

    def refuse(handle: int, how: int) -> None:
        if any(os.path.samestat(os.fstat(handle), path.stat()) for path in (library / "B").iterdir()):
            raise OSError(number, os.strerror(number))
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert here("loudness", library, "--batch") == 1
    said = capsys.readouterr().err
    assert "FAILED B: cannot lock it: this file system cannot lock files; mount it with locks" in said
    assert "Traceback" not in said
    assert measured(library) == ["A", "C"]
    assert list(library.rglob(f"{atomic.LOCK_NAME}*")) == []


@pytest.mark.slow
def test_a_session_without_unicode(library: Path, tmp_path: Path) -> None:
    """Not even the names of files are taken for UTF-8: neither names in the data set nor tags end anything."""
    import av
    import numpy as np

    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    (library / "B").rename(library / "B\u00e4 \U0001f3b5")
    os.rename(os.fsencode(library / "C"), os.fsencode(library / "C") + b"\xff")
    with av.open(str(library / "x.flac"), "w") as out:
        out.metadata.update({"artist": "B\u00f6", "title": "\u00dcbung \U0001f3b5"})
        stream = out.add_stream("flac", rate=44100, layout="mono", format="s16")
        noise = np.random.default_rng(1).integers(-9000, 9000, (1, 44100), np.int16)
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        frame.sample_rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    moved = mirkit("organize", library, env=os.environ | plain)
    assert (moved.returncode, moved.stderr) == (0, "")
    assert (library / "B_ - _bung _" / "full_mix.flac").exists()
    run = mirkit("loudness", library, "--batch", "--jobs", "1", "--verbose", env=os.environ | plain)
    said = [line for line in run.stderr.splitlines() if not line.startswith("progress ")]  # after ten seconds
    assert (run.returncode, said) == (0, [])
    assert run.stdout.isascii()
    assert len(measured(library)) == 4
    verified = mirkit("verify", library, env=os.environ | plain)
    assert "4 tracks" in verified.stdout
    assert not verified.stderr


@pytest.mark.parametrize("words", [["--help"], ["export", "--help"], ["--version"]])
def test_nobody_reads_the_help(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = mirkit(*words, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.slow
def test_nobody_reads_the_output(library: Path) -> None:
    """``mirkit ... | head -0``: what is written is whole, and the exit status says that something was wrong."""
    reader, writer = os.pipe()
    os.close(reader)
    run = mirkit("loudness", library / "A", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert run.returncode == 141
    assert run.stderr == ""
    assert list(library.rglob(".mirkit-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed(closed: str, library: Path) -> None:
    command = f'"$0" -m mirkit loudness "$1" {closed}'
    run = subprocess.run(
        ["sh", "-c", command, sys.executable, str(library / "A")],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0
    assert "Error" not in run.stderr
    assert measured(library) == ["A"]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 20])
def test_a_narrow_terminal(columns: int, library: Path) -> None:
    import fcntl
    import pty
    import termios

    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))
    run = subprocess.Popen(
        [sys.executable, "-m", "mirkit", "loudness", str(library), "--batch", "--jobs", "1"],
        env=os.environ | {"PYTHONPATH": str(SRC), "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    said = b""
    while True:
        try:
            part = os.read(main_end, 65536)
        except OSError:  # Linux: the last one has closed the terminal
            break
        if not part:
            break
        said += part
    assert run.wait(60) == 0
    assert b"Traceback" not in said
    assert b"3 done" in said
    assert measured(library) == list(ALL)


@pytest.mark.slow
def test_no_home(library: Path) -> None:
    """As in a container whose user has no entry in the list of users."""
    code = (
        "import pwd, sys\n"
        "def nobody(number): raise KeyError(number)\n"
        "pwd.getpwuid = nobody\n"
        "from mirkit.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    env = {name: os.environ[name] for name in ("PATH",)}
    run = mirkit("rhythm", library / "A", "--offline", code=code, env=env)
    said = [line for line in run.stderr.splitlines() if not line.startswith("progress ")]  # after ten seconds
    assert (run.returncode, said) == (0, [])
    models = mirkit("models", "fetch", "beat_this", "--offline", code=code, env=env)
    assert (models.returncode, models.stderr.count("\n")) == (1, 1)
    assert "MIRKIT_HOME" in models.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted(name: str, library: Path) -> None:
    """Ctrl-C in the terminal, and a polite kill: no process, no half file, and how to go on."""
    run = subprocess.Popen(
        [sys.executable, "-m", "mirkit", "run", str(library), "--jobs", "2"],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 240
    while not list(library.rglob(".mirkit-lock-run*")):
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    workers = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, getattr(signal, name)) if name == "SIGINT" else run.terminate()
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted. Results so far are kept; run the same command again to continue." in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    assert list(library.rglob(".mirkit-tmp*")) == list(library.rglob(".mirkit-lock*")) == []
