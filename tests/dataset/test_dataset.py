"""``mirkit.load``: a data set in Python, lazy, with queries, rows, and data frames."""

import json
import math
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pytest

import mirkit
from mirkit import engines
from mirkit.dataset.dataset import Dataset
from mirkit.dataset.library import Library, stamps
from mirkit.engines import run_serially
from mirkit.errors import MirkitError, MissingExtra, MissingInput, SettingsError

STAGES = {"beats": {"reasons": {"bpm": "no pulse"}, "when": "2026-01-02T00:00:00+00:00", "failed": ""}}


def write_track(folder: Path, tags: dict[str, object], **info: object) -> None:
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").write_bytes(b"")
    (folder / f"{folder.name}.INFO").write_text(json.dumps(info))
    facts = {"tags": {"value": tags}, "duration": {"value": 61.5}}
    (folder / f"{folder.name}.PROVENANCE").write_text(json.dumps({"format": 1, "stages": STAGES, "facts": facts}))


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)
    root = tmp_path / "music"
    write_track(root / "a", {"artist": "Air", "artists": ["Air", "<b>Beck"]}, bpm=120.0, beat_count=64, key="A")
    write_track(root / "b", {"artist": "Björk", "year": 1997}, bpm=90.5, key="C", mode="major", bpm_is_defined=1)
    write_track(root / "<i>c", {}, bpm=None, lufs=-9.0)
    return root


def test_a_row_is_a_mapping_of_all_fields(music: Path) -> None:
    data = mirkit.load(music)
    assert len(data) == 3
    row = data.query("artist:air")[0]
    assert (row["bpm"], row["tempo"], row["beat_count"], row["lufs"]) == (120.0, 120.0, 64, None)
    assert isinstance(row["beat_count"], int)
    assert row["artists"] == ["Air", "<b>Beck"]
    assert row["measured"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert row["reasons"]["lufs"] == "not measured"
    assert row.path == music / "a"
    assert row.track.mix == music / "a" / "full_mix.flac"
    assert set(row) == set(data.fields)
    assert dict(row)["key"] == "A"
    assert repr(row).startswith(f"DatasetRow({str(music / 'a')!r}, bpm=120.0, key='A'")
    with pytest.raises(KeyError, match="did you mean bpm"):
        row["bmp"]
    assert row.get("bmp") is None


def test_queries_refine_and_sort(music: Path) -> None:
    data = mirkit.load(music, "sort:bpm-")
    assert [row["name"] for row in data] == ["a", "b", "<i>c"]
    assert data["bpm"] == [120.0, 90.5, None]
    known = data.query("bpm:*").query("bpm:..100 OR artist:air")
    assert [row["name"] for row in known] == ["a", "b"]  # the order is kept
    assert known.paths == [music / "a", music / "b"]
    assert known.query("sort:bpm")[0]["name"] == "b"
    assert len(data) == 3
    assert [row["name"] for row in known[:1]] == ["a"]
    assert known[-1]["name"] == "b"
    assert not data.query("bpm:1")
    assert repr(known).endswith("2 tracks that match bpm:* (bpm:..100 OR artist:air) sort:bpm-)")
    with pytest.raises(SettingsError, match="did you mean bpm"):
        data.query("bmp:1")
    with pytest.raises(SettingsError, match="did you mean bpm"):
        data.query("sort:bmp")
    with pytest.raises(IndexError):
        data[3]


def test_nothing_is_read_before_it_is_needed(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed: list[Path] = []
    refresh = Library.refresh
    monkeypatch.setattr(Library, "refresh", lambda self, **how: (refreshed.append(self.root), refresh(self, **how)))
    data = mirkit.load(music).query("bpm:*")
    assert refreshed == []
    assert len(data) == len(data.query("bpm:*")) == 2
    assert len(refreshed) == 1  # once for all parts of a data set
    write_track(music / "d", {}, bpm=100)
    assert len(data) == 2
    data.refresh()
    assert len(data) == 3


def test_data_frames(music: Path) -> None:
    data = mirkit.load(music, "sort:bpm-")
    frame = data.to_pandas()
    assert frame.shape == (3, len(data.fields))
    assert frame["bpm"].tolist()[:2] == [120.0, 90.5]
    assert math.isnan(frame["bpm"][2])
    assert str(frame["bpm"].dtype) == "float64"
    assert frame["lufs"].isna().sum() == 2
    assert str(frame["measured"].dtype).startswith("datetime64")
    assert frame["measured"][0].year == 2026
    few = data.to_pandas(["path", "lufs*"])
    assert list(few.columns) == ["path", "lufs", "lufs_drums", "lufs_bass", "lufs_other", "lufs_vocals"]
    table = data.to_arrow()
    assert table.num_rows == 3
    assert table.schema.field("bpm").type == pyarrow.float64()
    assert table["artists"].to_pylist() == [["Air", "<b>Beck"], None, None]
    assert json.loads(table["reasons"][2].as_py())["bpm"] == "no pulse"
    assert data.query("bpm:1").to_pandas(["bpm"]).shape == (0, 1)
    assert data.query("bpm:1").to_arrow(["measured", "path"]).num_rows == 0


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("pyarrow", "to_arrow")])
def test_a_missing_package_is_named(music: Path, package: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=f"{method} needs the package {package}"):
        getattr(mirkit.load(music), method)()


def test_a_notebook_shows_a_table_in_which_names_are_no_html(music: Path) -> None:
    shown = mirkit.load(music, "sort:bpm-")._repr_html_()
    assert "<td>&lt;i&gt;c</td>" in shown
    assert "<i>" not in shown
    assert shown.index("120.0") < shown.index("90.5")
    assert "<td>C</td>" in shown
    for number in range(10):
        write_track(music / f"more {number}", {}, bpm=100)
    assert "<p>and 3 more</p>" in mirkit.load(music)._repr_html_()


def test_excluded_tracks_are_left_out_unless_they_are_asked_for(music: Path) -> None:
    (music / "mirkit.toml").write_text('[exclude]\na = "too loud"\n')
    data = mirkit.load(music)
    assert sorted(row["name"] for row in data) == ["<i>c", "b"]
    assert [row["excluded"] for row in data.query("excluded:*")] == ["too loud"]


def test_a_track_a_loose_file_and_no_path(music: Path, tmp_path: Path) -> None:
    assert [row["bpm"] for row in mirkit.load(music / "a")] == [120.0]
    with pytest.raises(MissingInput):
        mirkit.load(tmp_path / "nowhere")
    assert issubclass(SettingsError, MirkitError)
    assert isinstance(mirkit.load(str(music)), Dataset)


def test_opening_a_data_set_imports_nothing_heavy(music: Path) -> None:
    code = (
        f"import mirkit, sys; data = mirkit.load({str(music)!r}); "
        "print([name for name in ('pandas', 'pyarrow', 'torch', 'numba', 'av', 'scipy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


def test_a_track_in_a_notebook_is_escaped_and_has_no_script(music: Path) -> None:
    row = mirkit.load(music)[0]
    hostile = "</div><script>alert(1)</script>\u202e"
    row._values["title"] = row._values["section"] = hostile
    shown = row._repr_html_()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") == 2
    assert "&lt;i&gt;c</bdi></small>" in shown
    assert "1:02 · -9.0 LUFS" in shown
    files = row.track._repr_html_()
    assert "<strong><bdi>&lt;i&gt;c</bdi></strong>" in files
    assert "<i>" not in files
    assert f"<li><bdi>{row.track.mix.name}</bdi></li>" in files
