"""The trainer itself takes every bundle: its loader, its conditioners, two training steps of its own wrapper."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from export.measured import STAND_IN
from mirkit.cli import main

pytestmark = pytest.mark.slow
SRC = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize(("target", "fixture"), [("sat", "bundle"), ("sat-wds", "tars"), ("sat-latents", "latents")])
def test_the_trainer_takes_it(target: str, fixture: str, clips: Path, request: pytest.FixtureRequest) -> None:
    for name in ("stable_audio_tools", "torch", "pytorch_lightning", "webdataset"):
        pytest.importorskip(name)
    out = request.getfixturevalue(fixture)
    if target == "sat-latents":
        assert main(["export", target, str(out), str(clips), "--val", "0.3", "--quiet"]) == 0
    # In a process of its own: the stand-ins for what the trainer imports stay out of this one.
    code = "import sys; from mirkit.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": f"{STAND_IN}{os.pathsep}{SRC}", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code, "export", target, str(out), "--check-only", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert told.returncode == 0, told.stderr + told.stdout
    assert not list(out.rglob("__pycache__")), "the check leaves the bundle as it was"
    check = json.loads(told.stdout)["check"]
    assert "found 8 files, loaded 8; 2 training steps" in check["trainer"]
