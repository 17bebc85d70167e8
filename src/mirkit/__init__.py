"""mirkit: a folder of music in, a training set for music generators out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirkit.pipeline.analyze import analyze
    from mirkit.track import Track, find_tracks

__version__ = "0.1.0"
__all__ = ["Track", "__version__", "analyze", "find_tracks"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `import mirkit` stays light.
    if name == "analyze":
        from mirkit.pipeline.analyze import analyze

        return analyze
    if name in ("Track", "find_tracks"):
        from mirkit import track

        return getattr(track, name)
    raise AttributeError(f"module 'mirkit' has no attribute {name!r}")
