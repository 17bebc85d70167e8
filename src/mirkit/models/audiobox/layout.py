"""The published files of Audiobox Aesthetics: a configuration, and tensors whose shapes determine the sizes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit.errors import WeightsError, printable
from mirkit.models.audiobox.network import AXES, STRIDES, Aesthetics, Sizes
from mirkit.models.safe_load import load_json, load_tensors
from mirkit.models.state_dict import LOAD_ERRORS, CheckpointMismatch, clause, fill

_LAYERS = "wavlm_model.encoder.layers."
_POSITION = "wavlm_model.encoder.pos_conv.0"
#: Keys that are used in training only.
_UNUSED = ("wavlm_model.mask_emb",)


@dataclass(frozen=True)
class Scale:
    """Scale of an axis: its score is ``mean + std * output``."""

    mean: float
    std: float


def read(config: Path, tensors: Path) -> tuple[Aesthetics, dict[str, Scale]]:
    """Build the network of a published checkpoint.

    Returns
    -------
    Aesthetics
    dict
        Axis -> scale.

    Raises
    ------
    WeightsError
        A file is damaged, or is not the expected one.
    """
    import torch

    given = load_json(config)
    try:
        scales = {axis: _scale(given["target_transform"][axis]) for axis in AXES}
    except LOAD_ERRORS as error:
        raise WeightsError(
            f"{printable(config)}: not the configuration of Audiobox Aesthetics: {clause(error)}"
        ) from error
    state = load_tensors(tensors)
    try:
        with torch.device("meta"):
            network = Aesthetics(_sizes(given, state))
        state[f"{_POSITION}.weight"] = _direction_times_length(state)
        named = {name: tensor.float() for name, tensor in state.items() if name not in _UNUSED}
        fill(network, named, assign=True)
    except LOAD_ERRORS as error:
        raise WeightsError(f"{printable(tensors)}: not the weights of Audiobox Aesthetics: {clause(error)}") from error
    return network.eval(), scales


def _scale(given: Any) -> Scale:
    return Scale(float(given["mean"]), float(given["std"]))


def _sizes(given: dict[str, Any], state: dict[str, Any]) -> Sizes:
    if not given.get("use_weighted_layer_sum", True) or given.get("proj_act_fn", "gelu") != "gelu":
        raise CheckpointMismatch("a variant that mirkit does not know")
    kernels = tuple(
        state[f"wavlm_model.feature_extractor.conv_layers.{i}.0.weight"].shape[2] for i in range(len(STRIDES))
    )
    numbers = {int(name.removeprefix(_LAYERS).split(".")[0]) for name in state if name.startswith(_LAYERS)}
    first = f"{_LAYERS}0"
    inner, size = state[f"{first}.fc1.weight"].shape
    direction = state[f"{_POSITION}.weight_v"].shape
    return Sizes(
        kernels=kernels,
        channels=state["wavlm_model.layer_norm.weight"].shape[0],
        size=size,
        inner=inner,
        heads=state[f"{first}.self_attn.grep_a"].shape[1],
        layers=len(numbers),
        buckets=state[f"{first}.self_attn.relative_attention_bias.weight"].shape[0],
        reach=direction[2],
        groups=size // direction[1],
        head_layers=int(given.get("proj_num_layer", 1)),
        head_norm=bool(given.get("proj_ln", False)),
        head_dropout=bool(given.get("proj_dropout", 0)),
        normalize=bool(given.get("normalize_embed", True)),
    )


def _direction_times_length(state: dict[str, Any]) -> Any:
    """Return the weights of a weight-normalized convolution, which are stored as direction and length."""
    length, direction = state.pop(f"{_POSITION}.weight_g"), state.pop(f"{_POSITION}.weight_v")
    return length * direction / direction.norm(dim=(0, 1), keepdim=True)
