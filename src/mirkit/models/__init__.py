"""The heavy wing: the only folder that may import deep-learning libraries, each inside the file that wraps it.

A backend of the catalog that has weights is the module of its name here; ``load(weights, device)`` in it makes the
model. ``unavailable`` says of each backend why it cannot be used, which is what ``auto`` and ``mirkit doctor`` read.
"""

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.catalog import BACKENDS, Backend
from mirkit.errors import MirkitError, MissingExtra, ModelError, WeightsError
from mirkit.models import messages, weights
from mirkit.models.cache_paths import missing
from mirkit.models.protocols import StreamingModel
from mirkit.models.registry import File, Model, models_of
from mirkit.settings import RunSettings
from mirkit.store import Settings, printable

if TYPE_CHECKING:
    from mirkit.features.types import FloatArray

#: What ``auto`` fetches without being asked, at most (bytes), and how long (s) it looks whether that can be reached.
AUTO_BYTES = 500_000_000
_AUTO_SECONDS = 2.0


def backend(job: str, name: str) -> Backend:
    """Row of BACKENDS for a job and a name."""
    return next(row for row in BACKENDS if (row.job, row.name) == (job, name))


def rows(job: str) -> list[Backend]:
    """Rows of BACKENDS for a job, the preferred one first."""
    return [row for row in BACKENDS if row.job == job]


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
    if not row.built:
        return f"{row.says} is not part of this version of mirkit"
    if row.job == "texts":
        from mirkit.models.captioners import selection

        return selection.unavailable(row, settings)
    if why := _lacks_package(row):
        return why
    try:
        return _lacks_weights(row, settings, named=named, brief=brief)
    except MirkitError as error:
        return str(error)


def _lacks_weights(row: Backend, settings: Settings, *, named: bool, brief: bool) -> str:
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
    if not row.built or row.asked or row.job == "texts" or _lacks_package(row):
        return None
    try:
        model = resolve_weights(row, settings)
    except MirkitError:  # said where the method is settled
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


def resolve(job: str, selection: str, settings: Settings | None = None) -> str:
    """Turn ``auto`` into a backend's name: the first of the catalog that can be used, "" when there is none."""
    if selection != "auto":
        return selection
    return next((row.name for row in rows(job) if not row.asked and not unavailable(row, settings)), "")


def resolve_weights(row: Backend, settings: Settings) -> Model | Path | None:
    """What a backend would load: a model of the table, a file of the user's, or None where it needs nothing.

    Raises
    ------
    WeightsError
        The settings name neither a model of this backend nor a file.
    """
    known = {model.name: model for model in models_of(row.job, row.name)}
    if not known and not row.asked:
        return None
    asked = {"beats": settings.rhythm.model, "stems": settings.separation.model, "drums": settings.drums.model}
    name = asked.get(row.job)
    if name is None and not known:
        raise WeightsError(f"{row.says} needs a checkpoint of yours: --model FILE")
    if name is None:
        return next(iter(known.values()))
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if not path.exists():
        others = f", and no model of {row.says} ({', '.join(known)})" if known else ""
        raise WeightsError(f"{printable(name)}: no such file{others}")
    return path


def user_weights_digest(job: str, settings: Settings) -> str:
    """Checksum of the weights that the user named by a path for a job; "" where none are named, or none are there.

    A path says nothing of what lies there today. Weights of the table have a checksum of their own and stay.
    """
    name = getattr(settings.backends, job, "")
    row = next((row for row in rows(job) if row.name == name), None)
    if row is None or job == "texts":
        return ""
    try:
        path = resolve_weights(row, settings)
        return weights.from_path(path, _gathered(row, path)).sha256 if isinstance(path, Path) else ""
    except MirkitError:  # said where the model is loaded; what is done stays done until then
        return ""


def networks(job: str, settings: Settings) -> int:
    """How many networks the model of a job is made of."""
    row = backend(job, getattr(settings.backends, job))
    model = resolve_weights(row, settings)
    files = [file.name for file in model.files] if isinstance(model, Model) else _gathered(row, model or Path())
    return sum(Path(file).suffix not in (".yaml", ".yml") for file in files)


def to_fetch(job: str, name: str, settings: Settings) -> Model | None:
    """Model of a method that has files which are not here; None when it needs none."""
    model = resolve_weights(backend(job, name), settings) if name else None
    return model if isinstance(model, Model) and missing(model) else None


def unavailable_reason(job: str, settings: Settings) -> str:
    """Say in one clause why a job without an embedded method has no method here; the network is not asked."""
    row = rows(job)[0]
    model = resolve_weights(row, settings)
    lacking = f"{row.says} is not here; mirkit models fetch {model.name}" if isinstance(model, Model) else ""
    return _lacks_package(row) or lacking or f"{row.says} cannot be used"


def load(job: str, settings: Settings) -> Any:
    """Model of the method that the settings name for a job, loaded once a process; on a card, once for all workers.

    Raises
    ------
    WeightsError
        Its weights are missing, damaged or refused.
    MissingExtra
        Its package, or the device, is not there.
    """
    from mirkit.models.device import pick

    name = getattr(settings.backends, job)
    row = backend(job, name)
    if why := _lacks_package(row):
        raise MissingExtra(why)
    return _loaded(name, weights_of(row, settings), pick(settings.run.device, row.package))


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
    path = Path(model or "")
    return weights.from_path(path, _gathered(row, path))


def open_stream(job: str, settings: Settings) -> StreamingModel:
    """Begin a signal with the model of a job. What keeps the model from being loaded is then all that is heard."""
    try:
        listener: StreamingModel = load(job, settings).listen()
    except MirkitError as error:
        return _Deaf(error)
    return listener


class _Deaf:
    def __init__(self, why: MirkitError) -> None:
        self._why = why

    def push(self, block: "FloatArray") -> None:
        pass

    def finish(self) -> MirkitError:
        return self._why


def compute_device(job: str, name: str, device: str) -> str:
    """Return the device that a method would compute on here, or ``""`` where it needs or has no neural network.

    Parameters
    ----------
    job : str
        Task of the method.
    name : str
        Name of the method.
    device : str
        The setting: ``auto``, ``cpu``, ``cuda``, ...
    """
    row = backend(job, name)
    if not row.package or _lacks_package(row):
        return ""
    if device == "cpu":
        return device
    from mirkit.models.device import pick

    try:
        return pick(device, row.package)
    except MissingExtra:  # reported when the run is prepared
        return ""


def uses_card(job: str, name: str, device: str) -> bool:
    """Whether a method would compute on a GPU here, see :func:`compute_device`."""
    return compute_device(job, name, device) not in ("", "cpu")


def _gathered(row: Backend, path: Path) -> tuple[Path, ...]:
    """The files that belong to a model that the user named by a path."""
    gather = getattr(importlib.import_module(f"mirkit.models.{row.name}"), "gather", None)
    files: tuple[Path, ...] = gather(path) if gather else (path,)
    return files


def _lacks_package(row: Backend) -> str:
    if row.package and importlib.util.find_spec(row.package) is None:
        return f"{row.package} is not installed; pip install 'mirkit[{row.extra}]'"
    return ""


def make(name: str, found: weights.Weights, device: str) -> Any:
    """Load a model of a backend into this process; raises ``WeightsError`` or ``ModelError``."""
    try:
        return importlib.import_module(f"mirkit.models.{name}").load(found, device)
    except RuntimeError as error:  # of PyTorch: memory, driver
        why = str(error).partition("\n")[0]
        raise ModelError(f"{found.model} cannot be loaded on {device}: {why}; try --device cpu") from error


@functools.cache
def _loaded(name: str, found: weights.Weights, device: str) -> Any:
    from mirkit.models import device_server

    if server := device_server.server_of(device):
        return device_server.remote_model(name, found, server)
    return make(name, found, device)


@functools.cache
def _within_reach(url: str) -> bool:
    from mirkit.models.download import reachable

    return reachable(url, _AUTO_SECONDS)
