"""Reading and writing audio files, tags and resampling. Large packages are imported only when they are needed."""

from mirkit.audio.container import MAX_SECONDS, SourceInfo, has_moving_picture, probe
from mirkit.audio.decode import Damage
from mirkit.audio.downmix import downmix_formula
from mirkit.audio.encode import Writer, Written, encode
from mirkit.audio.peak import check_peak, full_scale_gain, may_exceed_full_scale, peak_of, to_dbfs
from mirkit.audio.quantize import quantize
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
    "check_peak",
    "downmix_formula",
    "encode",
    "full_scale_gain",
    "has_moving_picture",
    "may_exceed_full_scale",
    "open_audio",
    "peak_of",
    "probe",
    "quantize",
    "read_tags",
    "resample",
    "resampled_length",
    "to_dbfs",
]
