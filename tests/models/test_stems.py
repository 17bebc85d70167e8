"""What all separating models share, with networks whose answers are known."""

# ruff: noqa: E402 (PyTorch is an extra: all of this is skipped before anything imports it)

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from mirkit.audio import encode, open_audio
from mirkit.catalog import STEMS
from mirkit.errors import ModelError
from mirkit.models.backend import Weights
from mirkit.models.separation.network import SAFE_DB, difference, reference_signal
from mirkit.models.separation.overlap_add import Segment, SegmentStream, SlidingBuffer, WeightedSum
from mirkit.models.separation.separator import Separator
from mirkit.settings import SeparationSettings
from properties import tries

RATE = 44100
SHARES = np.array([0.4, 0.3, 0.2, 0.1], np.float32)
WEIGHTS = Weights("fake", (), "f" * 64)
Sound = npt.NDArray[np.float32]


class FakeNetwork:
    """Gives every stem its share of what it hears; has memory for so many samples at once."""

    def __init__(self, sources: tuple[str, ...] = STEMS, segment: float = 2.0, memory: float = np.inf) -> None:
        self.sources, self.rate, self.segment, self.longest = sources, RATE, segment, float("inf")
        self.memory = memory
        self.batches: list[tuple[int, int]] = []

    def input_samples(self, samples: int, chosen: float | None, *, tight: bool) -> int:
        return samples + (0 if tight else 64)

    def __call__(self, sound: Any, *, tight: bool) -> Any:
        self.batches.append((len(sound), sound.shape[-1]))
        if len(sound) * sound.shape[-1] > self.memory:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return sound[:, None] * torch.from_numpy(SHARES[: len(self.sources)])[:, None, None]


def separator(network: FakeNetwork, together: int = 1) -> Separator:
    made = Separator([network], np.ones((1, len(network.sources))), WEIGHTS, "cpu")
    made.compute.batch_size = together
    return made


def sound_file(path: Path, seconds: float = 5.0, rate: int = RATE, channels: int = 2) -> Sound:
    time = np.arange(round(seconds * rate)) / rate
    sound = np.stack([0.3 * np.sin(2 * np.pi * (200 + 90 * c) * time) for c in range(channels)])
    sound = (sound + 0.05).astype(np.float32)
    encode(path, [sound], rate=rate, channels=channels)
    return sound


def stems_of(made: Separator, path: Path, **values: Any) -> tuple[dict[str, Sound], Any]:
    run = made.separate(open_audio(path, rate=None), SeparationSettings(**values))
    blocks = list(run.blocks())
    return {stem: np.concatenate([block[stem] for block in blocks], axis=1) for stem in made.stems}, run


@settings(max_examples=tries(16), deadline=None)
@given(
    frames=st.integers(1, 400),
    delay=st.integers(0, 60),
    size=st.integers(2, 90),
    overlap=st.floats(0, 0.95),
    context=st.integers(0, 9),
)
def test_lanes_join_to_what_went_in(frames: int, delay: int, size: int, overlap: float, context: int) -> None:
    sound = np.arange(1, 2 * frames + 1, dtype=np.float32).reshape(2, frames)
    signal = SlidingBuffer(iter(np.array_split(sound, 5, axis=1)), frames, 2)
    lane = SegmentStream(0, frames, delay, size, overlap, lambda samples: samples + context)
    joined = WeightedSum(np.ones((1, 1)), 2)
    out = []
    for segment in lane.segments():
        joined.add(0, *lane.add(segment, signal.window(segment)[None]))
        out.append(joined.take())
    np.testing.assert_allclose(np.concatenate(out, axis=-1)[0], sound, rtol=1e-5)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (44100, 1), (48000, 2), (22050, 1)])
def test_stems_are_aligned_with_the_mix_at_its_rate(rate: int, channels: int, tmp_path: Path) -> None:
    mix = sound_file(tmp_path / "x.wav", 4.321, rate, channels)
    stems, _ = stems_of(separator(FakeNetwork(), together=2), tmp_path / "x.wav")
    for stem, share in zip(STEMS, SHARES, strict=True):
        assert stems[stem].shape == mix.shape
        # Demucs adds the mean of the track to every stem, not its share of it.
        expected = share * mix + (1 - share) * mix.mean()
        inside = slice(500, -500) if rate != RATE else slice(None)  # a resampler rings where a tone begins
        np.testing.assert_allclose(stems[stem][:, inside], expected[:, inside], atol=5e-5)


def test_several_networks_and_shifts_are_averaged(tmp_path: Path) -> None:
    mix = sound_file(tmp_path / "x.wav", 3.0)
    first, second = FakeNetwork(), FakeNetwork(segment=0.7)
    mixture = np.array([[1, 0, 0.25, 0.5], [0, 1, 0.75, 0.5]])
    made = Separator([first, second], mixture, WEIGHTS, "cpu")
    stems, run = stems_of(made, tmp_path / "x.wav", shifts=3)
    np.testing.assert_allclose(stems["other"], 0.2 * mix + 0.8 * mix.mean(), atol=1e-5)
    assert run.method["segment"] == [2.0, 0.7]
    assert len(first.batches) == 9  # three segments a shift


def test_the_same_stems_every_time(tmp_path: Path) -> None:
    sound_file(tmp_path / "x.wav", 3.0)
    first, _ = stems_of(separator(FakeNetwork()), tmp_path / "x.wav", shifts=2)
    second, run = stems_of(separator(FakeNetwork()), tmp_path / "x.wav", shifts=2)
    assert all(np.array_equal(first[stem], second[stem]) for stem in STEMS)
    assert (run.method["shifts"], run.method["seed"]) == (2, 0)


def test_silence_and_very_short_sounds(tmp_path: Path) -> None:
    for name, sound in {"silent": np.zeros((2, 70000)), "one": np.full((1, 1), 0.5), "few": np.zeros((2, 30))}.items():
        path = tmp_path / f"{name}.wav"
        encode(path, [sound.astype(np.float32)], rate=RATE, channels=len(sound))
        stems, _ = stems_of(separator(FakeNetwork()), path)
        assert all(stem.shape == sound.shape and np.isfinite(stem).all() for stem in stems.values())


def test_no_more_than_a_few_segments_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    held = 0
    window = SlidingBuffer.window

    def watched(signal: SlidingBuffer, segment: Segment) -> Any:
        nonlocal held
        found = window(signal, segment)
        held = max(held, signal._kept.shape[1])
        return found

    monkeypatch.setattr(SlidingBuffer, "window", watched)

    class Long:
        """An hour of sound that nobody keeps."""

        path, rate, channels = Path("long.wav"), RATE, 2
        frames = 120 * RATE

        def blocks(self) -> Iterator[Sound]:
            for _ in range(self.frames // RATE):
                yield np.ones((2, RATE), np.float32)

    made = Separator([FakeNetwork(segment=1.0)] * 2, np.full((2, 4), 0.5), WEIGHTS, "cpu")
    longest = max(block["drums"].shape[1] for block in made.separate(Long(), SeparationSettings()).blocks())  # type: ignore[arg-type]
    assert held <= 4 * RATE
    assert longest <= 4 * RATE


def test_of_more_than_two_channels_the_downmix_is_separated(tmp_path: Path) -> None:
    sound_file(tmp_path / "x.wav", 5.0, channels=6)
    mix = np.concatenate(list(open_audio(tmp_path / "x.wav", rate=None).blocks()), axis=1)
    assert len(mix) == 2
    stems, _ = stems_of(separator(FakeNetwork()), tmp_path / "x.wav")
    for stem, share in zip(STEMS, SHARES, strict=True):
        np.testing.assert_allclose(stems[stem], share * mix + (1 - share) * mix.mean(), atol=5e-5)


def test_when_memory_is_short_fewer_segments_go_together(tmp_path: Path) -> None:
    mix = sound_file(tmp_path / "x.wav", 20.0)
    network = FakeNetwork(segment=1.0, memory=3.2 * RATE)
    made = separator(network, together=8)
    stems, run = stems_of(made, tmp_path / "x.wav")
    assert made.compute.batch_size == 2
    assert not run.notes
    np.testing.assert_allclose(stems["drums"], 0.4 * mix + 0.6 * mix.mean(), atol=1e-5)


def test_then_shorter_ones_and_it_is_said(tmp_path: Path) -> None:
    mix = sound_file(tmp_path / "x.wav", 12.0)
    made = separator(FakeNetwork(segment=8.0, memory=4.1 * RATE), together=4)
    stems, run = stems_of(made, tmp_path / "x.wav")
    assert run.method["segment"] == [4.0]
    assert run.notes == ["memory was short: separated in segments of 4 s"]
    np.testing.assert_allclose(stems["drums"], 0.4 * mix + 0.6 * mix.mean(), atol=1e-5)


def test_then_the_track_fails_with_a_line(tmp_path: Path) -> None:
    sound_file(tmp_path / "x.wav", 12.0)
    with pytest.raises(ModelError, match="fake: no memory left on cpu"):
        stems_of(separator(FakeNetwork(segment=8.0, memory=RATE)), tmp_path / "x.wav")


def test_other_failures_are_a_line_too(tmp_path: Path) -> None:
    class Broken(FakeNetwork):
        def __call__(self, sound: Any, *, tight: bool) -> Any:
            raise RuntimeError("cuDNN error: not initialized\nmore of it")

    sound_file(tmp_path / "x.wav", 1.0)
    with pytest.raises(ModelError, match=r"^fake failed on cpu: cuDNN error: not initialized$"):
        stems_of(separator(Broken()), tmp_path / "x.wav")


def test_what_half_precision_must_keep() -> None:
    sound = reference_signal(RATE, 20000)
    assert sound.shape == (1, 2, 20000)
    assert sound.std() == pytest.approx(1, abs=1e-3)
    exact = np.stack([sound[0], sound[0] * 0.01])[None]
    assert difference(exact, exact.astype(np.float16).astype(np.float32)) > SAFE_DB
    worse = exact.copy()
    worse[:, 1] *= 1.02  # one source of two
    assert difference(exact, worse) == pytest.approx(20 * np.log10(50), abs=0.1)
    assert difference(exact, exact * np.inf) == -np.inf
