"""Separating networks of the published sizes with random weights, in the official formats."""

from fractions import Fraction
from pathlib import Path
from typing import Any

SOURCES = ["drums", "bass", "other", "vocals"]
#: Bags of the published models: name -> signatures, and weights of each network.
BAGS: dict[str, tuple[list[str], list[list[float]] | None]] = {
    "htdemucs": (["955717e8"], None),
    "htdemucs_ft": (
        ["f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"],
        [[float(i == k) for k in range(4)] for i in range(4)],
    ),
}
#: The community's BS-RoFormer for vocals (ViperX, 12.97 dB).
_ROFORMER = {
    "dim": 512, "depth": 12, "stereo": True, "num_stems": 1, "time_transformer_depth": 1,
    "freq_transformer_depth": 1, "linear_transformer_depth": 0, "dim_head": 64, "heads": 8, "stft_n_fft": 2048,
    "stft_hop_length": 441, "stft_win_length": 2048, "mask_estimator_depth": 2, "mlp_expansion_factor": 4,
}  # fmt: skip


def write_demucs(folder: Path, name: str) -> Path:
    """Write a bag of Hybrid Transformer Demucs (41.5 million weights each) as the authors do; return its YAML file."""
    import torch
    import yaml
    from demucs import states
    from demucs.htdemucs import HTDemucs

    signatures, weights = BAGS[name]
    folder.mkdir(parents=True, exist_ok=True)
    for seed, signature in enumerate(signatures):
        torch.manual_seed(seed)
        network = HTDemucs(SOURCES, bottom_channels=512, t_layers=5, t_heads=8, segment=Fraction(39, 5))
        args, kwargs = network._init_args_kwargs
        state = states.get_state(network, None, half=True)
        content = {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": state, "training_args": {}}
        states.save_with_checksum(content, folder / f"{signature}.th")
    bag: dict[str, Any] = {"models": signatures} | ({"weights": weights} if weights else {})
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(bag))
    return folder / f"{name}.yaml"


def write_roformer(folder: Path) -> Path:
    """Write a BS-RoFormer as the community does; return its checkpoint."""
    import torch
    import yaml

    from mirkit.models.roformer.load import BS_BANDS, side_by_side
    from mirkit.models.roformer.network import RoFormer

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.save(RoFormer(side_by_side(BS_BANDS, 2048), False, _ROFORMER).state_dict(), folder / "model.ckpt")
    config = {
        "audio": {"chunk_size": 352800, "sample_rate": 44100},
        "model": _ROFORMER | {"freqs_per_bands": list(BS_BANDS)},
        "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
        "inference": {"num_overlap": 2},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(config))
    return folder / "model.ckpt"
