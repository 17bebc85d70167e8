"""Stems that a model does not make, split off what it leaves of the mix."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mirkit import separation
from mirkit.audio import Audio
from mirkit.features.types import FloatArray


def fill_missing_stems(
    stems: Iterable[dict[str, FloatArray]], audio: Audio, lacking: Sequence[str]
) -> Iterator[dict[str, FloatArray]]:
    """Add the stems that a model does not make; all of them then add up to the mix.

    The mix less the stems of the model goes through the embedded separation. What that takes for a stem that the model
    has already is added to ``other``.

    Parameters
    ----------
    stems : iterable of dict
        Blocks of the stems that the model makes, shape=(channels, n).
    audio : Audio
        The mix, at the rate of the stems.
    lacking : sequence of str
        The other stems; ``other`` is one of them.
    """
    rest = separation.Separator(audio.rate, audio.channels)
    mix, made, names = _Waiting(), _Waiting(), [""]
    sound = audio.blocks()

    def joined(parts: dict[str, FloatArray]) -> dict[str, FloatArray]:
        own = made.take(parts["other"].shape[-1])
        given = {stem: parts[stem] for stem in lacking}
        given["other"] = sum((parts[stem] for stem in parts if stem not in lacking), parts["other"])
        return dict(zip(names, own, strict=True)) | given

    for block in stems:
        names, own = list(block), np.stack(list(block.values()))
        made.put(own)
        while mix.length < own.shape[-1]:
            mix.put(next(sound))
        for parts in rest.push(mix.take(own.shape[-1]) - own.sum(axis=0)):
            yield joined(parts)
    for parts in rest.finish():
        yield joined(parts)


class _Waiting:
    """Samples in the order in which they came, along the last axis."""

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
