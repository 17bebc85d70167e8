"""python scripts/verify_features.py PATH [options]: `mirkit verify`."""

if __name__ == "__main__":  # run by its path: src takes this folder's place
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1] / "src")

from mirkit.cli import launch

if __name__ == "__main__":
    launch("verify")
