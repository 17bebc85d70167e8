"""What a GGUF file states of itself, and that a hostile header costs neither memory nor time."""

import struct
import tracemalloc
from pathlib import Path

import pytest

from mirkit.errors import WeightsError
from mirkit.models.gguf_header import read_texts

_STRING, _ARRAY, _UINT8, _UINT32 = 8, 9, 0, 4


def text(value: bytes, order: str = "<", length: str = "Q") -> bytes:
    return struct.pack(order + length, len(value)) + value


def pair(key: bytes, kind: int, value: bytes, order: str = "<", length: str = "Q") -> bytes:
    return text(key, order, length) + struct.pack(order + "I", kind) + value


def header(*pairs: bytes, version: int = 3, count: int | None = None, order: str = "<", length: str = "Q") -> bytes:
    number = len(pairs) if count is None else count
    return b"GGUF" + struct.pack(f"{order}I{length}{length}", version, 0, number) + b"".join(pairs)


def read(tmp_path: Path, content: bytes) -> dict[str, str]:
    path = tmp_path / "file.gguf"
    path.write_bytes(content)
    return read_texts(path, ("general.",))


def test_what_the_gguf_package_writes(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(str(tmp_path / "a.gguf"), "qwen2")
    writer.add_token_list([f"token {i}" for i in range(5000)])
    writer.add_context_length(4096)
    writer.add_name("A name, späte Töne")
    writer.add_license("cc-by-4.0")
    writer.add_base_model_count(1)
    writer.add_base_model_repo_url(0, "https://example.org/base")
    writer.add_tags(["music", "audio"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert read_texts(tmp_path / "a.gguf", ("general.",)) == {
        "general.architecture": "qwen2",
        "general.name": "A name, späte Töne",
        "general.license": "cc-by-4.0",
        "general.base_model.0.repo_url": "https://example.org/base",
        "general.tags": "music\naudio",
    }


@pytest.mark.parametrize(("version", "order", "length"), [(1, "<", "I"), (2, "<", "Q"), (3, "<", "Q"), (3, ">", "Q")])
def test_versions_and_byte_orders(version: int, order: str, length: str, tmp_path: Path) -> None:
    skipped = pair(b"some.numbers", _ARRAY, struct.pack(f"{order}I{length}3I", _UINT32, 3, 1, 2, 3), order, length)
    named = pair(b"general.name", _STRING, text(b"Title", order, length), order, length)
    content = header(skipped, named, version=version, order=order, length=length)
    assert read(tmp_path, content) == {"general.name": "Title"}


HUGE = struct.pack("<Q", 2**63)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "its end is missing"),
        (b"GGML" + bytes(40), "does not begin as a GGUF file"),
        (header(version=9), "its version is 9"),
        (header(count=2**63), "claims 9223372036854775808 values"),
        (header(count=1), "its end is missing"),
        (header(HUGE + b"general.name", count=1), "its end is missing"),
        (header(pair(b"general.name", _STRING, HUGE + b"abc")), "its end is missing"),
        (header(pair(b"a", _ARRAY, struct.pack("<IQ", _UINT8, 2**63))), "its end is missing"),
        (header(pair(b"a", _ARRAY, struct.pack("<IQ", _STRING, 2**63))), "claims an array of"),
        (header(pair(b"a", _ARRAY, struct.pack("<IQ", _STRING, 1_000_000))), "its end is missing"),
        (header(pair(b"a", _ARRAY, struct.pack("<IQ", _ARRAY, 1) * 9)), "nests arrays too deeply"),
        (header(pair(b"a", 77, b"")), "unknown type 77"),
    ],
)
def test_a_hostile_header_is_one_line_and_costs_nothing(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "file.gguf").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=f"file.gguf: the header of this GGUF file cannot be read: .*{says}"):
            read_texts(tmp_path / "file.gguf", ("general.",))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    long = pair(b"general.long", _STRING, text(b"x" * 70_000))
    array = pair(b"general.many", _ARRAY, struct.pack("<IQ", _STRING, 200) + text(b"y" * 60_000) * 200)
    name = pair(b"general.name", _STRING, text(b"Title"))
    found = read(tmp_path, header(long, name, array))
    assert found["general.name"] == "Title"
    assert "general.long" not in found
    assert len(found["general.many"]) < 2**22 < 200 * 60_000


def test_empty_texts_do_not_keep_it_busy(tmp_path: Path) -> None:
    content = header(pair(b"a", _ARRAY, struct.pack("<IQ", _STRING, 3_000_000) + bytes(8 * 3_000_000)))
    with pytest.raises(WeightsError, match="claims an array of 3000000 elements"):
        read(tmp_path, content)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.gguf", tmp_path):
        with pytest.raises(WeightsError):
            read_texts(path, ())
