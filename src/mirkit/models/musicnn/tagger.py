"""The tags of a signal that arrives in blocks, by both networks of musicnn."""

from collections.abc import Sequence

import numpy as np

from mirkit.errors import WeightsError, printable
from mirkit.features.stft import MelBank, PowerStft
from mirkit.features.tags.music_tags import MusicTags
from mirkit.features.types import FloatArray
from mirkit.models.backend import Weights
from mirkit.models.batching import NetworkStream
from mirkit.models.musicnn.network import BANDS, HOP, N_FFT, PATCH, RATE, Network
from mirkit.models.tensorflow_checkpoint import read_checkpoint

_FACTOR = np.float32(10_000)


def load(weights: Weights, device: str) -> "Tagger":
    """Read both networks.

    Parameters
    ----------
    weights : Weights
        Index and numbers of the network of MagnaTagATune, then those of the Million Song Dataset.
    device : str
        The networks are computed on the CPU.

    Raises
    ------
    WeightsError
        A file is not the expected one.
    """
    networks = []
    for index, data in zip(weights.files[::2], weights.files[1::2], strict=True):
        try:
            networks.append(Network(read_checkpoint(index, data)))
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{printable(index.parent)}: this is another network than musicnn") from error
    return Tagger(networks, weights)


class Tagger:
    """The loaded networks.

    Parameters
    ----------
    networks : sequence of Network
    weights : Weights
    """

    def __init__(self, networks: Sequence[Network], weights: Weights) -> None:
        self.networks, self.weights = networks, weights

    def stream(self) -> "TagStream":
        """Open a stream for one signal."""
        return TagStream(self.networks)


class TagStream(NetworkStream):
    """One signal; the result is a ``MusicTags``.

    The input are mel spectra of 96 bands, ``log10(1 + 10000 x)``, as in the package, but in single precision: there,
    16-bit numbers overflow in loud low bands.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__(RATE)
        self._networks = networks
        self._stft, self._mel = PowerStft(N_FFT, HOP), MelBank(BANDS, N_FFT, RATE)
        self._frames = np.zeros((0, BANDS), np.float32)
        self._rows: list[FloatArray] = []

    def _compute(self, mono: FloatArray, *, last: bool) -> None:
        for spectra in (*map(np.copy, self._stft.push(mono)), *(map(np.copy, self._stft.finish()) if last else ())):
            self._frames = np.concatenate((self._frames, np.log10(1 + _FACTOR * self._mel.apply(spectra))))
            while len(self._frames) >= PATCH:
                patch = self._frames[None, :PATCH]
                self._rows.append(np.concatenate([network(patch)[0] for network in self._networks]))
                self._frames = self._frames[PATCH:]

    def _result(self) -> MusicTags:
        return MusicTags.of(self._rows)
