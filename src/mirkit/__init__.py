"""mirkit: a folder of music in, a training set for music generators out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirkit.pipeline.analyze import analyze
    from mirkit.track import Track, find_tracks
    from mirkit.windows import WindowAnalyzer, features_at

__version__ = "0.1.0"
__all__ = ["Track", "WindowAnalyzer", "__version__", "analyze", "features_at", "find_tracks"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `import mirkit` stays light.
    if name == "analyze":
        from mirkit.pipeline.analyze import analyze

        return analyze
    if name in ("WindowAnalyzer", "features_at"):
        from mirkit import windows

        return getattr(windows, name)
    if name in ("Track", "find_tracks"):
        from mirkit import track

        return getattr(track, name)
    raise AttributeError(f"module 'mirkit' has no attribute {name!r}")
