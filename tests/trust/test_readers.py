"""Damaged, hand-edited and hostile sidecars: each reader, and each command, gives an answer or one line."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from readers import FILES, read_all, write_examples

from library import make_track
from mirkit.cli import main
from properties import RANDOM, tries

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, 1e308, -1, "", "..", "\x1b[31m", "\ud800", "nan"])
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
#: Files of one JSON value, and of one a line.
ONE = ["INFO", "BEATS_GRID", "PROVENANCE", "ledger", "lease", "yaml"]
JSON_KINDS = [*ONE, "journal", "log"]
quick = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=tries(16),
    derandomize=not RANDOM,
    phases=(Phase.generate,),  # shrinking runs whole commands hundreds of times
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    root = tmp_path_factory.mktemp("library")
    make_track(root / "A", seconds=1.0)
    assert main(["extract", str(root / "A"), "--quiet"]) == 0
    shutil.copytree(root / "A", root / "B")
    return root, write_examples(root)


@pytest.fixture
def example(examples: tuple[Path, dict[str, bytes]], request: pytest.FixtureRequest) -> Iterator[tuple[Path, bytes]]:
    """The data set, and the content of the file that the test damages; it is whole again afterwards."""
    root, contents = examples
    kind = request.node.callspec.params["kind"]
    yield root, contents[kind]
    (root / FILES[kind].name).write_bytes(contents[kind])


def place(data: st.DataObject, value: Any) -> tuple[Any, Any]:
    """A place in a JSON value, near its top as often as far down: what holds it, and under which key."""
    key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    inner = value[key]
    down = isinstance(inner, dict | list) and inner and data.draw(st.booleans())
    return place(data, inner) if down else (value, key)


@quick
@given(data=st.data())
@pytest.mark.parametrize("kind", JSON_KINDS)
def test_any_value_anywhere(kind: str, example: tuple[Path, bytes], data: st.DataObject) -> None:
    root, content = example
    parts = [content] if kind in ONE else content.splitlines()
    heads = [part[: part.rfind(b"\t") + 1] for part in parts]
    whole = [json.loads(part[len(head) :]) for part, head in zip(parts, heads, strict=True)]
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = place(data, whole)
        if data.draw(st.booleans()) or not isinstance(holder, dict):
            holder[key] = data.draw(VALUES)
        else:
            del holder[key]
    lines = [
        head + json.dumps(value).encode("utf-8", "surrogatepass") for value, head in zip(whole, heads, strict=False)
    ]
    read_all(root, kind, b"\n".join(lines), commands=True)


@quick
@given(data=st.data())
@pytest.mark.parametrize("kind", FILES)
def test_any_bytes_anywhere(kind: str, example: tuple[Path, bytes], data: st.DataObject) -> None:
    root, content = example
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed)))
        end = at + data.draw(st.integers(0, 3))
        changed[at:end] = data.draw(st.binary(max_size=3))
    cut = data.draw(st.integers(0, len(changed))) if data.draw(st.booleans()) else len(changed)
    read_all(root, kind, bytes(changed[:cut]), commands=False)


@pytest.mark.parametrize("kind", ["INFO"])
@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308, True, "loud", [], {}])
def test_any_number_of_a_key(kind: str, value: object, example: tuple[Path, bytes]) -> None:
    root, content = example
    read_all(root, kind, json.dumps(json.loads(content) | {"lufs": value}).encode(), commands=True)


#: What fuzzing found, none of it an answer or a line then.
FOUND = [
    ("yaml", b"a: 2001-13-45\n"),
    ("yaml", b"a: !!int x\n"),
    ("yaml", b"a: !!timestamp x\n"),
    ("midi", b"MThd\0\0\0\6\0\1\0\1\0\0MTrk\0\0\0\10\x10\x90@@\x10\xff/\0"),  # no ticks a beat
    ("midi", b"MThd\0\0\0\6\0\2\0\1\0\x10MTrk\0\0\0\4\0\xff/\0"),  # tracks that do not belong together
    ("midi", b"MThd\0\0\0\6\0\1\0\1\0\x10MTrk\0\0\0\7\0\xffY\2UU\0"),  # 85 sharps
]


@pytest.mark.parametrize(("kind", "content"), FOUND)
def test_what_was_found(kind: str, content: bytes, example: tuple[Path, bytes]) -> None:
    read_all(example[0], kind, content, commands=False)
