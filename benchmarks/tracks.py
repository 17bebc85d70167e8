"""Long tracks for the benchmarks: real multitracks where they are at hand, else the demo set, looped with changes.

Each repetition has another gain and a little noise, so that nothing repeats to the bit.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mirkit.audio import encode, open_audio
from mirkit.catalog import STEMS
from mirkit.demo import demo_tracks
from mirkit.features.types import ANALYSIS_RATE

ROOT = Path(__file__).resolve().parents[1]


def shared_data() -> Path | None:
    """The folder of real music, or None."""
    folder = Path(os.environ.get("MIRKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


def pieces() -> tuple[str, list[dict[str, np.ndarray]]]:
    """Where the sound comes from, and pieces of it: stem -> samples, shape=(2, n), 44.1 kHz."""
    data = shared_data()
    folders = sorted(data.glob("mdb/MusicDelta_*")) if data else []
    if folders:
        return "MDB Drums multitracks", [
            {stem: open_audio(folder / f"{stem}.flac").samples() for stem in STEMS} for folder in folders
        ]
    return "demo set", [dict(piece.stems) for piece in demo_tracks()]


def make_track(folder: Path, seconds: float, *, stems: bool = True) -> str:
    """Write ``full_mix.flac`` (the sum of the stems) and the stems; say where the sound comes from."""
    origin, sources = pieces()
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("full_mix", *STEMS) if stems else ("full_mix",):
        blocks = _blocks(sources, part, round(seconds * ANALYSIS_RATE))
        encode(folder / f"{part}.flac", blocks, rate=ANALYSIS_RATE, channels=2, bits=16)
    return origin


def _blocks(sources: list[dict[str, np.ndarray]], part: str, n: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(7)
    written = turn = 0
    while written < n:
        piece = sources[turn % len(sources)]
        gain = np.float32(0.5 + 0.4 * rng.random())
        length = min(min(x.shape[1] for x in piece.values()), n - written)
        names = STEMS if part == "full_mix" else (part,)
        block = gain * sum(_stereo(piece[name][:, :length]) for name in names)
        yield np.clip(block + 1e-4 * rng.standard_normal((2, length)).astype(np.float32), -1, 1).astype(np.float32)
        written += length
        turn += 1


def _stereo(x: np.ndarray) -> np.ndarray:
    return np.broadcast_to(x, (2, x.shape[1]))
