"""python src/test_all_features.py PATH [options]: `mirkit extract`."""

if __name__ == "__main__":  # run by its path: this folder gives way to src
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[0])

from mirkit.cli import launch

if __name__ == "__main__":
    launch("extract")
