"""Why a test may be skipped. For any other reason it fails, so that no check is lost without anybody seeing it."""

import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from report.browser import available

WINDOWS = sys.platform == "win32"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
#: Packages that only some environments have: the networks and what they are compared with, a cluster, object storage.
OPTIONAL = (
    "audiobox_aesthetics|beat_this|bs_roformer|demucs|essentia|furo|jams|latex2mathml|matplotlib|moto|myst_nb|numpydoc"
    "|pandas|pytorch_lightning|ray|s3fs|safetensors|sphinx|sphinx_copybutton|stable_audio_tools|torch|transformers"
    "|webdataset|yaml"
)
#: The reason, as a pattern of the whole, and whether it can be true on this machine.
REASONS = [
    # not installed, or not available
    (rf"could not import '({OPTIONAL})(\.[\w.]+)?': .*", True),
    (r"module 'transformers' has __version__ .*, required is: .*", True),
    (r"[\w. -]+ is not in \.venv/trainers; .*", True),
    (r"no test data at .*; set MIRKIT_TEST_DATA", True),
    (r"no weights at .*", True),
    (r"the user manual is not available", True),
    (r"(zsh|fish) is not installed", True),
    (r"needs chromium and chromedriver", not available()),
    (r"npm cannot fetch axe-core@[\d.]+", True),
    # not possible with this file system, user or processor
    (r"no file system can be mounted here", True),
    (r"needs to mount", not ROOT),
    (r"root (may read everything|reads everything|writes anywhere)", ROOT),
    (r"no upper and lower case here", sys.platform in ("win32", "darwin")),
    (r"no disk that is always full", not Path("/dev/full").exists()),
    (r"takes rights away in the way of Linux", sys.platform != "linux"),
    (r"the device is there", sys.platform == "darwin"),
    (r"long double is double here", WINDOWS or platform.machine() in ("arm64", "aarch64")),
    # missing on Windows
    (r"could not import '(fcntl|pty|resource|termios|tty)': .*", WINDOWS),
    (r".*\b(POSIX|SIGKILL|kill -9|Windows)\b.*", WINDOWS),
    (r"needs fork|processes are forked here|links need rights there|an interrupt for one process", WINDOWS),
    (r"a script stands for the program", WINDOWS),
]


def allowed(reason: str) -> bool:
    """Whether a test may be skipped for this reason here."""
    return any(possible and re.fullmatch(pattern, reason, re.DOTALL) for pattern, possible in REASONS)


def _check(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        path, line, message = report.longrepr
        reason = message.removeprefix("Skipped: ")
        if not allowed(reason):
            report.outcome = "failed"
            report.longrepr = f"{path}:{line}: skipped for a reason that tests/skips.py does not list: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _check(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _check(report)
    return report
