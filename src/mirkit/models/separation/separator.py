"""A model that separates: one network or several, loaded once, applied to one track after the other."""

from collections.abc import Sequence
from functools import partial

from mirkit.audio import Audio
from mirkit.catalog import STEMS
from mirkit.errors import SettingsError, WeightsError
from mirkit.features.types import FloatArray
from mirkit.models.batching import BatchedNetwork, Compute, torch_step
from mirkit.models.separation.channel_pairs import ChannelPairs, ChannelSubset, pairs
from mirkit.models.separation.half_precision import safe_half
from mirkit.models.separation.inputs import ModelInput
from mirkit.models.separation.network import Network, step_name
from mirkit.models.separation.overlap_add import Float32
from mirkit.models.separation.track_separation import TrackSeparation
from mirkit.models.weights import Weights
from mirkit.settings import SeparationSettings


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
    normalize : bool
        Whether tracks are brought to mean 0 and deviation 1, as Demucs does.
    wanted : sequence of str
        Stems to make; sources that are none of these are added to ``other`` where the model has all.
    batch_size : int
        Segments that go through together on a card.

    Attributes
    ----------
    stems : tuple of str
        Those of them that it makes.
    compute : Compute
        Its steps are named by ``models.separation.network.step_name``.
    precision : str
        ``fp32``, or ``fp16`` where that is safe (see ``models.separation.half_precision``).

    Raises
    ------
    WeightsError
        It makes none of the stems.
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
        normalize: bool = True,
        wanted: Sequence[str] = STEMS,
        batch_size: int = 8,
    ) -> None:
        self.networks: Sequence[Network] = tuple(networks)
        self.mixture = mixture
        self.weights, self.device = weights, device
        self.overlap, self.shifts, self.normalize = overlap, shifts, normalize
        self.rate = networks[0].rate
        self._stem_of = _stems_of(networks[0].sources, wanted)
        self.stems = tuple(stem for stem in wanted if stem in self._stem_of)
        if not self.stems:
            sources = ", ".join(networks[0].sources)
            raise WeightsError(f"{weights.model}: separates {sources}; none of these is a stem that is wanted here")
        half = safe_half(self.networks, device)
        self.precision = "fp32" if half is None else "fp16"
        steps = {
            step_name(number, tight=tight): torch_step(partial(network, tight=tight), device, half)
            for number, network in enumerate(self.networks)
            for tight in (False, True)
        }
        self.compute: Compute = BatchedNetwork(weights.model, device, steps, batch_size)

    def separate(self, audio: Audio, settings: SeparationSettings) -> TrackSeparation | ChannelPairs:
        """Begin with a track.

        Parameters
        ----------
        audio : Audio
            At its own rate; its sound is gone through twice.
        settings : SeparationSettings

        Raises
        ------
        SettingsError
            The segment is longer than the network can take.
        """
        longest = min(network.longest for network in self.networks)
        if settings.segment is not None and settings.segment > longest:
            raise SettingsError(
                f"segment {settings.segment:g}: {self.weights.model} takes at most {float(longest):g} s at a time"
            )
        if audio.channels <= ModelInput.channels:
            return TrackSeparation(self, ModelInput(audio, self.rate), settings)
        kept = pairs(audio.channels)
        return ChannelPairs(
            [TrackSeparation(self, ModelInput(ChannelSubset(audio, pair), self.rate), settings) for pair in kept], kept
        )

    def as_stems(self, sources: Float32) -> dict[str, Float32]:
        """Name the stems, shape=(sources, 2, n); a source that is none of ours is added to ``other``."""
        return {
            stem: sources[[i for i, target in enumerate(self._stem_of) if target == stem]].sum(axis=0)
            for stem in self.stems
        }


def _stems_of(sources: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Wanted stem for each source of a model; "" for what is left out."""
    if set(wanted) <= set(sources):
        return [source if source in wanted or "other" not in wanted else "other" for source in sources]
    # Its "other" is all but its few sources, not all but our stems.
    return [source if source in wanted and source != "other" else "" for source in sources]
