"""Checks of models before the first track: the device exists, and each file of weights can be loaded.

A file is loaded once for its content, not once a run: the cache keeps the checksums of files that could be loaded.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mirkit import __version__
from mirkit.errors import WeightsError
from mirkit.models import make, resolve_weights, to_fetch, weights, weights_of
from mirkit.models.backend import Backend
from mirkit.models.cache_paths import cache
from mirkit.models.device import pick
from mirkit.models.registry import backend
from mirkit.store import Settings, printable

#: Packages of networks that PyTorch computes.
_TORCH = ("torch", "demucs")


def check_device(backends: Mapping[str, str], settings: Settings) -> None:
    """Look whether the device that was asked for is there, when a method uses one.

    Raises
    ------
    MissingExtra
        It is not.
    """
    if settings.run.device in ("auto", "cpu"):
        return
    for library in {backend(job, name).package for job, name in backends.items() if name} - {""}:
        pick(settings.run.device, library)


def check_weights(backends: Mapping[str, str], settings: Settings) -> None:
    """Look whether the weights of the methods, as far as they are here, can be loaded.

    Raises
    ------
    WeightsError
        They cannot: one line that names the file, what is wrong with it, and what to do.
    """
    for job, name in backends.items():
        if name and job != "texts":  # one model serves all tracks there: it is loaded once anyway
            row = backend(job, name)
            if resolve_weights(row, settings) is not None and not to_fetch(job, name, settings):
                _try(row, settings)


def _try(row: Backend, settings: Settings) -> None:
    found = weights_of(row, settings)
    with suppress(WeightsError):  # no home folder to remember in
        if _mark(row, found).exists():
            return
    try:
        # PyTorch's device "meta" has shapes and no memory.
        device = "meta" if row.package in _TORCH else "cpu"
        make(row.name, found, device)
    except WeightsError as error:
        raise WeightsError(f"{error}; {_remedy(row, found, settings)}") from error
    with suppress(WeightsError, OSError):  # a cache that cannot be written to: it is tried again next time
        _mark(row, found).parent.mkdir(parents=True, exist_ok=True)
        _mark(row, found).touch()


def _mark(row: Backend, found: weights.Weights) -> Path:
    return cache() / "fit" / f"{row.name}-{found.sha256[:32]}-{__version__}"


def _remedy(row: Backend, found: weights.Weights, settings: Settings) -> str:
    if isinstance(resolve_weights(row, settings), Path):
        return "name another file"
    return f"delete the files in {printable(found.files[0].parent)}, then: mirkit models fetch {found.model}"
