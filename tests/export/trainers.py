"""Where the tests find releases of stable-audio-tools."""

import os
from pathlib import Path

import pytest

from export.measured import STAND_IN

ROOT = Path(__file__).parents[2]
#: Beside mirkit, and in a folder of its own (``.venv/trainers.stamp`` of the Makefile). 0.0.20 pins Python 3.10 and
#: torch 2.7.1; here it runs on the Python and the torch that all tests have, which is not what its users have.
RELEASES = {"0.0.19": None, "0.0.20": ROOT / ".venv" / "trainers" / "0.0.20"}


def search_path(release: str) -> str:
    """``PYTHONPATH`` under which a release is found, stand-ins included; skips where it is not installed."""
    for name in ("stable_audio_tools", "torch", "pytorch_lightning", "webdataset"):
        pytest.importorskip(name)
    folder = RELEASES[release]
    if folder is None:
        return str(STAND_IN)
    if not (folder / "stable_audio_tools").is_dir():
        pytest.skip(f"stable-audio-tools {release} is not in .venv/trainers; make test puts it there on Python 3.11")
    return f"{folder}{os.pathsep}{STAND_IN}"
