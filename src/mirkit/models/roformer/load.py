"""RoFormer separators from community checkpoints and the YAML files beside them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.errors import WeightsError, printable
from mirkit.features.stft import MelBank
from mirkit.models.backend import Weights
from mirkit.models.roformer import BACKEND
from mirkit.models.safe_load import CheckpointMismatch, check_shapes, expecting, fill, load_tensors, load_yaml
from mirkit.models.separation.network import Described
from mirkit.models.separation.separator import Separator

_CHECKPOINTS = (".ckpt", ".safetensors", ".pth", ".pt", ".th")
#: Sizes of a model: name -> default and maximum. All are integers.
_SIZES = {
    "dim": (0, 4096),
    "depth": (0, 64),
    "num_stems": (1, 256),
    "time_transformer_depth": (2, 16),
    "freq_transformer_depth": (2, 16),
    "linear_transformer_depth": (0, 16),
    "dim_head": (64, 512),
    "heads": (8, 64),
    "stft_n_fft": (2048, 32768),
    "stft_hop_length": (512, 32768),
    "stft_win_length": (2048, 32768),
    "mask_estimator_depth": (0, 16),
    "mlp_expansion_factor": (4, 16),
    "num_bands": (60, 512),
    "sample_rate": (44100, 192000),
}
#: Entries that affect only the training, or only the way in which the network is computed and not its output.
_NO_MATTER = (
    *("attn_dropout", "ff_dropout", "flash_attn", "dim_freqs_in", "use_torch_checkpoint", "sage_attention"),
    *("multi_stft_resolution_loss_weight", "multi_stft_resolutions_window_sizes", "multi_stft_hop_size"),
    *("multi_stft_normalized", "match_input_audio_length"),
)
#: Entries that switch a part of the network on or off -> default, which is that of the community's training code.
_SWITCHES = {"skip_connection": False, "zero_dc": True}
#: Entries that select variants of the network -> the only supported value.
_MUST_BE = {"stereo": True, "stft_normalized": False, "use_pope": False}
#: Names of sources, in lower case -> the stem.
_NAMES = {"vocal": "vocals", "drum": "drums"}
#: Names of all that is not vocals. A model that separates only this gives the vocals as the rest of the mix.
_INSTRUMENTAL = ("instrumental", "instrumentals", "instrument", "inst", "no vocals", "no_vocals", "novocals")
#: Configuration of a published model whose "other" is all but drums and bass, although it lists "vocals" and "other".
_NO_DRUMS_OR_BASS = "model_bs_roformer_ep_937_sdr_10.5309"
#: Families of networks that are not supported -> entries of ``model`` by which their configurations are recognized.
_FAMILIES = {
    "Conformer": ("time_conformer_depth", "conv_expansion_factor"),
    "MDX23C": ("num_blocks_per_scale",),
    "SCNet": ("band_SR", "bandsplit_ratios"),
    "Bandit": ("band_specs",),
    "Mamba": ("module_type", "num_repeat_mask"),
    "segmentation networks": ("decoder_type", "num_subbands"),
    "Moises-Light": ("n_split_enc",),
    "Apollo": ("layer",),
}
#: Words in ``model`` or ``cls``, where these name a network instead of describing it.
_NAMED = {"htdemucs": "Demucs", "hdemucs": "Demucs", "bandit": "Bandit"}


@dataclass(frozen=True)
class Config:
    """A configuration.

    Attributes
    ----------
    mel : bool
        Whether the network is a Mel-Band RoFormer; else it is a BS-RoFormer.
    sizes : dict
        Sizes of the network.
    bands : tuple of int
        BS-RoFormer: bins of each band; empty for the default.
    sources : tuple of str
        Names of the sources, in the order of the network's outputs.
    takes_rest : bool
        Whether the network's only output is subtracted from the mix, because it is all but the source.
    skip_connection : bool
        Whether each block also receives the outputs of all blocks before.
    zero_dc : bool
        Whether the outputs have no constant component.
    rate : int
        Hz.
    segment : float
        Length of a segment in seconds.
    overlap : float
        Share of a segment that overlaps with the next.
    normalize : bool
    """

    mel: bool
    sizes: dict[str, int]
    bands: tuple[int, ...]
    sources: tuple[str, ...]
    takes_rest: bool
    skip_connection: bool
    zero_dc: bool
    rate: int
    segment: float
    overlap: float
    normalize: bool


def gather(path: Path) -> tuple[Path, Path]:
    """Find a checkpoint and its configuration, given one of them or their folder.

    Raises
    ------
    WeightsError
        There are several candidates, or one of the two is missing.
    """
    if path.is_dir():
        return _only(path, _CHECKPOINTS, path), _only(path, (".yaml", ".yml"), path)
    if path.suffix in (".yaml", ".yml"):
        return _partner(path, _CHECKPOINTS), path
    return path, _partner(path, (".yaml", ".yml"))


def _partner(path: Path, suffixes: tuple[str, ...]) -> Path:
    """Return the other file of the same name in its folder, else the only file with one of the suffixes."""
    named = [file for suffix in suffixes if (file := path.with_suffix(suffix)).is_file()]
    return named[0] if named else _only(path.parent, suffixes, path)


def _only(folder: Path, suffixes: tuple[str, ...], named: Path) -> Path:
    found = sorted(file for file in folder.iterdir() if file.suffix in suffixes)
    if len(found) != 1:
        kind = "YAML file that describes the network" if ".yaml" in suffixes else "checkpoint"
        have = ", ".join(file.name for file in found[:6]) or "none"
        raise WeightsError(f"{printable(named)}: one {kind} is wanted beside it, or one of the same name; found {have}")
    return found[0]


def read_config(path: Path) -> Config:
    """Read a configuration.

    Raises
    ------
    WeightsError
        The file is not such a configuration, or describes a network that is not supported.
    """
    content = load_yaml(path)
    if family := _other_family(content):
        raise WeightsError(
            f"{printable(path)}: it describes a network of the family {family}; mirkit reads BS-RoFormer and Mel-Band "
            "RoFormer"
        )
    with expecting(path, "the configuration of a RoFormer that is known here"):
        config = _parsed(content)
        if config.takes_rest and path.stem == _NO_DRUMS_OR_BASS:
            raise CheckpointMismatch("it separates all but drums and bass, which is no stem")
        return config


def _other_family(content: Mapping[str, Any]) -> str:
    """Return the name of the family of networks that a configuration describes; "" for a RoFormer, or if unknown."""
    model = content.get("model")
    if isinstance(model, dict):
        return next((family for family, marks in _FAMILIES.items() if any(mark in model for mark in marks)), "")
    return _NAMED.get(str(model or content.get("cls") or "").lower(), "")


def _parsed(content: Mapping[str, Any]) -> Config:
    model, audio, training = (_table(content, name) for name in ("model", "audio", "training"))
    inference = content.get("inference") or {}
    known = {*_SIZES, *_NO_MATTER, *_MUST_BE, *_SWITCHES, "freqs_per_bands"}
    if unknown := sorted(str(name) for name in model if name not in known):
        raise CheckpointMismatch(f"model.{unknown[0]} is not known")
    for name, value in _MUST_BE.items():
        if model.get(name, value) != value:
            raise CheckpointMismatch(f"model.{name} is {str(model[name])[:20]}")
    mel = "num_bands" in model
    sizes = {name: _whole(name, model.get(name, default), most) for name, (default, most) in _SIZES.items()}
    if not model.get("mask_estimator_depth"):
        sizes["mask_estimator_depth"] = 1 if mel else 2
    if not (sizes["dim"] and sizes["depth"] and model.get("stereo")):
        raise CheckpointMismatch("model.dim, depth or stereo is missing")
    if not (sizes["heads"] and sizes["dim_head"]):
        raise CheckpointMismatch("model.heads or dim_head is 0")
    if not 0 < sizes["stft_hop_length"] <= sizes["stft_win_length"] <= sizes["stft_n_fft"]:
        raise CheckpointMismatch("model.stft_hop_length, stft_win_length and stft_n_fft do not fit together")
    switches = {name: _switch(name, model.get(name, default)) for name, default in _SWITCHES.items()}
    target = training.get("target_instrument")
    instruments = [_source(name) for name in training["instruments"]]
    sources = (_source(target),) if target else tuple(instruments)
    if len(sources) != sizes["num_stems"]:
        raise CheckpointMismatch(f"{len(sources)} instruments, but num_stems is {sizes['num_stems']}")
    # Of "vocals" and "other", the other is all but the vocals, and not the stem of that name.
    takes_rest = sources[0] in _INSTRUMENTAL or (sources == ("other",) and set(instruments) == {"vocals", "other"})
    if takes_rest := takes_rest and len(sources) == 1:
        sources = ("vocals",)
    rate = _whole("sample_rate", audio.get("sample_rate", 44100), 192000, 8000)
    chunk = _whole("chunk_size", inference.get("chunk_size", audio.get("chunk_size")), 192000 * 60, sizes["stft_n_fft"])
    times = _whole("num_overlap", inference.get("num_overlap", 2), 64, 1)
    bands = tuple(_whole("freqs_per_bands", count, 32768) for count in model.get("freqs_per_bands") or ())
    normalize = bool(inference.get("normalize", False))
    return Config(
        mel,
        sizes,
        bands,
        sources,
        takes_rest,
        **switches,
        rate=rate,
        segment=chunk / rate,
        overlap=1 - 1 / times,
        normalize=normalize,
    )


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = content[name]
    if not isinstance(table, dict):
        raise CheckpointMismatch(f"{name} is no table")
    return table


def _whole(name: str, value: Any, most: int, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= most:
        raise CheckpointMismatch(f"{name} is {str(value)[:20]}")
    return value


def _switch(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise CheckpointMismatch(f"model.{name} is {str(value)[:20]}")
    return value


def _source(name: Any) -> str:
    if not isinstance(name, str):
        raise CheckpointMismatch(f"{str(name)[:20]} is no instrument")
    lower = name.lower()
    return _NAMES.get(lower, lower)


#: BS-RoFormer: bins of each band, for frames of 2048 samples.
BS_BANDS = (*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129)

Bins = list[npt.NDArray[np.int64]]


def side_by_side(counts: tuple[int, ...], n_fft: int) -> Bins:
    """Return bands that do not overlap, each with the given number of bins.

    Raises
    ------
    ValueError
        The sum is not the number of bins of a spectrum with this frame length.
    """
    bins = n_fft // 2 + 1
    if sum(counts) != bins:
        raise CheckpointMismatch(f"the bands have {sum(counts)} bins, a spectrum has {bins}")
    return np.split(np.arange(bins), np.cumsum(counts)[:-1])


def mel_bands(count: int, n_fft: int, rate: int) -> Bins:
    """Return overlapping bands of the mel scale: the bins with a nonzero weight in librosa's filters, and both ends.

    Raises
    ------
    ValueError
        There are too many bands: a band has no bin, or a bin has no band.
    """
    bank: Any = MelBank(count, n_fft, rate)
    runs = [bank.first[i] + np.arange(bank.offsets[i + 1] - bank.offsets[i]) for i in range(count)]
    runs[0] = np.union1d([0], runs[0])
    runs[-1] = np.union1d(runs[-1], [n_fft // 2])
    if not all(map(len, runs)) or len(np.unique(np.concatenate(runs))) != n_fft // 2 + 1:
        raise CheckpointMismatch(f"{count} mel bands do not fit frames of {n_fft} samples")
    return runs


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
    import torch

    path, description = weights.files
    config = read_config(description)
    content = load_tensors(path)
    state = next((content[name] for name in _INNER if isinstance(content.get(name), dict)), content)
    with expecting(path, f"the network that {printable(description.name)} describes"):
        named = _renamed(state, config)
        with torch.device("meta"):  # without memory: a configuration may describe a far larger network
            check_shapes(_build(config), named)
        network = _build(config)
        fill(network, named)
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
        mel_bands(config.sizes["num_bands"], n_fft, config.sizes["sample_rate"])
        if config.mel
        else side_by_side(config.bands or BS_BANDS, n_fft)
    )
    return RoFormer(split, config.mel, config.sizes, skip_connection=config.skip_connection, zero_dc=config.zero_dc)


class RoFormerNetwork(Described):
    """A RoFormer, see :class:`~mirkit.models.separation.network.Network`. Segments have any length and no context."""

    longest = float("inf")

    def __init__(self, module: Any, config: Config) -> None:
        self._module = module
        self.sources, self.rate, self.segment = config.sources, config.rate, config.segment
        self._least, self._takes_rest = config.sizes["stft_n_fft"], config.takes_rest

    def input_samples(self, samples: int, chosen: float | None, *, tight: bool) -> int:
        """Return the number of input samples for a segment of ``samples``: at least one frame of the spectrum."""
        return max(samples, self._least)

    def __call__(self, sound: Any, *, tight: bool) -> Any:
        """Separate a batch, Tensor of shape=(batch, 2, n) -> (batch, sources, 2, n)."""
        separated = self._module(sound)
        return sound[:, None] - separated if self._takes_rest else separated
