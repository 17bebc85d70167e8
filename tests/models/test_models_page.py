"""Each message that docs/reference/models.md quotes is the one that mirkit prints."""

import re
import shlex
from pathlib import Path

import pytest

from library import make_track
from mirkit.cli import main

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "models.md").read_text(encoding="utf-8")
#: Command, packages that are not installed, line.
ROWS = re.findall(r"^\| `mirkit ([^`]+)`(?:, without `(\w+)`)? \| `([^`]+)` \|$", PAGE, re.MULTILINE)
(PLAN,) = re.findall(r"^```\n(tracks .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def track(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr("mirkit.models.device.pick", lambda *_: "cpu")
    return make_track(tmp_path / "my_music" / "Track", seconds=1)


def normalized(text: str, home: Path, track: Path) -> str:
    """Printed text with the paths of the page."""
    return text.replace(str(home), "~/.cache/mirkit").replace(str(track.parent), "my_music")


@pytest.mark.parametrize(("command", "lacking", "line"), ROWS)
def test_a_line(
    command: str, lacking: str, line: str, track: Path, home: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if lacking:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == lacking else object())
    words = [str(track) if word == "TRACK" else word for word in shlex.split(command)]
    assert main(words) == 1
    assert normalized(capsys.readouterr().err, home, track) == line + "\n"


def test_every_model_has_a_line() -> None:
    from mirkit.models import registry

    messages = " ".join(line for *_, line in ROWS)
    for row in registry.built_in():
        if row.task != "texts" and (row.package or row.explicit_only):
            assert row.title.partition(",")[0].split()[0] in messages, row


def test_the_plan(track: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(track.parent), "--offline", "--dry-run", "--verbose"]) == 0
    printed = normalized(capsys.readouterr().out, home, track).splitlines()
    assert printed[:7] == PLAN.splitlines()[:7]
