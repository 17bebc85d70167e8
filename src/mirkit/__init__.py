"""mirkit: turn a folder of music into a training set for music generators.

The public interface is what ``mirkit.__all__`` names; everything else may change between versions. Messages go to the
logger ``mirkit`` of the standard library's ``logging``.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirkit.api import (
        BeatEstimate,
        Captions,
        DrumTranscription,
        Features,
        analyze,
        caption,
        separate,
        track_beats,
        transcribe_drums,
    )
    from mirkit.dataset.dataset import Dataset, DatasetRow, load
    from mirkit.errors import MirkitError
    from mirkit.track import Track, find_tracks
    from mirkit.windows import WindowAnalyzer, features_at

try:
    from mirkit._version import __version__
except ImportError:  # a source folder that was not installed: the fallback of pyproject.toml
    __version__ = "0.1.0.dev0"

__all__ = [
    "BeatEstimate",
    "Captions",
    "Dataset",
    "DatasetRow",
    "DrumTranscription",
    "Features",
    "MirkitError",
    "Track",
    "WindowAnalyzer",
    "__version__",
    "analyze",
    "caption",
    "features_at",
    "find_tracks",
    "load",
    "separate",
    "track_beats",
    "transcribe_drums",
]

#: Module -> public names that it holds. They are imported when they are used: ``import mirkit`` stays light.
_LAZY = {
    "mirkit.api": (
        *("BeatEstimate", "Captions", "DrumTranscription", "Features"),
        *("analyze", "caption", "separate", "track_beats", "transcribe_drums"),
    ),
    "mirkit.dataset.dataset": ("Dataset", "DatasetRow", "load"),
    "mirkit.errors": ("MirkitError",),
    "mirkit.track": ("Track", "find_tracks"),
    "mirkit.windows": ("WindowAnalyzer", "features_at"),
}
_MODULE_OF = {name: module for module, names in _LAZY.items() for name in names}

# A library stays silent unless the program that uses it configures logging; the command line does.
logging.getLogger("mirkit").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'mirkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
