"""``mirkit doctor --report``: what a bug report needs, without the names of the user's files."""

from pathlib import Path

import pytest

from library import make_track
from mirkit.cli import main
from mirkit.cli.commands.bug_report import Redactor
from mirkit.errors import ISSUES


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home of anna"))
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "home of anna" / "Secret Album"
    make_track(folder / "Anna - Love Song", seconds=1)
    (folder / "Anna - Bad Song").mkdir()
    (folder / "Anna - Bad Song" / "full_mix.mp3").write_text("no sound")
    (folder / "empty.wav").touch()
    return folder


def report(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["doctor", "--report", *words]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("This report was not sent anywhere.")
    assert ISSUES in err
    return out


def test_what_the_report_holds(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["loudness", str(library), "--batch", "--jobs", "1"])
    out = report(capsys, str(library))
    titles = [line for line in out.splitlines() if line.startswith("**")]
    assert titles == [
        f"**{title}**" for title in ("Versions", "Machine", "Methods", "Settings", "Last unexpected error", "Last run")
    ]
    for expected in ("mirkit ", "Python ", "numpy ", "numba ", "FFmpeg ", "memory ", "GB free", "stems embedded"):
        assert expected in out
    assert "1 of 3 done, 2 failed" in out
    assert "- <track 1>: track: full_mix.mp3: the file is not audio but a text" in out
    assert "- <track 2>: track: the file is empty (0 bytes)" in out
    for secret in ("Anna", "Secret", "Song", "anna", str(library.parent), "empty.wav"):
        assert secret not in out, secret


def test_settings_without_addresses(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[texts]\nurl = "http://127.0.0.1:8080"\n')
    monkeypatch.setenv("MIRKIT_CONFIG", str(own))
    monkeypatch.setenv("MIRKIT_TEXTS_KEY", "very-secret")
    (library / "mirkit.toml").write_text('[separation]\nshifts = 2\n[exclude]\n"Anna - Bad Song" = "bad"\n')
    out = report(capsys, str(library))
    assert "- separation.shifts = 2" in out
    assert "- texts.url = set (not shown)" in out
    assert "1 entry in [exclude]" in out
    assert "MIRKIT_TEXTS_KEY" in out
    for secret in ("127.0.0.1", "very-secret", "Anna"):
        assert secret not in out


def test_a_fault_of_mirkit_is_kept_for_the_report(
    library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError(str(library / "Anna - Love Song" / "full_mix.wav"))

    with monkeypatch.context() as patch:
        patch.setattr("mirkit.pipeline.make_plan", broken)
        assert main(["loudness", str(library), "--batch"]) == 1
    line = capsys.readouterr().err
    assert "(a bug: report it at " in line
    assert "mirkit doctor --report" in line
    assert "Traceback" not in line
    out = report(capsys)
    assert "KeyError" in out
    assert "tests/cli/test_bug_report.py" not in out.replace("cli/test_bug_report.py", ""), "no folders of the user's"
    assert "in broken`" in out
    assert "mirkit/cli/commands/track.py:" in out
    for secret in ("Anna", "Secret", "Song"):
        assert secret not in out


def test_a_folder_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "name a data set for that of its last run" in report(capsys, str(tmp_path))
    assert "name a data set" in report(capsys, str(tmp_path / "nothere"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/u/My Music/Song A.mp3: the file is gone", "<path>: the file is gone"),
        ("C:\\Users\\u\\x.wav: no", "<path>: no"),
        ("KeyError: 'Some Artist - Some Long Title of a Song'", "KeyError: <text>"),
        ("My Song (live).mp3: damaged", "<file>: damaged"),
        ("full_mix.flac: the file is empty (0 bytes)", "full_mix.flac: the file is empty (0 bytes)"),
        ("drums.flac: this stem is shorter", "drums.flac: this stem is shorter"),
        ("open() got an unexpected keyword argument 'metadata_errors'", None),
        ("Blue: the word empty stays; 'Blue', Blue/x, Blue.INFO go", "Blue: the word empty stays"),
        ("~/music/x: no permission", "<path>: no permission"),
        ("https://example.org/a/b.zip: 404", "<path>: 404"),
    ],
)
def test_names_are_replaced_and_sentences_kept(text: str, shown: str | None) -> None:
    found = Redactor(["Blue"], {"/home/u": "~"})(text)
    assert found.startswith(shown if shown is not None else text)
    if "Blue'" in text:
        assert "'Blue'" not in found
        assert "Blue/" not in found
        assert "Blue.INFO" not in found
