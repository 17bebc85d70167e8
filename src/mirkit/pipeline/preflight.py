"""What must be settled before the first track: the device there, weights fetched and fit, the methods written down."""

from mirkit.errors import WeightsError
from mirkit.models import preflight, weights
from mirkit.models.registry import Model
from mirkit.pipeline.plan import RunPlan
from mirkit.store import write_backends


def check(plan: RunPlan) -> None:
    """Look whether what a plan needs is fit, as far as it is here; nothing is fetched or written.

    Raises
    ------
    WeightsError
        Weights cannot be loaded.
    MissingExtra
        The device that was asked for is not there.
    """
    if plan.todo:
        preflight.check_device(plan.backends, plan.settings)
        preflight.check_weights(plan.backends, plan.settings)


def prepare(plan: RunPlan, progress: weights.Progress | None = None) -> None:
    """Fetch the weights that a plan needs, see that all are fit, and write down what ``auto`` came to.

    Raises
    ------
    WeightsError
        Weights cannot be had. Nothing is written then: a later run is free to choose.
    MissingExtra
        The device that was asked for is not there.
    """
    check(plan)  # before gigabytes are fetched
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
        if model.job != "stems":
            raise
        raise WeightsError(f"{error}; or use --model embedded, which needs no model") from error
