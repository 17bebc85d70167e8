"""A run that has nothing to do costs little: looking what is done loads none of the analysis."""

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[2] / "src"
HEAVY = ("numba", "scipy", "av", "soxr", "torch", "mirkit.features.extraction", "mirkit.analysis")


def test_planning_loads_none_of_the_analysis() -> None:
    code = f"import mirkit.pipeline, mirkit.dataset.verify, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=SRC, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
