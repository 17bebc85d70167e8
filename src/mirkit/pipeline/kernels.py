"""Compiled kernels in their cache before several processes look for them.

Numba compiles a kernel at its first call and keeps it on disk. Two processes that do so at the same time can spoil that
cache for good, so before the first run with several workers everything is called once, here.
"""

import platform
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from mirkit import __version__
from mirkit.catalog import STAGES
from mirkit.features.types import ANALYSIS_RATE, FloatArray


def compile_kernels(say: Callable[[str], None]) -> None:
    """Call every compiled kernel once, unless this version has done so on this machine.

    Parameters
    ----------
    say : callable
        Told when it starts: it takes up to a minute.
    """
    import numba
    from platformdirs import user_cache_path

    marker = user_cache_path("mirkit") / f"kernels-{__version__}-{numba.__version__}-{platform.python_version()}"
    if marker.exists():
        return
    say("compiling the kernels once for this version; this takes up to a minute")
    call_kernels()
    with suppress(OSError):  # a machine without a cache folder compiles again next time
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


def call_kernels() -> None:
    """Measure and separate noise bursts, mono and stereo."""
    from mirkit import separation
    from mirkit.features.danceability import danceability
    from mirkit.features.rhythm.beats.track import track_beats
    from mirkit.features.signal import measure
    from mirkit.features.types import Window

    families = frozenset(family for stage in STAGES for _, family in stage.curves)
    for channels in (1, 2):
        sound = {"full_mix": [_bursts(channels)]}
        curves, _ = measure(sound, {"full_mix": channels}, {"full_mix": families})
        track_beats(curves["full_mix", "onset"])
        danceability(curves["full_mix", "envelope"], Window(0, 12))
        for _ in separation.separate(iter(sound["full_mix"]), ANALYSIS_RATE, channels):
            pass


def _bursts(channels: int) -> FloatArray:
    """Twelve seconds of decaying noise, twice a second: onsets, beats and decays for every model."""
    n = 12 * ANALYSIS_RATE
    since = (np.arange(n) % (ANALYSIS_RATE // 2)) / ANALYSIS_RATE
    noise = np.random.default_rng(0).standard_normal((channels, n)) * 0.3 * np.exp(-20 * since)
    block: FloatArray = noise.astype(np.float32)
    block.flags.writeable = False  # as decoded sound is
    return block
