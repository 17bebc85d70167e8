"""python src/rhythm/rhythm_analysis.py PATH [options]: `mirkit rhythm`; and `analyze_rhythm` to import."""

if __name__ == "__main__":  # run by its path: this folder gives way to src
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

from typing import TYPE_CHECKING, Any

from mirkit.cli import launch

if TYPE_CHECKING:
    from pathlib import Path


def analyze_rhythm(path: "str | Path") -> dict[str, Any]:
    """Return the 14 rhythm keys of a sound file or track folder; nothing is stored, an unknown is None."""
    from mirkit import analyze

    return analyze(path, "rhythm")


if __name__ == "__main__":
    launch("rhythm")
