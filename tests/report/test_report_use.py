"""What people do with the pages: filter, exclude, download, compare; on a phone, without a mouse, on paper."""

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirkit.cli import main
from mirkit.dataset.find import iter_tracks
from mirkit.export.formulas import escape_formula
from mirkit.report import FOLDER
from mirkit.report.site import _write_set, plan_report
from report import axe
from report.browser import Browser, available

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="needs chromium and chromedriver"),
]

NAMES = (
    "plain",
    'Ärger - It\'s "here" & there',
    "$(touch harm) `touch harm` ; touch harm",
    "-x --reason no",
    "=HYPERLINK(1), 'a'",
    "\u202egnp.exe ｓ",
    "Same",
    "Other/Same",
)
VIEWS = ("tracks", "look", "map", "distributions", "correlation", "coverage", "texts")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as window:
        yield window


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of a few tracks with odd names, and its report without pages of tracks."""
    root = tmp_path_factory.mktemp("few") / "my music"
    for number, name in enumerate(NAMES):
        _make(root / name, number, len(NAMES))
    return _report(root)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 60 tracks, and its report without pages of tracks."""
    root = tmp_path_factory.mktemp("many") / "my music"
    for number in range(60):
        _make(root / f"T{number:02d}", number, 60)
    return _report(root)


def _make(folder: Path, number: int, count: int) -> None:
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").touch()
    key = ("A#", "D#", "G#", "C")[number % 4]
    info = {
        "bpm": None if number == count - 1 else 80.0 + number,
        "lufs": -20.0 + number / 4,
        "lra": 5 + number % 7,
        "danceability": number / count,
        "key": key,
        "mode": "minor" if number % 2 else "major",
        "key_confidence": 0.3 if number == 1 else 0.95,
        "spectral_flatness": 7.0 if number == 2 else 0.1,
        "time_signature": "4/4",
    }
    (folder / f"{folder.name}.INFO").write_text(json.dumps(info))


def _report(root: Path) -> Path:
    report = plan_report(root)
    for name in ("tracks", "data", "assets"):
        (report.out / name).mkdir(parents=True)
    _write_set(report, {})
    return root / FOLDER


def listed(browser: Browser) -> list[str]:
    return browser.run(
        "return [...document.querySelectorAll('#table tbody .title')].map((cell) => cell.firstChild.textContent)"
    )


def command(browser: Browser) -> str:
    return browser.run("return document.querySelector('#dialog textarea').value")


def words(line: str, folder: Path) -> list[str]:
    """The arguments of a command, as a shell passes them on."""
    out = subprocess.run(
        ["sh", "-c", f"mirkit() {{ printf '%s\\0' \"$@\"; }}; {line}"], cwd=folder, capture_output=True, check=True
    )
    return out.stdout.decode().split("\0")[:-1]


def test_a_brush_filters_the_list_and_gives_the_command(browser: Browser, many: Path) -> None:
    browser.open(many / "index.html")
    assert browser.run("return document.querySelector('#chosen').hidden")
    browser.drag("#tempo", (0.2, 0.5), (0.5, 0.5))
    (low, high) = browser.run("return L.filter.ranges.get('bpm')")
    assert 60 < low < 90 < high < 139
    expected = [f"T{number:02d}" for number in range(59) if low <= 80 + number <= high]
    assert listed(browser) == expected
    assert f"{len(expected)} of 60 tracks" in browser.run("return document.querySelector('#chosen').textContent")
    browser.click("#exclude")
    assert words(command(browser), many.parent) == ["exclude", *expected, "--reason", "seen in the report"]
    browser.click("#dialog .close")
    browser.click("#clear")
    assert len(listed(browser)) == 50
    browser.click("#no-tempo button")
    assert listed(browser) == ["T59"]
    browser.click("#clear")
    browser.click("[href='#map']")
    browser.until("document.querySelector('#map-canvas').width > 300")
    browser.drag("#map-canvas", (0.5, 0.02), (0.99, 0.5))
    ranges = browser.run("return [L.filter.ranges.get('bpm')[0], L.filter.ranges.get('lufs')[0]]")
    assert 80 < ranges[0] < 139
    assert -20 < ranges[1] < -5
    browser.click("#to-list")
    found = [f"T{n:02d}" for n in range(59) if 80 + n >= ranges[0] and -20 + n / 4 >= ranges[1]]
    assert listed(browser) == found
    assert found
    assert browser.console() == []


def test_a_range_needs_no_mouse(browser: Browser, many: Path) -> None:
    browser.open(many / "index.html")
    browser.click(".more-filters summary")
    browser.run("document.querySelector('#range-key').value = 'lra'")
    browser.keys("#range-from", "11")
    browser.keys("#range-to", "11\n")
    browser.until("window.VALUES && L.rows().length < 60")
    assert listed(browser) == [f"T{number:02d}" for number in range(60) if number % 7 == 6]
    # Any value orders the list.
    browser.click("#clear")
    browser.run(
        "const order = document.querySelector('#order'); order.value = 'spectral_flatness';"
        "order.dispatchEvent(new Event('change'))"
    )
    browser.until("document.querySelector('#table thead').textContent.includes('spectral_flatness')")
    assert listed(browser)[0] == "T02"
    assert browser.console() == []


def test_a_distribution_is_brushed(browser: Browser, many: Path) -> None:
    browser.open(many / "index.html", "distributions")
    browser.keys("#find-key", "danceability")
    browser.click("#grid details[open] .key:not([hidden])")
    browser.drag("#dialog canvas", (0.75, 0.5), (0.999, 0.5))
    low = float(browser.run("return document.querySelector('#dialog input').value"))
    assert 0.7 < low < 0.8
    browser.click("#dialog form .strong")
    assert listed(browser) == [f"T{number:02d}" for number in range(60) if low <= number / 60]
    assert browser.console() == []


def test_no_name_harms_a_shell(browser: Browser, few: Path) -> None:
    browser.open(few / "index.html")
    browser.run("L.filter.text = ''; L.filter.only = {label: 'all', tracks: new Set(SET.names.keys())}; L.update()")
    browser.click("#exclude")
    _, *paths, option, reason = words(command(browser), few.parent)
    assert (option, reason) == ("--reason", "seen in the report")
    assert {path.removeprefix("./") for path in paths} == set(NAMES)
    assert not (few.parent / "harm").exists()
    hostile = ["; touch harm", "$(touch harm)'", "\\", "''\"", "-- -x", "a\nb"]
    for text in hostile:
        line = browser.run("return Shell.exclude(['plain'], arguments[0], false)", text)
        assert words(line, few.parent)[:3] == ["exclude", "plain", "--reason"]
        assert len(words(line, few.parent)) == 4
    assert not (few.parent / "harm").exists()
    # PowerShell ends a text at these quotes too, unless they are doubled.
    for quote in "'\u2018\u2019\u201a\u201b":
        assert browser.run("return Shell.quote(arguments[0], true)", f"a{quote}b $x") == f"'a{quote}{quote}b $x'"
    for text in ("a\x03b", "a\x1b[2Jb", "a\nb", "a\x9bb", "\udcff"):
        assert not browser.run(f"return Shell.isPlain({json.dumps(text)})"), text
    assert browser.console() == []


def test_the_command_excludes_the_tracks(
    browser: Browser, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(few.parent, root)
    browser.open(few / "index.html")
    browser.run("L.filter.only = {label: 'all', tracks: new Set(SET.names.keys())}; L.update()")
    browser.click("#exclude")
    monkeypatch.chdir(root)
    assert main([*words(command(browser), root), "--quiet"]) == 0
    assert all(track.excluded == "seen in the report" for track in iter_tracks(root, []))


def test_the_table_is_safe_and_complete(browser: Browser, few: Path, tmp_path: Path) -> None:
    browser.open(few / "index.html")
    browser.run("Shell.save = (name, text) => { window.saved = [name, text]; }")
    browser.click("#list-csv")
    name, text = browser.until("window.saved")
    assert name == "my_music.csv"
    rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines()))
    names = browser.run("return L.rows().map((i) => SET.names[i])")
    assert [row["path"] for row in rows] == [escape_formula(name) for name in names]
    assert {float(row["bpm"]) for row in rows if row["bpm"]} == {80.0 + number for number in range(len(NAMES) - 1)}
    assert all(float(row["lufs"]) < 0 for row in rows)  # a number that begins with a sign is no formula
    texts = [
        "=1",
        " =1",
        "'=1",
        "a=1",
        "-1",
        "\t1",
        "1\t",
        "\u200b=1",
        "＝1",
        "@x",
        "",
        "x",
        "\ufeff+1",
        "−1",
        "«=",
        "\n",
        "(-1)",
    ]
    found = browser.run("return arguments[0].map(Shell.isFormula)", texts)
    assert found == [escape_formula(text) != text for text in texts]
    assert browser.run("return Shell.csv([['a\"b', 'c,d', null, 1.5, 'e\\nf']])") == '"a""b","c,d",,1.5,"e\nf"\r\n'
    assert browser.console() == []


def test_names_keys_and_comparison(browser: Browser, few: Path) -> None:
    browser.open(few / "index.html")
    shown = browser.run(
        "return [...document.querySelectorAll('#table tbody tr')].map((row) => row.querySelector('.c-key').textContent)"
    )
    assert {"B♭", "E♭m", "A♭", "Cm"} == set(shown)
    under = browser.run(
        "return [...document.querySelectorAll('#table .title small:not(.brief)')].map((line) => line.textContent)"
    )
    assert sorted(under) == ["Other/Same", "Same"]
    browser.keys("#find-track", "bb major")
    assert len(listed(browser)) == 2
    browser.click("#clear")
    for row in (1, 2):
        browser.click(f"#table tbody tr:nth-child({row}) input")
    browser.click("#compare")
    browser.until("document.querySelector('.compare')")
    assert browser.run("return document.querySelectorAll('.compare thead th').length") == 2
    assert "82.0 BPM83.0 BPM" in browser.run("return document.querySelector('.compare').textContent")
    assert browser.console() == []


def test_what_needs_a_look_is_named(browser: Browser, few: Path) -> None:
    browser.open(few / "index.html", "look")
    text = browser.run("return document.querySelector('#look-outside').textContent")
    assert NAMES[2] in text
    assert "spectral_flatness is 7; its range is 0 to 1" in text
    text = browser.run("return document.querySelector('#look-unsure').textContent")
    assert NAMES[1] in text
    assert "E♭ minor (0.30)" in text
    assert browser.run("return document.querySelector('#look-duplicates textarea').value") == "mirkit duplicates ."
    assert browser.run("return document.querySelector('.top [data-count]').textContent") == "2"
    assert browser.console() == []


def test_few_tracks_are_dots(browser: Browser, few: Path, many: Path) -> None:
    for site, is_few in ((few, True), (many, False)):
        browser.open(site / "index.html", "distributions")
        assert browser.run("return KEYS.keys.find((row) => row.key === 'lra').rug.length > 0") is is_few
        assert ("too few" in browser.run("return document.querySelector('#few').textContent")) is is_few
        browser.point("#grid details[open] .key canvas", (0.5, 0.6))
        browser.until("!document.querySelector('#tip').hidden")
        tip = browser.run("return document.querySelector('#tip').textContent")
        assert ("BPM" in tip) if is_few else ("track" in tip and "BPM" in tip), tip
        browser.run("window.dispatchEvent(new Event('scroll'))")  # it does not stay over what is there then
        assert browser.run("return document.querySelector('#tip').hidden")
    assert browser.console() == []


def widest(browser: Browser) -> int:
    return browser.run(
        "const shown = [...document.querySelectorAll('main *, .chosen *')].filter((x) => x.offsetWidth);"
        "const right = shown.filter((x) => !x.closest('.unseen, .scroll')).map((x) => x.getBoundingClientRect().right);"
        "return Math.max(document.documentElement.scrollWidth, ...right.map(Math.ceil))"
    )


def test_a_phone(site: Path, many: Path) -> None:
    with Browser() as browser:
        browser.phone()
        for view in VIEWS:
            browser.open(many / "index.html", view)
            assert widest(browser) <= 390, view
            assert browser.run("return document.documentElement.scrollHeight") < 7000, view
        browser.open(many / "index.html")
        first = browser.run("return document.querySelector('#table a, #table bdi').getBoundingClientRect().top")
        assert first < 500  # the list comes first
        browser.click("#table tbody input")
        assert widest(browser) <= 390
        browser.open(next((site / "tracks").glob("a-one*")))
        browser.until("document.querySelectorAll('.lane').length >= 9")
        assert widest(browser) <= 390
        # Nothing lies over the buttons, and they are large enough for a finger.
        buttons = browser.run(
            "return [...document.querySelectorAll('[data-does]')].map((button) => {"
            " button.scrollIntoView({block: 'center'}); const box = button.getBoundingClientRect();"
            " const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);"
            " return [button.dataset.does, there === button, Math.min(box.width, box.height)]; })"
        )
        assert [does for does, _, _ in buttons] == ["mix", *["solo", "mute"] * 4]
        assert all(is_free and size >= 44 for _, is_free, size in buttons), buttons
        assert browser.console() == []


def test_nobody_is_kept_out(site: Path, few: Path, many: Path, pytestconfig: pytest.Config) -> None:
    script = axe.fetch(pytestconfig.cache.mkdir("axe"))  # type: ignore[union-attr]
    with Browser() as browser:
        browser.open(few / "index.html")
        browser.run("document.body.insertAdjacentHTML('beforeend', '<input><p style=\"color: #bbb\">pale</p>')")
        assert {line.split(":")[0] for line in axe.faults(browser, script)} >= {"label", "color-contrast"}
        for dark, phone in ((False, False), (True, True)):
            browser.media(dark=dark)
            if phone:
                browser.phone()
            for place in (few, many):
                for view in VIEWS:
                    browser.open(place / "index.html", view)
                    assert axe.faults(browser, script) == [], (place, view)
            browser.open(many / "index.html")
            for row in (1, 2):
                browser.click(f"#table tbody tr:nth-child({row}) input")
            for button in ("exclude", "compare"):
                browser.run(f"document.querySelector('#{button}').click()")
                browser.until("document.querySelector('#dialog').open")
                assert axe.faults(browser, script) == [], button
                browser.run("document.querySelector('#dialog').close()")
            for page in sorted((site / "tracks").glob("*.html")):
                browser.open(page)
                browser.until("document.querySelectorAll('.lane').length > 2")
                assert axe.faults(browser, script) == [], page
        assert browser.console() == []


def test_paper_is_light(many: Path) -> None:
    with Browser() as browser:
        browser.media(dark=True)
        browser.open(many / "index.html")
        assert browser.run("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(18, 19, 22)"
        browser.media("print", dark=True)
        browser.run("window.dispatchEvent(new Event('beforeprint'))")
        assert browser.run("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.run("return M.color('ink')") == "#1f1e1c"
        assert browser.run("return document.querySelector('.top').offsetHeight") == 0
        assert browser.run("return document.querySelector('#table').offsetHeight") > 500
        browser.run("window.dispatchEvent(new Event('afterprint'))")
        browser.media(dark=True)
        assert browser.run("return M.color('ink')") == "#eceae6"
