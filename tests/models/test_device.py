"""Where models compute: the variables for AMD's cards, set before PyTorch is loaded."""

import importlib.metadata
import os
from pathlib import Path

import pytest

from mirkit.models import device

NAMES = ("PYTORCH_ALLOC_CONF", "FLASH_ATTENTION_TRITON_AMD_ENABLE", "PYTORCH_TUNABLEOP_ENABLED")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "_ROCM_DRIVER", tmp_path / "kfd")
    monkeypatch.setattr(os, "environ", {"PATH": "x"})


def test_nothing_is_set_for_other_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.13.0+cu130")
    device._set_environment()
    assert not [name for name in NAMES if name in os.environ]


@pytest.mark.parametrize("how", ["build", "driver"])
def test_what_the_shell_has_set_stays(how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.13.0+rocm7.1" if how == "build" else "2.13.0")
    if how == "driver":
        (tmp_path / "kfd").touch()
    os.environ["PYTORCH_TUNABLEOP_ENABLED"] = "0"
    device._set_environment()
    assert [os.environ[name] for name in NAMES] == ["expandable_segments:True", "TRUE", "0"]
