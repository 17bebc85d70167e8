"""The library: what the files say, while nothing changes and after any change; never a loss, never another result."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mirkit import engines
from mirkit.dataset.find import exclude
from mirkit.dataset.library import FIELDS, Library, library, stamps
from mirkit.dataset.library.row import RowJob, read_row
from mirkit.dataset.statistics import read_table
from mirkit.engines import processes, run_serially
from mirkit.engines.forks import map_forked
from mirkit.errors import MissingInput
from mirkit.store import TEMP_PREFIX, library_path, machine

LOUD = {"lufs": -9.5, "bpm": None, "key": "A", "mode": "minor", "chords": "| Am |", "mine": [1]}
PROVENANCE = {
    "format": 1,
    "stages": {
        "beats": {"backend": "embedded", "reasons": {"bpm": "no pulse"}, "failed": "", "when": "2026-01-02T00:00:00Z"},
        "loudness": {"reasons": {}, "failed": "disk full", "when": "2026-01-03T00:00:00Z"},
    },
    "facts": {
        "duration": {"value": 12.5},
        "pulse": {"value": False},
        "tags": {"value": {"artist": "Björk", "year": 1997, "key": "8A", "bpm": 97.0, "artists": ["Björk", "Bell"]}},
    },
}


def make(folder: Path, info: object = LOUD, provenance: object = PROVENANCE) -> Path:
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").write_bytes(b"")
    (folder / "drums.flac").write_bytes(b"")
    (folder / f"{folder.name}.INFO").write_text(json.dumps(info))
    (folder / f"{folder.name}.PROVENANCE").write_text(json.dumps(provenance))
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)  # as if a minute had passed
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "home"))
    for name in ("A B/one", "A/two", "A/three"):
        make(tmp_path / "set" / name)
    return tmp_path / "set"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tracks whose files are read."""
    found: list[str] = []

    def counted(job: RowJob, **more: object) -> object:
        found.append(job.track.name)
        return read_row(job, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(library, "read_row", counted)
    return found


def paths(folder: Path) -> list[str]:
    with Library.open(folder) as opened:
        opened.refresh()
        return [path for (path,) in opened.rows()]


def values(folder: Path, *names: str) -> list[tuple[object, ...]]:
    with Library.open(folder) as opened:
        opened.refresh()
        return list(opened.rows([FIELDS[name].column for name in names]))


def test_a_row_holds_what_the_sidecars_say(root: Path) -> None:
    names = ("path", "name", "lufs", "bpm", "key", "mode", "chords", "artist", "year", "tag_key", "tag_bpm", "duration")
    assert values(root / "A" / "two", *names)[0] == (
        *("two", "two", -9.5, None, "A", "minor", "| Am |"),
        *("Björk", 1997.0, "8A", 97.0, 12.5),
    )
    (row,) = values(root / "A" / "two", "pulse", "known", "stems", "failed", "methods", "artists", "added", "measured")
    assert row[:2] == (0.0, 1.0)
    assert [json.loads(str(text)) for text in row[2:6]] == [
        ["drums"],
        {"loudness": "disk full"},
        {"beats": "embedded", "loudness": "none", "separate": "none"},
        ["Björk", "Bell"],
    ]
    assert row[6:] == (1767312000.0, 1767398400.0)
    (reasons,) = values(root / "A" / "two", "reasons")[0]
    assert json.loads(str(reasons))["bpm"] == "no pulse"
    assert json.loads(str(reasons))["lra"] == "not measured"


def test_rows_are_in_the_order_of_the_tracks(root: Path) -> None:
    (root / "loose.flac").touch()
    (root / "A" / "early.flac").touch()
    assert paths(root) == ["A/three", "A/two", "A B/one", "loose.flac", "A/early.flac"]
    assert paths(root / "A") == ["three", "two", "early.flac"]


def test_conditions_orders_and_limits(root: Path) -> None:
    make(root / "loud", LOUD | {"lufs": -3.0})
    with Library.open(root) as opened:
        opened.refresh()
        assert list(opened.rows(["name"], '"lufs" > ?', [-5])) == [("loud",)]
        assert list(opened.rows(["name"], order='"lufs" DESC', limit=2)) == [("loud",), ("three",)]


def test_what_has_not_changed_is_not_read_again(root: Path, reads: list[str]) -> None:
    first = values(root, *FIELDS)
    assert sorted(reads) == ["one", "three", "two"]
    assert values(root, *FIELDS) == first
    assert len(reads) == 3
    make(root / "new")
    assert len(paths(root)) == 4
    assert reads[3:] == ["new"]
    shutil.rmtree(root / "A" / "two")
    assert "A/two" not in paths(root)
    assert reads[4:] == []


def in_place_at_the_same_time(file: Path) -> None:
    before = file.stat()
    file.write_text(file.read_text().replace("-9.5", "-8.5"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "in place": lambda file: file.write_text(json.dumps(LOUD | {"lufs": -8.5})),
    "in place, with size and time as before": in_place_at_the_same_time,
    "replaced": lambda file: (
        file.with_name("x").write_text(json.dumps(LOUD | {"lufs": -8.5})),
        file.with_name("x").rename(file),
    ),
    "gone": lambda file: file.unlink(),
    "damaged": lambda file: file.write_text("{"),
    "stem removed": lambda file: (file.parent / "drums.flac").unlink(),
    "track removed": lambda file: shutil.rmtree(file.parent),
    "mix removed": lambda file: (file.parent / "full_mix.flac").unlink(),
    "folder renamed": lambda file: file.parent.rename(file.parent.with_name("other")),
    "linked": lambda file: (file.rename(file.with_name("x.INFO")), file.symlink_to("x.INFO")),
    "provenance": lambda file: file.with_suffix(".PROVENANCE").write_text("{}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_gives_the_result_of_a_new_library(change: str, root: Path) -> None:
    before = values(root, *FIELDS)
    CHANGES[change](root / "A" / "two" / "two.INFO")
    after = values(root, *FIELDS)
    library_path(root).unlink()
    assert values(root, *FIELDS) == after
    if change != "linked":
        assert after != before


def test_what_was_changed_just_now_is_read_again(root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the grain of the file system's clock it may change once more and look the same."""
    monkeypatch.setattr(stamps, "MIN_AGE", 60.0)
    paths(root)
    paths(root)
    assert len(reads) == 6


def test_a_part_of_the_data_set(root: Path, reads: list[str]) -> None:
    (root / "mirkit.toml").touch()
    assert paths(root / "A") == ["A/three", "A/two"]
    assert sorted(reads) == ["three", "two"]
    assert len(paths(root)) == 3
    assert sorted(reads) == ["one", "three", "two"]
    assert paths(root / "A") == ["A/three", "A/two"]
    assert len(reads) == 3


def test_a_part_that_a_search_does_not_reach_is_not_kept(root: Path) -> None:
    (root / "mirkit.toml").touch()
    for name in ("crops", "bundle", ".hidden"):
        make(root / name / "inside")
    (root / "bundle" / "mirkit_export.json").write_text("{}")
    for name in ("crops", "bundle", ".hidden"):
        assert paths(root / name) == [f"{name}/inside"]
    assert paths(root) == ["A/three", "A/two", "A B/one"]


def test_exclusion_needs_no_reading(root: Path, reads: list[str]) -> None:
    (root / "mirkit.toml").touch()
    (root / "loose.flac").touch()
    paths(root)
    exclude(root / "A" / "two", "a copy")
    exclude(root / "loose.flac", "too short")
    found = dict(values(root, "path", "excluded"))
    assert found == {"A/three": None, "A/two": "a copy", "A B/one": None, "loose.flac": "too short"}
    assert len(reads) == 4
    library_path(root).unlink()
    assert dict(values(root, "path", "excluded")) == found


def test_damaged_sidecars_are_named_with_the_present_path(root: Path, tmp_path: Path) -> None:
    (root / "A" / "two" / "two.INFO").write_text("{")
    paths(root)
    root.rename(tmp_path / "moved")
    with Library.open(tmp_path / "moved") as opened:
        opened.refresh()
        ((problem,),) = opened.rows(["problem"], "problem IS NOT NULL")
        assert opened.problem(problem).startswith(f"{tmp_path / 'moved' / 'A' / 'two' / 'two.INFO'}: the file cannot")


def test_names_that_are_no_text(root: Path) -> None:
    try:
        (root / os.fsdecode(b"caf\xe9")).mkdir()
    except OSError:
        pytest.skip("this file system wants UTF-8")
    make(root / os.fsdecode(b"caf\xe9 \t\n"))
    assert paths(root)[-1] == "caf\\udce9 \t\n"
    assert paths(root)[-1] == "caf\\udce9 \t\n"


def test_an_empty_folder_and_a_file_that_is_no_audio(root: Path) -> None:
    (root / "empty").mkdir()
    assert paths(root / "empty") == []
    with pytest.raises(MissingInput):
        Library.open(root / "nothing")


def test_processes_read_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = values(root, *FIELDS)
    library_path(root).unlink()
    monkeypatch.setattr(processes, "_MANY", 1)
    monkeypatch.setattr(processes, "_CHUNK", 2)
    with Library.open(root) as opened:
        done: list[tuple[int, int]] = []
        opened.refresh(lambda *counts: done.append(counts), jobs=2)
        assert list(opened.rows([field.column for field in FIELDS.values()])) == here
        assert {of for _, of in done} == {3}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "no database": lambda _: b"not a database, but longer than a header of SQLite, which has a hundred bytes" * 3,
    "cut": lambda data: data[: len(data) // 2],
    "zeros within": lambda data: data[:20000] + bytes(30000) + data[50000:],
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_replaced(damage: str, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = values(root, *FIELDS)
    file = library_path(root)
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    assert values(root, *FIELDS) == before
    assert len(caplog.records) <= 1
    caplog.clear()
    assert values(root, *FIELDS) == before
    assert not caplog.records


def sql(root: Path, *statements: str) -> None:
    with sqlite3.connect(library_path(root)) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_that_of_a_newer_version_is_left_alone(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = values(root, *FIELDS)
    sql(root, "PRAGMA user_version=99")
    content = library_path(root).read_bytes()
    assert values(root, *FIELDS) == before
    assert library_path(root).read_bytes() == content
    assert "newer version" in caplog.text


def test_that_of_an_older_version_is_replaced(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = values(root, *FIELDS)
    sql(root, "PRAGMA user_version=0", 'ALTER TABLE tracks DROP COLUMN "lufs"')
    assert values(root, *FIELDS) == before
    assert not caplog.records


HOSTILE = {
    "trigger": ["CREATE TRIGGER t AFTER INSERT ON tracks BEGIN DELETE FROM tracks; END"],
    "view": ["ALTER TABLE tracks RENAME TO old", "CREATE VIEW tracks AS SELECT * FROM old"],
    "paths": ["UPDATE tracks_states SET _key = CAST('../../x' AS BLOB), stamps = x''"],
    "bases": ["UPDATE tracks_states SET base = CAST('../../x' AS BLOB)"],
    "types": ["UPDATE tracks_states SET stamps = 5", "UPDATE folders SET listing = 7"],
    "listing": ["""UPDATE folders SET listing = '[["../../../x.flac"], ["../.."], [], false, false]'"""],
    "log": ["PRAGMA journal_mode=WAL", "DELETE FROM tracks"],
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_library_from_a_stranger_is_data(attack: str, root: Path) -> None:
    before = values(root, *FIELDS)
    sql(root, *HOSTILE[attack])
    (root / "A" / "new").mkdir()
    assert values(root, *FIELDS) == before


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("name", ["library.sqlite", "library.sqlite-journal", "library.sqlite-wal"])
def test_links_out_of_the_data_set_are_not_followed(name: str, root: Path, tmp_path: Path) -> None:
    before = values(root, *FIELDS)
    own = tmp_path / "own.txt"
    own.write_bytes(b"mine")
    file = library_path(root).with_name(name)
    file.unlink(missing_ok=True)
    file.symlink_to(own)
    make(root / "new")
    assert len(values(root, *FIELDS)) == len(before) + 1
    assert own.read_bytes() == b"mine"


def test_a_journal_that_names_another_file_is_not_played(root: Path, tmp_path: Path) -> None:
    """SQLite deletes the file that it takes for the journal of several databases."""
    before = values(root, *FIELDS)
    own = tmp_path / "own.txt"
    own.write_bytes(b"mine")
    name = os.fsencode(own)
    journal = bytes.fromhex("d9d505f920a163d7") + (0).to_bytes(4, "big") * 5
    journal = journal.ljust(512, b"\0") + b"\0\0\0\1" + name
    journal += len(name).to_bytes(4, "big") + (sum(name) & 0xFFFFFFFF).to_bytes(4, "big")
    library_path(root).with_name("library.sqlite-journal").write_bytes(journal + bytes.fromhex("d9d505f920a163d7"))
    assert values(root, *FIELDS) == before
    assert own.read_bytes() == b"mine"


@pytest.fixture
def read_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: root not in (Path(path), *Path(path).parents) and real(path, mode)
    )
    return root


def test_of_a_read_only_data_set_it_is_in_the_cache_folder(
    read_only: Path, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    first = paths(read_only)
    assert paths(read_only) == first
    assert len(reads) == 3
    assert not library_path(read_only).parent.exists()
    assert "read-only" in caplog.text


def test_without_any_place_it_is_in_memory(root: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(paths(root)) == 3
    assert len(paths(root)) == 3
    assert len(reads) == 6


def test_a_full_disk_costs_no_row(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = values(root, *FIELDS)
    make(root / "new")
    with Library.open(root) as opened:
        for _ in opened._file.read("PRAGMA max_page_count=1"):
            pass
        opened.refresh()
        found = list(opened.rows([field.column for field in FIELDS.values()]))
    assert len(found) == len(before) + 1
    assert sum("cannot be written" in record.message for record in caplog.records) == 1
    assert len(paths(root)) == 4


def test_a_kill_in_the_middle_leaves_what_was_stored(root: Path) -> None:
    """The process ends within a transaction, with its journal on the disk."""
    before = values(root, *FIELDS)
    code = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size=1'); c.execute('BEGIN')\n"
        "c.execute('UPDATE tracks SET lufs = 0'); c.execute('DELETE FROM folders')\n"
        "c.execute('CREATE TABLE filler AS SELECT randomblob(1000000)')\n"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(library_path(root))], check=False)
    assert library_path(root).with_name("library.sqlite-journal").exists()
    assert values(root, *FIELDS) == before


def test_two_at_once(root: Path) -> None:
    """Each sees all tracks, while both write."""
    with Library.open(root) as one, Library.open(root) as other:
        one.refresh()
        make(root / "new")
        other.refresh()
        make(root / "newer")
        one.refresh()
        other.refresh()
        assert len(list(one.rows())) == len(list(other.rows())) == 5
        library_path(root).unlink()
        make(root / "newest")
        one.refresh()
        other.refresh()
        assert len(list(other.rows())) == 6
    assert len(paths(root)) == 6


def test_what_a_killed_writer_left_goes(root: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = root / ".mirkit" / f"{TEMP_PREFIX}{machine()}-{ended.pid}-0011aabb.sqlite"
    left.parent.mkdir()
    left.write_text("half a l")
    paths(root)
    assert not left.exists()


@pytest.mark.parametrize("column", ["_numbers", "reasons", "methods"])
@pytest.mark.parametrize("content", ["[", "7", b"x"])
def test_statistics_replace_rows_that_mirkit_did_not_write(column: str, content: object, root: Path) -> None:
    before = vars(read_table(root))
    with sqlite3.connect(library_path(root)) as connection:
        connection.execute(f"UPDATE tracks SET {column} = ?", (content,))
    connection.close()
    after = vars(read_table(root))
    assert np.array_equal(before.pop("values"), after.pop("values"), equal_nan=True)
    assert after == before


def recorded(file: Path) -> dict[str, object]:
    """What a ``.PROVENANCE`` says of a file."""
    status = file.stat()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "ctime_ns": 1, "inode": 1, "sha256": digest}


def measured(folder: Path, *sources: str) -> Path:
    """A track whose record says from which files its values were computed."""
    stages = {"loudness": {"inputs": {name: recorded(folder / f"{name}.flac") for name in sources}}}
    provenance = PROVENANCE | {"stages": PROVENANCE["stages"] | stages}  # type: ignore[operator]
    (folder / f"{folder.name}.PROVENANCE").write_text(json.dumps(provenance))
    return folder


def written_over(file: Path) -> None:
    """In place, with another time, so that the folder does not change."""
    file.write_bytes(b"another sound")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 10**9))


REPLACED: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "nothing": (lambda _: None, None),
    "the mix in place": (lambda folder: written_over(folder / "full_mix.flac"), "full_mix"),
    "the mix by another of its size": (lambda folder: (folder / "full_mix.flac").write_bytes(b"s"), "full_mix"),
    "a stem by another file": (
        lambda folder: (written_over(folder / "x"), (folder / "x").rename(folder / "drums.flac")),
        "drums",
    ),
    "a stem removed": (lambda folder: (folder / "drums.flac").unlink(), "drums"),
    "the same again with a new time": (lambda folder: (folder / "full_mix.flac").write_bytes(b"m"), None),
    "a copy of the folder": (lambda folder: copied(folder), None),
}


def copied(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("x"))
    shutil.rmtree(folder)
    folder.with_name("x").rename(folder)


@pytest.mark.parametrize("what", REPLACED)
def test_replaced_audio_is_told(what: str, root: Path) -> None:
    folder = root / "A" / "two"
    (folder / "full_mix.flac").write_bytes(b"m")
    (folder / "x").write_bytes(b"x")
    measured(folder, "full_mix", "drums")
    assert values(root, "outdated") == [(None,)] * 3
    change, expected = REPLACED[what]
    change(folder)
    assert dict(values(root, "path", "outdated"))["A/two"] == expected
    library_path(root).unlink()
    assert dict(values(root, "path", "outdated"))["A/two"] == expected


def test_replaced_audio_is_left_out_of_statistics(root: Path) -> None:
    written_over(measured(root / "A" / "two", "full_mix") / "full_mix.flac")
    table = read_table(root)
    assert table.names == ["A/three", "A B/one"]
    assert table.outdated == ["A/two"]
    assert read_table(root, where="state:outdated").names == ["A/two"]


def test_a_renamed_folder_keeps_its_values(root: Path) -> None:
    before = values(root, "lufs", "artist", "known")
    (root / "A" / "two").rename(root / "A" / "zwei")
    assert values(root, "lufs", "artist", "known") == before
    assert ("zwei",) in values(root, "name")
    (root / "A" / "zwei" / "two.INFO").write_text(json.dumps(LOUD | {"lufs": -1.0}))
    assert (-1.0,) in values(root, "lufs")


def test_rights_are_those_of_the_table(root: Path, reads: list[str]) -> None:
    assert values(root, "license", "attribution", "ai_training") == [(None, "Björk", None)] * 3
    (root / "rights.csv").write_text("path,license,ai_training\nA/*,CC BY 4.0,no\nA/two,,yes\n")
    rows = values(root, "path", "license", "attribution", "ai_training")
    assert rows == [
        ("A/three", "cc-by-4.0", "Björk", 0.0),
        ("A/two", "cc-by-4.0", "Björk", 1.0),
        ("A B/one", None, "Björk", None),
    ]
    assert len(reads) == 3
    make(root / "A" / "new")
    assert values(root, "path", "license")[0] == ("A/new", "cc-by-4.0")
    (root / "rights.csv").write_text("nonsense")
    with Library.open(root) as opened:
        opened.refresh()
        assert "rights.csv" in opened.problems[0]
    (root / "rights.csv").unlink()
    assert values(root, "license") == [(None,)] * 4


def test_looking_at_a_folder_makes_no_data_set(root: Path) -> None:
    other = root.parent / "music"
    (other / "x").mkdir(parents=True)
    (other / "x" / "full_mix.flac").write_bytes(b"")
    assert paths(other) == ["x"]
    assert sorted(other.iterdir()) == [other / "x"]
    (other / "mirkit.toml").write_text("")
    assert paths(other) == ["x"]
    assert library_path(other).exists()


def test_looking_above_a_data_set_makes_no_other_one(root: Path) -> None:
    (root / "mirkit.toml").write_text("")
    assert len(paths(root.parent)) == 3
    assert not library_path(root.parent).parent.exists()


def test_processes_that_are_forked_give_the_same() -> None:
    items = list(range(40_000))
    parts = map_forked(sum, items, jobs=3)
    assert len(parts) in (1, 3)
    assert sum(parts) == sum(items)
    assert map_forked(sum, items[:5], jobs=3) == [10]
    assert sum(map_forked(fails_elsewhere, items, jobs=2)) == sum(items)


HERE = os.getpid()


def fails_elsewhere(items: Sequence[int]) -> int:
    if os.getpid() != HERE:
        raise ValueError
    return sum(items)
