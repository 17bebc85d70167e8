"""Checks before the first track: the device exists, weights are downloaded and can be loaded, backends are recorded."""

from mirkit.errors import WeightsError
from mirkit.models import preflight, registry, weights
from mirkit.models.backend import Model
from mirkit.pipeline.plan import RunPlan
from mirkit.store import write_backends


def check(plan: RunPlan) -> None:
    """Check the device and the downloaded weights; nothing is downloaded or written.

    Raises
    ------
    WeightsError
        Weights cannot be loaded.
    MissingExtra
        The device does not exist.
    """
    if plan.todo:
        preflight.check_device(plan.backends, plan.settings)
        preflight.check_weights(plan.backends, plan.settings)


def prepare(plan: RunPlan, progress: weights.Progress | None = None) -> None:
    """Download the weights that a plan needs, check all of them, and record the backends that ``auto`` chose.

    Raises
    ------
    WeightsError
        Weights cannot be downloaded or loaded. No backend is then recorded, so that a later run chooses again.
    MissingExtra
        The device does not exist.
    """
    check(plan)  # before a large download
    if plan.todo and plan.downloads:
        for model in plan.downloads:
            _fetch(model, plan, progress)
        check(plan)
    if any(plan.fresh.values()):
        write_backends(plan.root, plan.fresh)


def _fetch(model: Model, plan: RunPlan, progress: weights.Progress | None) -> None:
    try:
        weights.fetch(model, plan.settings.run, progress)
    except WeightsError as error:
        if registry.network(model.backend).task != "stems":
            raise
        raise WeightsError(f"{error}; or use --model embedded, which needs no model") from error
