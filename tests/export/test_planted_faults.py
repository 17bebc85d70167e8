"""Every fault that the trainer would swallow, clamp or die of is found by our check, and nothing else is."""

from pathlib import Path

import pytest

from export.planted import PLANTED, Planted
from mirkit.cli import main
from mirkit.export.check import check


@pytest.mark.parametrize("fault", [row for row in PLANTED if row.target == "sat"], ids=lambda row: row.name)
def test_a_planted_fault_is_found(fault: Planted, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault.spoil(bundle)
    assert main(["export", "sat", str(bundle), "--check-only", "--no-trainer"]) == 1
    assert fault.says in capsys.readouterr().err


def test_a_sound_bundle_has_no_fault(bundle: Path) -> None:
    checked = check("sat", bundle, trainer=False)
    assert checked.faults == []
    assert checked.files == 12


def test_a_bundle_may_be_moved(sat_bundle: Path, tmp_path: Path) -> None:
    import shutil

    moved = Path(shutil.copytree(sat_bundle, tmp_path / "elsewhere"))
    assert check("sat", moved, trainer=False).faults == []
