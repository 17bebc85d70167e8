"""Fixtures of the store's tests."""

import os

import pytest


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk where a property test writes hundreds of files."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
