"""A model that separates: one network or several, loaded once, applied to one track after the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mirkit.audio import Audio
from mirkit.catalog import STEMS
from mirkit.errors import ModelError, SettingsError, WeightsError
from mirkit.features.types import FloatArray
from mirkit.models.stems import precision
from mirkit.models.stems.lanes import Float32
from mirkit.models.stems.memory import OutOfMemory, give_back, is_out_of_memory
from mirkit.models.stems.network import Network
from mirkit.models.stems.pairs import Pairs, Part, pairs
from mirkit.models.stems.run import Run
from mirkit.models.stems.sound import Heard
from mirkit.models.weights import Weights
from mirkit.store.settings import Separation

#: Segments that go through together on a card; a CPU gains nothing from company.
_TOGETHER = 8


class Separator:
    """Networks whose outputs are added up, each source with its weights.

    Parameters
    ----------
    networks : sequence of Network
        Of the same sources and rate, on the device.
    mixture : array, shape=(networks, sources)
        Weight of each network for each source; those of a source add up to 1.
    weights : Weights
    device : str
        Of PyTorch.
    overlap, shifts : float, int
        Share of a segment that overlaps with the next, and random shifts to average over, unless the settings say.
    normalise : bool
        Whether tracks are brought to mean 0 and deviation 1, as Demucs does.
    wanted : sequence of str
        Stems to make; sources that are none of these are added to ``other`` where the model has all.

    Attributes
    ----------
    stems : tuple of str
        Those of them that it makes.
    together : int
        Segments that go through at once; halves when memory is short.
    precision : str
        ``fp32``, or ``fp16`` where that is safe (see ``models.stems.precision``).

    Raises
    ------
    WeightsError
        It makes none of our stems.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        mixture: FloatArray,
        weights: Weights,
        device: str,
        *,
        overlap: float = 0.25,
        shifts: int = 1,
        normalise: bool = True,
        wanted: Sequence[str] = STEMS,
    ) -> None:
        self.networks: Sequence[Network] = tuple(networks)
        self.mixture = mixture
        self.weights, self.device = weights, device
        self.overlap, self.shifts, self.normalise = overlap, shifts, normalise
        self.rate = networks[0].rate
        self._stem_of = _stems_of(networks[0].sources, wanted)
        self.stems = tuple(stem for stem in wanted if stem in self._stem_of)
        if not self.stems:
            told = ", ".join(networks[0].sources)
            raise WeightsError(f"{weights.model}: separates {told}; none of these is a stem that is wanted here")
        self.together = 1 if device == "cpu" else _TOGETHER
        self._half = self._safe_half()
        self.precision = "fp32" if self._half is None else "fp16"

    def separate(self, audio: Audio, settings: Separation) -> Run | Pairs:
        """Begin with a track.

        Parameters
        ----------
        audio : Audio
            At its own rate; its sound is gone through twice.
        settings : Separation

        Raises
        ------
        SettingsError
            The segment is longer than the network can hear.
        """
        longest = min(network.longest for network in self.networks)
        if settings.segment is not None and settings.segment > longest:
            raise SettingsError(
                f"segment {settings.segment:g}: {self.weights.model} can hear {float(longest):g} s at a time"
            )
        if audio.channels <= Heard.channels:
            return Run(self, Heard(audio, self.rate), settings)
        kept = pairs(audio.channels)
        return Pairs([Run(self, Heard(Part(audio, pair), self.rate), settings) for pair in kept], kept)

    def compute(self, number: int, sounds: Float32, *, tight: bool) -> Float32:
        """Run segments through a network, shape=(n, 2, samples) -> (n, sources, 2, samples).

        Raises
        ------
        OutOfMemory
            The device has no memory for a single one of them.
        ModelError
            The network failed in another way.
        """
        while True:
            at_once = self.together
            parts = (sounds[start : start + at_once] for start in range(0, len(sounds), at_once))
            try:
                return np.concatenate([self._forward(number, part, self._half, tight) for part in parts])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    why = str(error).partition("\n")[0]
                    raise ModelError(f"{self.weights.model} failed on {self.device}: {why}") from error
                give_back(self.device)
                if at_once == 1:
                    raise OutOfMemory from error
                self.together = at_once // 2

    def as_stems(self, sources: Float32) -> dict[str, Float32]:
        """Name the stems, shape=(sources, 2, n); a source that is none of ours is added to ``other``."""
        return {
            stem: sources[[i for i, target in enumerate(self._stem_of) if target == stem]].sum(axis=0)
            for stem in self.stems
        }

    def _forward(self, number: int, sounds: Float32, half: Any, tight: bool) -> Float32:
        import torch

        with torch.inference_mode(), torch.autocast(self.device.partition(":")[0], half, enabled=half is not None):
            batch = torch.from_numpy(sounds).to(self.device)
            found: Float32 = self.networks[number](batch, tight=tight).float().cpu().numpy()
        return found

    def _safe_half(self) -> Any:
        """Half precision if this is a card, and if with it every network says what it says without."""
        import torch

        if not self.device.startswith("cuda"):
            return None
        for number, network in enumerate(self.networks):
            samples = network.heard(int(network.rate * network.segment), None, tight=False)
            sound = precision.probe(network.rate, samples)
            try:
                exact, half = (self._forward(number, sound, dtype, tight=False) for dtype in (None, torch.float16))
            except RuntimeError:  # a card that cannot, or no memory to find out
                give_back(self.device)
                return None
            if precision.difference(exact, half) < precision.SAFE_DB:
                return None
        return torch.float16


def _stems_of(sources: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Wanted stem for each source of a model; "" for what is left out."""
    if set(wanted) <= set(sources):
        return [source if source in wanted or "other" not in wanted else "other" for source in sources]
    # Its "other" is all but its few sources, not all but our stems.
    return [source if source in wanted and source != "other" else "" for source in sources]
