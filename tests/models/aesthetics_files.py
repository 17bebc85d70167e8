"""The published files of Audiobox Aesthetics, with random weights: by the authors' package, or by ourselves."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mirkit.models.audiobox.network import AXES, Aesthetics, Sizes

SMALL = Sizes(
    kernels=(10, 3, 3, 3, 3, 2, 2), channels=12, size=24, inner=32, heads=4, layers=2, buckets=32, reach=16, groups=4,
    head_layers=3, head_norm=True, head_dropout=False, normalize=True,
)  # fmt: skip
#: What is published, in units of the ratings.
SCALES = {
    "CE": {"mean": 5.06865, "std": 1.93029},
    "CU": {"mean": 5.73633, "std": 1.75669},
    "PC": {"mean": 3.18591, "std": 1.86637},
    "PQ": {"mean": 6.57505, "std": 1.51466},
}
CONFIG: dict[str, Any] = {
    "proj_num_layer": 5,
    "proj_ln": True,
    "proj_act_fn": "gelu",
    "proj_dropout": 0.0,
    "nth_layer": 13,
    "use_weighted_layer_sum": True,
    "precision": "32",
    "normalize_embed": True,
    "output_dim": 1,
    "target_transform": SCALES,
}


def packages_model(*, full: bool = False, seed: int = 0, **config: Any) -> Any:
    """The network of the authors' package, with random weights; small, or of the published size.

    Its size stands in a constant of the module.
    """
    aes = pytest.importorskip("audiobox_aesthetics.model.aes")
    wavlm = pytest.importorskip("audiobox_aesthetics.model.wavlm")
    sizes = dict(vars(aes.DEFAULT_AUDIO_CFG))
    if not full:
        sizes |= {
            "encoder_layers": 3,
            "encoder_embed_dim": 48,
            "encoder_ffn_embed_dim": 64,
            "encoder_attention_heads": 4,
            "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
            "conv_pos": 16,
            "conv_pos_groups": 4,
            "num_buckets": 64,
        }
    torch.manual_seed(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aes, "DEFAULT_AUDIO_CFG", wavlm.WavLMConfig(sizes))
        model = aes.AesMultiOutput(**(CONFIG | {"nth_layer": sizes["encoder_layers"] + 1} | config)).eval()
    for name, parameter in model.named_parameters():  # as initialized they say nothing yet
        if any(part in name for part in ("layer_weights", "grep", "relative", "bias")):
            torch.nn.init.normal_(parameter, std=0.5)
        elif parameter.ndim == 2 and (not full or "proj_layer" in name):
            torch.nn.init.normal_(parameter, std=3 * parameter.shape[1] ** -0.5)
    return model


def write_packages(folder: Path, model: Any) -> tuple[Path, Path]:
    """As the package itself publishes it."""
    model.save_pretrained(folder)
    return folder / "config.json", folder / "model.safetensors"


def write_own(folder: Path, sizes: Sizes = SMALL, seed: int = 0) -> tuple[Path, Path]:
    """The same layout without the package."""
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    network = Aesthetics(sizes)
    for axis in AXES:
        torch.nn.init.normal_(network.layer_weights[axis])
    state = {name: tensor.detach().clone().contiguous() for name, tensor in network.state_dict().items()}
    place = "wavlm_model.encoder.pos_conv.0.weight"
    weight = state.pop(place)
    state[f"{place}_v"], state[f"{place}_g"] = 3 * weight, weight.norm(dim=(0, 1), keepdim=True)
    state["wavlm_model.mask_emb"] = torch.zeros(sizes.size)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors")
    told = {"proj_num_layer": sizes.head_layers, "proj_ln": sizes.head_norm, "nth_layer": sizes.layers + 1}
    (folder / "config.json").write_text(json.dumps(CONFIG | told))
    return folder / "config.json", folder / "model.safetensors"
