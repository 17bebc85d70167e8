"""python src/timbral/loudness.py PATH [options]: `mirkit loudness`."""

if __name__ == "__main__":  # run by its path: this folder gives way to src
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

from mirkit.cli import launch

if __name__ == "__main__":
    launch("loudness")
