"""Compiled code: kept so that neither another process nor a kill can make it wrong, and never in the way."""

import os
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import caching

from mirkit.pipeline import codecache


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("save", "load"):
        monkeypatch.setattr(caching.IndexDataCacheFile, name, getattr(caching.IndexDataCacheFile, name))
    codecache.guard_code_cache()


class File(caching.IndexDataCacheFile):
    def __init__(self, folder: Path, stamp: str = "now") -> None:
        super().__init__(str(folder), "kernel", stamp)


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    File(tmp_path).save("float32", b"code for float32")
    File(tmp_path).save("float64", b"code for float64")
    assert File(tmp_path).load("float32") == b"code for float32"
    assert File(tmp_path).load("float64") == b"code for float64"
    assert File(tmp_path).load("int64") is None


def test_two_processes_that_save_at_once_never_get_each_others_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = File(tmp_path), File(tmp_path)
    monkeypatch.setattr(one, "_load_index", dict)  # neither has seen what the other wrote
    monkeypatch.setattr(other, "_load_index", dict)
    one.save("float32", b"code for float32")
    other.save("float64", b"code for float64")
    assert File(tmp_path).load("float32") in (None, b"code for float32")
    assert File(tmp_path).load("float64") == b"code for float64"


def test_a_kill_before_the_index_is_written_leaves_no_wrong_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    File(tmp_path, "old").save("float32", b"old code")
    newer = File(tmp_path, "new")
    monkeypatch.setattr(newer, "_save_data", lambda name, data: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        newer.save("float32", b"new code")
    assert File(tmp_path, "new").load("float32") is None
    File(tmp_path, "new").save("float32", b"new code")
    assert File(tmp_path, "new").load("float32") == b"new code"
    assert len(list(tmp_path.glob("*.nbc"))) == 1, "old code is not kept"


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05nonsense", b"x" * 100])
def test_damaged_files_are_compiled_anew(tmp_path: Path, suffix: str, content: bytes) -> None:
    File(tmp_path).save("float32", b"code")
    (path,) = tmp_path.glob(f"*.{suffix}")
    path.write_bytes(content)
    assert File(tmp_path).load("float32") is None
    File(tmp_path).save("float32", b"code")
    assert File(tmp_path).load("float32") == b"code"


def test_a_place_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    File(tmp_path / "nowhere").save("float32", b"code")
    assert File(tmp_path / "nowhere").load("float32") is None


def test_numba_itself_keeps_its_code_this_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    for _ in range(2):

        @numba.njit(cache=True)
        def twice(x: Any) -> Any:
            return 2 * x

        assert twice(np.float32(3)) == 6
        assert twice(np.int64(3)) == 6
    assert len(list(tmp_path.rglob("*.nbc"))) == 2
    assert sum(twice.stats.cache_hits.values()) == 2


def test_where_nothing_can_be_written_the_code_goes_to_a_place_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(codecache.atexit, "register", lambda *_, **__: None)
    monkeypatch.setattr(codecache.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    codecache.place_code_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path)
    assert codecache.code_cache_is_empty()
    File(tmp_path).save("float32", b"code")
    assert not codecache.code_cache_is_empty()
    monkeypatch.delenv("NUMBA_CACHE_DIR")


def test_a_place_that_can_be_written_to_is_left_to_numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    codecache.place_code_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ
