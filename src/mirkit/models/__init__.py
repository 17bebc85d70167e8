"""Neural models: the only folder that may import deep-learning libraries, each inside the file that wraps it.

``registry`` lists the backends, each of which is described by one :class:`Backend` object. ``unavailable`` gives the
reason why a backend cannot be used here, which ``auto`` and ``mirkit doctor`` read; ``load`` loads its model.
"""

import functools
import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mirkit.catalog import JOBS
from mirkit.errors import MirkitError, MissingExtra, ModelError, SettingsError, WeightsError
from mirkit.models import messages, registry, weights
from mirkit.models.backend import Backend, File, Model, imported
from mirkit.models.cache_paths import missing
from mirkit.models.registry import backends_of
from mirkit.settings import RunSettings, validators
from mirkit.store import Settings, printable

if TYPE_CHECKING:
    from mirkit.features.types import FloatArray
    from mirkit.models.protocols import LoadedModel, StemSeparator, StreamingModel, StreamSource

__all__ = ["Backend", "Model", "backends_of", "load", "load_separator", "open_stream", "unavailable"]

#: What ``auto`` fetches without being asked, at most (bytes), and how long (s) it looks whether that can be reached.
AUTO_BYTES = 500_000_000
_AUTO_SECONDS = 2.0


def chosen(task: str, settings: Settings) -> Backend | None:
    """Backend that the settings name for a task; with ``auto``, which a plan has replaced, the embedded one."""
    name: str = getattr(settings.backends, task, "")
    if name not in ("", "auto"):
        return registry.backend(task, name)
    return next((row for row in backends_of(task) if not row.is_network), None)


def check_names(settings: Settings, replaced: Collection[str] = ()) -> None:
    """Look whether the backends that the settings name exist, those of other packages included.

    Parameters
    ----------
    settings : Settings
    replaced : collection of str
        Tasks for which the command line names another backend.

    Raises
    ------
    SettingsError
        One does not: one line that lists those that exist.
    """
    for task in JOBS:
        if task in replaced:
            continue
        try:
            validators.one_of("auto", *(row.name for row in backends_of(task)))(getattr(settings.backends, task))
        except ValueError as error:
            problems = "".join(f"; {problem}" for problem in registry.problems())
            remedy = "change mirkit.toml, or install the package that adds this backend"
            raise SettingsError(f"settings: backends.{task} must be {error}; {remedy}{problems}") from error


def unavailable(row: Backend, settings: Settings | None = None, *, named: bool = False, brief: bool = False) -> str:
    """Say in one clause why a backend cannot be used here, or "" when it can.

    Parameters
    ----------
    row : Backend
    settings : Settings, optional
        Of the data set: its model, whether it may fetch, which licenses it takes.
    named : bool
        The user has named this backend. Its weights may then be large, and whether they can be fetched will show
        when they are; ``auto`` takes what is here, or small and within reach.
    brief : bool
        In a line of a plan: without the files, and where they would go.
    """
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


def _lacks_weights(row: Backend, settings: Settings, *, named: bool, brief: bool) -> str:
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
    lacking = missing(model)
    why = _not_fetched(model, lacking, settings.run, named=named) if lacking else ""
    if not why:
        return ""
    return (
        messages.short_message(model, why)
        if brief
        else messages.missing_files_message(model, lacking, f"not here, and {why}")
    )


def offer(row: Backend, settings: Settings) -> Model | None:
    """Model that ``auto`` would use if the user agreed that its weights are fetched; None where there is none.

    These are weights without a stated license for commercial use, and large ones. Nothing is offered that is here
    already, that the settings refuse, whose package is not installed, or that cannot be fetched now.
    """
    if row.explicit_only or row.interface == "captioner" or _lacks_package(row):
        return None
    try:
        model = resolve_weights(row, settings)
    except MirkitError:  # reported when the backend is chosen
        return None
    if not isinstance(model, Model) or weights.unavailable_reason(model, settings.run):
        return None
    lacking = missing(model)
    return model if lacking and _needs_consent(model, lacking) and _within_reach(lacking[0].url) else None


def _not_fetched(model: Model, lacking: list[File], run: RunSettings, *, named: bool) -> str:
    """Say why missing weights would not be fetched, or ""."""
    if weights.is_offline(run):
        return weights.OFFLINE
    if named:
        return ""
    if why := _needs_consent(model, lacking):
        return why
    return "" if _within_reach(lacking[0].url) else "its server cannot be reached"


def _needs_consent(model: Model, lacking: list[File]) -> str:
    """Say why ``auto`` does not fetch weights before the user agrees, or ""."""
    if not model.commercial:
        return f"fetched only by name (license: {model.short_license})"
    return "too large to be fetched without being asked" if sum(file.size for file in lacking) > AUTO_BYTES else ""


def resolve(task: str, selection: str, settings: Settings | None = None) -> str:
    """Turn ``auto`` into a backend's name: the first of the task that can be used, "" when there is none."""
    if selection != "auto":
        return selection
    rows = backends_of(task)
    return next((row.name for row in rows if not row.explicit_only and not unavailable(row, settings)), "")


def resolve_weights(row: Backend, settings: Settings) -> Model | Path | None:
    """What a backend would load: a model of the table, a file of the user's, or None where it needs nothing.

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
        raise WeightsError(f"{printable(name)}: no such file{others}")
    return path


def user_weights_digest(job: str, settings: Settings) -> str:
    """Checksum of the weights that the user named by a path for a job; "" where none are named, or none are there.

    A file at a path may change. Published weights have a fixed checksum.
    """
    name = getattr(settings.backends, job, "")
    row = next((row for row in backends_of(job) if row.name == name), None)
    if row is None or row.interface == "captioner":
        return ""
    try:
        path = resolve_weights(row, settings)
        return weights.from_path(path, _gathered(row, path)).sha256 if isinstance(path, Path) else ""
    except MirkitError:  # reported when the model is loaded; until then results stay valid
        return ""


def networks(job: str, settings: Settings) -> int:
    """How many networks the model of a job is made of."""
    row = registry.backend(job, getattr(settings.backends, job))
    model = resolve_weights(row, settings)
    files = [file.name for file in model.files] if isinstance(model, Model) else _gathered(row, model or Path())
    return sum(Path(file).suffix not in (".yaml", ".yml") for file in files)


def to_fetch(job: str, name: str, settings: Settings) -> Model | None:
    """Model of a method that has files which are not here; None when it needs none."""
    model = resolve_weights(registry.backend(job, name), settings) if name else None
    return model if isinstance(model, Model) and missing(model) else None


def unavailable_reason(job: str, settings: Settings) -> str:
    """Say in one clause why a job without an embedded method has no method here; the network is not asked."""
    row = backends_of(job)[0]
    model = resolve_weights(row, settings)
    lacking = f"{row.title} is not here; mirkit models fetch {model.name}" if isinstance(model, Model) else ""
    return _lacks_package(row) or lacking or f"{row.title} cannot be used"


def load(task: str, settings: Settings) -> "LoadedModel":
    """Model of the backend that the settings name for a task, loaded once a process; on a card, once for all workers.

    Raises
    ------
    WeightsError
        Its weights are missing, damaged or refused.
    MissingExtra
        Its package, or the device, is not there.
    """
    row = registry.backend(task, getattr(settings.backends, task))
    if why := _lacks_package(row):
        raise MissingExtra(why)
    return _loaded(row.name, weights_of(row, settings), _device(row, settings.run.device))


def load_separator(task: str, settings: Settings) -> "StemSeparator":
    """Load the model of a backend with the interface ``separator``: see :func:`load`."""
    return cast("StemSeparator", load(task, settings))


def weights_of(row: Backend, settings: Settings) -> weights.Weights:
    """Find and check the files that a method would load.

    Raises
    ------
    WeightsError
        One is missing, damaged or refused.
    """
    model = resolve_weights(row, settings)
    if isinstance(model, Model):
        return weights.load_checked(model, settings.run)
    if model is None:
        return weights.Weights(row.name, (), "")
    return weights.from_path(model, _gathered(row, model))


def open_stream(task: str, settings: Settings) -> "StreamingModel":
    """Open a stream through the model of a task. An error of loading it is returned by the stream's ``finish``."""
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
    """Bytes that a worker needs for the models of a run. On a card, a model is in memory once for all workers."""
    named = [registry.backend(task, name) for task, name in backends.items() if name]
    return sum(row.memory for row in named if row.memory and not uses_card(row.task, row.name, device))


def use_device(backends: Mapping[str, str]) -> bool:
    """Whether one of the backends of a run computes on a device that the user can choose."""
    return any(registry.backend(task, name).package for task, name in backends.items() if name)


def compute_device(task: str, name: str, device: str) -> str:
    """Return the device that a backend would compute on here, or ``""`` where it needs or has no neural network.

    Parameters
    ----------
    task : str
    name : str
        Name of the backend, "" where the task has none.
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


def uses_card(task: str, name: str, device: str) -> bool:
    """Whether a backend would compute on a GPU here, see :func:`compute_device`."""
    return compute_device(task, name, device) not in ("", "cpu")


def _device(row: Backend, device: str) -> str:
    """The device that a backend computes on; without a package of deep learning, the CPU."""
    from mirkit.models.device import pick

    return pick(device, row.package) if row.package else "cpu"


def _gathered(row: Backend, path: Path) -> tuple[Path, ...]:
    """The files that belong to a model that the user named by a path."""
    files: tuple[Path, ...] = imported(row.gather)(path) if row.gather else (path,)
    return files


def _lacks_package(row: Backend) -> str:
    if row.package and importlib.util.find_spec(row.package) is None:
        return f"{row.package} is not installed; {row.install_command}"
    return ""


def make(name: str, found: weights.Weights, device: str) -> "LoadedModel":
    """Load the network of a backend into this process; raises ``WeightsError`` or ``ModelError``."""
    try:
        model: LoadedModel = imported(registry.network(name).loader)(found, device)
    except RuntimeError as error:  # of PyTorch: memory, driver
        why = str(error).partition("\n")[0]
        raise ModelError(f"{found.model} cannot be loaded on {device}: {why}; try --device cpu") from error
    return model


@functools.cache
def _loaded(name: str, found: weights.Weights, device: str) -> "LoadedModel":
    from mirkit.models import device_server

    server = device_server.server_of(device) if registry.network(name).batch_size > 1 else ""
    if server:
        remote: LoadedModel = device_server.remote_model(name, found, server)
        return remote
    return make(name, found, device)


@functools.cache
def _within_reach(url: str) -> bool:
    from mirkit.models.download import reachable

    return reachable(url, _AUTO_SECONDS)
