"""A recording as it turns up again: other gain, other codec, trimmed, faster or slower, higher or lower."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr

from mirkit.audio import encode, open_audio
from mirkit.features.bands import BandCurve
from mirkit.features.extraction import BLOCK, measure
from mirkit.features.harmony.chroma import ChromaCurve
from mirkit.features.types import ANALYSIS_RATE as RATE

Sound = np.ndarray  # float32, shape=(2, n)


def speed(x: Sound, factor: float) -> Sound:
    """Play faster: tempo and pitch."""
    return np.ascontiguousarray(soxr.resample(x.T, RATE, RATE / factor, quality="HQ").T, np.float32)


def tempo(x: Sound, factor: float) -> Sound:
    """Play faster at the same pitch, by FFmpeg's atempo (WSOLA)."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo", time_base=Fraction(1, RATE))
    stretch, sink = graph.add("atempo", str(factor)), graph.add("abuffersink")
    source.link_to(stretch)
    stretch.link_to(sink)
    graph.configure()
    found: list[Sound] = []

    def drain() -> None:
        while True:
            try:
                frame = sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            samples = frame.to_ndarray()
            found.append(samples if frame.format.is_planar else samples.reshape(-1, 2).T)

    for start in range(0, x.shape[1], BLOCK):
        block = np.ascontiguousarray(x[:, start : start + BLOCK])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        source.push(frame)
        drain()
    source.push(None)
    drain()
    return np.concatenate(found, axis=1)


def pitch(x: Sound, semitones: float) -> Sound:
    """Play higher at the same tempo."""
    factor = 2 ** (semitones / 12)
    return tempo(speed(x, factor), 1 / factor)


def coded(x: Sound, path: Path, bitrate: int | None = None) -> Sound:
    """Encode and decode."""
    encode(path, [x], rate=RATE, channels=2, bitrate=bitrate)
    return np.concatenate(list(open_audio(path).blocks(BLOCK)), axis=1)


def curves(x: Sound) -> tuple[ChromaCurve, BandCurve]:
    """Measure what the outline is made of."""
    blocks = [np.ascontiguousarray(x[:, start : start + BLOCK]) for start in range(0, x.shape[1], BLOCK)]
    found, _ = measure({"full_mix": blocks}, {"full_mix": len(x)}, {"full_mix": frozenset({"chroma", "bands"})}, {})
    return found["full_mix", "chroma"], found["full_mix", "bands"]


#: Name -> alteration of a sound, given a folder to encode in.
ALTERATIONS: dict[str, Callable[[Sound, Path], Sound]] = {
    "14 dB quieter": lambda x, _: 0.2 * x,
    "trimmed by 3.7 and 2.2 s": lambda x, _: x[:, int(3.73 * RATE) : -int(2.21 * RATE)],
    "mp3, 64 kbit/s": lambda x, folder: coded(x, folder / "x.mp3", 64),
    "ogg": lambda x, folder: coded(x, folder / "x.ogg"),
    "speed +3 %": lambda x, _: speed(x, 1.03),
    "speed -3 %": lambda x, _: speed(x, 0.97),
    "tempo +3 %": lambda x, _: tempo(x, 1.03),
    "tempo -3 %": lambda x, _: tempo(x, 0.97),
    "pitch +1": lambda x, _: pitch(x, 1),
    "pitch -1": lambda x, _: pitch(x, -1),
    "all of it": lambda x, folder: 0.5 * coded(speed(x, 1.015)[:, int(4.1 * RATE) :], folder / "y.mp3", 96),
}
