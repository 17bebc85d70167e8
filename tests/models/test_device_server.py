"""The process that computes on a device for all workers of a run; the CPU stands in for a GPU."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from mirkit import models
from mirkit.errors import ModelError, WeightsError
from mirkit.models import device_server, weights
from mirkit.models.backend import Weights
from mirkit.models.batching import Array, BatchedNetwork, OutOfMemory
from mirkit.models.device_server import DeviceServer, RemoteNetwork, device_servers
from mirkit.store import digest_of_text

WEIGHTS = Weights("fake", (), digest_of_text("").sha256)


class Model:
    """Doubles its input, notes the size of each batch, and waits until ``may`` is set."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.batches: list[int] = []
        self.may = threading.Event()
        self.steps: dict[str, Callable[..., Array]] = {"double": self.double}
        self.compute = BatchedNetwork("fake", "cuda", self.steps, batch_size=8)

    def double(self, batch: Array) -> Array:
        self.batches.append(len(batch))
        self.may.wait(10)
        return 2 * batch

    def ask(self, batch: Array, step: str = "double") -> Array:
        return RemoteNetwork("fake", WEIGHTS, "cpu", self.address)(step, batch)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A model in a server in this process."""
    listener = Listener(None)
    made = Model(str(listener.address))
    described = type("Described", (), {})()
    described.compute = made.compute
    monkeypatch.setattr(models, "make", lambda *_: described)
    thread = threading.Thread(target=DeviceServer("cpu").serve, args=(listener,), daemon=True)
    thread.start()
    yield made
    made.may.set()


def rows(count: int, value: float = 1.0, size: int = 3) -> Array:
    return np.full((count, size), value, np.float32)


def wait_for(said: Callable[[], bool]) -> None:
    for _ in range(500):
        if said():
            return
        time.sleep(0.02)
    raise AssertionError("it never happened")


def test_batches_are_computed_one_after_the_other(model: Model) -> None:
    sizes = [3, 2, 9, 1]
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(model.ask, rows(1))
        wait_for(lambda: model.batches == [1])
        others = []
        for i, count in enumerate(sizes):
            others.append(pool.submit(model.ask, rows(count, i)))
            time.sleep(0.1)  # so that they come in this order
        assert model.batches == [1], "the others wait"
        model.may.set()
        np.testing.assert_array_equal(first.result(), rows(1, 2))
        for i, (count, other) in enumerate(zip(sizes, others, strict=True)):
            np.testing.assert_array_equal(other.result(), rows(count, 2 * i))
    assert model.batches == [1, 3, 2, 8, 1, 1], "in their order, at most eight items at once"


def test_one_that_fails_fails_alone(model: Model) -> None:
    def refuse(batch: Array) -> Array:
        if (batch == 3).any():
            raise RuntimeError("no threes\nand so on")
        return model.double(batch)

    model.steps["double"] = refuse
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(model.ask, rows(1))
        wait_for(lambda: model.batches == [1])
        others = [pool.submit(model.ask, rows(1, value)) for value in (2, 3, 4)]
        time.sleep(0.3)
        model.may.set()
        assert first.result()[0, 0] == 2
        assert (others[0].result()[0, 0], others[2].result()[0, 0]) == (4, 8)
        with pytest.raises(ModelError, match=r"^fake failed on cuda: no threes; try --device cpu$"):
            others[1].result()


def test_memory_is_that_of_the_owner(model: Model) -> None:
    model.may.set()
    room = [4]

    def small(batch: Array) -> Array:
        if len(batch) > room[0]:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        return model.double(batch)

    model.steps["double"] = small
    np.testing.assert_array_equal(model.ask(rows(9)), rows(9, 2))
    assert model.compute.batch_size == 4
    room[0] = 0
    with pytest.raises(OutOfMemory, match="fake failed on cuda: CUDA out of memory"):
        model.ask(rows(1))


def test_a_mistake_of_ours_is_told_as_one(model: Model) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'treble'"):
        model.ask(rows(1), "treble")
    model.may.set()
    assert len(model.ask(rows(2))) == 2, "it goes on"


def test_what_breaks_off_midway_is_not_the_next_answer(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.may.set()
    network, receive = RemoteNetwork("fake", WEIGHTS, "cpu", model.address), device_server.receive

    def interrupted(connection: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return receive(connection)

    monkeypatch.setattr(device_server, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        network("double", rows(1, 5))
    monkeypatch.setattr(device_server, "receive", receive)
    np.testing.assert_array_equal(network("double", rows(1, 7)), rows(1, 14))


def test_arrays_without_items_come_through() -> None:
    with Listener(None) as listener, Client(listener.address) as ours, listener.accept() as theirs:
        sent = [rows(0), rows(2)[:, :0], np.asfortranarray(rows(2, 4))]
        device_server.send(ours, ("head", sent))
        head, found = device_server.receive(theirs)
    assert head == "head"
    for one, other in zip(sent, found, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("name", ["AcceleratorError", "none"])
def test_a_card_that_failed_is_told_from_a_model_that_did(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class CardError(RuntimeError):
        pass

    torch = type("Torch", (), {name: CardError})
    monkeypatch.setitem(sys.modules, "torch", torch)

    def lost(kind: type[ModelError], cause: Exception) -> bool:
        error = kind("it failed")
        error.__cause__ = cause
        return device_server._is_gpu_lost(error)

    assert lost(ModelError, CardError("CUDA error: unspecified launch failure"))
    assert lost(ModelError, RuntimeError("CUDA error: unspecified launch failure"))
    assert not lost(ModelError, RuntimeError("shapes do not fit"))
    assert not lost(OutOfMemory, CardError("CUDA error: out of memory"))


def test_memory_runs_short_without_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    def step(batch: Array) -> Array:
        raise MemoryError("Unable to allocate memory")

    with pytest.raises(OutOfMemory, match="Unable to allocate memory"):
        BatchedNetwork("fake", "cpu", {"double": step}, 8)("double", rows(2))


def test_a_run_of_several_workers_has_a_server_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIRKIT_DEVICE_SERVER", raising=False)
    monkeypatch.setattr(device_server, "_gpu_count", lambda: 4)
    devices = device_server.server_devices
    assert devices(["cuda", "cpu", "", "cuda"], 8) == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert devices(["cuda"], 2) == ["cuda:0", "cuda:1"], "no more than workers"
    assert devices(["cuda:3", "mps"], 2) == ["cuda:3", "mps"]
    assert devices(["cuda"], 1) == [], "a single worker holds its models itself"
    assert devices(["cpu", ""], 8) == []
    monkeypatch.setenv("MIRKIT_DEVICE_SERVER", "")
    assert devices(["cuda", "mps"], 8) == []


def test_workers_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIRKIT_DEVICE_ADDRESSES", raising=False)
    assert device_server.server_of("cuda") is None
    monkeypatch.setenv("MIRKIT_DEVICE_ADDRESSES", '{"cuda:0": "a", "cuda:1": "b"}')
    monkeypatch.setenv("MIRKIT_WORKER", "3")
    assert [device_server.server_of(name) for name in ("cuda", "cuda:0", "cpu")] == ["cuda:1", "cuda:0", None]


class _Demucs:
    """Small networks in the official format, and a run with a server whose only device is the CPU."""

    def __init__(self, folder: Path) -> None:
        from models.demucs_checkpoints import package, random_network, write

        path = write(folder, "aaaaaaaa", package(random_network()))
        self.weights = weights.from_path(path)
        self.sound = np.random.default_rng(1).standard_normal((3, 2, 10584)).astype(np.float32)

    def model(self) -> Any:
        return device_server.remote_model("demucs", self.weights, "cpu")


@pytest.fixture
def demucs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Demucs]:
    pytest.importorskip("torch")
    pytest.importorskip("demucs")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with device_servers(["cpu"]) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield _Demucs(tmp_path / "model")
    assert not server_processes()
    assert not list(tmp_path.glob("mirkit-*")), "the folder of the socket is removed"


def server_processes(parent: int | None = None) -> list[psutil.Process]:
    """Workers of ours, none of which is anything but a device server in these tests; zombies too."""
    children = psutil.Process(parent).children(recursive=True)
    return [c for c in children if c.status() == "zombie" or "mirkit.engines.worker" in " ".join(c.cmdline())]


def test_the_remote_network_computes_the_same(demucs: _Demucs) -> None:
    here, there = models.make("demucs", demucs.weights, "cpu"), demucs.model()
    assert (there.stems, there.precision, there.rate) == (here.stems, here.precision, here.rate)
    lengths = [(size, chosen, tight) for size in (5, 10584) for chosen in (None, 0.2) for tight in (False, True)]
    for size, chosen, tight in lengths:
        ours, theirs = (one.networks[0].input_samples(size, chosen, tight=tight) for one in (here, there))
        assert ours == theirs
    for step in ("0", "0 tight"):
        np.testing.assert_allclose(there.compute(step, demucs.sound), here.compute(step, demucs.sound), atol=1e-6)
    assert there.networks[0]._module is None, "the network is in the server only"


def test_many_workers_share_one(demucs: _Demucs) -> None:
    address = device_server._addresses()["cpu"]
    with ThreadPoolExecutor(4) as pool:
        networks = [RemoteNetwork("demucs", demucs.weights, "cpu", address) for _ in range(4)]
        described = list(pool.map(lambda one: one.model(), networks))
        outputs = list(pool.map(lambda one: one("0", demucs.sound), networks))
    assert len(described) == 4
    assert len(server_processes()) == 1
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], atol=1e-6)


def test_a_killed_server_is_started_again_and_nothing_is_lost(demucs: _Demucs) -> None:
    there = demucs.model()
    before = there.compute("0", demucs.sound)
    (process,) = server_processes()
    process.send_signal(signal.SIGKILL)
    np.testing.assert_array_equal(there.compute("0", demucs.sound), before)
    assert process.pid not in [one.pid for one in server_processes()], "and the ended one is no zombie"


def test_a_batch_that_ends_the_server_twice_is_one_line(demucs: _Demucs, monkeypatch: pytest.MonkeyPatch) -> None:
    there = demucs.model()
    receive, begun = device_server.receive, []

    def deadly(connection: Any) -> Any:
        answer = receive(connection)
        if answer == "begun":
            begun.append(answer)
            for process in server_processes():
                process.kill()
        return answer

    monkeypatch.setattr(device_server, "receive", deadly)
    with pytest.raises(ModelError, match=r"^the process that computes on cpu ended 2 times at this: it ended$"):
        there.compute("0", demucs.sound)
    assert len(begun) == 2
    monkeypatch.setattr(device_server, "receive", receive)
    assert len(there.compute("0", demucs.sound)) == 3, "other tracks are served by the next one"


def test_a_server_that_cannot_be_reached_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_server, "_START_SECONDS", 0.2)
    lost = RemoteNetwork("demucs", WEIGHTS, "cuda:0", str(tmp_path / "nobody"))
    with pytest.raises(
        ModelError, match=r"^the process that computes on cuda:0 does not answer \(.*; try --device cpu$"
    ):
        lost.model()


def test_weights_that_are_none_are_the_workers_error(demucs: _Demucs, tmp_path: Path) -> None:
    (tmp_path / "none.th").write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match=r"none\.th"):
        device_server.remote_model("demucs", weights.from_path(tmp_path / "none.th"), "cpu")
    assert demucs.model().stems, "the server goes on"


def test_weights_that_changed_during_the_run_are_refused(demucs: _Demucs) -> None:
    from models.demucs_checkpoints import package, random_network, write

    there = demucs.model()
    (path,) = demucs.weights.files
    write(path.parent, "bbbbbbbb", package(random_network(seed=1))).replace(path)
    assert len(there.compute("0", demucs.sound)) == 3, "the first ones are still loaded"
    for process in server_processes():
        process.kill()
    with pytest.raises(WeightsError, match=r"the weights have changed since this run began; start it again$"):
        there.compute("0", demucs.sound)


def test_the_socket_is_private_and_its_path_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("t" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    folder = device_server._private_folder()
    assert len(str(folder)) < 80
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose name leaves room for that of a socket, unlike ``tmp_path``."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_server_ends_with_a_killed_run(short_folder: Path) -> None:
    code = """
import sys, time
from mirkit.models.device_server import device_servers
with device_servers(["cpu"]) as environment:
    print(environment["MIRKIT_DEVICE_ADDRESSES"], flush=True)
    time.sleep(60)
"""
    run = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": str(short_folder)}
    )
    assert run.stdout is not None
    assert run.stdout.readline()
    wait_for(lambda: bool(list(short_folder.glob("mirkit-*/cpu"))))
    (process,) = server_processes(run.pid)
    run.kill()
    run.communicate()
    wait_for(lambda: not process.is_running())
    assert not list(short_folder.iterdir()), "and takes the folder of the socket with it"


if sys.platform == "win32":
    pytestmark = pytest.mark.skip(reason="kills and counts processes as POSIX does")
