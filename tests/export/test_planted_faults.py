"""Every fault that the trainer would swallow, clamp or die of is found by our check, and nothing else is."""

import shutil
from pathlib import Path

import pytest

from export.planted import PLANTED, Planted
from mirkit.cli import main
from mirkit.export.run import check


@pytest.mark.parametrize("fault", PLANTED, ids=lambda row: row.name)
def test_a_planted_fault_is_found(
    fault: Planted, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    out = request.getfixturevalue({"sat": "bundle", "sat-wds": "tars"}[fault.target])
    fault.spoil(out)
    assert main(["export", fault.target, str(out), "--check-only", "--no-trainer"]) == 1
    assert fault.message in capsys.readouterr().err


@pytest.mark.parametrize(("target", "fixture"), [("sat", "sat_bundle"), ("sat-wds", "wds_bundle")])
def test_a_sound_bundle_has_no_fault(target: str, fixture: str, request: pytest.FixtureRequest) -> None:
    checked = check(target, request.getfixturevalue(fixture), trainer=False)
    assert checked.faults == []
    assert checked.files == 12


def test_a_bundle_may_be_moved(sat_bundle: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(sat_bundle, tmp_path / "elsewhere"))
    assert check("sat", elsewhere, trainer=False).faults == []
