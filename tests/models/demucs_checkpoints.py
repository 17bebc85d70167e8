"""Checkpoints of Demucs in the official formats, small and with random weights. Needs the package ``demucs``."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs import states
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file

SOURCES = ["drums", "bass", "other", "vocals"]
#: Sizes of networks of every kind, each as small as it goes.
SMALL: dict[type, dict[str, Any]] = {
    HTDemucs: {"channels": 8, "t_layers": 1, "t_heads": 2, "nfft": 512, "depth": 3, "segment": Fraction(6, 25)},
    HDemucs: {"channels": 8, "nfft": 4096, "depth": 6, "segment": 0.25},
    Demucs: {"channels": 4, "depth": 3, "lstm_layers": 1, "segment": 0.25, "resample": False},
}


def random_network(kind: type = HTDemucs, seed: int = 0, sources: list[str] = SOURCES, **sizes: Any) -> Any:
    """Network whose weights survive half precision unchanged, as those of the published files have."""
    torch.manual_seed(seed)
    return kind(sources, **SMALL[kind] | sizes).half().float().eval()


def package(network: Any) -> dict[str, Any]:
    """What the authors' ``serialize_model`` makes of a network."""
    args, kwargs = network._init_args_kwargs
    return {
        "klass": type(network),
        "args": args,
        "kwargs": kwargs,
        "state": states.get_state(network, None, half=True),
        "training_args": {"lr": 3e-4, "best": np.float64(7.5)},
    }


def write(folder: Path, signature: str, content: Any) -> Path:
    """Write ``SIGNATURE-CHECKSUM.th`` as the authors do."""
    folder.mkdir(parents=True, exist_ok=True)
    states.save_with_checksum(content, folder / f"{signature}.th")
    (path,) = folder.glob(f"{signature}-*.th")
    return path


def write_safetensors(path: Path, network: Any) -> Path:
    """Write what the authors' ``tools/export_hf.py`` writes."""
    content = package(network)

    def encoded(value: Any) -> Any:
        if isinstance(value, Fraction):
            return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
        if isinstance(value, dict):
            return {key: encoded(item) for key, item in value.items()}
        return [encoded(item) for item in value] if isinstance(value, list | tuple) else value

    klass = f"{content['klass'].__module__}.{content['klass'].__name__}"
    header = {"klass": klass, **{name: json.dumps(encoded(content[name])) for name in ("args", "kwargs")}}
    save_file(content["state"], path, header)
    return path
