"""``.INFO``: nothing is lost, nothing invalid is written, the same content is the same bytes."""

import contextlib
import json
import math
import multiprocessing
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirkit.errors import InfoError
from mirkit.store import atomic, read_info, round6, update_info, write_info
from properties import tries

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
INFO = st.dictionaries(st.text(max_size=12), JSON, max_size=8)
same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=tries(25)
)


def loads_strictly(data: bytes) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(data.decode("ascii"), parse_constant=refuse)


def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_info(tmp_path / "x.INFO") == {}


def test_values_are_merged_and_foreign_keys_stay_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    path.write_text('{"mood": "dark", "bpm": 1, "genre": {"a": [1, null]}, "lufs": -3}')
    assert update_info(path, {"lra": 4.0, "bpm": 142.0}, remove=["lufs"], order=["bpm", "lufs", "lra"]) == {
        "bpm": 142.0,
        "lra": 4.0,
        "mood": "dark",
        "genre": {"a": [1, None]},
    }
    assert list(read_info(path)) == ["bpm", "lra", "mood", "genre"]


def test_the_order_of_the_stages_does_not_matter(tmp_path: Path) -> None:
    values = {"bpm": 120.0, "lufs": -9.123456789, "lra": None, "chroma_0": 0.25}
    contents = set()
    for seed in range(5):
        path = tmp_path / f"{seed}.INFO"
        keys = list(values)
        random.Random(seed).shuffle(keys)
        for key in keys:
            update_info(path, {key: values[key]}, order=list(values))
        contents.add(path.read_bytes())
    assert contents == {b'{\n  "bpm": 120.0,\n  "lufs": -9.12346,\n  "lra": null,\n  "chroma_0": 0.25\n}\n'}


def test_the_file_is_ascii_with_a_key_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    update_info(path, {"a": 'é \U0001f3b5 "q" \n'})
    assert path.read_bytes() == b'{\n  "a": "\\u00e9 \\ud83c\\udfb5 \\"q\\" \\n"\n}\n'


def test_nothing_is_written_when_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.INFO"
    update_info(path, {"bpm": 120.0})
    before = path.stat()
    monkeypatch.setattr(atomic, "lock", None)  # not even the lock is needed: a read-only data set that is done stays so
    assert update_info(path, {"bpm": 120.0000001}) == {"bpm": 120.0}
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        b"{",
        b'{"bpm": 120',
        b"[1, 2]",
        b"null",
        b"\xff\xfe\xfd",
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"bpm = 3",
        bytes(range(256)),
    ],
)
def test_an_unreadable_file_is_set_aside_never_overwritten(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.INFO"
    for number in (1, 2):
        path.write_bytes(data)
        with pytest.raises(InfoError, match=r"x\.INFO: "):
            read_info(path)
        assert update_info(path, {"bpm": 120.0}) == {"bpm": 120.0}
        assert (tmp_path / f"x.INFO.unreadable-{number}").read_bytes() == data
        assert read_info(path) == {"bpm": 120.0}


def test_what_can_be_read_can_be_written_back(tmp_path: Path) -> None:
    """However deep it is nested: either both, or it is set aside."""
    path = tmp_path / "x.INFO"
    for depth in (90, 500, 900, 960, 980, 990, 2000, 50_000):
        data = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
        path.write_bytes(data)
        update_info(path, {"bpm": 120.0})
        aside = path.with_name("x.INFO.unreadable-1")
        if aside.exists():
            assert aside.read_bytes() == data
            aside.unlink()
        else:
            assert path.read_bytes().count(b"[") == depth
        assert read_info(path)["bpm"] == 120.0


def test_a_file_too_large_to_be_ours_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.INFO"
    with open(path, "wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(InfoError, match="larger than 64 MiB"):
        read_info(path)


def test_what_cannot_be_opened_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    path.mkdir()
    with pytest.raises(InfoError, match="cannot read"):
        update_info(path, {"bpm": 120.0})
    assert path.is_dir()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings_of_unicode_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.INFO"
    path.write_bytes('{"mood": "düster"}'.encode(encoding))
    assert read_info(path) == {"mood": "düster"}


def test_numbers_that_are_none_become_unknown(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    path.write_bytes(
        b'{"a": NaN, "b": Infinity, "c": [-Infinity], "d": 1e999, "e": 1e-999, "g": ' + b"9" * 400 + b".5}"
    )
    assert read_info(path) == {"a": None, "b": None, "c": [None], "d": None, "e": 0.0, "g": None}
    path.write_bytes(path.read_bytes().replace(b".5", b""))
    assert read_info(path) == {"a": None, "b": None, "c": [None], "d": None, "e": 0.0, "g": None}
    update_info(path, {"f": 1})
    assert loads_strictly(path.read_bytes()) == {
        "a": None,
        "b": None,
        "c": [None],
        "d": None,
        "e": 0.0,
        "g": None,
        "f": 1,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), [1.0, math.nan], {"a": math.inf}])
def test_nan_is_never_written(tmp_path: Path, value: object) -> None:
    path = tmp_path / "x.INFO"
    update_info(path, {"bpm": 120.0})
    with pytest.raises(ValueError, match="cannot be stored"):
        update_info(path, {"lufs": value})
    assert read_info(path) == {"bpm": 120.0}


def test_numpy_scalars_are_numbers_and_strange_things_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    update_info(path, {"a": np.float32(0.1), "b": np.int64(3), "c": np.bool_(True), "d": np.array(2.5), "e": (1, 2)})
    assert "".join(path.read_text().split()) == '{"a":0.1,"b":3,"c":true,"d":2.5,"e":[1,2]}'
    with pytest.raises(TypeError):
        update_info(path, {"f": object()})
    with pytest.raises(TypeError):
        update_info(path, {"f": np.zeros(3)})


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (123456.7, 123457.0),
        (0.000123456789, 0.000123457),
        (-0.0, 0.0),
        (1e-320, 1e-320),
        (1 / 3, 0.333333),
        (2e300, 2e300),
    ],
)
def test_round6(value: float, rounded: float) -> None:
    assert round6(value) == pytest.approx(rounded, rel=1e-12)
    assert math.copysign(1, round6(-0.0)) == 1
    assert len(repr(round6(value)).lstrip("-0.").replace(".", "").split("e")[0].rstrip("0")) <= 6


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_round6_is_idempotent_and_close(value: float) -> None:
    once = round6(value)
    assert round6(once) == once
    assert once == pytest.approx(value, rel=5.1e-6, abs=1e-300)


@same_folder
@given(old=INFO, new=INFO)
def test_round_trip(tmp_path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    path = tmp_path / "x.INFO"
    path.write_text(json.dumps(old))
    merged = update_info(path, new)
    write_info(path, merged)
    assert list(merged) == list(dict.fromkeys([*old, *new]))
    assert loads_strictly(path.read_bytes()) == merged == read_info(path)
    assert {key: merged[key] for key in old.keys() - new.keys()} == {key: old[key] for key in old.keys() - new.keys()}
    data = path.read_bytes()
    write_info(path, merged)
    assert path.read_bytes() == data


@same_folder
@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:0123456789eE+-.naNInfity\\u ', max_size=80).map(str.encode))
def test_whatever_is_there_update_ends_in_a_valid_file(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "fuzz"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    path = folder / "x.INFO"
    path.write_bytes(data)
    try:
        before = read_info(path)
    except InfoError:
        before = {}
    update_info(path, {"bpm": 1.5})
    assert loads_strictly(path.read_bytes()) == before | {"bpm": 1.5}
    assert {p.name for p in folder.iterdir()} <= {"x.INFO", "x.INFO.unreadable-1"}


def test_the_manual_s_write_keeps_what_others_wrote_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    update_info(path, {"bpm": 120.0})
    features = read_info(path)
    update_info(path, {"lufs": -9.0})
    write_info(path, features | {"mine": 1})
    assert read_info(path) == {"bpm": 120.0, "lufs": -9.0, "mine": 1}


def test_the_manual_s_write_leaves_foreign_numbers_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    path.write_text('{"released": 1706000000.123, "votes": 1}')
    write_info(path, read_info(path) | {"bpm": 142.1912345})
    assert read_info(path) == {"released": 1706000000.123, "votes": 1, "bpm": 142.191}
    path.write_text("damaged")
    write_info(path, {"bpm": 120.0})
    assert read_info(path) == {"bpm": 120.0}


def _writer(path: Path, name: str, updates: int) -> None:
    for number in range(updates):
        update_info(path, {f"{name}{number}": number})


@pytest.mark.slow
def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_writer, args=(path, name, 100)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert read_info(path) == {f"{name}{number}": number for name in "ab" for number in range(100)}
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.INFO"]


def _write_until_killed(path: Path, number: int, told: Any) -> None:
    told.send("ready")
    while True:
        update_info(path, {f"key{number}": "x" * 2000})
        told.send(number)
        number += 1


def _all_of(told: Any) -> list[Any]:
    received = []
    with contextlib.suppress(EOFError):
        while True:
            received.append(told.recv())
    return received


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_kill_at_any_point_loses_no_key(tmp_path: Path) -> None:
    path = tmp_path / "x.INFO"
    kills = 20
    pause = random.Random(5)
    written = 0
    processes = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    for _ in range(kills):
        told, tell = processes.Pipe(duplex=False)
        process = processes.Process(target=_write_until_killed, args=(path, written, tell))
        process.start()
        tell.close()
        assert told.recv() == "ready"
        time.sleep(pause.uniform(0.0, 0.05))
        process.kill()
        process.join()
        reported = _all_of(told)
        content = loads_strictly(path.read_bytes()) if path.exists() else {}
        assert len(content) >= (reported[-1] + 1 if reported else written), "what was reported as written is there"
        assert list(content) == [f"key{number}" for number in range(len(content))]
        written = len(content)
    assert written, "kills fell on work"
    atomic.remove_orphans(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.INFO"]
