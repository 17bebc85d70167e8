"""What a query finds: known answers on a small table, and conditions that hold for every text."""

import re
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.dataset.library.fields import FIELDS
from mirkit.dataset.query import (
    add_functions,
    choose_fields,
    fields_in,
    find_field,
    fold,
    order_sql,
    parse,
    query_fields,
    to_sql,
)
from mirkit.dataset.query.syntax import MOST_VALUES
from mirkit.dataset.query.values import read_date, read_duration, read_key, read_number
from mirkit.errors import SettingsError

NOW = datetime(2026, 11, 30, 12, 0, 0)
DAY = 86400.0


def ago(days: float) -> float:
    return NOW.timestamp() - days * DAY


ROWS: dict[str, dict[str, Any]] = {
    "Daft Punk - One More Time": {
        "artist": "Daft Punk",
        "title": "One More Time",
        "year": 2000,
        "genre": "House",
        "bpm": 122.996,
        "key": "D",
        "mode": "major",
        "time_signature": "4/4",
        "vocal_presence": 0.61,
        "lufs": -8.54,
        "added": ago(1),
        "duration": 320.4,
        "known": 78,
        "sample_rate": 44100,
        "bpm_is_defined": 1,
    },
    "Air - La Femme d'Argent": {
        "artist": "Air",
        "title": "La Femme d'Argent",
        "year": 1998,
        "bpm": 119.996,
        "key": "A",
        "mode": "minor",
        "vocal_presence": 0.0,
        "lufs": -14.26,
        "added": ago(10),
        "duration": 429.6,
        "known": 78,
        "stems": '["bass"]',
    },
    "Beyoncé - Halo": {
        "artist": "Beyoncé",
        "title": 'Halo (Live, 100% "remix")',
        "bpm": 80.04,
        "key": "A#",
        "mode": "major",
        "vocal_presence": 0.004,
        "added": ago(40),
        "known": 78,
        "spectral_flatness": 0.001,
        "excluded": "too loud",
    },
    "Mouse on Mars_1": {
        "artist": "Mouse on Mars",
        "key": "F#",
        "mode": "minor",
        "vocal_presence": 0.3,
        "bpm": 130.04,
        "known": 70,
        "failed": '{"drums": "no memory"}',
        "added": ago(400),
        "start": 10.0,
    },
    "new": {"added": ago(0.1), "known": 0},
    "broken": {"problem": "cannot be read"},
}
NAMES = {name.split(" ")[0]: name for name in ROWS}


def make_table() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE tracks ({', '.join(f'{row.column} {row.sql_type}' for row in FIELDS.values())})")
    for name, values in ROWS.items():
        row = {"path": name} | values
        columns = ", ".join(FIELDS[key].column for key in row)
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO tracks ({columns}) VALUES ({marks})", tuple(row.values()))
    add_functions(connection)
    return connection


@pytest.fixture(scope="module")
def table() -> Iterator[sqlite3.Connection]:
    connection = make_table()
    yield connection
    connection.close()


def found(table: sqlite3.Connection, text: str) -> list[str]:
    query = parse(text)
    sql = to_sql(query, NOW)
    order = order_sql(query.sort) or "rowid"
    rows = table.execute(f"SELECT path FROM tracks WHERE {sql.text} ORDER BY {order}", sql.parameters)
    return [str(path).split(" ")[0] for (path,) in rows]


ALL = list(NAMES)
KNOWN = ["Daft", "Air", "Beyoncé", "Mouse"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ALL),
        # Numbers are compared as they are shown, and a single one as it is written.
        ("bpm:120", ["Air"]),
        ("bpm:120.0", ["Air"]),
        ("bpm:120.00", ["Air"]),
        ("bpm:119.996", ["Air"]),
        ("bpm:119", []),
        ("bpm:120..130", ["Daft", "Air", "Mouse"]),
        ("bpm:120.1..130", ["Daft", "Mouse"]),
        ("bpm:..120", ["Air", "Beyoncé"]),
        ("bpm:130..", ["Mouse"]),
        ("bpm>130", []),
        ("bpm>=130", ["Mouse"]),
        ("bpm<120", ["Beyoncé"]),
        ("bpm<=120", ["Air", "Beyoncé"]),
        ("bpm:>120 bpm:<125", ["Daft"]),
        ("bpm=120", ["Air"]),
        ("bpm!=120", ["Daft", "Beyoncé", "Mouse"]),
        ("-bpm:120", ["Daft", "Beyoncé", "Mouse", "new", "broken"]),
        ("bpm:80,130", ["Beyoncé", "Mouse"]),
        ("bpm:80..90,125..", ["Beyoncé", "Mouse"]),
        ("tempo:120", ["Air"]),
        ('bpm:" 120 "', ["Air"]),
        ('added:" -7d"', ["Daft", "new"]),
        ("BPM:120", ["Air"]),
        ("vocal_presence:0", ["Air", "Beyoncé"]),
        ("vocal-presence:0.61", ["Daft"]),
        ("vocal_presence:0.6", []),
        ("vocal_presence:0..0.3", ["Air", "Beyoncé", "Mouse"]),
        ("lufs:-14", ["Air"]),
        ("lufs:-14.3", ["Air"]),
        ("lufs:-15..-9", ["Air"]),
        ("lufs>-9", ["Daft"]),
        ("sample_rate:44.1k", ["Daft"]),
        ("bpm_is_defined:yes", ["Daft"]),
        ("spectral_flatness:0.001", ["Beyoncé"]),
        ("spectral_flatness>=0.001", ["Beyoncé"]),
        ("spectral_flatness>0.001", []),
        ("spectral_flatness<=1e-3", ["Beyoncé"]),
        ("year:1998", ["Air"]),
        ("year:199..2000", ["Daft", "Air"]),
        # Lengths.
        ("duration:5:20", ["Daft"]),
        ("duration:>6m", ["Air"]),
        ("length:5:00..7:10", ["Daft", "Air"]),
        ("duration:5m20s", ["Daft"]),
        ("duration:430", ["Air"]),
        # Unknown values.
        ("bpm:null", ["new", "broken"]),
        ("bpm:*", KNOWN),
        ("-bpm:*", ["new", "broken"]),
        ("bpm!=null", KNOWN),
        ("artist:none", ["new", "broken"]),
        # Keys, by pitch class and mode.
        ("key:Am", ["Air"]),
        ("key:A", []),
        ("key:Bb", ["Beyoncé"]),
        ("key:A#", ["Beyoncé"]),
        ('key:"Gb minor"', ["Mouse"]),
        ("key:8A", ["Air"]),
        ("key:10B,11A", ["Daft", "Mouse"]),
        ("key!=Am", ["Daft", "Beyoncé", "Mouse"]),
        ("tonic:A", ["Air"]),
        ("tonic:Gb", ["Mouse"]),
        ("mode:min", ["Air", "Mouse"]),
        ("key:null", ["new", "broken"]),
        ("meter:4/4", ["Daft"]),
        # Texts: parts, whole texts, regular expressions; without case and accents.
        ("artist:daft", ["Daft"]),
        ("artist:~daft", ["Daft"]),
        ("artist::^d.ft", ["Daft"]),
        ("artist:~^punk", []),
        ("artist:=air", ["Air"]),
        ("artist=ai", []),
        ("artist:ai,beyonce", ["Air", "Beyoncé"]),
        ("artist:BEYONCÉ", ["Beyoncé"]),
        ('artist:"daft punk"', ["Daft"]),
        ("title:d'argent", ["Air"]),
        ("title:100%", ["Beyoncé"]),
        ("title:%", ["Beyoncé"]),
        ("title:_", []),
        ('title:\\"remix\\"', ["Beyoncé"]),
        ('title:~"live, 1\\d+"', ["Beyoncé"]),
        ("path:mars_1", ["Mouse"]),
        ("-artist:air", ["Daft", "Beyoncé", "Mouse", "new", "broken"]),
        ("mouse", ["Mouse"]),
        ("*", ALL),
        ('"*"', []),
        ("house", ["Daft"]),
        ("one time", ["Daft"]),
        ('"time house"', []),
        ("halo,argent", ["Air", "Beyoncé"]),
        ("stems:bass", ["Air"]),
        ("failed:memory", ["Mouse"]),
        ("excluded:*", ["Beyoncé"]),
        # Dates.
        ("added:-7d", ["Daft", "new"]),
        ("added:7d", ["Daft", "new"]),
        ("added:-2w..-1w", ["Air"]),
        ("added:..-1m", ["Beyoncé", "Mouse"]),
        ("added:today", ["new"]),
        ("added:yesterday", ["Daft"]),
        ("added:2026-11", ["Daft", "Air", "new"]),
        ("added:2026-10..2026-11-20", ["Air", "Beyoncé"]),
        ("added<2026", ["Mouse"]),
        ("added>=2026-11-29", ["Daft", "new"]),
        ("added>2026-11-29", ["new"]),
        ("added:2026-11-29T12", ["Daft"]),
        # States.
        ("state:measured", ["Daft", "Air", "Beyoncé"]),
        ("state:failed", ["Mouse"]),
        ("state:new,unreadable", ["new", "broken"]),
        # Logic.
        ("artist:daft OR bpm:80", ["Daft", "Beyoncé"]),
        ("artist:daft , bpm:80", ["Daft", "Beyoncé"]),
        ("mode:major OR mode:minor bpm:>125", ["Daft", "Beyoncé", "Mouse"]),
        ("(mode:major OR mode:minor) bpm:>125", ["Mouse"]),
        ("-(mode:major OR mode:minor)", ["new", "broken"]),
        ("^mode:major NOT mode:minor", ["new", "broken"]),
        # Sorting: unknown values last.
        ("sort:bpm", ["Beyoncé", "Air", "Daft", "Mouse", "new", "broken"]),
        ("sort:bpm-", ["Mouse", "Daft", "Air", "Beyoncé", "new", "broken"]),
        ("artist:* sort:mode-,artist", ["Air", "Mouse", "Beyoncé", "Daft"]),
        ("artist:* sort:artist", ["Air", "Beyoncé", "Daft", "Mouse"]),
        ("bpm:* sort:key", ["Air", "Beyoncé", "Daft", "Mouse"]),
    ],
)
def test_known_answers(table: sqlite3.Connection, text: str, names: list[str]) -> None:
    assert found(table, text) == names


def test_the_query_of_the_issue(table: sqlite3.Connection) -> None:
    assert found(table, "bpm:115..125 key:Am vocal_presence:0 artist:~air added:-14d") == ["Air"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bmp:120", "there is no field 'bmp'; did you mean bpm?"),
        ("artits:daft", "did you mean artist"),
        ("presence:1", "did you mean"),
        ("xyzzy:1", "--list-fields"),
        ("bpm:fast", "bpm must be a number such as 120"),
        ("bpm:130..120", "120..130"),
        ("bpm:..", "a number on one side"),
        ("bpm:1e999", "must be a number"),
        ("bpm:nan", "must be a number"),
        ("bpm:~12", "compared as a number"),
        ("duration:long", "3:20"),
        ("key:H", "a key such as Am"),
        ("key>A", "compared with :"),
        ("mode:m", "one of major, minor"),
        ("meter:4/5", "one of 4/4"),
        ("artist>b", "compared as a text"),
        ("artist:~[", "regular expression"),
        ("added:soon", "a date such as"),
        ("added:2026-13", "a date such as"),
        ("added:2026-02-30", "a date such as"),
        ("added:-99999y", "a date such as"),
        ("added:2026-03..2026-01", "2026-01..2026-03"),
        ("sort:bmp", "did you mean bpm?"),
    ],
)
def test_faults_are_named_in_one_line(table: sqlite3.Connection, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        found(table, text)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        'artist:"\'; DROP TABLE tracks; --"',
        "artist:='||(SELECT'",
        'artist:"\\" OR 1=1"',
        "path:~.*;DELETE",
        '"\x00"',
        '"\udcff"',
        "artist:~\udcff",
        "path:🎵",
        'path:"' + "a" * 15_000 + '"',
    ],
)
def test_hostile_values_are_values(table: sqlite3.Connection, text: str) -> None:
    assert found(table, text) == []
    assert found(table, "") == ALL


def test_the_largest_queries_work(table: sqlite3.Connection) -> None:
    assert found(table, "artist:" + ",".join(["x"] * (MOST_VALUES - 1)) + ",air") == ["Air"]
    assert found(table, " ".join(["bpm:*"] * MOST_VALUES)) == KNOWN
    assert found(table, " OR ".join(["bpm:1"] * (MOST_VALUES - 1) + ["bpm:80"])) == ["Beyoncé"]
    assert found(table, "(-" * 24 + "bpm:80" + ")" * 24) == ["Beyoncé"]


TERM = st.one_of(
    st.builds("{}{}{}".format, st.sampled_from(["bpm", "lufs", "duration"]), st.sampled_from([":", ">", "<=", "!="]),
              st.floats(-200, 200).map(lambda value: f"{value:.2f}")),
    st.text("abdeéxyz*", min_size=1, max_size=3).map('artist:"{}"'.format),
    st.sampled_from(["key:Am", "mode:major", "bpm:null", "added:-7d", "failed:*"]),
)  # fmt: skip


@given(TERM, TERM, TERM)
def test_logic_is_that_of_sets(a: str, b: str, c: str) -> None:
    connection = make_table()
    try:
        of = {text: set(found(connection, text)) for text in (a, b, c)}
        everything = set(ALL)
        assert set(found(connection, f"-{a}")) == everything - of[a]
        assert set(found(connection, f"{a} {b}")) == of[a] & of[b]
        assert set(found(connection, f"{a} OR {b} {c}")) == of[a] | (of[b] & of[c])
        assert set(found(connection, f"-({a} , {b}) {c}")) == of[c] - (of[a] | of[b])
    finally:
        connection.close()


@given(st.text(max_size=60))
def test_no_text_gets_into_the_sql(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    sql = to_sql(parse(f'artist:"{quoted}" OR "{quoted}"'), NOW)
    assert sql.text == to_sql(parse('artist:"x" OR "x"'), NOW).text
    assert re.fullmatch(r"""[\w\s()?,<>=|."']+""", sql.text)


def test_fields() -> None:
    assert query_fields().keys() >= FIELDS.keys()
    assert find_field("Tempo").name == "bpm"
    assert fields_in(parse("tempo:1 (-key:Am OR x) sort:lufs")) == {"bpm", "key"}
    assert fields_in(parse("")) == set()
    assert [field.name for field in choose_fields(["lufs*"])] == [
        *("lufs", "lufs_drums", "lufs_bass", "lufs_other", "lufs_vocals")
    ]
    assert len(choose_fields(["all", "bpm"])) == len(query_fields())
    with pytest.raises(SettingsError, match="no field has such a name"):
        choose_fields(["zz*"])


def test_texts_are_compared_without_case_and_accents() -> None:
    assert fold("Mötley CRÜE") == fold("motley crue") == "motley crue"
    assert fold("STRASSE") == fold("Straße")
    assert fold("ﬁn") == "fin"


@pytest.mark.parametrize(
    ("text", "seconds"), [("200", 200), ("3:20", 200), ("1:02:30.5", 3750.5), ("3m20s", 200), ("1h", 3600), ("90s", 90)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert read_duration(text).value == seconds


@given(st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: f"{value:.3f}"))
def test_numbers_are_those_of_python(text: str) -> None:
    assert read_number(text).value == float(text)


def test_camelot_and_open_key_follow_the_circle_of_fifths() -> None:
    assert [read_key(f"{n}A") for n in (1, 8, 12)] == [("G#", "minor"), ("A", "minor"), ("C#", "minor")]
    assert [read_key(f"{n}B") for n in (1, 8, 12)] == [("B", "major"), ("C", "major"), ("E", "major")]
    assert [read_key(f"{n}d") for n in (1, 2, 12)] == [("C", "major"), ("G", "major"), ("F", "major")]
    assert len({read_key(f"{n}{letter}") for n in range(1, 13) for letter in "AB"}) == 24


def test_dates_are_local_and_may_be_months_ago() -> None:
    assert read_date("-1m", datetime(2026, 3, 31)).start == datetime(2026, 2, 28).timestamp()
    assert read_date("-1y", datetime(2024, 2, 29)).start == datetime(2023, 2, 28).timestamp()
    assert read_date("2026", NOW).end == datetime(2027, 1, 1).timestamp()
    assert read_date("2026-11-29", NOW).start == datetime(2026, 11, 29).timestamp()


def test_a_slow_regular_expression_is_refused_or_ends(table: sqlite3.Connection) -> None:
    started = time.perf_counter()
    found(table, "path:~(a+)+$")
    assert time.perf_counter() - started < 60
