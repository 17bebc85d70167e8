"""One process per GPU that loads each model once and computes for all workers of a run.

The run starts these processes as workers of their own (:class:`DeviceServers`) and passes their addresses to its other
workers in an environment variable. A worker then holds a model without its network and sends batches to the server
(``client``). The server computes batches of several workers together (``server``). It ends with the run, even if the
run is killed.
"""

import json
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from mirkit.engines import worker_number
from mirkit.engines.processes import WorkerHandle
from mirkit.engines.resources import threads_each
from mirkit.models.device_server.client import DeviceClient, RemoteNetwork
from mirkit.models.device_server.server import serve

if TYPE_CHECKING:
    from mirkit.models.weights import Weights

#: Variable that the workers receive: JSON, device -> address of its server.
_ADDRESSES = "MIRKIT_DEVICE_ADDRESSES"
#: Variable that the user may set: kinds of devices that get a server; empty for none.
_KINDS = "MIRKIT_DEVICE_SERVER"
_DEFAULT_KINDS = "cuda,mps"
#: Number of times that a server may end in a run before it is no longer restarted, because the machine is faulty.
_MAX_STARTS = 20
#: Paths of sockets are limited to about 100 bytes.
_MAX_FOLDER = 80

_clients: dict[str, DeviceClient] = {}


def server_devices(devices: Iterable[str], n_workers: int) -> list[str]:
    """List the devices that get a server in a run.

    Parameters
    ----------
    devices : iterable of str
        Devices that the methods of the run would compute on, in PyTorch's names. ``cuda`` stands for all cards.
    n_workers : int
        Workers of the run. A single worker loads its models itself.
    """
    kinds = os.environ.get(_KINDS, _DEFAULT_KINDS).split(",")
    found: list[str] = []
    for device in sorted(set(devices)):
        if n_workers > 1 and device.partition(":")[0] in kinds:
            found += [device] if device != "cuda" else [f"cuda:{i}" for i in range(min(_card_count(), n_workers))]
    return list(dict.fromkeys(found))


def server_of(device: str) -> str | None:
    """Return the device whose server this worker uses for ``device``; None if it computes in its own process."""
    servers = list(_addresses())
    if device in servers:
        return device
    cards = [name for name in servers if name.startswith(f"{device}:")]  # "cuda" means any of them: workers are spread
    return cards[(worker_number() or 0) % len(cards)] if cards else None


def remote_model(name: str, weights: "Weights", device: str) -> Any:
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
    client = _clients.setdefault(device, DeviceClient(device, _addresses()[device]))
    model, batch_size = client.describe(name, weights)
    model.compute = RemoteNetwork(client, name, weights, batch_size)
    return model


class DeviceServers:
    """The servers of a run, as a context manager: they run inside the block. A server that ends is restarted.

    Parameters
    ----------
    devices : sequence of str
        See :func:`server_devices`.

    Attributes
    ----------
    environment : dict
        Environment variables by which the workers of the run reach the servers.
    """

    def __init__(self, devices: Sequence[str]) -> None:
        self.environment: dict[str, str] = {}
        self._folder = _private_folder() if devices else None
        self._addresses = {device: _address(self._folder, device) for device in devices if self._folder}
        self._ended: SimpleQueue[tuple[WorkerHandle, Any]] = SimpleQueue()
        self._workers: dict[WorkerHandle, str] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> "DeviceServers":
        if self._addresses:
            self.environment = {_ADDRESSES: json.dumps(self._addresses)}
            for device in self._addresses:
                self._start(device)
            threading.Thread(target=self._restart, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
        for worker in self._workers:
            worker.end(0)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, device: str) -> None:
        worker = WorkerHandle(0, serve, threads_each(1), self._ended)
        self._workers[worker] = device
        worker.submit(0, (device, self._addresses[device]))

    def _restart(self) -> None:
        starts = dict.fromkeys(self._addresses, 1)
        while True:
            worker, message = self._ended.get()
            with self._lock:
                if self._closed:
                    return
                if message is None:
                    device = self._workers.pop(worker)
                    worker.end(0)  # so that no zombie process is left
                    if starts[device] < _MAX_STARTS:
                        starts[device] += 1
                        self._start(device)


def _addresses() -> dict[str, str]:
    addresses: dict[str, str] = json.loads(os.environ.get(_ADDRESSES, "{}"))
    return addresses


def _card_count() -> int:
    import torch

    return int(torch.cuda.device_count())


def _private_folder() -> Path:
    """Create a folder that only this user can enter, with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="mirkit-"))
    if sys.platform != "win32" and len(os.fsencode(folder)) > _MAX_FOLDER:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="mirkit-", dir="/tmp"))
    return folder


def _address(folder: Path, device: str) -> str:
    if sys.platform == "win32":  # a named pipe instead, which only its user can open for writing
        return rf"\\.\pipe\mirkit-{secrets.token_hex(16)}"
    return str(folder / device.replace(":", ""))
