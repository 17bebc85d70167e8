"""Which part of a track is heard."""

import numpy as np
import pytest

from mirkit.captions.excerpt import RATE, audio_tokens, context_tokens, cut, excerpt_seconds


@pytest.mark.parametrize(
    ("duration", "limit", "whole", "seconds"),
    [
        (180.0, 600.0, True, 179.97),
        (185.0, 600.0, True, 179.97),
        (29.98, 600.0, True, 29.97),
        (30.0, 600.0, True, 29.97),
        (12.0, 600.0, True, 12.0),
        (180.0, 60.0, True, 59.97),
        (900.0, 600.0, True, 599.97),
        (185.0, 600.0, False, 185.0),
        (185.0, 60.0, False, 60.0),
    ],
)
def test_seconds(duration: float, limit: float, whole: bool, seconds: float) -> None:
    assert excerpt_seconds(duration, limit, whole_windows=whole) == pytest.approx(seconds)


def test_never_an_extra_window() -> None:
    """llama.cpp adds a silent window to sound within 15 ms of a whole one (its issue 27697)."""
    for duration in np.arange(29.0, 700.0, 0.37):
        seconds = excerpt_seconds(float(duration), 600.0, whole_windows=True)
        assert seconds % 30 < 29.975
        assert audio_tokens(seconds, whole_windows=True) == 750 * np.ceil(seconds / 30)


def test_excerpts() -> None:
    samples = np.zeros(200 * RATE, np.float32)
    samples[150 * RATE : 170 * RATE] = 0.5
    assert cut(samples, 500.0, "middle") is samples
    middle = cut(np.arange(200 * RATE, dtype=np.float32), 100.0, "middle")
    assert (middle[0], len(middle)) == (50 * RATE, 100 * RATE)
    loudest = cut(samples, 20.0, "loudest")
    assert len(loudest) == 20 * RATE
    assert np.all(loudest == 0.5)
    ramp = np.arange(200 * RATE, dtype=np.float32)
    spread = cut(ramp, 59.97, "spread")
    assert len(spread) == round(59.97 * RATE)
    assert (spread[0], spread[-1]) == (ramp[0], ramp[-1]), "from the start to the end"
    assert np.sum(np.diff(spread) != 1) == 1, "two windows"
    assert len(cut(ramp, 29.97, "spread")) == round(29.97 * RATE)


def test_context_holds_sound_prompt_and_answer() -> None:
    assert context_tokens(179.97, "Describe it.", 300) >= 4500 + 12 + 300 + 61
    assert context_tokens(30.0, "ä" * 100, 10) >= 750 + 200 + 10
