"""Compiled code: kept so that no other process, no kill and no damaged file can make it wrong, and never in the way."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirkit.audio import encode
from mirkit.demo import demo_tracks
from mirkit.store import compiled

SRC = Path(__file__).resolve().parents[2] / "src"
#: Two kernels, one of which calls the other; ``argv``: types to call with, and what happens before.
PROGRAM = """
import json, os, sys
import numba, numpy as np
from mirkit.features.kernels.kernel import KERNELS, kernel, kernel_part
from mirkit.store.compiled import keep_compiled, use_compiled, with_kernels

@kernel_part()
def inner(x):
    return x + 1

def late():
    @kernel(fastmath={"contract"})
    def outer(x):
        return 2 * inner(x)
    return outer

exec(sys.argv[2])
use_compiled()
outer = late()
exec(sys.argv[3])
values = [float(with_kernels(lambda: outer(getattr(np, name)(3.5)))) for name in sys.argv[1].split(",")]
loaded = sum(sum(kernel.stats.cache_hits.values()) for kernel in KERNELS.all)
print(json.dumps({"values": values, "compiled": KERNELS.compiled - loaded, "loaded": loaded}))
"""
#: What ``outer`` of 3.5 is.
RIGHT = {"float64": 9.0, "float32": 9.0, "int64": 8.0, "int8": 8.0}
posix = pytest.mark.skipif(os.name != "posix", reason="signals, limits and forks are those of POSIX")


class Bench:
    """A folder for the archive, one for temporary files, and the program."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.root, self.temp, self.program = folder / "cache", folder / "temp", program
        self.temp.mkdir()

    def start(self, types: str, before: str = "", between: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, str(self.program), types, before, between]
        there = {"NUMBA_CACHE_DIR": str(self.root), "TMPDIR": str(self.temp), "PYTHONPATH": str(SRC)}
        return subprocess.Popen(
            command, env=os.environ | there, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, types: str, before: str = "", between: str = "") -> dict[str, Any]:
        """Run the program and check what it computes."""
        return checked(self.start(types, before, between), types)

    @property
    def archive(self) -> Path:
        (archive,) = (self.root / "mirkit").glob("kernels-*.zip")
        return archive

    @property
    def folders(self) -> list[Path]:
        """Those of processes that have not taken them away."""
        return [*self.root.glob("mirkit/mirkit-kernels-*"), *self.temp.iterdir()]


def checked(process: "subprocess.Popen[str]", types: str) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert not err
    result: dict[str, Any] = json.loads(out)
    assert result["values"] == [RIGHT[name] for name in types.split(",")]
    return result


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory, program: Path) -> Path:
    """A folder with an archive of the code for int8 and int64."""
    bench = Bench(tmp_path_factory.mktemp("archived"), program)
    assert bench.run("int8,int64")["compiled"] == 2
    return bench.root


@pytest.fixture
def bench(tmp_path: Path, program: Path) -> Bench:
    return Bench(tmp_path, program)


@pytest.fixture
def filled(bench: Bench, archived: Path) -> Bench:
    """A bench with that archive."""
    shutil.copytree(archived, bench.root)
    return bench


def test_what_one_process_compiles_the_next_one_loads(bench: Bench) -> None:
    assert bench.run("float64,int64")["compiled"] == 2
    before = bench.archive.read_bytes()
    assert bench.run("float64") == {"values": [9.0], "compiled": 0, "loaded": 1}
    assert bench.run("int64,int8")["compiled"] == 1, "int8 alone is new"
    assert bench.archive.read_bytes() != before
    assert bench.run("int64,int8,float64")["compiled"] == 0
    assert not bench.folders


def test_numba_is_left_as_it_was(bench: Bench) -> None:
    """Kernels of others are kept where they would be without us, and are not in our archive."""
    theirs = """
assert numba.config.CACHE_DIR == os.environ["NUMBA_CACHE_DIR"]
@numba.njit(cache=True)
def theirs(x):
    return 4 * x
theirs(2.5)
"""
    bench.run("float64", before="settings = dict(os.environ)", between="assert settings == dict(os.environ)")
    source = bench.temp.with_name("theirs.py")
    source.write_text(PROGRAM.replace("exec(sys.argv[3])", theirs))
    mine, bench.program = bench.program, source
    bench.run("float64")
    bench.program = mine
    assert b"theirs" in b"".join(str(path).encode() for path in bench.root.rglob("*.nbc"))
    assert b"theirs.theirs" not in bench.archive.read_bytes()


@pytest.mark.slow
def test_processes_at_once_never_get_each_others_code(bench: Bench) -> None:
    for types in (("float64", "int64", "float32"), ("int8,float32", "float64,int8", "int64,float64")):
        running = [bench.start(names) for names in types]
        for process, names in zip(running, types, strict=True):
            checked(process, names)
    bench.run("float64,int64,float32,int8")
    assert bench.run("float64,int64,float32,int8")["compiled"] == 0
    assert not bench.folders


@pytest.mark.slow
def test_of_processes_at_once_one_compiles(bench: Bench) -> None:
    slow = """
import time
real = numba.core.event
class Wait(real.Listener):
    def on_start(self, event): time.sleep(0.5)
    def on_end(self, event): pass
real.register("numba:compile", Wait())
"""
    running = [bench.start("float64", between=slow) for _ in range(3)]
    results = [checked(process, "float64") for process in running]
    assert sorted(result["compiled"] for result in results) == [0, 0, 1]
    assert sorted(result["loaded"] for result in results) == [0, 1, 1]


@posix
def test_a_process_that_stands_still_is_not_waited_for_long(bench: Bench) -> None:
    hold = """
from mirkit.store import compiled
compiled._PATIENCE = 0.1
root = compiled._root()
root.mkdir(parents=True, exist_ok=True)
from mirkit.store.atomic import lock
held = lock(root)
held.__enter__()
import atexit
atexit.register(held.__exit__, None, None, None)
"""
    assert bench.run("float64", between=hold)["compiled"] == 1


@posix
def test_what_another_process_has_archived_is_loaded_while_it_still_compiles(bench: Bench, archived: Path) -> None:
    hold = f"""
import shutil, threading, time
from pathlib import Path
from mirkit.store import compiled
compiled._PATIENCE = 3600
from mirkit.store.atomic import lock
root = compiled._root()
root.mkdir(parents=True, exist_ok=True)
held = lock(root)
held.__enter__()
import atexit
atexit.register(held.__exit__, None, None, None)
def archive():
    time.sleep(1)
    for path in Path({str(archived)!r}, "mirkit").glob("kernels-*.zip"):
        os.replace(shutil.copy(path, root / "copy"), root / path.name)
threading.Thread(target=archive).start()
"""
    result = bench.run("int64", between=hold)
    assert (result["compiled"], result["loaded"]) == (0, 1)


KILL = """
import signal
real, left = os.replace, {n}
def replace(*paths):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    real(*paths)
os.replace = replace
"""


@posix
@pytest.mark.slow
def test_a_kill_before_any_file_is_in_place_leaves_no_wrong_code(bench: Bench) -> None:
    """Four files are written by numba, an index and the code of a kernel for two types, and then the archive."""
    bench.run("int8")
    before = bench.archive.read_bytes()
    for n in (0, 1, 3, 4):
        killed = bench.start("float64,int64", between=KILL.format(n=n))
        killed.communicate(timeout=120)
        assert killed.returncode == -9
        assert bench.archive.read_bytes() == before
        assert len(bench.folders) == 1
        assert bench.run("int8")["compiled"] == 0
        assert not bench.folders, "what a killed process has left is removed by the next one"
        assert not list(bench.root.glob("mirkit/.mirkit-tmp*"))
    bench.run("int64,float64,int8")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        lambda data: b"not at all" * 100,
    ],
    ids=["empty", "head", "half", "end", "bit", "other"],
)
def test_a_damaged_archive_is_removed_and_not_used(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, copy, archive = tmp_path / "code", tmp_path / "copy", tmp_path / "mirkit" / compiled._name()
    for folder in (code, copy, archive.parent):
        folder.mkdir()
    for name in ("loops.1.nbc", "loops.nbi"):
        (code / name).write_bytes(os.urandom(1000))
    data = compiled._pack(code, compiled._state(code))
    assert data
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    archive.write_bytes(data)
    assert compiled._unpack(copy) == {"loops.1.nbc", "loops.nbi"}
    assert compiled._state(copy).keys() == compiled._state(code).keys()
    shutil.rmtree(copy)
    copy.mkdir()
    archive.write_bytes(damage(data))
    assert not compiled._unpack(copy)
    assert not list(copy.iterdir())
    assert not archive.exists()


def test_a_damaged_archive_is_replaced(filled: Bench) -> None:
    filled.archive.write_bytes(filled.archive.read_bytes()[:-1])
    assert filled.run("int64")["compiled"] == 1
    assert filled.run("int64")["compiled"] == 0


def test_an_archive_that_cannot_be_read_is_none(filled: Bench) -> None:
    archive = filled.archive
    archive.unlink()
    archive.mkdir()
    assert filled.run("int64")["compiled"] == 1


def test_where_the_folder_cannot_be_made_another_one_is_used(bench: Bench) -> None:
    bench.root.write_text("a file where a folder should be")
    assert bench.run("int64", between="assert any(os.scandir(os.environ['TMPDIR']))")["compiled"] == 1
    assert not bench.folders


NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))"


@posix
def test_without_room_anywhere_code_is_not_kept(bench: Bench) -> None:
    assert bench.run("int64,float64", before=NO_ROOM.format(size=1 << 20))["compiled"] == 2
    assert not list(bench.root.rglob("*.zip"))
    assert not bench.folders


@posix
@pytest.mark.parametrize("size", [10, 2000])
def test_a_disk_that_fills_up_on_the_way_costs_nothing(size: int, filled: Bench) -> None:
    """The system refuses what is longer than a limit, as a full disk does; 2000: the index can be written, no code."""
    assert filled.run("float32,int8,float64", between=NO_ROOM.format(size=size))["values"] == [9.0, 8.0, 9.0]
    assert not filled.folders


def test_a_folder_that_somebody_removes_costs_nothing(filled: Bench) -> None:
    remove = "import shutil; shutil.rmtree(os.environ['NUMBA_CACHE_DIR'])"
    filled.run("float64,int8", between=remove)
    filled.run("float64,int8", between=f"{remove}; open(os.environ['NUMBA_CACHE_DIR'], 'w').close()")
    assert not filled.folders


@posix
def test_a_forked_process_has_a_folder_of_its_own(bench: Bench) -> None:
    fork = """
outer(np.int8(1))
mine = set(os.listdir(os.environ["NUMBA_CACHE_DIR"] + "/mirkit"))
child = os.fork()
if child == 0:
    use_compiled()
    assert len(set(os.listdir(os.environ["NUMBA_CACHE_DIR"] + "/mirkit")) - mine) == 1
    outer(np.float32(1))
    keep_compiled()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    bench.run("int64", between=fork)
    bench.run("int64,int8", before="import os")
    assert not [path for path in bench.folders if path.parent == bench.temp]


def test_errors_of_a_computation_are_its_own() -> None:
    calls = []

    def compute() -> None:
        calls.append(1)
        raise FileNotFoundError("a stem")

    with pytest.raises(FileNotFoundError, match="a stem"):
        compiled.with_kernels(compute)
    assert len(calls) == 1


def test_other_sources_have_another_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    monkeypatch.setattr(compiled, "_PACKAGE", tmp_path)
    source = tmp_path / "features" / "timbre" / "loops.py"
    source.parent.mkdir(parents=True)
    for content, when in (("a = 1", 1), ("a = 2", 1), ("a = 2", 2)):
        source.write_text(content)
        os.utime(source, (when, when))
        names.add(compiled._name.__wrapped__())
    assert len(names) == 3


def test_archives_of_older_versions_go_in_the_end(tmp_path: Path) -> None:
    for i in range(9):
        (tmp_path / f"kernels-{i}.zip").write_bytes(b"")
        os.utime(tmp_path / f"kernels-{i}.zip", (i, i))
    (tmp_path / "notes.txt").write_bytes(b"")
    compiled._prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f"kernels-{i}.zip" for i in range(5, 9)), "notes.txt"]


def test_an_import_reads_and_writes_nothing(tmp_path: Path) -> None:
    code = "import os; before = dict(os.environ); import mirkit.pipeline.track_task, mirkit.api"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(SRC)}
    subprocess.run([sys.executable, "-c", f"{code}; assert before == dict(os.environ)"], env=environment, check=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_workers_of_a_second_run_compile_nothing(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(SRC)}

    def run() -> tuple[str, int]:
        for seed in range(2):
            sound = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, 44100))
            encode(music / f"A - B - {seed}" / "full_mix.wav", [sound.astype(np.float32)], rate=44100, channels=2)
        command = [sys.executable, "-m", "mirkit", "loudness", str(music), "--batch", "--jobs", "2", "--overwrite"]
        result = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=300, check=True)
        (archive,) = (tmp_path / "cache" / "mirkit").iterdir()  # and no folder of a process, and no lock
        return result.stderr + result.stdout, archive.stat().st_ino

    for seed in range(2):
        (music / f"A - B - {seed}").mkdir()
    first, archive = run()
    assert "once for compiling" in first, "the plan counts it"
    _, same = run()
    assert same == archive, "whatever a worker had compiled would stand in a new archive"


ONE_TYPE = """
import sys
from pathlib import Path
from mirkit.catalog import MEASURED, TASKS
from mirkit.features.kernels.kernel import KERNELS
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings

backends = dict.fromkeys(TASKS, "embedded") | {"aesthetics": ""}
outcome = process(TrackJob(Path(sys.argv[1]), ("separate", *MEASURED, "drums", "notes"), backends, Settings()))
assert outcome.ok, outcome.failures
several = {k.py_func.__qualname__: k.signatures for k in KERNELS.all if len(k.signatures) > 1}
assert not several, several
assert KERNELS.compiled > 30
"""


@pytest.mark.slow
def test_every_kernel_is_compiled_for_one_combination_of_types(tmp_path: Path) -> None:
    """Another combination is compiled again, although the arrays differ only in being read-only or in their order."""
    piece = next(iter(demo_tracks()))
    sound = np.sum(list(dict(piece.stems).values()), axis=0)[:, : 12 * 44100].astype(np.float32)
    folder = tmp_path / "A - B - C"
    folder.mkdir()
    encode(folder / "full_mix.flac", [sound], rate=44100, channels=2)
    command = [sys.executable, "-c", ONE_TYPE, str(folder)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(SRC)}, timeout=300, check=True)
