"""The process that computes on a device for all workers of a machine; the CPU stands in for a card."""

import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from mirkit import models
from mirkit.errors import ModelError, WeightsError
from mirkit.models import device_server, weights
from mirkit.models.batching import Array, BatchedNetwork, OutOfMemory
from mirkit.models.device_server import client as links
from mirkit.models.device_server import discovery, ipc, server
from mirkit.models.device_server.client import DeviceClient
from mirkit.models.weights import Weights
from mirkit.store import digest_of_text

SECRET = b"secret"
WEIGHTS = Weights("fake", (), digest_of_text("").sha256)


class Model:
    """Doubles what it is given; says what came together, and waits until it may."""

    def __init__(self, address: Any) -> None:
        self.address = address
        self.batches: list[int] = []
        self.may = threading.Event()
        self.steps: dict[str, Callable[..., Array]] = {"double": self.double}
        self.compute = BatchedNetwork("fake", "cuda", self.steps, together=8)

    def double(self, batch: Array) -> Array:
        self.batches.append(len(batch))
        self.may.wait(10)
        return 2 * batch


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A model with an owner in this process, which links find."""
    listener = Listener(None)
    made = Model(listener.address)
    described = type("Described", (), {})()
    described.compute = made.compute
    monkeypatch.setattr(models, "make", lambda *_: described)
    monkeypatch.setattr(server, "_GRACE", 0.2)
    monkeypatch.setattr(links, "connect", lambda device: Client(listener.address, authkey=SECRET))
    thread = threading.Thread(target=server.DeviceServer("cpu", listener, SECRET).serve, daemon=True)
    thread.start()
    yield made
    made.may.set()
    listener.close()


def rows(count: int, value: float = 1.0, size: int = 3) -> Array:
    return np.full((count, size), value, np.float32)


def ask(batch: Array) -> Array:
    return DeviceClient("cpu").compute("fake", WEIGHTS, "double", [batch])


def wait_for(said: Callable[[], bool]) -> None:
    for _ in range(500):
        if said():
            return
        time.sleep(0.02)
    raise AssertionError("it never happened")


def test_what_several_ask_goes_through_together(model: Model) -> None:
    sizes = [(3, 3), (2, 3), (4, 3), (3, 3), (2, 5)]  # the last one is of another shape
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, rows(1))
        wait_for(lambda: model.batches == [1])
        others = []
        for i, (count, size) in enumerate(sizes):
            others.append(pool.submit(ask, rows(count, i, size)))
            time.sleep(0.1)  # so that they come in this order
        model.may.set()
        np.testing.assert_array_equal(first.result(), rows(1, 2))
        for i, ((count, size), other) in enumerate(zip(sizes, others, strict=True)):
            np.testing.assert_array_equal(other.result(), rows(count, 2 * i, size))
    assert model.batches == [1, 3 + 2 + 3, 4, 2], "as many as go together, in the order in which they came"


def test_one_that_fails_fails_alone(model: Model) -> None:
    def refuse(batch: Array) -> Array:
        if (batch == 3).any():
            raise RuntimeError("no threes\nand so on")
        return model.double(batch)

    model.steps["double"] = refuse
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, rows(1))
        wait_for(lambda: model.batches == [1])
        others = [pool.submit(ask, rows(1, value)) for value in (2, 3, 4)]
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
    np.testing.assert_array_equal(ask(rows(9)), rows(9, 2))
    assert model.compute.together == 4
    room[0] = 0
    with pytest.raises(OutOfMemory, match="fake failed on cuda: CUDA out of memory"):
        ask(rows(1))


def test_a_mistake_of_ours_is_told_as_one(model: Model) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'treble'"):
        DeviceClient("cpu").compute("fake", WEIGHTS, "treble", [rows(1)])
    model.may.set()
    assert len(ask(rows(2))) == 2, "it goes on"


def test_who_knows_no_secret_is_not_served(model: Model) -> None:
    with pytest.raises(AuthenticationError):
        Client(model.address, authkey=b"another")
    model.may.set()
    assert len(ask(rows(2))) == 2, "others are"


def test_who_says_nothing_keeps_nobody_out(model: Model) -> None:
    model.may.set()
    with Client(model.address):
        assert len(ask(rows(2))) == 2


def test_what_breaks_off_midway_is_not_the_next_answer(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.may.set()
    link, receive = DeviceClient("cpu"), ipc.receive

    def interrupted(connection: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return receive(connection)

    monkeypatch.setattr(ipc, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        link.compute("fake", WEIGHTS, "double", [rows(1, 5)])
    monkeypatch.setattr(ipc, "receive", receive)
    np.testing.assert_array_equal(link.compute("fake", WEIGHTS, "double", [rows(1, 7)]), rows(1, 14))


def test_arrays_without_items_come_through() -> None:
    with Listener(None) as listener, Client(listener.address) as ours, listener.accept() as theirs:
        sent = [rows(0), rows(2)[:, :0], np.asfortranarray(rows(2, 4))]
        ipc.send(ours, "head", sent)
        head, found = ipc.receive(theirs)
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
        return server._lost(error)

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


def test_it_is_for_workers_and_cards_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIRKIT_WORKER", raising=False)
    monkeypatch.delenv("MIRKIT_OWNER", raising=False)
    assert not device_server.uses_server("cuda:1"), "a process on its own keeps its models"
    monkeypatch.setenv("MIRKIT_WORKER", "0")
    assert device_server.uses_server("cuda:1")
    assert device_server.uses_server("mps")
    assert not device_server.uses_server("cpu")
    monkeypatch.setenv("MIRKIT_OWNER", "")
    assert not device_server.uses_server("cuda:1")


class _Demucs:
    """Small networks in the official format, and the workers of a machine that has one card, the CPU."""

    def __init__(self, folder: Path) -> None:
        from models.demucs_checkpoints import package, random_network, write

        path = write(folder, "aaaaaaaa", package(random_network()))
        self.weights = weights.from_path(path)
        self.sound = np.random.default_rng(1).standard_normal((3, 2, 10584)).astype(np.float32)


@pytest.fixture
def demucs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Demucs]:
    pytest.importorskip("torch")
    pytest.importorskip("demucs")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("MIRKIT_WORKER", "0")
    monkeypatch.setattr(device_server, "_LINKS", {})
    yield _Demucs(tmp_path / "model")
    left = owners()
    for process in left:
        process.kill()
    wait_for(lambda: not [process for process in left if process.is_running()])


def owners() -> list[psutil.Process]:
    """Processes that own a device, which any of ours has started."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.status() != "zombie" and "owner.server" in " ".join(child.cmdline())]


def test_the_network_there_says_what_it_says_here(demucs: _Demucs) -> None:
    here = models.make("demucs", demucs.weights, "cpu")
    there = device_server.remote_model("demucs", demucs.weights, "cpu")
    assert (there.stems, there.precision, there.rate) == (here.stems, here.precision, here.rate)
    lengths = [(size, chosen, tight) for size in (5, 10584) for chosen in (None, 0.2) for tight in (False, True)]
    for size, chosen, tight in lengths:
        ours, theirs = (one.networks[0].heard(size, chosen, tight=tight) for one in (here, there))
        assert ours == theirs
    for step in ("0", "0 tight"):
        np.testing.assert_allclose(there.compute(step, demucs.sound), here.compute(step, demucs.sound), atol=1e-6)
    assert there.networks[0]._module is None, "it is not here"


def test_many_share_one_and_it_ends_with_the_last(demucs: _Demucs) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(
                lambda link: (link, link.describe("demucs", demucs.weights)), [DeviceClient("cpu") for _ in "abcd"]
            )
        )
    assert len(made) == 4
    assert len(owners()) == 1
    del made
    gc.collect()
    wait_for(lambda: not owners())


def test_a_killed_one_is_started_anew_and_nothing_is_lost(demucs: _Demucs) -> None:
    there = device_server.remote_model("demucs", demucs.weights, "cpu")
    before = there.compute("0", demucs.sound)
    (process,) = owners()
    process.send_signal(signal.SIGKILL)
    np.testing.assert_array_equal(there.compute("0", demucs.sound), before)
    assert process.pid not in [one.pid for one in owners()]


def test_one_that_dies_of_its_work_is_a_line(demucs: _Demucs, monkeypatch: pytest.MonkeyPatch) -> None:
    there = device_server.remote_model("demucs", demucs.weights, "cpu")
    receive, begun = ipc.receive, []

    def deadly(connection: Any) -> Any:
        head, arrays = receive(connection)
        if head == "begun":
            begun.append(head)
            for process in owners():
                process.kill()
        return head, arrays

    monkeypatch.setattr(ipc, "receive", deadly)
    with pytest.raises(ModelError, match=r"^the process that computes on cpu was lost again and again: it ended$"):
        there.compute("0", demucs.sound)
    assert len(begun) == 2
    monkeypatch.setattr(ipc, "receive", receive)
    assert len(there.compute("0", demucs.sound)) == 3, "others are served by the next"


def test_a_path_means_what_it_means_to_the_worker(
    demucs: _Demucs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = device_server.remote_model("demucs", demucs.weights, "cpu")
    before = keep.compute("0", demucs.sound)
    (tmp_path / "elsewhere").mkdir()
    path = demucs.weights.files[0].rename(tmp_path / "elsewhere" / "same.th")
    monkeypatch.chdir(path.parent)
    there = device_server.remote_model("demucs", weights.from_path(Path(path.name)), "cpu")
    np.testing.assert_array_equal(there.compute("0", demucs.sound), before)
    assert len(owners()) == 1, "the one that was started in another folder"


def test_weights_that_are_none_are_the_workers_error(demucs: _Demucs, tmp_path: Path) -> None:
    (tmp_path / "none.th").write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match=r"none\.th"):
        device_server.remote_model("demucs", weights.from_path(tmp_path / "none.th"), "cpu")
    assert device_server.remote_model("demucs", demucs.weights, "cpu").stems, "the owner goes on"


def test_weights_that_changed_meanwhile_are_not_taken_for_those_that_were_asked_for(demucs: _Demucs) -> None:
    from models.demucs_checkpoints import package, random_network, write

    there = device_server.remote_model("demucs", demucs.weights, "cpu")
    (path,) = demucs.weights.files
    write(path.parent, "bbbbbbbb", package(random_network(seed=1))).replace(path)
    assert len(there.compute("0", demucs.sound)) == 3, "those are still loaded"
    for process in owners():
        process.kill()
    with pytest.raises(WeightsError, match=r"the weights have changed since this run began; start it anew$"):
        there.compute("0", demucs.sound)


def test_where_paths_are_too_long_for_sockets(demucs: _Demucs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("t" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    monkeypatch.setenv("TMPDIR", str(long))
    there = device_server.remote_model("demucs", demucs.weights, "cpu")
    assert there.compute("0", demucs.sound).shape == (3, 4, 2, 10584)
    (note,) = long.glob("mirkit-*/*.json")
    assert json.loads(note.read_text())["address"][0] == "127.0.0.1"
    assert note.stat().st_mode & 0o077 == 0, "its secret is ours"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows gives every user a folder")
def test_a_folder_that_others_can_write_to_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"mirkit-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ModelError, match="must be a folder that is yours alone"):
        discovery.connect("cpu")


def test_an_address_where_another_program_listens_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "_ANSWER", 0.2)
    with Listener(("127.0.0.1", 0)) as listener:  # it never says a word
        note = tmp_path / "note.json"
        note.write_text(json.dumps({"address": listener.address, "secret": SECRET.hex()}))
        assert discovery._found(note) is None


def test_no_folder_for_temporary_files_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(ModelError, match=r"^the process that computes on cpu cannot be started: .*gone"):
        DeviceClient("cpu").describe("demucs", WEIGHTS)


@pytest.mark.slow
def test_those_that_ended_are_no_zombies(demucs: _Demucs) -> None:
    there = device_server.remote_model("demucs", demucs.weights, "cpu")
    (process,) = owners()
    process.kill()
    wait_for(lambda: process.pid not in [child.pid for child in psutil.Process().children()])
    assert there.compute("0", demucs.sound).shape == (3, 4, 2, 10584)
    (process,) = owners()
    del there
    device_server._LINKS.clear()
    gc.collect()
    wait_for(lambda: process.pid not in [child.pid for child in psutil.Process().children()])


def test_one_that_cannot_begin_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(discovery, "_CODE", "import sys; sys.exit(7)")
    with pytest.raises(ModelError, match=r"the process that computes on cpu cannot be started \(exit status 7\)"):
        DeviceClient("cpu").describe("demucs", WEIGHTS)


if sys.platform == "win32":
    pytestmark = pytest.mark.skip(reason="kills and counts processes as POSIX does")
