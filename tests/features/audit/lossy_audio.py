"""Audio that has been through a lossy codec, for tests of the audit."""

import io
from functools import cache

import av
import numpy as np

from signals import RATE

#: Codec -> container and encoder of FFmpeg.
ENCODERS = {"MP3": ("mp3", "libmp3lame"), "AAC": ("adts", "aac"), "Opus": ("ogg", "libopus")}


@cache
def music(seconds: float = 4.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Two channels with drums, notes with many partials, and noise up to half of the rate; float32, shape=(2, n)."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    t = np.arange(n) / rate
    total = np.zeros((2, n))
    for start in np.arange(0, seconds, 0.25):
        at = t >= start
        at &= t < start + 1
        since = t[at] - start
        side = rng.uniform(0.3, 0.7)
        hit = 0.2 * rng.standard_normal(len(since)) * np.exp(-30 * since)
        note = 110 * 2 ** (rng.integers(0, 24) / 12)
        tone = sum(0.1 / k * np.sin(2 * np.pi * k * note * since + k) for k in range(1, 16))
        total[:, at] += np.outer((side, 1 - side), hit + tone * np.exp(-3 * since))
    total += 0.002 * rng.standard_normal((2, n))
    return rounded(total / np.abs(total).max() * 0.7)


def rounded(samples: np.ndarray) -> np.ndarray:
    """Round to 16 bits, as a lossless file has it."""
    return (np.round(np.clip(samples, -1, 1 - 2**-15) * 32768) / 32768).astype(np.float32)


def through(codec: str, kbps: int, samples: np.ndarray, rate: int = RATE) -> tuple[np.ndarray, int]:
    """Encode and decode; return the rounded samples and their rate, which is 48 kHz for Opus."""
    form, encoder = ENCODERS[codec]
    layout = "stereo" if len(samples) == 2 else "mono"
    data = io.BytesIO()
    with av.open(data, "w", format=form) as container:
        stream = container.add_stream(encoder, rate=48000 if codec == "Opus" else rate)
        stream.layout, stream.bit_rate = layout, kbps * 1000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        context = stream.codec_context
        convert = av.AudioResampler(context.format.name, layout, stream.rate, frame_size=context.frame_size or 1024)
        for part in (*convert.resample(frame), *convert.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    data.seek(0)
    with av.open(data) as container:
        frames = list(container.decode(audio=0))
    scale = 1 if frames[0].format.name.startswith("flt") else 32768
    return rounded(np.concatenate([f.to_ndarray() / scale for f in frames], axis=1)), frames[0].sample_rate
