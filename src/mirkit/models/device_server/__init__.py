"""One process for each card that all workers of this machine share: it loads each model once and batches their work.

A worker holds a model without its network and asks the owner of the card to compute (``link``); the owner puts what
several workers ask at once through the network together (``server``). Whoever needs an owner first starts it
(``place``); it ends with its last worker. What it computes are pure functions of what it is sent: when it dies, it is
started anew and asked again, and no track is lost by that.
"""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mirkit.engines import worker_number
from mirkit.models.device_server.client import DeviceClient, RemoteNetwork

if TYPE_CHECKING:
    from mirkit.models.weights import Weights

#: Kinds of devices that have an owner; the environment may name others, or none.
_OWNED = "cuda,mps"
_LINKS: dict[str, DeviceClient] = {}


def uses_server(device: str) -> bool:
    """Whether a device is used through its owner: where this is one of the workers that would share it."""
    kinds = os.environ.get("MIRKIT_OWNER", _OWNED).split(",")
    return worker_number() is not None and device.partition(":")[0] in kinds


def remote_model(name: str, weights: "Weights", device: str) -> Any:
    """Model of a backend whose network is with the owner of a device.

    Parameters
    ----------
    name : str
        Of the backend.
    weights : Weights
    device : str
        ``cuda`` is one of the cards: workers take turns.

    Raises
    ------
    WeightsError
        They are damaged, or of another kind.
    ModelError
        The owner cannot be started.
    """
    device = _card(device)
    # The owner has the working folder of the worker that started it, perhaps one of another run.
    weights = replace(weights, files=tuple(path.absolute() for path in weights.files))
    link = _LINKS.setdefault(device, DeviceClient(device))
    model, together = link.describe(name, weights)
    model.compute = RemoteNetwork(link, name, weights, together)
    return model


def _card(device: str) -> str:
    if device != "cuda":
        return device
    import torch

    return f"cuda:{(worker_number() or 0) % max(1, torch.cuda.device_count())}"
