"""What must be settled before the first track: weights fetched, the device there, the methods written down."""

from mirkit import models
from mirkit.errors import WeightsError
from mirkit.models import weights
from mirkit.models.table import Model
from mirkit.pipeline.plan import Plan
from mirkit.store import write_backends


def prepare(plan: Plan, progress: weights.Progress | None = None) -> None:
    """Fetch the weights that a plan needs, and write down what ``auto`` came to.

    Raises
    ------
    WeightsError
        Weights cannot be had. Nothing is written then: a later run is free to choose.
    MissingExtra
        The device that was asked for is not there.
    """
    if plan.todo:
        for model in plan.downloads:
            _fetch(model, plan, progress)
        models.check_device(plan.backends, plan.settings)
    if any(plan.fresh.values()):
        write_backends(plan.root, plan.fresh)


def _fetch(model: Model, plan: Plan, progress: weights.Progress | None) -> None:
    try:
        weights.fetch(model, plan.settings.run, progress)
    except WeightsError as error:
        if model.job != "stems":
            raise
        raise WeightsError(f"{error}; or use --model embedded, which needs no model") from error
