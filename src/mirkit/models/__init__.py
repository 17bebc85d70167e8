"""Neural models: the only folder that may import deep-learning libraries, each inside the file that wraps it.

``registry`` lists the backends, each of which is described by one :class:`Backend` object. ``unavailable`` returns the
reason why a backend cannot be used on this machine, for ``auto`` and ``mirkit doctor``; ``load`` loads its model.
"""

import functools
import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mirkit.catalog import TASKS
from mirkit.errors import MirkitError, MissingExtra, ModelError, SettingsError, WeightsError, printable
from mirkit.models import registry
from mirkit.models.backend import Backend, File, Model, Weights, imported
from mirkit.models.registry import backends_of
from mirkit.settings import RunSettings, validators

if TYPE_CHECKING:
    from mirkit.features.types import FloatArray
    from mirkit.models.backend import LoadedModel, StemSeparator, StreamingModel, StreamSource
    from mirkit.store import Settings

__all__ = ["Backend", "Model", "backends_of", "load", "load_separator", "open_stream", "unavailable"]

#: Largest download (bytes) that ``auto`` starts without asking, and the time limit (s) for checking the server.
AUTO_BYTES = 500_000_000
_AUTO_SECONDS = 2.0


def chosen(task: str, settings: "Settings") -> Backend | None:
    """Return the backend that the settings name for a task; ``auto``, which plans replace, means the embedded one."""
    name: str = getattr(settings.backends, task, "")
    if name not in ("", "auto"):
        return registry.backend(task, name)
    return next((row for row in backends_of(task) if not row.is_network), None)


def check_names(settings: "Settings", replaced: Collection[str] = ()) -> None:
    """Check that the backends named in the settings exist, including those of other packages.

    Parameters
    ----------
    settings : Settings
    replaced : collection of str
        Tasks for which the command line names another backend.

    Raises
    ------
    SettingsError
        A backend does not exist. The message lists the existing ones.
    """
    for task in TASKS:
        if task in replaced:
            continue
        try:
            validators.one_of("auto", *(row.name for row in backends_of(task)))(getattr(settings.backends, task))
        except ValueError as error:
            problems = "".join(f"; {problem}" for problem in registry.problems())
            remedy = "change mirkit.toml, or install the package that adds this backend"
            raise SettingsError(f"settings: backends.{task} must be {error}; {remedy}{problems}") from error


def unavailable(row: Backend, settings: "Settings | None" = None, *, named: bool = False, brief: bool = False) -> str:
    """Return the reason why a backend cannot be used on this machine, as one clause; "" if it can be used.

    Parameters
    ----------
    row : Backend
    settings : Settings, optional
        Settings of the data set: the model, whether downloads are allowed, and the accepted licenses.
    named : bool
        Whether the user named this backend. Its weights may then be large, and the server is not checked in advance.
        ``auto`` uses only weights that are on this machine, or small ones that can be downloaded now.
    brief : bool
        Whether to leave out the files and their paths, for a line of a plan.
    """
    from mirkit.store import Settings

    settings = settings or Settings()
    if row.interface == "captioner":
        from mirkit.models.captioners import selection

        return selection.unavailable(row, settings)
    if why := _lacks_package(row):
        return why
    try:
        return _lacks_weights(row, settings, named=named, brief=brief)
    except MirkitError as error:
        return str(error)


def _lacks_weights(row: Backend, settings: "Settings", *, named: bool, brief: bool) -> str:
    from mirkit.models import weights

    if settings.run.commercial_safe and not (row.commercial or row.weights or row.needs):
        return f"{row.title}: license {row.weights_license}, which --commercial-safe refuses"
    model = resolve_weights(row, settings)
    if isinstance(model, Path):
        files = _gathered(row, model)
        return weights.license_refusal(model, files) if settings.run.commercial_safe else ""
    if not isinstance(model, Model):
        return ""
    if why := weights.refused_license(model, settings.run):
        return why
    lacking = weights.missing(model)
    why = _not_fetched(model, lacking, settings.run, named=named) if lacking else ""
    if not why:
        return ""
    return (
        weights.short_message(model, why)
        if brief
        else weights.missing_files_message(model, lacking, f"not downloaded, and {why}")
    )


def offer(row: Backend, settings: "Settings") -> Model | None:
    """Return the model that ``auto`` would use if the user agreed to download its weights, or None.

    ``auto`` asks before it downloads large weights, and weights without a stated license for commercial use. A model is
    not offered if it is on this machine already, if the settings refuse it, if its package is not installed, or if it
    cannot be downloaded now.
    """
    from mirkit.models import weights

    if row.explicit_only or row.interface == "captioner" or _lacks_package(row):
        return None
    try:
        model = resolve_weights(row, settings)
    except MirkitError:  # reported when the backend is chosen
        return None
    if not isinstance(model, Model) or weights.unavailable_reason(model, settings.run):
        return None
    lacking = weights.missing(model)
    return model if lacking and _needs_consent(model, lacking) and _within_reach(lacking[0]) else None


def _not_fetched(model: Model, lacking: list[File], run: RunSettings, *, named: bool) -> str:
    """Return the reason why missing weights would not be downloaded, or ""."""
    from mirkit.models import weights

    if model.install:
        return "not part of a download"
    if weights.is_offline(run):
        return weights.OFFLINE
    if named:
        return ""
    if why := _needs_consent(model, lacking):
        return why
    return "" if _within_reach(lacking[0]) else "its server cannot be reached"


def _needs_consent(model: Model, lacking: list[File]) -> str:
    """Return the reason why ``auto`` needs the user's consent to download weights, or ""."""
    if not model.commercial:
        return f"fetched only by name (license: {model.short_license})"
    return "too large to be fetched without being asked" if sum(file.size for file in lacking) > AUTO_BYTES else ""


def resolve(task: str, selection: str, settings: "Settings | None" = None) -> str:
    """Return the name of a backend; for ``auto``, that of the first usable backend of the task, or ""."""
    if selection != "auto":
        return selection
    rows = backends_of(task)
    return next((row.name for row in rows if not row.explicit_only and not unavailable(row, settings)), "")


def resolve_weights(row: Backend, settings: "Settings") -> Model | Path | None:
    """Return what a backend would load: a published model, a file of the user's, or None if it loads nothing.

    Raises
    ------
    WeightsError
        The settings name neither a model of this backend nor a file.
    """
    known = {model.name: model for model in row.weights}
    if not known and not row.needs:
        return None
    asked = {"beats": settings.rhythm.model, "stems": settings.separation.model, "drums": settings.drums.model}
    name = asked.get(row.task)
    if name is None and not known:
        raise WeightsError(f"{row.title} needs a checkpoint of yours: --model FILE")
    if name is None:
        return next(iter(known.values()))
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if not path.exists():
        others = f", and no model of {row.title} ({', '.join(known)})" if known else ""
        raise WeightsError(f"{printable(name)}: there is no such file{others}")
    return path


def user_weights_digest(task: str, settings: "Settings") -> str:
    """Return the checksum of weights that the user named by a path; "" if no path is named, or no file exists.

    This is needed because a file at a path may change, while published weights have a fixed checksum.
    """
    from mirkit.models import weights

    name = getattr(settings.backends, task, "")
    row = next((row for row in backends_of(task) if row.name == name), None)
    if row is None or row.interface == "captioner":
        return ""
    try:
        path = resolve_weights(row, settings)
        return weights.from_path(path, _gathered(row, path)).sha256 if isinstance(path, Path) else ""
    except MirkitError:  # reported when the model is loaded; until then results stay valid
        return ""


def networks(task: str, settings: "Settings") -> int:
    """Return the number of networks of the model of a task that are computed."""
    row = registry.backend(task, getattr(settings.backends, task))
    model = resolve_weights(row, settings)
    if isinstance(model, Model) and model.network_per_stem and settings.separation.two_stems:
        return 1
    files = [file.name for file in model.files] if isinstance(model, Model) else _gathered(row, model or Path())
    return sum(Path(file).suffix not in (".yaml", ".yml") for file in files)


def to_fetch(task: str, name: str, settings: "Settings") -> Model | None:
    """Return the model of a method if some of its files have to be downloaded, else None."""
    from mirkit.models import weights

    model = resolve_weights(registry.backend(task, name), settings) if name else None
    return model if isinstance(model, Model) and weights.missing(model) else None


def unavailable_reason(task: str, settings: "Settings") -> str:
    """Return the reason why a task without an embedded backend has no backend here, without using the internet."""
    row = backends_of(task)[0]
    model = resolve_weights(row, settings)
    lacking = f"{row.title} is not downloaded; mirkit models fetch {model.name}" if isinstance(model, Model) else ""
    return _lacks_package(row) or lacking or f"{row.title} cannot be used"


def load(task: str, settings: "Settings") -> "LoadedModel":
    """Load the model of a task by the settings: once per process, or on a GPU once for all workers.

    Raises
    ------
    WeightsError
        Its weights are missing, damaged or refused.
    MissingExtra
        Its package is not installed, or the device does not exist.
    """
    row = registry.backend(task, getattr(settings.backends, task))
    if why := _lacks_package(row):
        raise MissingExtra(why)
    return _loaded(row.name, weights_of(row, settings), _device(row, settings.run.device))


def load_separator(task: str, settings: "Settings") -> "StemSeparator":
    """Load the model of a backend with the interface ``separator``: see :func:`load`."""
    return cast("StemSeparator", load(task, settings))


def weights_of(row: Backend, settings: "Settings") -> Weights:
    """Find and check the files that a method would load.

    Raises
    ------
    WeightsError
        One is missing, damaged or refused.
    """
    from mirkit.models import weights

    model = resolve_weights(row, settings)
    if isinstance(model, Model):
        return weights.load_checked(model, settings.run)
    if model is None:
        return Weights(row.name, (), "")
    return weights.from_path(model, _gathered(row, model))


def open_stream(task: str, settings: "Settings") -> "StreamingModel":
    """Open a stream through the model of a task. An error while loading it is returned by the stream's ``finish``."""
    row = chosen(task, settings)
    if row is not None and not row.is_network:
        stream: StreamingModel = imported(row.loader)()
        return stream
    try:
        return cast("StreamSource", load(task, settings)).stream()
    except MirkitError as error:
        return _FailedStream(error)


class _FailedStream:
    def __init__(self, error: MirkitError) -> None:
        self._error = error

    def push(self, block: "FloatArray") -> None:
        pass

    def finish(self) -> MirkitError:
        return self._error


def worker_memory(backends: Mapping[str, str], device: str) -> int:
    """Return the bytes that a worker needs for the models of a run. On a GPU, all workers share one copy of a model."""
    named = [registry.backend(task, name) for task, name in backends.items() if name]
    return sum(row.memory for row in named if row.memory and not uses_gpu(row.task, row.name, device))


def use_device(backends: Mapping[str, str]) -> bool:
    """Return whether a backend of the run uses the device that the user can choose."""
    return any(registry.backend(task, name).package for task, name in backends.items() if name)


def compute_device(task: str, name: str, device: str) -> str:
    """Return the device that a backend would use on this machine; ``""`` if it has no neural network.

    Parameters
    ----------
    task : str
    name : str
        Name of the backend; "" if the task has none.
    device : str
        The setting: ``auto``, ``cpu``, ``cuda``, ...
    """
    if not name:
        return ""
    row = registry.backend(task, name)
    if not row.package or _lacks_package(row):
        return ""
    if device == "cpu":
        return device
    try:
        return _device(row, device)
    except MissingExtra:  # reported when the run is prepared
        return ""


def uses_gpu(task: str, name: str, device: str) -> bool:
    """Return whether a backend would use a GPU on this machine, see :func:`compute_device`."""
    return compute_device(task, name, device) not in ("", "cpu")


def _device(row: Backend, device: str) -> str:
    """Return the device that a backend uses; the CPU if no deep-learning package is installed."""
    from mirkit.models.device import pick

    return pick(device, row.package) if row.package else "cpu"


def _gathered(row: Backend, path: Path) -> tuple[Path, ...]:
    """Return the files of a model that the user named by a path."""
    files: tuple[Path, ...] = imported(row.gather)(path) if row.gather else (path,)
    return files


def _lacks_package(row: Backend) -> str:
    if row.package and importlib.util.find_spec(row.package) is None:
        return f"{row.package} is not installed; {row.install_command}"
    return ""


def make(name: str, found: Weights, device: str) -> "LoadedModel":
    """Load the network of a backend into this process; raises ``WeightsError`` or ``ModelError``."""
    try:
        model: LoadedModel = imported(registry.network(name).loader)(found, device)
    except RuntimeError as error:  # PyTorch raises it for memory and driver errors
        why = str(error).partition("\n")[0]
        raise ModelError(f"{found.model} cannot be loaded on {device}: {why}; try --device cpu") from error
    return model


@functools.cache
def _loaded(name: str, found: Weights, device: str) -> "LoadedModel":
    from mirkit.models import device_server

    server = device_server.server_of(device) if registry.network(name).batch_size > 1 else ""
    if server:
        remote: LoadedModel = device_server.remote_model(name, found, server)
        return remote
    return make(name, found, device)


@functools.cache
def _within_reach(file: File) -> bool:
    """Return whether a server that has a file accepts a connection."""
    from mirkit.models import weights
    from mirkit.models.download import reachable
    from mirkit.models.https import DownloadError

    try:
        return any(reachable(url, _AUTO_SECONDS) for url in weights.urls(file))
    except DownloadError:  # the proxy cannot be used
        return False
