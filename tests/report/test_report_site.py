"""The folder of a report: complete, self-contained, up to date, and unharmed by what is in the tracks."""

import errno
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from mirkit.catalog import NUMBERS, REQUESTED
from mirkit.cli import main
from mirkit.report import FOLDER, site
from mirkit.store import atomic, batch
from mirkit.track import find_tracks, loose_files

pytestmark = pytest.mark.usefixtures("in_process")


def run(*words: object) -> int:
    return main(["report", *map(str, words), "--jobs", "1"])


def page(music: Path, start: str) -> Path:
    (found,) = (music / FOLDER / "tracks").glob(f"{start}*.html")
    return found


def data(path: Path) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found
    return json.loads(found[1])


def script(music: Path, name: str) -> dict:
    return json.loads((music / FOLDER / "data" / f"{name}.js").read_text().split("=", 1)[1].removesuffix(";\n"))


def test_pages_hold_what_is_known(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(music) == 0
    out = capsys.readouterr().out
    assert "2 pages written, 0 up to date, 0 with problems" in out
    assert str(music / FOLDER / "index.html") in out
    content = data(page(music, "a-one"))
    assert content["duration"] == pytest.approx(9.0)
    assert len(content["beats"]) > 10
    assert content["onsets"]
    assert [(round(crop["start"]), round(crop["end"])) for crop in content["crops"]] == [(0, 3), (3, 6), (6, 9)]
    assert content["midi"] == [{"file": "drums.mid", "stem": "drums", "notes": [[0.5, 36, 90, 0.5]], "weak": False}]
    assert set(content["curves"]) == {"chroma", "bands", "loudness", "shape"}
    assert set(content["curves"]["loudness"]["parts"]) == {"full_mix", "drums", "bass", "other", "vocals"}
    assert set(content["audio"]) == {"full_mix", "drums", "bass", "other", "vocals"}
    assert set(data(page(music, "b-two"))["audio"]) == {"full_mix"}
    keys, whole = script(music, "keys"), script(music, "set")
    assert keys["tracks"] == 2
    expected = [row.name for row in NUMBERS if row.stage != "crop" and row not in REQUESTED]
    assert [row["key"] for row in keys["keys"]] == expected
    assert [row["page"] for row in keys["order"]] == whole["pages"]
    assert whole["values"]["lufs"] == [
        pytest.approx(content["values"]["lufs"], rel=1e-4),
        pytest.approx(whole["values"]["lufs"][1]),
    ]
    assert list(script(music, "values")) == expected
    texts = script(music, "texts")
    assert texts[0] == {"track": 0, "music_flamingo_full": "A calm beat."}


def test_nothing_points_outside_but_to_the_sound(music: Path) -> None:
    assert run(music, "--quiet") == 0
    pages = music / FOLDER / "tracks"
    for path in (music / FOLDER).rglob("*.*"):
        assert not re.search(r"https?://|//[a-z]+\.", path.read_text()), path
    for address in data(page(music, "a-one"))["audio"].values():
        assert (pages / unquote(address)).is_file()
    moved = music.rename(music.with_name("elsewhere"))
    assert all((moved / FOLDER / "tracks" / unquote(a)).is_file() for a in data(page(moved, "a-one"))["audio"].values())


def test_a_hostile_title_is_text(music: Path) -> None:
    assert run(music, "--quiet") == 0
    html = page(music, "b-two").read_text()
    assert "<script>document" not in html
    assert "&lt;script&gt;document.title=&#39;broken&#39;&lt;/script&gt;" in html


def test_only_what_changed_is_made_again(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def written() -> int:
        status = run(music, "--json")
        assert status == 0
        return json.loads(capsys.readouterr().out)["written"]

    assert written() == 2
    first = page(music, "a-one").stat().st_mtime_ns
    assert written() == 0
    info = music / "B - Two" / "B - Two.INFO"
    info.write_text(info.read_text().replace("}", ', "mine": 1}'))
    assert written() == 1
    assert page(music, "a-one").stat().st_mtime_ns == first
    shutil.rmtree(music / "A - One" / "crops")
    assert written() == 1
    assert data(page(music, "a-one"))["crops"] == []
    page(music, "a-one").write_text("cut short")
    assert written() == 1
    assert run(music, "--overwrite", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 2


def test_pages_of_another_format_or_version_are_made_again(
    music: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stamp holds the two versions, not the bytes of the code: an edit alone rewrites no page."""
    assert run(music, "--quiet") == 0
    stamps = page(music, "a-one").read_text().splitlines()[:20]
    for name, value in (("PAGE_VERSION", site.PAGE_VERSION + 1), ("__version__", "99.0")):
        monkeypatch.setattr(site, name, value)
        assert run(music, "--json") == 0
        assert json.loads(capsys.readouterr().out)["written"] == 2
    assert page(music, "a-one").read_text().splitlines()[:20] != stamps
    assert run(music, "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 0


def test_pages_of_tracks_that_are_gone_go_and_others_stay(music: Path) -> None:
    assert run(music, "--quiet") == 0
    mine = music / FOLDER / "tracks" / "mine.html"
    mine.write_text("<p>notes of my own")
    shutil.rmtree(music / "A - One")
    assert run(music, "--quiet") == 0
    assert sorted(path.name[:5] for path in (music / FOLDER / "tracks").iterdir()) == ["b-two", "mine."]
    assert main(["exclude", str(music / "B - Two"), "--reason", "x", "--quiet"]) == 0
    assert run(music) == 1  # nothing is left


def test_a_bad_track_is_one_line_and_the_others_are_there(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (music / "A - One" / "A - One.INFO").write_text('{"bpm": 12')
    (music / "B - Two" / "full_mix.flac").write_bytes(b"no flac")
    for _ in range(2):  # what failed is tried again
        assert run(music) == 1
        out, error = capsys.readouterr()
        assert len(error.splitlines()) == 2
        assert "A - One" in error
        assert "B - Two" in error
        assert "2 with problems" in out
    assert not list((music / FOLDER / "tracks").glob("a-one*"))
    assert 'class="notice"' in page(music, "b-two").read_text()  # the rest of it is shown
    (failed,) = (group for group in script(music, "set")["look"] if group["id"] == "failed")
    assert {name for _, name, *_ in failed["rows"]} == {"A - One", "B - Two"}


def test_sounds_can_be_copied(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(music, "--with-audio", "--quiet") == 0
    audio = data(page(music, "a-one"))["audio"]
    copies = {part: music / FOLDER / "tracks" / unquote(address) for part, address in audio.items()}
    assert {path.suffix for path in copies.values()} == {".mp3"}
    times = {part: path.stat().st_mtime_ns for part, path in copies.items()}
    assert run(music, "--with-audio", "--overwrite", "--quiet") == 0
    assert {part: path.stat().st_mtime_ns for part, path in copies.items()} == times
    # Copies are neither tracks nor loose files.
    assert len(find_tracks(music)) == 2
    assert loose_files(music) == []
    (music / "A - One" / "bass.flac").unlink()
    assert run(music, "--with-audio", "--quiet") == 0
    assert not copies["bass"].exists()
    assert copies["drums"].exists()
    shutil.rmtree(music / "A - One")
    assert run(music, "--with-audio", "--quiet") == 0
    assert not copies["drums"].parent.exists()
    assert run(music, "--with-audio", "--out", music / "pages") == 2
    assert "taken for tracks" in capsys.readouterr().err
    assert run(music, "--with-audio", "--out", music.parent / "pages", "--quiet") == 0


def test_one_track_and_no_track(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(music / "A - One", "--out", tmp_path / "one", "--quiet") == 0
    assert len(list((tmp_path / "one" / "tracks").iterdir())) == 1
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty") == 1
    assert run(tmp_path / "none") == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["index.html", "assets/report.css", "assets/common.js", "data/set.js", "data/keys.js", "tracks/{page}"]
)
def test_a_site_of_the_users_is_not_overwritten(
    name: str, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack as it was: --out names the folder of another web site."""
    site = tmp_path / "site"
    assert run(music, "--out", tmp_path / "other", "--quiet") == 0
    mine = site / name.format(page=next((tmp_path / "other" / "tracks").glob("a-one*")).name)
    mine.parent.mkdir(parents=True)
    mine.write_text("<!doctype html><title>My own site · mirkit</title>")
    (site / "CNAME").write_text("example.org")
    before = files(site)
    assert run(music, "--out", site) == 2
    assert f"{mine}: the file exists already" in capsys.readouterr().err
    assert files(site) == before, "not one file is written"
    assert run(music, "--out", site, "--overwrite", "--quiet") == 0
    assert (site / "CNAME").read_text() == "example.org"
    assert run(music, "--out", site, "--quiet") == 0


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_report_goes_into_no_data_set(
    more: list[str], music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(music)
    (tmp_path / "link").symlink_to(music)
    for out in (music, music / "A - One", tmp_path, tmp_path / "link"):
        assert run(music, "--out", out, *more) == 2
        assert "the folder holds tracks, but a report needs a folder of its own" in capsys.readouterr().err
    assert files(music) == before


def test_a_report_goes_into_no_file(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report").write_text("of the user")
    assert run(music, "--out", tmp_path / "report", "--overwrite") == 2
    assert "a report needs a folder, but this is a file" in capsys.readouterr().err
    assert (tmp_path / "report").read_text() == "of the user"


def test_a_full_disk_is_one_line_for_each_page(
    music: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sync = atomic.sync_file

    def fail(path: Path) -> None:
        if path.parent.name == "tracks":
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(path)

    for module in (atomic, batch):
        monkeypatch.setattr(module, "sync_file", fail)
    assert run(music) == 1
    text = "".join(capsys.readouterr())
    assert text.count("the disk is full") == 2
    assert "InfoError" not in text


@pytest.mark.parametrize("name", ["index.html", "assets/set.js"])
def test_sound_and_links_in_the_place_of_a_page_stay(
    name: str, music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "site" / name
    place.parent.mkdir(parents=True)
    for put in (lambda: shutil.copyfile(music / "A - One" / "full_mix.flac", place), lambda: place.symlink_to("x")):
        put()
        before = place.lstat().st_ino, place.lstat().st_mtime_ns, place.lstat().st_size
        assert run(music, "--out", tmp_path / "site", "--overwrite") == 2
        assert "is not overwritten" in capsys.readouterr().err
        assert (place.lstat().st_ino, place.lstat().st_mtime_ns, place.lstat().st_size) == before
        place.unlink()


def test_copies_of_the_users_stay(music: Path, tmp_path: Path) -> None:
    """A folder of sounds that is not called as a page's is none of a report's."""
    mine = tmp_path / "site" / "audio" / "live" / "drums-deadbeef.mp3"
    mine.parent.mkdir(parents=True)
    shutil.copyfile(music / "A - One" / "drums.flac", mine)
    assert run(music, "--out", tmp_path / "site", "--quiet") == 0
    assert mine.is_file()
