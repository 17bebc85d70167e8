"""What needs a look, and the duplicates that are kept for it."""

from pathlib import Path

import numpy as np

from mirkit.cli import main
from mirkit.dataset.duplicates.kept import Copies, kept_duplicates
from mirkit.dataset.library import Library
from mirkit.dataset.statistics import Table, statistics
from mirkit.report.attention import Group, needs_a_look

NAMES = ["a", "b", "c"]


def found(rows: list[dict], copies: Copies | None = None, failed: dict | None = None) -> dict[str, Group]:
    table = Table(("lufs", "danceability"), NAMES, np.array([[-10.0, 0.5], [np.nan, np.nan], [-12.0, 3.0]]))
    groups = needs_a_look(table, statistics(table), rows, failed or {}, copies)
    return {group.id: group for group in groups}


def test_each_reason_names_its_track() -> None:
    rows = [
        {"title": "a", "key": "A#", "mode": "minor", "bpm": 120.0, "meter": "3/4", "seconds": 100.0}
        | {"sure": {"key": 0.4999, "tempo": 0.9, "meter": 0.2}, "faults": ["decoded from a lossy file"]},
        {"title": "b", "silent": True, "seconds": 3.0},
        {"title": "c", "seconds": 2.5, "failed": {"chords": "/music/c.CHORDS: the file is damaged"}},
    ]
    groups = found(rows, failed={"c": ["DamagedFileError: /music/c.CHORDS: the file is damaged"]})
    assert groups["unsure"].rows == [(0, "a", "B♭ minor (0.49), 3/4 (0.20)")]
    assert groups["faults"].rows == [(0, "a", "decoded from a lossy file")]
    assert groups["faults"].command == "mirkit exclude . --audit faults"
    assert groups["silent"].rows == [(1, "b", "silent")]
    assert groups["short"].rows == [(2, "c", "2.5 s")]  # not the silent one
    assert groups["outside"].rows == [(2, "c", "danceability is 3; its range is 0 to 1")]
    assert groups["failed"].rows == [(2, "c", "the file is damaged")]  # once
    assert "notices" not in groups
    assert groups["duplicates"].command == "mirkit duplicates ."


def test_replaced_audio_is_named() -> None:
    table = Table(("lufs",), ["a"], np.array([[-10.0]]), outdated=["b"])
    groups = needs_a_look(table, statistics(table), [{"title": "a"}], {}, Copies("2026-11-30", 1, []))
    (group,) = groups
    assert group.rows == [(-1, "b", "the values are those of the former audio")]
    assert group.command == "mirkit run . --where state:outdated"


def test_copies_that_are_gone_are_not_named() -> None:
    rows = [{"title": name} for name in NAMES]
    group = found(rows, Copies("2026-11-30", 4, [["a", "c"], ["b", "gone"]]))["duplicates"]
    assert group.rows == [(2, "c", "same recording as a")]
    assert group.command == "mirkit duplicates . --exclude"
    assert "duplicates" not in found(rows, Copies("2026-11-30", 3, []))
    assert found(rows, Copies("2026-11-30", 2, []))["duplicates"].command == "mirkit duplicates ."


def test_duplicates_are_kept_for_the_report(music: Path) -> None:
    (music / "Copy").mkdir()
    for path in (music / "A - One").iterdir():
        if path.is_file():
            (music / "Copy" / path.name.replace("A - One", "Copy")).write_bytes(path.read_bytes())
    with Library.open(music) as library:
        assert kept_duplicates(library) is None
    assert main(["duplicates", str(music), "--quiet"]) == 0
    with Library.open(music) as library:
        copies = kept_duplicates(library)
        assert copies
        assert copies.groups == [["A - One", "Copy"]]
        assert copies.compared == 3
        for damaged in ("", "[", "[]", '{"when": 1, "compared": 2, "groups": 3}', '{"when": "x"}'):
            library.keep_note("duplicates", damaged)
            assert kept_duplicates(library) is None
