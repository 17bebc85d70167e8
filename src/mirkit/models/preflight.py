"""Checks of models before the first track: the device exists, and each file of weights can be loaded.

A file is loaded only once as long as its content does not change: the cache has the checksums of files that could be
loaded.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mirkit import __version__
from mirkit.errors import WeightsError, printable
from mirkit.models import make, resolve_weights, to_fetch, weights_of
from mirkit.models.backend import Backend, Weights
from mirkit.models.caches import cache
from mirkit.models.device import pick
from mirkit.models.registry import backend
from mirkit.store import Settings

#: Packages of networks that run in PyTorch.
_TORCH = ("torch", "demucs")


def check_device(backends: Mapping[str, str], settings: Settings) -> None:
    """Check that the requested device exists, if a method uses it.

    Raises
    ------
    MissingExtra
        The device does not exist.
    """
    if settings.run.device in ("auto", "cpu"):
        return
    for library in {backend(task, name).package for task, name in backends.items() if name} - {""}:
        pick(settings.run.device, library)


def check_weights(backends: Mapping[str, str], settings: Settings) -> None:
    """Check that the weights of the methods can be loaded, as far as they have been downloaded.

    Raises
    ------
    WeightsError
        Weights cannot be loaded. The message names the file, the reason, and what to do.
    """
    for task, name in backends.items():
        if name and task != "texts":  # captions use one model for all tracks, which is loaded only once anyway
            row = backend(task, name)
            if resolve_weights(row, settings) is not None and not to_fetch(task, name, settings):
                _try(row, settings)


def _try(row: Backend, settings: Settings) -> None:
    found = weights_of(row, settings)
    with suppress(WeightsError):  # without a home folder there is no cache
        if _mark(row, found).exists():
            return
    try:
        # On PyTorch's device "meta", tensors have shapes but use no memory.
        device = "meta" if row.package in _TORCH else "cpu"
        make(row.name, found, device)
    except WeightsError as error:
        raise WeightsError(f"{error}; {_remedy(row, found, settings)}") from error
    with suppress(WeightsError, OSError):  # if the cache cannot be written to, the next run checks the file again
        _mark(row, found).parent.mkdir(parents=True, exist_ok=True)
        _mark(row, found).touch()


def _mark(row: Backend, found: Weights) -> Path:
    return cache() / "fit" / f"{row.name}-{found.sha256[:32]}-{__version__}"


def _remedy(row: Backend, found: Weights, settings: Settings) -> str:
    if isinstance(resolve_weights(row, settings), Path):
        return "name another file"
    others = [printable(path) for path in found.files if not path.is_relative_to(cache())]
    first = f"delete {', '.join(others)}" if others else f"mirkit models remove {found.model}"
    return f"{first}, then: mirkit models fetch {found.model}"
