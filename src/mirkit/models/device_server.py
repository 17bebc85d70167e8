"""One process per GPU that loads each model once and computes for all workers of a run.

The run starts these processes as workers of their own (:func:`device_servers`) and passes their addresses to its other
workers in an environment variable. A worker then holds a model without its network (:func:`remote_model`) and sends
batches to the server, which computes one batch after the other. The server ends with the run, even if the run is
killed. A message is a pickle without the memory of its arrays, then this memory.
"""

import copy
import json
import os
import pickle
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

import numpy as np

from mirkit.engines import worker_number
from mirkit.engines.processes import WorkerHandle
from mirkit.engines.resources import threads_each
from mirkit.engines.worker import error_line
from mirkit.errors import MirkitError, ModelError, WeightsError, printable
from mirkit.models.backend import Weights
from mirkit.models.batching import Array, OutOfMemory
from mirkit.models.weights import is_changed
from mirkit.store.compiled import use_compiled

#: Variable that the workers receive: JSON, device -> address of its server.
_ADDRESSES = "MIRKIT_DEVICE_ADDRESSES"
#: Variable that the user may set: kinds of devices that get a server; empty for none.
_KINDS = "MIRKIT_DEVICE_SERVER"
_DEFAULT_KINDS = "cuda,mps"
#: Number of starts of a server in a run after which it is no longer restarted, because the machine is faulty.
_MAX_STARTS = 20
#: Longest temporary folder (bytes) for sockets, whose paths are limited to about 100 bytes.
_MAX_FOLDER = 60
#: Backlog of the socket: all workers of a run connect at once.
_BACKLOG = 128
#: Seconds to wait for a server that is being started.
_START_SECONDS = 30.0
#: Number of times that a server may end during a request before the request fails as the cause.
_MAX_ENDS = 2
#: First words of GPU error messages; before version 2.8, PyTorch has no class for these errors.
_GPU_ERRORS = ("CUDA error", "HIP error")


def server_devices(devices: Iterable[str], n_workers: int) -> list[str]:
    """List the devices that get a server in a run.

    Parameters
    ----------
    devices : iterable of str
        Devices that the methods of the run would compute on, in PyTorch's names. ``cuda`` stands for all GPUs.
    n_workers : int
        Workers of the run. A single worker loads its models itself.
    """
    kinds = os.environ.get(_KINDS, _DEFAULT_KINDS).split(",")
    found: list[str] = []
    for device in sorted(set(devices)):
        if n_workers > 1 and device.partition(":")[0] in kinds:
            found += [device] if device != "cuda" else [f"cuda:{i}" for i in range(min(_gpu_count(), n_workers))]
    return list(dict.fromkeys(found))


@contextmanager
def device_servers(devices: Sequence[str]) -> Iterator[dict[str, str]]:
    """Run a server for each device inside the block. A server that ends is restarted.

    Parameters
    ----------
    devices : sequence of str
        See :func:`server_devices`.

    Yields
    ------
    dict
        Environment variables by which the workers of the run reach the servers.
    """
    if not devices:
        yield {}
        return
    folder = _private_folder()
    addresses = {device: _address(folder, device) for device in devices}
    messages: SimpleQueue[Any] = SimpleQueue()
    workers: dict[WorkerHandle, str] = {}
    starts: Counter[str] = Counter()

    def start(device: str) -> None:
        starts[device] += 1
        worker = WorkerHandle(0, serve, threads_each(1), messages)
        workers[worker] = device
        worker.submit(0, (device, addresses[device]))

    def restart() -> None:
        while (received := messages.get()) is not None:
            worker, message = received
            if message is None:
                device = workers.pop(worker)
                worker.end(0)  # so that no zombie process is left
                if starts[device] < _MAX_STARTS:
                    start(device)

    for device in devices:
        start(device)
    thread = threading.Thread(target=restart, daemon=True)
    thread.start()
    try:
        yield {_ADDRESSES: json.dumps(addresses)}
    finally:
        messages.put(None)
        thread.join()
        for worker in workers:
            worker.end(0)
        shutil.rmtree(folder, ignore_errors=True)


def server_of(device: str) -> str | None:
    """Return the device whose server this worker uses for ``device``; None if it computes in its own process."""
    servers = list(_addresses())
    if device in servers:
        return device
    gpus = [name for name in servers if name.startswith(f"{device}:")]  # "cuda" means any of them: workers are spread
    return gpus[(worker_number() or 0) % len(gpus)] if gpus else None


def remote_model(name: str, weights: Weights, device: str) -> Any:
    """Return a backend's model whose network is in a device server.

    Parameters
    ----------
    name : str
        Name of the backend.
    weights : Weights
    device : str
        A device that has a server, see :func:`server_of`.

    Raises
    ------
    WeightsError
        The weights are damaged or of another kind.
    ModelError
        The server cannot be reached, or ended twice while it loaded the model.
    """
    return RemoteNetwork(name, weights, device, _addresses()[device]).model()


class RemoteNetwork:
    """A network in a device server, see ``models.batching.Compute``.

    The connection is opened, or reopened, when a request needs it.

    Parameters
    ----------
    name : str
        Name of the backend.
    weights : Weights
    device, address : str
        Device of the server, for messages, and where it listens.
    """

    def __init__(self, name: str, weights: Weights, device: str, address: str) -> None:
        self._name, self._weights, self._device, self._address = name, weights, device, address
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self.batch_size = 1

    def model(self) -> Any:
        """Return the model of the backend, which computes with this network.

        Raises
        ------
        MirkitError
            The model cannot be loaded.
        """
        model, self.batch_size = self._request("", ())
        model.compute = self
        return model

    def __call__(self, step: str, *batch: Array) -> Array:
        """Compute a step of the network for a batch."""
        output: Array = self._request(step, batch)
        return output

    def _request(self, step: str, batch: Sequence[Array]) -> Any:
        ends = 0
        with self._lock:
            while True:
                begun, why = False, "it ended"
                # After an error or interrupt in the middle of a message, this connection is not used again.
                connection, self._connection = self._connection or self._connect(), None
                try:
                    send(connection, (self._name, self._weights, step, batch))
                    while (answer := receive(connection)) == "begun":
                        begun = True
                    state, result = answer
                    if state != "ending":
                        self._connection = connection
                        if state == "failed":
                            raise result
                        return result
                    why = result
                except (OSError, EOFError):
                    pass
                ends += begun  # a server that ended at the request of another worker does not count
                if ends == _MAX_ENDS:
                    raise ModelError(f"the process that computes on {self._device} ended {ends} times at this: {why}")

    def _connect(self) -> Connection:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return Client(self._address)
            except OSError as error:
                if time.monotonic() > deadline:
                    why = f"the process that computes on {self._device} does not answer ({error}); try --device cpu"
                    raise ModelError(why) from error
                time.sleep(0.1)  # the server is being started


def serve(device_and_address: tuple[str, str]) -> None:
    """Serve a device until the run ends. :func:`device_servers` starts this function as a worker."""
    device, address = device_and_address
    use_compiled()
    with suppress(OSError):
        os.unlink(address)  # the socket remains if a server was killed
    try:
        with Listener(address, backlog=_BACKLOG) as listener:
            DeviceServer(device).serve(listener)
    finally:
        with suppress(OSError):  # other servers still use the folder, or the run has removed it
            os.rmdir(os.path.dirname(address))


class DeviceServer:
    """Models on a device. One thread computes; for each connection, another thread receives and sends.

    Parameters
    ----------
    device : str
        Device, in PyTorch's names.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._models: dict[tuple[str, Weights], Any] = {}
        self._compute_thread = ThreadPoolExecutor(1)

    def serve(self, listener: Listener) -> NoReturn:
        """Answer the workers that connect, until the process is stopped."""
        while True:
            with suppress(ConnectionError):  # the worker has ended already
                threading.Thread(target=self._serve_worker, args=(listener.accept(),), daemon=True).start()

    def _serve_worker(self, connection: Connection) -> None:
        with suppress(EOFError, OSError):  # the worker has ended
            while True:
                request = receive(connection)
                send(connection, self._compute_thread.submit(self._answer, connection, request).result())

    def _answer(self, connection: Connection, request: tuple[str, Weights, str, Sequence[Array]]) -> tuple[str, Any]:
        """Compute a step; without one, return the model without its network, and its batch size."""
        name, weights, step, batch = request
        send(connection, "begun")
        try:
            model = self._model(name, weights)
            if step:
                return "done", model.compute(step, *batch)
            without_network = copy.copy(model)
            without_network.compute = None
            return "done", (without_network, model.compute.batch_size)
        except Exception as error:  # noqa: BLE001 (the worker raises it again)
            if _is_gpu_lost(error):
                with suppress(OSError):
                    send(connection, ("ending", str(error)))
                os._exit(1)  # the run starts another process, in which the GPU works again
            return "failed", error if isinstance(error, MirkitError) else RuntimeError(error_line(error))

    def _model(self, name: str, weights: Weights) -> Any:
        from mirkit.models import make

        key = name, weights
        if key not in self._models:
            # The worker may have checked the files long ago, and an earlier server may have loaded them.
            if is_changed(weights):
                raise WeightsError(
                    f"{printable(weights.model)}: the weights have changed since this run began; start it again"
                )
            self._models[key] = make(name, weights, self._device)
        return self._models[key]


def send(connection: Connection, message: Any) -> None:
    """Send a message. Raises ``OSError`` if the other side has closed the connection."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    contents = [buffer.raw() for buffer in buffers]
    connection.send((data, [content.nbytes for content in contents]))
    for content in contents:
        if sys.platform == "win32":
            connection.send_bytes(content)
        else:  # copies no data, unlike the methods of the connection
            while content:
                content = content[os.write(connection.fileno(), content) :]


def receive(connection: Connection) -> Any:
    """Wait for the next message. Raises ``EOFError`` or ``OSError`` if the other side has closed it."""
    data, sizes = connection.recv()
    contents = [np.empty(size, np.uint8).data for size in sizes]
    for content in contents:
        if sys.platform == "win32":
            connection.recv_bytes_into(content)
        else:
            while content:
                count = os.readv(connection.fileno(), [content])
                if not count:
                    raise EOFError
                content = content[count:]
    return pickle.loads(data, buffers=contents)


def _is_gpu_lost(error: Exception) -> bool:
    """Return whether an error makes the GPU unusable for this process, so that every later call fails."""
    torch, cause = sys.modules.get("torch"), error.__cause__
    if torch is None or isinstance(error, OutOfMemory) or not isinstance(error, ModelError):
        return False
    return isinstance(cause, getattr(torch, "AcceleratorError", ())) or str(cause).startswith(_GPU_ERRORS)


def _addresses() -> dict[str, str]:
    addresses: dict[str, str] = json.loads(os.environ.get(_ADDRESSES, "{}"))
    return addresses


def _gpu_count() -> int:
    import torch

    return int(torch.cuda.device_count())


def _private_folder() -> Path:
    """Create a folder that only this user can enter, with a path short enough for a socket."""
    is_long = sys.platform != "win32" and len(os.fsencode(tempfile.gettempdir())) > _MAX_FOLDER
    return Path(tempfile.mkdtemp(prefix="mirkit-", dir="/tmp" if is_long else None))


def _address(folder: Path, device: str) -> str:
    name = device.replace(":", "")
    # On Windows a named pipe, which only its user can open for writing.
    return rf"\\.\pipe\{folder.name}-{name}" if sys.platform == "win32" else str(folder / name)
