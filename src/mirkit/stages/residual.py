"""Stems that a model does not produce: computed from the rest of the mix."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mirkit import separation
from mirkit.audio import Audio
from mirkit.features.types import FloatArray


def fill_missing_stems(
    stems: Iterable[dict[str, FloatArray]], audio: Audio, missing: Sequence[str]
) -> Iterator[dict[str, FloatArray]]:
    """Add the stems that a model does not produce, so that all stems add up to the mix.

    The residual (mix minus stems of the model) is separated by the embedded backend. Its parts for stems that the model
    has produced are added to ``other``.

    Parameters
    ----------
    stems : iterable of dict
        Blocks of the stems that the model makes, shape=(channels, n).
    audio : Audio
        The mix, at the rate of the stems.
    missing : sequence of str
        The other stems; ``other`` is one of them.

    Yields
    ------
    dict of str to array, float32, shape=(channels, n)
        Blocks of all four stems.
    """
    rest = separation.Separator(audio.rate, audio.channels)
    mix, made, names = _Queue(), _Queue(), [""]
    mix_blocks = audio.blocks()

    def combined(parts: dict[str, FloatArray]) -> dict[str, FloatArray]:
        own = made.take(parts["other"].shape[-1])
        filled = {stem: parts[stem] for stem in missing}
        filled["other"] = sum((parts[stem] for stem in parts if stem not in missing), parts["other"])
        return dict(zip(names, own, strict=True)) | filled

    for block in stems:
        names, own = list(block), np.stack(list(block.values()))
        made.put(own)
        while mix.length < own.shape[-1]:
            mix.put(next(mix_blocks))
        for parts in rest.push(mix.take(own.shape[-1]) - own.sum(axis=0)):
            yield combined(parts)
    for parts in rest.finish():
        yield combined(parts)


class _Queue:
    """A first-in, first-out queue of samples, along the last axis."""

    def __init__(self) -> None:
        self._kept: FloatArray | None = None

    @property
    def length(self) -> int:
        return 0 if self._kept is None else self._kept.shape[-1]

    def put(self, samples: FloatArray) -> None:
        self._kept = samples if self._kept is None else np.concatenate((self._kept, samples), axis=-1)

    def take(self, count: int) -> FloatArray:
        assert self._kept is not None
        taken, self._kept = self._kept[..., :count], self._kept[..., count:]
        return taken
