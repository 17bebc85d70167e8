"""DrumSep: a Demucs checkpoint that separates the parts of a drum kit (inagoy/drumsep)."""

from mirkit.drums.drum_hits import KIT_STEMS
from mirkit.errors import WeightsError
from mirkit.models.demucs import load as demucs
from mirkit.models.separation.separator import Separator
from mirkit.models.weights import Weights


def load(weights: Weights, device: str) -> Separator:
    """Build the networks of a model whose sources are parts of a drum kit.

    Parameters
    ----------
    weights : Weights
        Files as for Demucs (see :func:`mirkit.models.demucs.load.load`).
    device : str
        Of PyTorch.

    Raises
    ------
    WeightsError
        A file is not a checkpoint of Demucs, is damaged, or separates other sources.
    """
    separator = demucs.load(weights, device, wanted=tuple(KIT_STEMS))
    if lacking := [stem for stem in KIT_STEMS if stem not in separator.stems]:
        raise WeightsError(f"{weights.model}: not a model of drum kits: it does not separate {', '.join(lacking)}")
    return separator
