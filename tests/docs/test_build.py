"""The site is built without a warning; only where the packages of the extra ``docs`` are installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    for name in ("furo", "latex2mathml", "myst_nb", "numpydoc", "sphinx_copybutton"):
        pytest.importorskip(name)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(ROOT / "docs")]
    environment = {name: value for name, value in os.environ.items() if name != "MIRKIT_CONFIG"}
    done = subprocess.run(
        [*command, str(tmp_path / "html")], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "html" / "reference" / "features" / "rhythm.html").read_text(encoding="utf-8")
    assert "<math" in page
    assert 'class="feature-strip"' in page
