"""RoFormer separators from community checkpoints and the YAML files beside them."""

import re
from typing import Any

import numpy as np

from mirkit.errors import WeightsError, printable
from mirkit.models.roformer import BACKEND, bands
from mirkit.models.roformer.config import Config, read_config
from mirkit.models.safe_load import load_tensors
from mirkit.models.separation.network import Described
from mirkit.models.separation.separator import Separator
from mirkit.models.state_dict import LOAD_ERRORS, clause, fill
from mirkit.models.weights import Weights

_FIRST = re.compile(r"layers\.\d+\.0\.")
_LATER = re.compile(r"^(layers\.\d+\.)([12])\.")
#: Keys under which some checkpoints store the tensors that others have at the top level.
_INNER = ("state_dict", "model_state_dict", "state", "model")


def load(weights: Weights, device: str) -> Separator:
    """Build the network of a checkpoint.

    Parameters
    ----------
    weights : Weights
        The checkpoint, then its configuration.
    device : str
        PyTorch device.

    Raises
    ------
    WeightsError
        A file is not of the expected kind, or the two do not belong together.
    """
    path, description = weights.files
    config = read_config(description)
    content = load_tensors(path)
    state = next((content[name] for name in _INNER if isinstance(content.get(name), dict)), content)
    try:
        network = _build(config)
        fill(network, _renamed(state, config))
    except LOAD_ERRORS as error:
        why = clause(error)
        raise WeightsError(
            f"{printable(path)}: not the network that {printable(description.name)} describes: {why}"
        ) from error
    networks = [RoFormerNetwork(network.eval().float().to(device), config)]
    return Separator(
        networks,
        np.ones((1, len(config.sources))),
        weights,
        device,
        overlap=config.overlap,
        shifts=0,
        normalize=config.normalize,
        batch_size=BACKEND.batch_size,
    )


def _renamed(state: dict[str, Any], config: Config) -> dict[str, Any]:
    """Convert the tensor names to one form: some checkpoints count a linear transformer that they do not contain."""
    named = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if config.sizes["linear_transformer_depth"] or any(_FIRST.match(name) for name in named):
        return named
    return {_LATER.sub(lambda at: f"{at[1]}{int(at[2]) - 1}.", name): tensor for name, tensor in named.items()}


def _build(config: Config) -> Any:
    from mirkit.models.roformer.network import RoFormer

    n_fft = config.sizes["stft_n_fft"]
    split = (
        bands.mel(config.sizes["num_bands"], n_fft, config.sizes["sample_rate"])
        if config.mel
        else bands.side_by_side(config.bands or bands.BS_BANDS, n_fft)
    )
    return RoFormer(split, config.mel, config.sizes)


class RoFormerNetwork(Described):
    """A RoFormer, see :class:`~mirkit.models.separation.network.Network`. Segments have any length and no context."""

    longest = float("inf")

    def __init__(self, module: Any, config: Config) -> None:
        self._module = module
        self.sources, self.rate, self.segment = config.sources, config.rate, config.segment
        self._least = config.sizes["stft_n_fft"]

    def input_samples(self, samples: int, chosen: float | None, *, tight: bool) -> int:
        """Return the number of input samples for a segment of ``samples``: at least one frame of the spectrum."""
        return max(samples, self._least)

    def __call__(self, sound: Any, *, tight: bool) -> Any:
        """Separate a batch, Tensor of shape=(batch, 2, n) -> (batch, sources, 2, n)."""
        return self._module(sound)
