"""``.CURVES.npz``: any array back as it was, the same bytes for the same content, no bombs, no pickles."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mirkit.errors import InfoError, MissingInput
from mirkit.store import (
    NewerFormatError,
    feature_series,
    read_feature_series,
    read_feature_series_header,
    update_feature_series,
)
from properties import tries

KEYS = st.from_regex(r"[a-z_]{1,8}/[a-z0-9_]{1,8}(/[a-z0-9_]{1,8})?", fullmatch=True)
ARRAYS = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=tries(25)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.CURVES.npz"


def pack(path: Path, members: dict[str, bytes], **how: Any) -> None:
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


@same_folder
@given(arrays=st.dictionaries(KEYS, ARRAYS, max_size=5))
def test_round_trip(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.unlink(missing_ok=True)
    update_feature_series(path, arrays)
    found = read_feature_series(path)
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype
        assert found[key].flags.writeable
        np.testing.assert_array_equal(found[key], array)


def test_numpy_opens_it_and_it_is_compact(path: Path) -> None:
    update_feature_series(
        path, {"full_mix/onset/envelope": np.zeros(100_000, np.float16)}, header={"full_mix/onset": {"hop": 512}}
    )
    with np.load(path, allow_pickle=False) as archive:
        assert archive["full_mix/onset/envelope"].dtype == np.float16
    assert path.stat().st_size < 5_000


def test_layouts_and_byte_orders_do_not_matter(path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    contents = set()
    for given_ in (array, np.asfortranarray(array), array[::-1][::-1], array.astype(">f4")):
        path.unlink(missing_ok=True)
        update_feature_series(path, {"a/b/c": given_})
        contents.add(path.read_bytes())
        np.testing.assert_array_equal(read_feature_series(path)["a/b/c"], array)
    assert len(contents) == 1


def test_the_same_content_is_the_same_bytes_however_it_came(path: Path, tmp_path: Path) -> None:
    arrays = {f"{part}/loudness/energies": np.arange(50, dtype=np.float32) for part in ("full_mix", "bass", "drums")}
    update_feature_series(path, arrays, header={"bass/loudness": 1, "drums/loudness": 2})
    other = tmp_path / "y.CURVES.npz"
    for key in reversed(arrays):
        update_feature_series(other, {"bass/old/x": [1.0], key: arrays[key]})
    update_feature_series(other, {}, drop_prefixes=["bass/old"], header={"drums/loudness": 2, "bass/loudness": 1})
    assert other.read_bytes() == path.read_bytes()


def test_parts_and_families_are_read_and_dropped_by_prefix(path: Path) -> None:
    keys = ["bass/onset/t", "bass/onset2/t", "bass/chroma/t", "drums/onset/t"]
    update_feature_series(
        path, {key: [1, 2] for key in keys}, header={"bass/onset": {"v": 1}, "bass/onset2": 2, "drums/onset": 3}
    )
    assert set(read_feature_series(path, "bass/onset")) == {"bass/onset/t"}
    assert set(read_feature_series(path, "bass")) == {"bass/onset/t", "bass/onset2/t", "bass/chroma/t"}
    assert set(read_feature_series(path, "bass/onset/t")) == {"bass/onset/t"}
    assert read_feature_series(path, "vocals") == {}
    update_feature_series(
        path, {"bass/onset/u": [3]}, drop_prefixes=["bass/onset", "drums"], header={"bass/onset": {"v": 2}}
    )
    assert set(read_feature_series(path)) == {"bass/onset/u", "bass/onset2/t", "bass/chroma/t"}
    assert read_feature_series_header(path) == {"bass/onset": {"v": 2}, "bass/onset2": 2}


def test_nothing_is_written_when_nothing_changes(path: Path) -> None:
    update_feature_series(path, {"a/b": np.arange(5)})
    before = path.stat()
    update_feature_series(path, {"a/b": np.arange(5)})
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_missing_one(path: Path) -> None:
    with pytest.raises(MissingInput, match="no feature series"):
        read_feature_series(path)
    with pytest.raises(MissingInput, match="no feature series"):
        read_feature_series_header(path)


@pytest.mark.parametrize("key", ["x", "", "/a", "a/", "a//b", "../x", "a/../b", "a b/c", "a/\u00e9", "a/b.npy", "a\\b"])
def test_keys_are_part_family_field(path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        update_feature_series(path, {key: [1.0]})


@pytest.mark.parametrize("array", [np.array(["x"]), np.array([object()]), np.array([1j]), np.zeros(1, np.longdouble)])
def test_only_plain_numbers_are_written(path: Path, array: np.ndarray) -> None:
    if array.dtype == np.float64:
        pytest.skip("long double is double here")
    with pytest.raises(ValueError, match="plain numbers"):
        update_feature_series(path, {"a/b": array})


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('a pickle was loaded')",))


def lying(array: np.ndarray, shape: str) -> bytes:
    """Say another shape in the header; the spaces that pad it make room."""
    truth = f"{array.shape}, }}{' ' * len(shape)}"
    data = npy(array)
    assert truth.encode() in data
    return data.replace(truth.encode(), f"{shape}, }}".ljust(len(truth)).encode(), 1)


DAMAGED = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("curves"),
    "a pickle": lambda path: path.write_bytes(pickle.dumps([1])),
    "an npy": lambda path: path.write_bytes(npy(np.zeros(3))),
    "pickled objects": lambda path: pack(path, {"a/b.npy": npy(np.array([Bomb()]), allow_pickle=True)}),
    "not an array": lambda path: pack(path, {"a/b.npy": b"hello"}),
    "an empty array file": lambda path: pack(path, {"a/b.npy": b""}),
    "cut": lambda path: pack(path, {"a/b.npy": npy(np.zeros(100))[:-8]}),
    "too long": lambda path: pack(path, {"a/b.npy": npy(np.zeros(100)) + b"x"}),
    "a lie on its size": lambda path: pack(path, {"a/b.npy": lying(np.zeros(999), "(9999999999,)")}),
    "a negative size": lambda path: pack(path, {"a/b.npy": lying(np.zeros(999), "(-999,)")}),
    "records": lambda path: pack(path, {"a/b.npy": npy(np.zeros(3, [("x", "f4")]))}),
    "code in a header": lambda path: pack(
        path, {"a/b.npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"__import__('os')    "}
    ),
    "bzip2": lambda path: pack(path, {"a/b.npy": npy(np.zeros(3))}, compression=zipfile.ZIP_BZIP2),
    "lzma": lambda path: pack(path, {"a/b.npy": npy(np.zeros(3))}, compression=zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_is_damaged_or_hostile_is_refused_and_set_aside(path: Path, kind: str) -> None:
    DAMAGED[kind](path)
    data = path.read_bytes()
    with pytest.raises(InfoError, match=r"x\.CURVES\.npz: ") as caught:
        read_feature_series(path)
    assert "\n" not in str(caught.value)
    update_feature_series(path, {"a/c": [1.0]})
    assert set(read_feature_series(path)) == {"a/c"}
    assert path.with_name("x.CURVES.npz.unreadable-1").read_bytes() == data


def test_a_zip_bomb_is_refused_before_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(path, {"a/b.npy": bytes(40_000_000)}, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(feature_series, "MAX_CONTENT", 30_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(InfoError, match="contains more than"):
        read_feature_series(path)


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_claims(path: Path) -> None:
    pack(path, {"a/b.npy": npy(np.zeros(100_000))}, compression=zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    size = struct.pack("<I", 800_128)
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, struct.pack("<I", 1128)))
    with pytest.raises(InfoError, match="damaged"):
        read_feature_series(path)


def test_an_entry_twice_and_too_many_entries_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b.npy", npy(np.zeros(1)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/b.npy", npy(np.ones(1)))
    with pytest.raises(InfoError, match="twice"):
        read_feature_series(path)
    monkeypatch.setattr(feature_series, "_MAX_ENTRIES", 1)
    with pytest.raises(InfoError, match="contains more"):
        read_feature_series(path)


def test_the_format_stands_in_the_header(path: Path) -> None:
    update_feature_series(path, {"a/b": np.ones(2)}, header={"a/b": {"v": 1}})
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("header.json")) == {"format": 1, "a/b": {"v": 1}}
    assert read_feature_series_header(path) == {"a/b": {"v": 1}}


def test_one_without_a_format_is_read(path: Path) -> None:
    pack(path, {"header.json": b'{"a/b": {"v": 1}}', "a/b.npy": npy(np.ones(2))})
    assert read_feature_series(path).keys() == {"a/b"}
    assert read_feature_series_header(path) == {"a/b": {"v": 1}}


def test_one_of_a_newer_format_is_left_alone(path: Path) -> None:
    pack(path, {"header.json": b'{"format": 2, "a/b": {"v": 1}}', "a/b.npy": npy(np.ones(2))})
    before = path.read_bytes()
    for use in (
        read_feature_series,
        read_feature_series_header,
        lambda path: update_feature_series(path, {"a/c": np.ones(1)}),
    ):
        with pytest.raises(NewerFormatError, match="a newer version of mirkit wrote this file in format 2"):
            use(path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*unreadable*"))


def test_a_damaged_header(path: Path) -> None:
    pack(path, {"header.json": b"{", "a/b.npy": npy(np.zeros(1))})
    with pytest.raises(InfoError, match="JSON"):
        read_feature_series_header(path)


@same_folder
@given(data=st.data())
def test_flipped_and_cut_bytes_end_in_arrays_or_one_line(path: Path, data: st.DataObject) -> None:
    path.unlink(missing_ok=True)
    update_feature_series(
        path, {"a/b": np.arange(40, dtype=np.float32), "a/c": np.ones(3, np.int16)}, header={"a/b": {"v": 1}}
    )
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    for read in (read_feature_series, read_feature_series_header):
        try:
            read(path)
        except InfoError:
            continue
