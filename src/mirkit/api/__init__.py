"""The public Python interface: functions that take a path, or audio in memory, and store nothing.

``mirkit`` itself exports what is public; import it from there.
"""

from mirkit.api.beats import BeatEstimate, track_beats
from mirkit.api.captions import Captions, caption
from mirkit.api.drums import DrumTranscription, transcribe_drums
from mirkit.api.features import Features, analyze
from mirkit.api.stems import separate

__all__ = [
    "BeatEstimate",
    "Captions",
    "DrumTranscription",
    "Features",
    "analyze",
    "caption",
    "separate",
    "track_beats",
    "transcribe_drums",
]
