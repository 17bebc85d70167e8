"""Replacements for neural models, with the interfaces of ``mirkit.models`` and outputs that the test sets."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mirkit.features.rhythm.beats.from_activations import Activations
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.models import registry
from mirkit.models.backend import Model, Weights

FRAME_RATE = 50.0


def use_models(monkeypatch: pytest.MonkeyPatch, *models: Model) -> None:
    """Make these the only published weights."""
    rows = tuple(
        replace(row, weights=tuple(model for model in models if model.backend == row.name))
        for row in registry.backends()
    )
    monkeypatch.setattr(registry, "backends", lambda: rows)


def activations(beats: Sequence[float], seconds: float, bar: int = 4, *, sure: float = 4.0) -> Activations:
    """Activations of a network that detects exactly these beats; the first one begins a bar."""
    frames = np.arange(int(seconds * FRAME_RATE) + 1)
    both = np.full((2, len(frames)), -6.0, np.float32)
    for i, beat in enumerate(beats):
        distance = np.abs(frames - round(beat * FRAME_RATE))
        bump = np.where(distance <= 2, sure - 2.0 * distance, -6)
        both[: 2 if i % bar == 0 else 1] = np.maximum(both[: 2 if i % bar == 0 else 1], bump)
    return Activations(both[0], both[1], FRAME_RATE)


class FakeTracker:
    """A ``BeatTracker`` that detects a beat every ``interval`` seconds, for any audio."""

    def __init__(self, interval: float, bar: int = 4) -> None:
        self.weights = Weights("fake", (), "f" * 64)
        self.interval, self.bar = interval, bar
        self.streams = 0

    def stream(self) -> "FakeListener":
        self.streams += 1
        return FakeListener(self)


class FakeListener:
    def __init__(self, tracker: FakeTracker) -> None:
        self._tracker = tracker
        self._samples = 0

    def push(self, block: FloatArray) -> None:
        assert block.ndim == 2
        self._samples += block.shape[1]

    def finish(self) -> Activations:
        seconds = self._samples / ANALYSIS_RATE
        return activations(np.arange(0.0, seconds, self._tracker.interval), seconds, self._tracker.bar)
