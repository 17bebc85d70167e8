"""The rule of what is done."""

from dataclasses import replace
from pathlib import Path

import pytest

from mirkit.catalog import stage
from mirkit.stages import parameters
from mirkit.staleness import StageInputs, inputs_of, stale_reason
from mirkit.store import FileDigest, ProvenanceRecord, Settings, file_digest, with_values

MIX = FileDigest(10, "a" * 64)
DRUMS = FileDigest(11, "b" * 64)
SETTINGS = Settings()
ROW = stage("beats")
INPUTS = StageInputs((("full_mix", "onset"),), {"full_mix": MIX})
ENTRY = ProvenanceRecord(
    stage="beats",
    mirkit_version="1",
    stage_version=ROW.version,
    backend="embedded",
    parameters=parameters(ROW, SETTINGS),
    inputs={"full_mix": MIX},
)


def why(entry: ProvenanceRecord | None = ENTRY, **changed: object) -> str:
    asked = {"backend": "embedded", "inputs": INPUTS, "needs": {}, "settings": SETTINGS} | changed
    there = asked.pop("products_there", True)
    return stale_reason(ROW, entry, products_there=there, **asked)  # type: ignore[arg-type]


def test_a_true_entry_is_done() -> None:
    assert why() == ""


@pytest.mark.parametrize(
    ("entry", "changed", "says"),
    [
        (None, {}, "new"),
        (replace(ENTRY, failed="it broke"), {}, "failed before"),
        (ENTRY, {"products_there": False}, "missing"),
        (replace(ENTRY, stage_version=0), {}, "definition"),
        (ENTRY, {"backend": "beat_this"}, "method beat_this, was embedded"),
        (ENTRY, {"settings": with_values(SETTINGS, {"rhythm.bpm": 120.0}, "test")}, "settings"),
        (ENTRY, {"inputs": StageInputs((), {"full_mix": replace(MIX, sha256="c" * 64)})}, "changed: full_mix"),
        (ENTRY, {"inputs": StageInputs((), {"full_mix": MIX, "drums": DRUMS})}, "changed: drums"),
        (ENTRY, {"needs": {"onsets": "new"}}, "redone: onsets"),
    ],
)
def test_what_is_no_longer_true_is_redone(
    entry: ProvenanceRecord | None, changed: dict[str, object], says: str
) -> None:
    assert says in why(entry, **changed)


def test_other_weights_under_the_same_path_are_seen(tmp_path: Path) -> None:
    own = tmp_path / "own.ckpt"
    own.write_bytes(b"first")
    settings = with_values(SETTINGS, {"rhythm.model": str(own), "backends.beats": "beat_this"}, "test")
    entry = replace(
        ENTRY, backend="beat_this", parameters=parameters(ROW, settings), weights_sha256=file_digest(own).sha256
    )
    asked = {"settings": settings, "backend": "beat_this"}
    assert why(entry, **asked) == ""
    own.write_bytes(b"second")
    assert why(entry, **asked) == "the weights changed"
    own.unlink()  # which is said when the model is loaded
    assert why(entry, **asked) == ""


def test_a_touched_file_with_the_same_content_stays_done() -> None:
    assert why(inputs=StageInputs((), {"full_mix": replace(MIX, mtime_ns=5)})) == ""


def test_what_the_user_brought_stays() -> None:
    external = replace(ENTRY, backend="external", stage_version=0, parameters={})
    assert why(external, inputs=StageInputs((), {})) == ""


def test_absent_stems_are_no_inputs() -> None:
    digests = {"full_mix": MIX, "drums": DRUMS}
    assert inputs_of(ROW, digests, SETTINGS).series == (("full_mix", "onset"), ("drums", "onset"))
    no_stems = with_values(SETTINGS, {"rhythm.stems": False}, "test")
    assert inputs_of(ROW, digests, no_stems).files == {"full_mix": MIX}
    # chroma comes from the mix unless all three tonal stems are there
    assert inputs_of(stage("chroma"), digests, SETTINGS).series == (("full_mix", "chroma"),)
    assert inputs_of(stage("stem_rhythm"), {"full_mix": MIX}, SETTINGS).files == {"full_mix": MIX}
