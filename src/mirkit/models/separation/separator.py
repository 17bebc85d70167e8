"""A separation model: one or several networks, loaded once and applied to one track after another."""

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
    """Networks whose outputs are summed, with a weight for each network and source.

    Parameters
    ----------
    networks : sequence of Network
        Networks with the same sources and sample rate, on the device.
    mixture : array, shape=(networks, sources)
        Weight of each network for each source; those of a source add up to 1.
    weights : Weights
    device : str
        PyTorch device.
    overlap, shifts : float, int
        Share of a segment that overlaps with the next, and number of random shifts to average over. Both are defaults,
        which the settings can replace.
    normalize : bool
        Whether tracks are normalized to mean 0 and standard deviation 1, as in Demucs.
    wanted : sequence of str
        Stems to make. If the model has all of them, its further sources are added to ``other``.
    batch_size : int
        Number of segments in a batch on a GPU.

    Attributes
    ----------
    stems : tuple of str
        Stems that the model makes.
    compute : Compute
        Its steps are named by ``models.separation.network.step_name``.
    precision : str
        ``fp32``, or ``fp16`` if that is accurate enough (see ``models.separation.half_precision``).

    Raises
    ------
    WeightsError
        The model makes none of the stems.
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
        """Begin the separation of a track.

        Parameters
        ----------
        audio : Audio
            Audio at its own rate; it is read twice.
        settings : SeparationSettings

        Raises
        ------
        SettingsError
            The segment is longer than the network allows.
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
        """Name the stems, shape=(sources, 2, n); any further source is added to ``other``."""
        return {
            stem: sources[[i for i, target in enumerate(self._stem_of) if target == stem]].sum(axis=0)
            for stem in self.stems
        }


def _stems_of(sources: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the stem for each source of a model; "" for a source that is left out."""
    if set(wanted) <= set(sources):
        return [source if source in wanted or "other" not in wanted else "other" for source in sources]
    # If stems are missing, the model's "other" contains them, so it is not the stem "other".
    return [source if source in wanted and source != "other" else "" for source in sources]
