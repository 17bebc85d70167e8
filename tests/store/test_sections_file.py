"""``.SECTIONS``: written exactly, read strictly, and also as a user writes it."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirkit.errors import InfoError, MissingInput
from mirkit.features.structure.form import Form, Section
from mirkit.features.types import Unknown
from mirkit.store import NewerFormatError, format_sections, read_sections

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
FORM = Form((Section(0.0, 12.5, "A", "intro", 0.9), Section(12.5, 30.123457, "B", None, 0.75)), "downbeats")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.SECTIONS"
    path.write_bytes(format_sections(FORM))
    assert read_sections(path) == FORM
    content = json.loads(path.read_text())
    assert content["format"] == 1
    assert content["sections"][0] == {"start": 0.0, "end": 12.5, "label": "A", "function": "intro", "confidence": 0.9}
    assert path.read_text().count("\n") == 8, "one section per line"


def test_a_reason_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.SECTIONS"
    path.write_bytes(format_sections(Unknown("too short")))
    assert read_sections(path) == Unknown("too short")
    assert json.loads(path.read_text())["sections"] == []


def test_a_file_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "x.SECTIONS"
    path.write_text(
        '\ufeff{"sections": [{"start": 0, "end": 10, "label": " Strophe 1 ", "function": "verse"},'
        ' {"start": 12, "end": 20, "label": "B", "mine": true}]}'
    )
    assert read_sections(path) == Form((Section(0, 10, "Strophe 1", "verse"), Section(12, 20, "B")))
    path.write_text('{"sections": []}')
    assert isinstance(read_sections(path), Unknown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"sections": 3}',
        '{"sections": [3]}',
        '{"sections": [{"start": 0, "end": 1}]}',
        '{"sections": [{"start": 0, "label": "A"}]}',
        '{"sections": [{"start": 1, "end": 1, "label": "A"}]}',
        '{"sections": [{"start": -1, "end": 1, "label": "A"}]}',
        '{"sections": [{"start": NaN, "end": 1, "label": "A"}]}',
        '{"sections": [{"start": true, "end": 2, "label": "A"}]}',
        '{"sections": [{"start": 0, "end": 1, "label": ""}]}',
        '{"sections": [{"start": 0, "end": 1, "label": "A\\u0007"}]}',
        '{"sections": [{"start": 0, "end": 1, "label": "' + 41 * "A" + '"}]}',
        '{"sections": [{"start": 0, "end": 1, "label": "A", "function": "banger"}]}',
        '{"sections": [{"start": 0, "end": 1, "label": "A", "function": ["intro"]}]}',
        '{"sections": [{"start": 0, "end": 1, "label": "A", "confidence": 2}]}',
        '{"sections": [{"start": 0, "end": 2, "label": "A"}, {"start": 1, "end": 3, "label": "B"}]}',
        '{"grid": "bars", "sections": [{"start": 0, "end": 1, "label": "A"}]}',
        '{"format": "1", "sections": []}',
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.SECTIONS"
    path.write_text(text)
    with pytest.raises(InfoError, match=r"x\.SECTIONS: ") as caught:
        read_sections(path)
    assert "\n" not in str(caught.value)


def test_a_newer_format_and_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "x.SECTIONS"
    with pytest.raises(MissingInput, match="mirkit measure sections"):
        read_sections(path)
    path.write_text('{"format": 2, "sections": []}')
    with pytest.raises(NewerFormatError):
        read_sections(path)


@same_folder
@given(st.binary(max_size=120) | st.text(alphabet='0123456789.-{}[]":, sectionlabrdfu', max_size=80).map(str.encode))
def test_any_bytes_are_sections_or_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    try:
        found = read_sections(path)
    except InfoError:
        return
    assert isinstance(found, Form | Unknown)
