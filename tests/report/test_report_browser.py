"""The pages in headless Chromium, opened from the disk without a network."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirkit.catalog import TRACK_KEYS
from mirkit.cli import main
from mirkit.report import FOLDER
from mirkit.report.site import _write_set, plan_report
from report.browser import Browser, available

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="needs chromium and chromedriver"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as window:
        yield window


def first(site: Path) -> Path:
    return next((site / "tracks").glob("a-one*"))


def inked(browser: Browser, selector: str) -> int:
    """Number of colors that a canvas shows."""
    return browser.run(
        "const c = document.querySelector(arguments[0]);"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return new Set(new Uint32Array(d.buffer)).size",
        selector,
    )


def test_the_page_of_the_set(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    browser.until("document.querySelectorAll('#table tbody tr').length === 2")
    browser.until("document.querySelector('#tempo').width > 250")
    assert inked(browser, "#tempo") > 3
    assert browser.run("return document.querySelectorAll('main > .view:not([hidden])').length") == 1  # tracks first
    browser.click("#table th:nth-child(3) button")  # by length, the longest first
    assert browser.run("return document.querySelector('#table tbody .title a').textContent").endswith("A - One")
    browser.keys("#find-track", "one")
    assert browser.run("return document.querySelectorAll('#table tbody tr').length") == 1
    browser.click("[href='#distributions']")
    known = browser.run("return document.querySelectorAll('#grid .key').length")
    assert known == browser.run("return KEYS.keys.filter((row) => row.count).length") > 70
    assert browser.run("return document.querySelectorAll('#grid details[open]').length") == 1
    browser.keys("#find-key", "lufs_drums")
    assert browser.run("return [...document.querySelectorAll('#grid .key')].filter((x) => x.offsetHeight).length") == 1
    browser.click("#grid details[open] .key:not([hidden])")
    assert browser.run("return document.querySelector('#dialog').open")
    browser.click("#dialog .close")
    browser.click("[href='#texts']")
    browser.until("window.TEXTS && document.querySelectorAll('#texts-list a').length === 2")
    paper = browser.run("return getComputedStyle(document.documentElement).backgroundColor")
    browser.click("#theme")
    assert browser.run("return getComputedStyle(document.documentElement).backgroundColor") != paper
    browser.click("[href='#tracks']")
    browser.click("#table tbody a")
    browser.until("document.querySelector('#play')")
    assert browser.console() == []


def test_a_title_runs_no_script(browser: Browser, site: Path) -> None:
    browser.open(site / "index.html")
    browser.until("document.querySelectorAll('#table tbody tr').length === 2")
    assert "<script>" in browser.run("return document.querySelector('#table tbody').textContent")
    browser.open(next((site / "tracks").glob("b-two*")))
    browser.until("document.querySelectorAll('.lane').length > 2")
    assert browser.run("return document.querySelector('h1').textContent").startswith("<script>")
    assert browser.run("return document.title") != "broken"
    assert browser.console() == []


def test_the_player(browser: Browser, site: Path) -> None:
    browser.open(first(site))
    browser.until("document.querySelectorAll('.lane').length >= 9")  # mix, four stems, MIDI, chroma, three of lines
    for selector in ("[data-part=full_mix] canvas", "[data-part=drums] canvas"):
        assert inked(browser, selector) > 3
    seconds = "parseFloat(document.querySelector('#time').textContent.split(':')[1])"
    browser.click("#play")
    browser.until(f"{seconds} > 0.2")
    before = browser.run(f"return {seconds}")
    browser.until(f"{seconds} > {before}")
    moved = browser.run("return parseFloat(document.querySelector('#playhead').style.left)")
    browser.until(f"parseFloat(document.querySelector('#playhead').style.left) > {moved}")
    browser.click("#play")
    browser.until("document.querySelector('#play').getAttribute('aria-label') === 'Play'")
    # A click in the waveform moves there.
    browser.click("[data-part=full_mix] canvas")  # in its middle: 4.5 s of 9
    browser.until(f"Math.abs({seconds} - 4.5) < 0.1")
    assert browser.console() == []


def test_a_stem_is_heard_alone_and_in_step(browser: Browser, site: Path) -> None:
    browser.open(first(site))
    browser.until("document.querySelectorAll('.lane').length >= 9")
    state = "window.mirkitPlayers()"
    browser.click("#play")
    browser.until(f"{state}.full_mix.time > 0.2")
    browser.click("[data-part=bass] [data-does=solo]")
    browser.until(f"!{state}.bass.paused && {state}.bass.time > 0.3")
    states = browser.run(f"return {state}")
    assert {part for part, player in states.items() if not player["muted"]} == {"bass"}
    browser.until(f"Math.abs({state}.bass.time - {state}.full_mix.time) < 0.1")
    browser.click("[data-part=drums] [data-does=solo]")
    states = browser.until(f"!{state}.drums.paused && {state}")
    assert {part for part, player in states.items() if not player["muted"]} == {"bass", "drums"}
    browser.click("[data-does=mix]")
    states = browser.run(f"return {state}")
    assert {part for part, player in states.items() if not player["muted"]} == {"full_mix"}
    browser.click("[data-part=vocals] [data-does=mute]")
    states = browser.run(f"return {state}")
    assert {part for part, player in states.items() if not player["muted"]} == {"drums", "bass", "other"}
    browser.keys("body", "0")
    assert not browser.run(f"return {state}")["full_mix"]["muted"]
    assert browser.console() == []


def test_zoom(browser: Browser, site: Path) -> None:
    browser.open(first(site))
    browser.until("document.querySelectorAll('.lane').length >= 9")
    picture = "document.querySelector('[data-part=full_mix] canvas').toDataURL()"
    whole = browser.run(f"return {picture}")
    browser.click("#in")
    assert browser.run(f"return {picture}") != whole
    browser.click("#fit")
    assert browser.run(f"return {picture}") == whole
    assert browser.console() == []


def test_sound_that_is_gone_is_told(browser: Browser, site: Path, music: Path) -> None:
    assert main(["report", str(music / "A - One"), "--out", str(music / FOLDER), "--quiet"]) == 0
    (music / "A - One" / "full_mix.flac").rename(music / "moved.flac")
    browser.open(next((music / FOLDER / "tracks").glob("a-one*")))
    browser.until("document.querySelector('#message').textContent.includes('cannot be played')")
    browser.console()


def test_a_thousand_tracks_open(browser: Browser, tmp_path: Path) -> None:
    root = tmp_path / "many"
    for i in range(1000):
        folder = root / f"T{i:04d}"
        folder.mkdir(parents=True)
        (folder / "full_mix.flac").touch()
        info = {name: ((7 * i + 13 * j) % 101) / 101 for j, name in enumerate(TRACK_KEYS)} | {"bpm": 60 + i % 120}
        (folder / f"T{i:04d}.INFO").write_text(json.dumps(info))
    report = plan_report(root)
    for name in ("tracks", "data", "assets"):
        (report.out / name).mkdir(parents=True)
    _write_set(report, {})
    browser.open(report.out / "index.html")
    browser.until("document.querySelectorAll('#table tbody tr').length === 50")
    browser.click("#more")
    browser.until("document.querySelectorAll('#table tbody tr').length === 250")
    assert not browser.run("return Boolean(window.VALUES)")  # they are read when they are needed
    browser.click("[href='#map']")
    browser.run("const y = document.querySelector('#map-y'); y.value = 'lra'; y.dispatchEvent(new Event('change'))")
    browser.until("window.VALUES && document.querySelector('#map-canvas').width > 300")
    browser.until("document.querySelector('#map-count').textContent === ''")  # all tracks have both values
    assert browser.console() == []
