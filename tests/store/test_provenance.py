"""``.PROVENANCE`` and fingerprints: what another version wrote stays, what is damaged is set aside, nothing is lost."""

import contextlib
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirkit.errors import InfoError, MissingInput
from mirkit.store import (
    CaptionRecord,
    DamagedFileError,
    FileDigest,
    NewerFormatError,
    Provenance,
    ProvenanceRecord,
    digest_of_text,
    digests,
    file_digest,
    origin_of,
    read_object,
    read_provenance,
    update_provenance,
)
from properties import tries

MIX = FileDigest(10, "ab" * 32, 5)
ENTRY = ProvenanceRecord(
    stage="beats",
    mirkit_version="0.1.0",
    stage_version=3,
    backend="embedded",
    parameters={"bpm_range": (80, 160.5), "stems": True, "hint": None},
    inputs={"full_mix.flac": MIX},
    outputs={"drums.flac": MIX},
    needs={"onsets": "0123456789abcdef"},
    reasons={"bpm": "no pulse"},
    seconds=1.25,
    when="2026-11-22T12:00:00+00:00",
)
same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=tries(25)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.PROVENANCE"


def test_a_missing_one_is_empty(path: Path) -> None:
    assert read_provenance(path) == Provenance()


def test_round_trip(path: Path) -> None:
    facts: dict[str, Any] = {"key": {"value": "A", "confidence": 0.123456789}, "tags": {"value": {"artist": "\u00e9"}}}
    written = update_provenance(path, [ENTRY], facts, {"vocals.mp3": MIX})
    assert read_provenance(path) == written
    assert written.stages == {"beats": ENTRY}
    assert written.stages["beats"].inputs["full_mix.flac"].mtime_ns == 5
    assert written.facts == facts
    assert written.adopted == {"vocals.mp3": MIX}


def test_state_is_parted_from_details_and_stands_with_them_in_the_file(path: Path) -> None:
    separated = replace(ENTRY, stage="separate", pending=("bass",), external=("drums",), details={"format": "flac"})
    cropped = replace(ENTRY, stage="crop", clips=(), details={"aligned": "downbeats"})
    caption = CaptionRecord("A text.", "stop", 300, ("empty",), "ab" * 32, 90, False)
    described = replace(ENTRY, stage="describe/full", caption=caption, details={"attempts": 2})
    update_provenance(path, [separated, cropped, described])
    stages = json.loads(path.read_bytes())["stages"]
    assert stages["separate"]["method"] == {"format": "flac", "writing": ["bass"], "external": ["drums"]}
    assert stages["crop"]["method"] == {"aligned": "downbeats", "clips": []}
    assert stages["describe/full"]["method"] == {
        "attempts": 2,
        "raw": "A text.",
        "finish": "stop",
        "tokens": 300,
        "faults": ["empty"],
        "replaces": "ab" * 32,
        "words": 90,
        "fix_facts": False,
    }
    found = read_provenance(path).stages
    assert found == {"crop": cropped, "describe/full": described, "separate": separated}
    assert found["separate"].identity == ENTRY.__class__(**{**vars(ENTRY), "stage": "separate"}).identity


@pytest.mark.parametrize("method", [{"clips": "all", "writing": [1], "external": None, "from": 3}, [1], "x", None])
def test_state_of_another_type_is_kept_as_it_is_and_decides_nothing(path: Path, method: Any) -> None:
    update_provenance(path, [ENTRY])
    content = json.loads(path.read_bytes())
    content["stages"]["beats"]["method"] = method
    path.write_text(json.dumps(content))
    entry = read_provenance(path).stages["beats"]
    assert (entry.clips, entry.pending, entry.external, entry.origin, entry.caption) == (None, (), (), "", None)
    update_provenance(path, [replace(ENTRY, stage="onsets")])
    assert json.loads(path.read_bytes())["stages"]["beats"]["method"] == method


def test_what_is_asked_for_equals_what_was_stored(path: Path) -> None:
    update_provenance(path, [ENTRY])
    assert (
        read_provenance(path).stages["beats"].parameters
        == ENTRY.parameters
        == {
            "bpm_range": [80, 160.5],
            "stems": True,
            "hint": None,
        }
    )


def test_each_writer_touches_only_its_own(path: Path) -> None:
    update_provenance(path, [ENTRY], {"key": {"value": "A"}})
    other = replace(ENTRY, stage="loudness", inputs={})
    update_provenance(path, [other], {"mode": {"value": "minor"}})
    update_provenance(path, [replace(ENTRY, stage_version=4)])
    found = read_provenance(path)
    assert found.stages == {"beats": replace(ENTRY, stage_version=4), "loudness": other}
    assert found.facts == {"key": {"value": "A"}, "mode": {"value": "minor"}}
    found = update_provenance(path, remove=["stages/beats", "facts/key", "adopted/nothing"])
    assert (list(found.stages), list(found.facts)) == (["loudness"], ["mode"])


def test_the_order_of_the_writers_does_not_matter(path: Path, tmp_path: Path) -> None:
    other = replace(ENTRY, stage="loudness")
    update_provenance(path, [ENTRY, other], {"b": {"value": 1}, "a": {"value": 2}})
    reverse = tmp_path / "y.PROVENANCE"
    update_provenance(reverse, [other], {"a": {"value": 2}})
    update_provenance(reverse, [ENTRY], {"b": {"value": 1}})
    assert reverse.read_bytes() == path.read_bytes()


def test_what_another_version_wrote_is_kept(path: Path) -> None:
    update_provenance(path, [ENTRY])
    content = json.loads(path.read_text())
    content["future"] = {"x": [1]}
    content["stages"]["beats"]["gpu"] = "H200"
    content["stages"]["beats"]["inputs"]["full_mix.flac"]["blake3"] = "ignored"
    path.write_text(json.dumps(content))
    update_provenance(path, [replace(ENTRY, stage="loudness")])
    kept = json.loads(path.read_text())
    assert kept["future"] == {"x": [1]}
    assert kept["stages"]["beats"]["gpu"] == "H200"
    assert read_provenance(path).stages["beats"].extra == {"gpu": "H200"}


def test_the_format_is_written_first_and_files_without_one_are_read(path: Path) -> None:
    update_provenance(path, [ProvenanceRecord("beats", "0.1.0", 1)])
    content = json.loads(path.read_text())
    assert next(iter(content)) == "format"
    assert content.pop("format") == 1
    path.write_text(json.dumps(content))
    assert read_provenance(path).stages.keys() == {"beats"}
    assert origin_of(read_object(path), path).methods == {"beats": "none"}
    update_provenance(path, facts={"meter": {"value": "4/4"}})
    assert json.loads(path.read_text())["format"] == 1


@pytest.mark.parametrize("number", [2, 3, 10**6])
def test_a_newer_format_is_left_alone(path: Path, number: int) -> None:
    content = json.dumps({"format": number, "stages": {"beats": "something else"}})
    path.write_text(content)
    for use in (
        lambda: read_provenance(path),
        lambda: origin_of(read_object(path), path),
        lambda: update_provenance(path, facts={"meter": {"value": "4/4"}}),
    ):
        with pytest.raises(
            NewerFormatError, match=rf"a newer version of mirkit wrote this file in format {number}.*update mirkit"
        ):
            use()
    assert path.read_text() == content
    assert [file.name for file in path.parent.iterdir() if not file.name.startswith(".mirkit")] == [path.name]


@pytest.mark.parametrize("number", ["1", -1, 1.5, True, None])
def test_a_format_that_is_no_number_is_damage(path: Path, number: Any) -> None:
    path.write_text(json.dumps({"format": number}))
    with pytest.raises(DamagedFileError, match="no number"):
        read_provenance(path)


def test_an_older_entry_lacks_the_newer_fields(path: Path) -> None:
    path.write_text('{"stages": {"beats": {"mirkit_version": "0.0.1", "stage_version": 1}}}')
    assert read_provenance(path).stages == {"beats": ProvenanceRecord("beats", "0.0.1", 1)}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"stages": []}',
        '{"stages": {"beats": 3}}',
        '{"stages": {"beats": {}}}',
        '{"stages": {"beats": {"mirkit_version": "1", "stage_version": "1"}}}',
        '{"stages": {"beats": {"mirkit_version": "1", "stage_version": true}}}',
        '{"stages": {"beats": {"mirkit_version": "1", "stage_version": 1, "reasons": {"bpm": 1}}}}',
        '{"stages": {"beats": {"mirkit_version": "1", "stage_version": 1, "parameters": null}}}',
        '{"stages": {"beats": {"mirkit_version": "1", "stage_version": 1, "inputs": {"x": {"size": 1}}}}}',
        '{"stages": {"beats": {"mirkit_version": "1", "stage_version": 1, "seconds": NaN}}}',
        '{"facts": {"key": "A"}}',
        '{"adopted": {"x": {"size": 1.5, "mtime_ns": 1, "sha256": ""}}}',
    ],
)
def test_a_damaged_one_is_set_aside(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(InfoError, match=r"x\.PROVENANCE: ") as caught:
        read_provenance(path)
    assert "\n" not in str(caught.value)
    assert update_provenance(path, [ENTRY]).stages == {"beats": ENTRY}
    assert path.with_name("x.PROVENANCE.unreadable-1").read_text() == content


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["stages", "facts", "adopted", "beats", "inputs", "size", "mirkit_version", "stage_version", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@same_folder
@given(JSON)
def test_any_json_is_a_provenance_or_one_line(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
    with contextlib.suppress(InfoError):
        read_provenance(path)
    assert update_provenance(path, [ENTRY]).stages["beats"] == ENTRY
    for aside in path.parent.glob("*.unreadable-*"):
        aside.unlink()


def test_nan_is_never_written(path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        update_provenance(path, facts={"key": {"value": float("nan")}})
    with pytest.raises(ValueError, match="JSON"):
        update_provenance(path, [replace(ENTRY, parameters={"x": float("inf")})])
    assert not path.exists()


def test_the_identity_is_what_decides_the_result() -> None:
    same = [
        replace(ENTRY, mirkit_version="9", seconds=99.0, when="later", reasons={}),
        replace(ENTRY, inputs={"full_mix.flac": replace(MIX, mtime_ns=77)}),
        replace(ENTRY, parameters={"stems": True, "hint": None, "bpm_range": [80, 160.5]}),
    ]
    others = [
        replace(ENTRY, stage="bars"),
        replace(ENTRY, stage_version=4),
        replace(ENTRY, backend="beat_this"),
        replace(ENTRY, model="final0"),
        replace(ENTRY, weights_sha256="00"),
        replace(ENTRY, parameters={"stems": False}),
        replace(ENTRY, inputs={"full_mix.flac": replace(MIX, sha256="cd" * 32)}),
        replace(ENTRY, inputs={"full_mix.flac": MIX, "drums.flac": MIX}),
        replace(ENTRY, needs={"onsets": "fedcba9876543210"}),
    ]
    assert {entry.identity for entry in same} == {ENTRY.identity}
    assert len({ENTRY.identity, *(entry.identity for entry in others)}) == len(others) + 1


def _writer(path: Path, name: str, updates: int) -> None:
    for number in range(updates):
        entry = ProvenanceRecord(f"{name}{number}", "0.1", 1)
        update_provenance(path, [entry], {entry.stage: {"value": number}})


def test_two_processes_lose_nothing(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_writer, args=(path, name, 20)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = read_provenance(path)
    assert set(found.stages) == set(found.facts) == {f"{name}{number}" for name in "ab" for number in range(20)}


# fingerprints


def test_content_is_read_only_where_the_stamp_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tmp_path / "full_mix.flac"
    sound.write_bytes(b"sound")
    first = file_digest(sound)
    assert first.size == 5
    with monkeypatch.context() as patch:
        patch.setattr(digests.hashlib, "file_digest", None)
        assert file_digest(sound, first) is first
        assert file_digest(sound, None, MIX, first) is first
    os.utime(sound, ns=(1, 1))
    touched = file_digest(sound, first)
    assert touched == first
    assert touched is not first
    assert touched.mtime_ns == 1
    sound.write_bytes(b"other")
    assert file_digest(sound, first) != first
    sound.write_bytes(b"longer")
    os.utime(sound, ns=(first.mtime_ns, first.mtime_ns))
    assert file_digest(sound, first) != first


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "x").sha256 == digest_of_text("abc").sha256 == known
    assert digest_of_text("\udcff") != digest_of_text("\udcfe")


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="there is no such file"):
        file_digest(tmp_path / "no")
    with pytest.raises(MissingInput, match="there is no such file"):
        file_digest(tmp_path / "no", MIX)
    with pytest.raises(InfoError, match="cannot read"):
        file_digest(tmp_path)
