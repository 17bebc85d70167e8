"""Reading and writing audio files, tags and resampling. Large packages are imported only when they are needed."""

from mirkit.audio.container import MAX_SECONDS, SourceInfo, probe
from mirkit.audio.decode import Damage
from mirkit.audio.encode import Writer, Written, encode
from mirkit.audio.source import HOLD_SECONDS, Audio, Resampler, audio_from_array, open_audio, resample, resampled_length
from mirkit.audio.tags import Tags, read_tags

__all__ = [
    "HOLD_SECONDS",
    "MAX_SECONDS",
    "Audio",
    "Damage",
    "Resampler",
    "SourceInfo",
    "Tags",
    "Writer",
    "Written",
    "audio_from_array",
    "encode",
    "open_audio",
    "probe",
    "read_tags",
    "resample",
    "resampled_length",
]
