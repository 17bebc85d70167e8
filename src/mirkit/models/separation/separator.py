"""A separation model: one or several networks, loaded once and applied to one track after another."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mirkit.audio import Audio
from mirkit.catalog import STEMS
from mirkit.engines.prefetch import prefetch
from mirkit.errors import ModelError, SettingsError, WeightsError
from mirkit.features.types import FloatArray
from mirkit.models.backend import Weights
from mirkit.models.batching import BatchedNetwork, Compute, OutOfMemory, torch_step
from mirkit.models.separation.inputs import ModelInput, Normalization
from mirkit.models.separation.network import Network, safe_half, step_name
from mirkit.models.separation.overlap_add import Float32, Segment, SegmentStream, SlidingBuffer, WeightedSum
from mirkit.settings import SeparationSettings

#: Seed of the random shifts of every track, so that separating a track again gives the same stems.
SEED = 0
#: Shortest segment (s) worth trying when memory is short.
_SHORTEST = 1.5
#: Longest shift (s).
_LONGEST_SHIFT = 0.5


@dataclass(frozen=True)
class _Pass:
    """Segment length (s), None for that of the network; ``tight``: as little context as possible, to save memory."""

    segment: float | None
    tight: bool = False


class TrackSeparation:
    """The stems of one track, as a stream.

    Attributes
    ----------
    method : dict
        Details for the provenance; complete when the stems are.
    notes : list of str
        Messages for the user.
    """

    def __init__(self, separator: "Separator", model_input: ModelInput, settings: SeparationSettings) -> None:
        self._separator, self._input, self._settings = separator, model_input, settings
        self._overlap = separator.overlap if settings.overlap is None else settings.overlap
        self._shifts = separator.shifts if settings.shifts is None else settings.shifts
        self.notes: list[str] = []
        self.method: dict[str, Any] = {
            "shifts": self._shifts,
            "seed": SEED if self._shifts else None,
            "overlap": self._overlap,
            "device": separator.device.partition(":")[0],
            "precision": separator.precision,
        }

    def blocks(self) -> Iterator[dict[str, Float32]]:
        """Yield blocks of stems with the rate, the channels and, in total, the length of the file.

        Raises
        ------
        ModelError
            The network failed, or memory is too short for it.
        AudioError
            The file cannot be decoded.
        """
        level = self._input.level()
        how = _Pass(self._settings.segment)
        while True:
            begun = False
            try:
                for block in self._input.as_file(self._outputs(level, how), level.own_frames):
                    begun = True
                    yield block
                break
            except OutOfMemory as error:
                how = self._shorter(how, error, begun=begun)
        self.method["segment"] = [float(how.segment or network.segment) for network in self._separator.networks]

    def _shorter(self, how: _Pass, error: OutOfMemory, *, begun: bool) -> _Pass:
        """Return the next pass after one that ran out of memory."""
        separator = self._separator
        segment = min(float(how.segment or network.segment) for network in separator.networks) / 2
        if begun or segment < _SHORTEST:
            remedy = "close other programs, or use --device cpu" if separator.device != "cpu" else "use --jobs 1"
            raise ModelError(f"{separator.weights.model}: no memory left on {separator.device}; {remedy}") from error
        self.notes = [f"memory was short: separated in segments of {segment:.3g} s"]
        return _Pass(segment, tight=True)

    def _outputs(self, level: Normalization, how: _Pass) -> Iterator[dict[str, Float32]]:
        """Yield blocks of stems at the network's rate."""
        separator = self._separator
        scale, shift = (level.deviation + 1e-8, level.mean) if separator.normalize else (1.0, 0.0)
        lanes = self._lanes(level.frames, how)
        joined = WeightedSum(np.stack([weights for _, _, weights in lanes]), ModelInput.channels)
        blocks = prefetch((block - np.float32(shift)) / np.float32(scale) for block in self._input.blocks())
        signal = SlidingBuffer(blocks, level.frames, ModelInput.channels)
        waiting: dict[int, list[tuple[Segment, Float32]]] = {}

        def compute(network: int) -> dict[str, Float32]:
            segments, windows = zip(*waiting.pop(network), strict=True)
            for segment, output in zip(
                segments, separator.compute(step_name(network, tight=how.tight), np.stack(windows)), strict=True
            ):
                joined.add(segment.lane, *lanes[segment.lane][1].add(segment, output))
            return separator.as_stems(joined.take() * np.float32(scale) + np.float32(shift))

        for segment in _in_step([lane for _, lane, _ in lanes], signal):
            network = lanes[segment.lane][0]
            group = waiting.setdefault(network, [])
            if group and group[0][0].input_samples != segment.input_samples:
                yield compute(network)
                group = waiting.setdefault(network, [])
            group.append((segment, signal.window(segment)))
            if len(group) >= separator.compute.batch_size:
                yield compute(network)
        for network in list(waiting):
            yield compute(network)

    def _lanes(self, frames: int, how: _Pass) -> list[tuple[int, SegmentStream, Float32]]:
        """Return the passes over the track: number of the network, lane, and weight for each source."""
        shifts = self._shifts
        draw = random.Random(SEED)
        lanes: list[tuple[int, SegmentStream, Float32]] = []
        for number, network in enumerate(self._separator.networks):
            weights = self._separator.mixture[number].astype(np.float32) / max(1, shifts)
            longest = int(_LONGEST_SHIFT * network.rate)
            size = int(network.rate * (how.segment or network.segment))
            for _ in range(max(1, shifts)):
                # Drawn as in Demucs, so that the same seed gives the same shifts.
                delay = longest - draw.randint(0, longest) if shifts else 0

                def input_samples(samples: int, network: Any = network) -> int:
                    return int(network.input_samples(samples, how.segment, tight=how.tight))

                if self._separator.is_needed(number, self._settings.two_stems):
                    lane = SegmentStream(len(lanes), frames, delay, size, self._overlap, input_samples)
                    lanes.append((number, lane, weights))
        return lanes


def _in_step(lanes: list[SegmentStream], signal: SlidingBuffer) -> Iterator[Segment]:
    """Yield the segments of all lanes in the order of their ends; drop audio that no later segment needs."""
    todo = [lane.segments() for lane in lanes]
    heads = [next(segments, None) for segments in todo]
    while waiting := [head for head in heads if head is not None]:
        segment = min(waiting, key=lambda head: (head.end, head.lane))
        signal.forget(min(head.start for head in waiting))
        yield segment
        heads[segment.lane] = next(todo[segment.lane], None)


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
        ``fp32``, or ``fp16`` if that is accurate enough (see ``models.separation.network``).

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

    def separate(self, audio: Audio, settings: SeparationSettings) -> TrackSeparation:
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
        return TrackSeparation(self, ModelInput(audio, self.rate), settings)

    def is_needed(self, network: int, stem: str | None) -> bool:
        """Return whether a network contributes to a stem; None for all of them."""
        sources = [i for i, target in enumerate(self._stem_of) if target == stem]
        return not sources or bool(self.mixture[network][sources].any())

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
