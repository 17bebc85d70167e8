"""Checkpoints in the layout of the published ones, with random weights. Needs PyTorch."""

from pathlib import Path
from typing import Any

import torch

from mirkit.models.beat_this.network import BeatThis

#: Every part that the published models have, each as small as it goes.
SMALL: dict[str, Any] = {"transformer_dim": 32, "ff_mult": 2, "n_layers": 1, "head_dim": 16, "stem_dim": 16}
#: Without the part that takes the most time.
FAST: dict[str, Any] = SMALL | {"partial_transformers": False}


def random_network(seed: int = 0, **sizes: Any) -> BeatThis:
    """Network whose logits differ from frame to frame by some units, as those of a trained one."""
    torch.manual_seed(seed)
    network = BeatThis(**sizes).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr,operator]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr,operator]
    torch.nn.init.normal_(network.task_heads.beat_downbeat_lin.weight, std=2)
    return network


def write(path: Path, network: BeatThis, sizes: dict[str, Any], prefix: str = "model.") -> Path:
    """Write a checkpoint as Lightning does, without the optimizer's state."""
    more = {"lr": 0.0008, "dropout": {"frontend": 0.1, "transformer": 0.2}, "spect_dim": 128, "fps": 50}
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    torch.save({"hyper_parameters": sizes | more, "state_dict": state, "pytorch-lightning_version": "2.2.1"}, path)
    return path
