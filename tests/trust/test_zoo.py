"""A data set of everything that goes wrong with files: each ends in a valid ``.INFO`` or in one clear line."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from zoo import EITHER, IGNORED, REFUSED, SOUND, Animal, make_zoo

from mirkit import engines
from mirkit.catalog import TRACK_KEYS
from mirkit.cli import main
from mirkit.engines import run_serially
from mirkit.store import read_provenance
from mirkit.track import Track

pytestmark = [
    pytest.mark.slow,
    pytest.mark.reference,
    pytest.mark.skipif(os.name == "nt", reason="names and files that Windows does not have"),
]


@dataclass
class Visit:
    """What ``mirkit run`` made of the zoo."""

    root: Path
    animals: dict[str, Animal]
    content: dict[str, bytes]
    moved: dict[str, Path]
    outcomes: dict[str, Any]
    status: int
    said: str

    def outcome(self, name: str) -> Any:
        """What the run says of an animal."""
        path = self.moved.get(name, self.root / name)
        return self.outcomes.get(path.parent.relative_to(self.root).as_posix()) or self.outcomes.get(name)


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
        root = tmp_path_factory.mktemp("zoo")
        patch.chdir(root)
        animals = make_zoo(root)
        content = {name: data for name in animals if (data := content_of(root / name)) is not None}
        capture = Capture(patch)
        assert main(["organize", str(root), "--json"]) == 0
        moved = {
            os.path.relpath(move["from"], root): Path(move["to"]) for move in json.loads(capture.printed())["moves"]
        }
        capture.printed()
        status = main(["run", str(root), "--samples", "--json"])
        outcomes = {outcome["track"]: outcome for outcome in json.loads(capture.printed())["tracks"]}
        yield Visit(root, animals, content, moved, outcomes, status, capture.complained())


class Capture:
    """Standard output and error, for a fixture of a module."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        import io

        self._out, self._error = io.StringIO(), io.StringIO()
        patch.setattr("sys.stdout", self._out)
        patch.setattr("sys.stderr", self._error)

    def printed(self) -> str:
        text = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return text

    def complained(self) -> str:
        return self._error.getvalue()


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def test_the_zoo_is_large(visit: Visit) -> None:
    assert len(visit.animals) >= 60
    assert {animal.kind for animal in visit.animals.values()} == {SOUND, REFUSED, EITHER, IGNORED}


def test_each_ends_in_a_valid_info_or_in_one_line(visit: Visit) -> None:
    wrong = []
    for name, animal in visit.animals.items():
        outcome = visit.outcome(name)
        if animal.kind == IGNORED:
            wrong += [f"{name!r} was taken for music"] if name in visit.moved else []
            continue
        if outcome is None:
            wrong.append(f"{name!r}: nothing is said of it")
            continue
        failures = outcome["failures"]
        if failures and animal.kind == SOUND:
            wrong.append(f"{name!r} should be measured: {failures}")
        if not failures and animal.kind == REFUSED:
            wrong.append(f"{name!r} should be refused")
        wrong += [f"{name!r}: {why!r}" for why in failures.values() if not why.isprintable() or "a bug" in why]
        if not failures:
            wrong += [f"{name!r}: {fault}" for fault in faults(visit, outcome)]
    assert not wrong, "\n".join(wrong)


def faults(visit: Visit, outcome: Any) -> Iterator[str]:
    """What is wrong with the files of a track that was measured."""
    track = Track.at(visit.root / outcome["track"])

    def no_number(token: str) -> None:
        raise ValueError(f"{token} is not JSON")

    info = json.loads(track.info.read_text("utf-8"), parse_constant=no_number)
    reasons: dict[str, str] = {}
    for entry in read_provenance(track.provenance).stages.values():
        reasons |= entry.reasons
    if missing := set(TRACK_KEYS) - info.keys():
        yield f"missing {missing}"
    for key in TRACK_KEYS:
        if info.get(key) is None and key not in reasons:
            yield f"{key} is null without a reason"


def test_the_run_comes_to_its_end(visit: Visit) -> None:
    assert visit.status == 1
    assert "Traceback" not in visit.said
    assert all(line.isprintable() for line in visit.said.splitlines())


def test_what_is_called_sound_and_is_no_file_is_told(visit: Visit) -> None:
    for name in ("circle.mp3", "dangling.mp3", "pipe.mp3", "mix that is gone/full_mix.flac"):
        assert f"{name}: this is a link to nothing, or no file" in visit.said
    assert "stems but no full_mix" in visit.said


def test_no_file_is_lost_or_changed(visit: Visit) -> None:
    for name, content in visit.content.items():
        assert content_of(visit.moved.get(name, visit.root / name)) == content or name.startswith(".mirkit-tmp")


def test_no_name_is_a_command_or_leads_elsewhere(visit: Visit) -> None:
    assert not (visit.root / "owned").exists()
    assert {path.parent.parent for path in visit.moved.values()} == {visit.root}


def test_no_litter_is_left(visit: Visit) -> None:
    assert not [path for path in visit.root.rglob(".mirkit-*") if path.name != ".mirkit-organize.jsonl"]


@pytest.mark.parametrize("command", ["verify", "stats", "status"])
def test_the_whole_can_be_looked_at(visit: Visit, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(visit.root)]) in (0, 1)
    said = capsys.readouterr()
    assert all(line.isprintable() for line in (said.out + said.err).splitlines())
    assert "a bug" not in said.err


def test_a_second_run_tries_only_what_failed(visit: Visit, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
        assert main(["run", str(visit.root), "--samples", "--json"]) == 1
    outcomes = json.loads(capsys.readouterr().out)["tracks"]
    again = {outcome["track"] for outcome in outcomes if outcome["done"] or outcome["failures"]}
    assert again == {name for name, outcome in visit.outcomes.items() if outcome["failures"]}
