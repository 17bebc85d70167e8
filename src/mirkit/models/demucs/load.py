"""Demucs: the networks of the package ``demucs``, from its official checkpoints, applied in bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.catalog import STEMS
from mirkit.drums.stem_hits import KIT_STEMS
from mirkit.errors import MissingExtra, WeightsError
from mirkit.features.types import FloatArray
from mirkit.models.backend import Weights
from mirkit.models.demucs import BACKEND
from mirkit.models.demucs.checkpoint import Bag, Package, read_bag, read_package
from mirkit.models.safe_load import CheckpointMismatch, expecting, fill
from mirkit.models.separation.network import Described
from mirkit.models.separation.separator import Separator


def load(weights: Weights, device: str, wanted: Sequence[str] = STEMS) -> Separator:
    """Build the networks of a model.

    Parameters
    ----------
    weights : Weights
        Checkpoints as the authors publish them (``.th`` or ``.safetensors``), and the ``.yaml`` of a bag of several.
    device : str
        Of PyTorch.
    wanted : sequence of str
        Sources that become stems.

    Raises
    ------
    WeightsError
        A file is not a checkpoint of Demucs, is damaged, or could be read only by running code in it.
    """
    bag = read_bag(weights)
    networks = [_network(path, bag, device) for path in bag.files]
    first = networks[0]
    for network in networks[1:]:
        if (network.sources, network.rate) != (first.sources, first.rate):
            raise WeightsError(f"{weights.model}: its networks are not of one kind")
    mixture = _mixture(bag, weights.model, len(first.sources))
    return Separator(networks, mixture, weights, device, wanted=wanted, batch_size=BACKEND.batch_size)


def _mixture(bag: Bag, name: str, sources: int) -> FloatArray:
    given = np.ones((len(bag.files), sources)) if bag.weights is None else np.array(bag.weights, np.float64)
    if given.shape != (len(bag.files), sources) or (given < 0).any() or not (given.sum(axis=0) > 0).all():
        raise WeightsError(f"{name}: its weights are not one a network and source")
    shares: FloatArray = given / given.sum(axis=0)
    return shares


def _network(path: Path, bag: Bag, device: str) -> "DemucsNetwork":
    package = read_package(path)
    with expecting(path, "a checkpoint of Demucs"):
        module = _build(package)
        if bag.segment is not None and not (_is_transformer(module) and bag.segment > module.segment):
            module.segment = bag.segment
        network = DemucsNetwork(module)
    module.eval().float().to(device)
    return network


def _build(package: Package) -> Any:
    module, _, name = package.klass.rpartition(".")
    try:
        klass = getattr(import_module(module), name)
    except ImportError as error:
        raise MissingExtra(f"demucs cannot be used: {error}; pip install 'mirkit[stems]'") from error
    known = signature(klass).parameters  # older files have arguments that no longer exist; Demucs ignores them, too
    network = klass(*package.args, **{key: value for key, value in package.kwargs.items() if key in known})
    fill(network, package.state)
    return network


def _is_transformer(module: Any) -> bool:
    return hasattr(module, "use_train_segment")


class DemucsNetwork(Described):
    """A network of Demucs, see :class:`~mirkit.models.separation.network.Network`.

    The transformer always receives segments of its training length. The older networks receive the segment with some
    context.
    """

    def __init__(self, module: Any) -> None:
        if module.audio_channels != 2:
            raise CheckpointMismatch(f"it takes {module.audio_channels} channels, not 2")
        self._module = module
        self.sources = tuple(str(source) for source in module.sources)
        self.rate = int(module.samplerate)
        self.segment: Fraction | float = module.segment
        self._transformer = _is_transformer(module)
        self._trained = getattr(module, "use_train_segment", False)
        self.longest = float(module.segment) if self._trained else float("inf")
        self._layers = _Layers.of(module) if hasattr(module, "valid_length") and not self._transformer else None

    def input_samples(self, samples: int, chosen: float | None, *, tight: bool) -> int:
        """Return the number of input samples for a segment of ``samples``."""
        if self._transformer:
            seconds = self.segment if chosen is None and self._trained else chosen
            return samples if tight or seconds is None else int(seconds * self.rate)
        return samples if self._layers is None else self._layers.filled(samples)

    def __call__(self, sound: Any, *, tight: bool) -> Any:
        """Separate a batch, Tensor of shape=(batch, 2, n) -> (batch, sources, 2, n)."""
        if self._trained:
            self._module.use_train_segment = not tight
        with _fused_attention():
            return self._module(sound)


@dataclass(frozen=True)
class _Layers:
    """Convolutions of the oldest networks; the strides must divide the lengths of their inputs."""

    twice: bool
    depth: int
    kernel: int
    stride: int

    @classmethod
    def of(cls, module: Any) -> "_Layers":
        return cls(bool(module.resample), int(module.depth), int(module.kernel_size), int(module.stride))

    def filled(self, samples: int) -> int:
        """Return the smallest number of samples, at least ``samples``, that every layer divides without a remainder."""
        size = 2 * samples if self.twice else samples
        for _ in range(self.depth):
            size = max(1, -(-(size - self.kernel) // self.stride) + 1)
        for _ in range(self.depth):
            size = (size - 1) * self.stride + self.kernel
        return -(-size // 2) if self.twice else size


@contextmanager
def _fused_attention() -> Iterator[None]:
    """Disable PyTorch's "fast path" for transformers, which stores whole attention matrices and is slower."""
    from torch.backends import mha

    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)


def load_drumsep(weights: Weights, device: str) -> Separator:
    """Build the networks of a model whose sources are parts of a drum kit.

    Parameters
    ----------
    weights : Weights
        Files as for Demucs (see :func:`load`).
    device : str
        Of PyTorch.

    Raises
    ------
    WeightsError
        A file is not a checkpoint of Demucs, is damaged, or separates other sources.
    """
    separator = load(weights, device, wanted=tuple(KIT_STEMS))
    if lacking := [stem for stem in KIT_STEMS if stem not in separator.stems]:
        raise WeightsError(f"{weights.model}: not a model of drum kits: it does not separate {', '.join(lacking)}")
    return separator
