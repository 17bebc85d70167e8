"""A test that is skipped for an unlisted reason fails, in one process and with workers."""

import subprocess
import sys
from pathlib import Path

import pytest

import skips

HERE = Path(__file__).parent
TESTS = """import pytest

def test_known():
    pytest.skip("no test data at /nowhere; set MIRKIT_TEST_DATA")

def test_unknown():
    pytest.skip("no time today")

@pytest.mark.xfail
def test_that_is_known_to_fail():
    raise ValueError
"""


@pytest.mark.parametrize(
    ("reason", "allowed"),
    [
        ("could not import 'beat_this.model': No module named 'beat_this'", True),
        ("could not import 'librosa': No module named 'librosa'", False),
        ("could not import 'torchaudio': No module named 'torchaudio'", False),
        ("no POSIX permissions", skips.WINDOWS),
        ("root writes anywhere", skips.ROOT),
        ("needs to mount", not skips.ROOT),
        ("flaky", False),
    ],
)
def test_reasons(reason: str, allowed: bool) -> None:
    assert skips.allowed(reason) is allowed


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unlisted_reason_fails(workers: int, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_all.py").write_text("import pytest\npytest.skip('not this year', allow_module_level=True)\n")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {HERE} {HERE.parent / 'src'}\n")
    options = ("-q", "-p", "skips", "-p", "no:cacheprovider", "--continue-on-collection-errors", "-n", str(workers))
    run = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert "1 failed, 1 skipped, 1 xfailed, 1 error" in run.stdout
    for reason in ("no time today", "not this year"):
        assert f"skipped for a reason that tests/skips.py does not list: {reason}" in run.stdout
