"""The sound of a track as a model hears it."""

import numpy as np

from mirkit.audio import open_audio
from mirkit.captions.excerpt import RATE, cut, heard_seconds
from mirkit.errors import AudioError
from mirkit.features.types import FloatArray
from mirkit.pipeline.captioning.caption_job import CaptionJob
from mirkit.store import printable
from mirkit.track import Track


def sound_of(track: Track, asker: CaptionJob) -> tuple[FloatArray, float]:
    """Decode a track to mono at 16 kHz and take the part that is heard; give that and the track's duration (s).

    Raises
    ------
    AudioError
        It cannot be decoded, or there is nothing in it.
    """
    audio = open_audio(track.mix, rate=RATE, hold_seconds=0)
    blocks = [block.mean(axis=0, dtype=np.float32) for block in audio.blocks()]
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not np.any(samples):
        raise AudioError(f"{printable(track.path)}: there is no sound in it")
    duration = len(samples) / RATE
    seconds = heard_seconds(duration, asker.most_seconds, whole_windows=asker.describer.whole_windows)
    return cut(samples, seconds, asker.settings.texts.excerpt), duration
