"""``mirkit models``: list, fetch, path, verify, remove."""

import json
from pathlib import Path

import pytest

from fakes import use_models
from mirkit.cli import main
from mirkit.models.backend import File, Model
from mirkit.models.registry import model_rows


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which one of two models of one file lies."""
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path))
    good = File(
        "good.ckpt",
        "https://example.org/good.ckpt",
        4,
        "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
    )
    more = File("more.ckpt", "https://example.org/more.ckpt", 4)
    rows = (
        Model("good", "beat_this", "Good!", (good,), "MIT"),
        Model("absent", "beat_this", "Absent!", (more,), "CC BY-NC 4.0", commercial=False),
    )
    use_models(monkeypatch, *rows)
    folder = tmp_path / "models" / "beat_this"
    folder.mkdir(parents=True)
    (folder / "good.ckpt").write_bytes(b"abcdefgh")
    return folder


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert all(model.name in printed for model in model_rows())
    assert main(["models", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in rows} == {model.name for model in model_rows()} | {""}
    (row,) = (row for row in rows if row["model"] == "adtof")
    assert row["commercial use"] == "no"
    assert row["size"] == 3_617_805


def test_ready_means_checked_and_the_list_shows_where(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mirkit.cli.commands.models._version", lambda _package: "1.0")

    def listed(name: str) -> tuple[str, list[str]]:
        assert main(["models", "list", name, "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        return row["state"], row["files"]

    assert listed("good") == ("ready", [str(cache / "good.ckpt")])
    assert main(["models", "list", "good"]) == 0
    *_, line, last = capsys.readouterr().out.splitlines()
    assert line == f"good   {cache / 'good.ckpt'}"
    assert last == f"weights are stored in {cache.parent}"
    (cache / "good.ckpt").write_bytes(b"a")
    assert listed("good") == ("DAMAGED", [str(cache / "good.ckpt")])
    assert listed("absent") == ("not downloaded", [])
    (cache / "more.ckpt.part").write_bytes(b"the first ha")
    assert listed("absent") == ("partly downloaded", [str(cache / "more.ckpt.part")])
    (cache / "more.ckpt").write_bytes(b"anything")
    assert listed("absent") == ("ready, without a known checksum", [str(cache / "more.ckpt")])


def test_remove(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "remove", "good"]) == 0
    assert capsys.readouterr().out == f"removed {cache / 'good.ckpt'} (0.1 MB)\n"
    assert not (cache / "good.ckpt").exists()
    assert main(["models", "remove", "good"]) == 0
    assert f"good has no files in {cache}" in capsys.readouterr().err
    (cache / "more.ckpt").write_bytes(b"anything")
    assert main(["models", "remove", "absent", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": "absent", "removed": [str(cache / "more.ckpt")], "kept": []}


def test_path(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "path", "good"]) == 0
    assert capsys.readouterr().out == f"{cache / 'good.ckpt'}\n"
    assert main(["models", "path", "good", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [str(cache / "good.ckpt")]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["path", "absent"], 1, "Absent! needs more.ckpt"),
        (["fetch", "absent"], 1, "downloads are off"),
        (["fetch", "absent", "--commercial-safe"], 1, "which --commercial-safe refuses"),
        (["fetch", "nothing"], 1, "no model is called nothing; there are good, absent"),
        (["fetch"], 2, "needs the name of a model, one of good, absent"),
        (["path"], 2, "needs the name of a model, one of good, absent"),
        (["burn", "good"], 2, "must be one of"),
        (["remove"], 2, "mirkit models remove needs the name of a model, one of good, absent"),
        (["remove", "nothing"], 1, "no model is called nothing; there are good, absent"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_what_goes_wrong_is_one_line(
    words: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == status
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert status == 2 or len(error.splitlines()) == 1


def test_verify(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify"]) == 0, "what is not here is no fault, unless it is named"
    assert "absent" not in capsys.readouterr().out
    assert main(["models", "verify", "absent"]) == 1
    assert "not downloaded" in capsys.readouterr().out
    (cache / "more.ckpt").write_bytes(b"anything")
    assert main(["models", "verify", "absent"]) == 0
    assert "no checksum is published" in capsys.readouterr().out
    (cache / "good.ckpt").write_bytes(b"damaged!")
    assert main(["models", "verify"]) == 1
    assert "DAMAGED" in capsys.readouterr().out
    assert main(["models", "verify", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["state"] == "DAMAGED"


def test_downloads_are_told_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from mirkit.cli.progress import downloading

    with downloading(shown=True) as advance:
        for done in range(0, 2_000_000, 100_000):
            advance("net.ckpt", done, 2_000_000)
        advance("other.ckpt", 0, None)
    told = capsys.readouterr().err.splitlines()
    assert told == ["download net.ckpt: 0.0 of 2.0 MB", "download other.ckpt: 0.0 MB"]
    with downloading(shown=False) as advance:
        advance("net.ckpt", 0, 1)
    assert not capsys.readouterr().err


def test_an_empty_cache_is_a_line_with_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path))
    assert main(["models", "verify"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"there are no weights in {tmp_path}/models; ")
    assert line.endswith("mirkit models fetch NAME")


def test_a_damaged_cache_names_the_command_that_mends_it(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cache / "good.ckpt").write_bytes(b"other content")
    (cache / "more.ckpt.part").write_bytes(b"the first ha")
    assert main(["models", "verify"]) == 1
    said = capsys.readouterr().out
    assert "DAMAGED" in said
    assert "partly downloaded" in said
    assert said.splitlines()[-2:] == ["to repair: mirkit models fetch good", "to repair: mirkit models fetch absent"]
    assert main(["models", "path", "good"]) == 1
    assert (
        capsys.readouterr().err
        == f"mirkit: {cache}/good.ckpt is damaged; download it again: mirkit models fetch good\n"
    )
    (cache / "good.ckpt").write_bytes(b"abcdefgh")
    (cache / "good.ckpt.sha256").write_bytes(b"\xff\xfe no note")
    assert main(["models", "path", "good"]) == 0, "what was noted of a file is no condition"


def test_list_of_one_and_of_those_for_commerce(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "adtof", "--json"]) == 0
    assert [row["model"] for row in json.loads(capsys.readouterr().out)] == ["adtof"]
    assert main(["models", "list", "--commercial-safe", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["commercial use"] == "yes" for row in rows)
    assert main(["models", "list", "nothing"]) == 1
    assert "no model is called nothing" in capsys.readouterr().err
