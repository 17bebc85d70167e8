"""axe-core, which looks for faults of pages that keep people from using them. It is fetched, and not part of mirkit."""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from report.browser import Browser

PACKAGE = "axe-core@4.14.1"
_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
_RUN = """
window.axeDone = null;
axe.run(document, {preload: false}).then((result) => {
  window.axeDone = {
    passed: result.passes.length,
    faults: result.violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.target).join(", ")}`),
  };
});
"""


def fetch(folder: Path) -> str:
    """Return the script of axe-core; it is fetched into a folder once."""
    archive = folder / f"{PACKAGE.replace('@', '-')}.tgz"
    npm = shutil.which("npm")
    if not archive.exists() and npm:
        subprocess.run([npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, timeout=60, check=False)
    if not archive.exists():
        pytest.skip(f"npm cannot fetch {PACKAGE}")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == _SHA256, "this is another file"
    with tarfile.open(archive) as files:
        member = files.extractfile("package/axe.min.js")
        assert member
        return member.read().decode()


def faults(browser: Browser, script: str) -> list[str]:
    """Return the faults of the page that is open."""
    browser.run(script + _RUN)
    result: dict[str, Any] = browser.until("window.axeDone", 60)
    assert result["passed"] > 10
    return list(result["faults"])
