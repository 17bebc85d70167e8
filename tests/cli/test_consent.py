"""Weights without a stated license for commercial use are fetched only when the user agrees, or names them."""

import contextlib
import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fakes import use_models
from library import make_track
from mirkit import models
from mirkit.cli import main
from mirkit.cli.commands import models as consent
from mirkit.models import registry
from mirkit.models.backend import Backend, File, Model
from models.server import Files, serving

pty = pytest.importorskip("pty")

#: Runs mirkit with two models of a few bytes on a server of this machine, as if their packages were installed.
#: The weights are no networks: a run that agrees to fetch them ends where they are tried, in one line.
PROGRAM = """
import importlib.util, sys
from dataclasses import replace
from mirkit.models import registry
from mirkit.models.backend import File, Model
url = sys.argv.pop(1)
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: object() if name in ("demucs", "torch") else find(name, *more)
rows = (
    Model("tiny_demucs", "demucs", "Demucs tiny", (File("tiny.th", url + "/tiny.th", 2_000_000),),
          "none stated (the maintainer: for science)", commercial=False),
    Model("tiny_adtof", "adtof", "ADTOF tiny", (File("tiny.pth", url + "/tiny.pth", 1_000_000),),
          "CC BY-NC-SA 4.0", commercial=False),
)
found = registry.backends()
replaced = tuple(replace(b, weights=tuple(row for row in rows if row.backend == b.name)) for b in found)
registry.backends = lambda: replaced
from mirkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def server() -> Iterator[Files]:
    with serving() as files:
        files.content = {"/tiny.th": b"no network", "/tiny.pth": b"no network"}
        yield files


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    kept |= {"MIRKIT_HOME": str(tmp_path / "home"), "MIRKIT_OFFLINE": "0", "TERM": "dumb", "OMP_NUM_THREADS": "1"}
    paths = [str(Path(__file__).parents[1]), str(Path(models.__file__).parents[2])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return make_track(tmp_path / "music" / "Track", seconds=2)


def run(url: str, words: list[str], environment: dict[str, str], answer: bytes | None) -> tuple[int, str, str]:
    """Run mirkit; with an answer on a terminal, else without. Returns exit status, standard output and error."""
    command = [sys.executable, "-c", PROGRAM, url, *words]
    if answer is None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    said, answered = b"", False
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other side was closed
                break
            said += piece
            if not piece:
                break
        elif process.poll() is not None:
            break
        if b"[y/N]" in said and not answered:
            answered = True
            os.write(ours, answer)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    process.kill()
    assert process.stdout
    out = process.stdout.read().decode()
    os.close(ours)
    return process.wait(), out, said.decode().replace("\r\n", "\n")


def fetched(environment: dict[str, str]) -> set[str]:
    return {path.name for path in Path(environment["MIRKIT_HOME"]).rglob("tiny.*") if path.suffix in (".th", ".pth")}


@pytest.mark.parametrize("answer", [b"\n", b"\x04"], ids=["empty", "end of input"])
def test_no_is_the_default(answer: bytes, server: Files, environment: dict[str, str], track: Path) -> None:
    status, out, error = run(server.url, ["separate", str(track)], environment, answer)
    assert (status, fetched(environment), server.asked) == (0, set(), []), error
    assert error.count("[y/N]") == 1
    said = "tiny_demucs: 2 MB, license of the weights: none stated (the maintainer: for science) stems by"
    assert said in " ".join(error.split()), "lines are folded"
    assert "stems by a trained network" in error, "what is gained"
    assert "tiny_adtof" not in error, "what the command has no use for is not asked for"
    assert "methods  stems embedded" in out
    assert "         built-in methods; mirkit doctor names better ones, and what they need\n" in out
    assert "not downloaded" not in out, "one line, which does not look like an error"
    assert len(list(track.glob("*.flac"))) == 4 + len(list(track.glob("full_mix.flac")))
    assert "embedded" in (track.parent / "mirkit.toml").read_text(), "it is not asked again"


def test_yes_fetches_all_of_them_after_one_question(server: Files, environment: dict[str, str], track: Path) -> None:
    status, out, error = run(server.url, ["run", str(track.parent), "--organize", "off"], environment, b"y\n")
    if status == 2:  # no such option yet
        status, out, error = run(server.url, ["run", str(track.parent)], environment, b"y\n")
    assert error.count("[y/N]") == 1
    assert "tiny_demucs: 2 MB" in error
    assert "tiny_adtof: 1 MB, license of the weights: CC BY-NC-SA 4.0" in error
    assert fetched(environment) == {"tiny.th", "tiny.pth"}
    assert "methods  stems demucs" in out
    assert "download Demucs tiny: 2 MB from 127.0.0.1" in out
    assert "license: none stated (the maintainer: for science)" in out
    assert status == 1, "these are no networks"
    assert not (track.parent / "mirkit.toml").exists(), "a later run is free to choose"


@pytest.fixture
def asked(server: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """In this process, as on a terminal: the names of the models of each question, all of which are answered by no."""
    questions: list[list[str]] = []

    def ask(offers: Sequence[tuple[Backend, Model]]) -> bool:
        questions.append([model.name for _, model in offers])
        return False

    stems = Model("a", "demucs", "A", (File("a", f"{server.url}/tiny.th", 2),), "none stated", commercial=False)
    drums = Model("b", "adtof", "B", (File("b", f"{server.url}/tiny.pth", 2),), "CC BY-NC", commercial=False)
    use_models(monkeypatch, stems, drums)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name in ("demucs", "torch") else None)
    monkeypatch.setenv("MIRKIT_OFFLINE", "0")
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(consent, "on_a_terminal", lambda: True)
    monkeypatch.setattr(consent, "ask_to_fetch", ask)
    return questions


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("words", "questions"),
    [
        (["separate", "TRACK"], [["a"]]),
        (["separate", "TRACK", "--offline"], []),
        (["separate", "TRACK", "--commercial-safe"], []),
        (["separate", "TRACK", "--dry-run"], []),
        (["separate", "TRACK", "--quiet"], []),
        (["separate", "TRACK", "--json"], []),
        (["separate", "TRACK", "--separation", "embedded"], []),
        (["loudness", "TRACK"], []),
        (["drums", "TRACK", "--backend", "beats=embedded"], [["b"]]),
    ],
    ids=lambda value: " ".join(value[1:]) if value and value[0] != ["a"] else "",
)
def test_when_it_is_asked(words: list[str], questions: list[list[str]], asked: list[list[str]], track: Path) -> None:
    words = [str(track) if word == "TRACK" else word for word in words]
    for _ in range(2):  # the second time the data set has its methods
        assert main([*words, "--jobs", "1"]) == 0
        assert asked == questions


def test_what_is_large_is_asked_for_too(
    asked: list[list[str]], track: Path, monkeypatch: pytest.MonkeyPatch, server: Files
) -> None:
    large = Model("c", "demucs", "C", (File("c", f"{server.url}/tiny.th", 9_000_000_000),), "MIT")
    use_models(monkeypatch, large)
    assert main(["separate", str(track), "--jobs", "1"]) == 0
    assert asked == [["c"]]


def test_a_server_out_of_reach_is_not_asked_for(
    asked: list[list[str]], track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_within_reach", lambda _url: False)
    assert main(["separate", str(track), "--jobs", "1"]) == 0
    assert asked == []


def test_nothing_is_asked_of_a_track_that_has_its_stems(asked: list[list[str]], tmp_path: Path) -> None:
    whole = make_track(tmp_path / "music" / "Track", seconds=2, stems=True)
    assert main(["separate", str(whole), "--jobs", "1"]) == 0
    assert asked == []


@pytest.mark.parametrize(
    ("typed", "agreed"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("what?\n", False), ("y", True), ("", False)],
)
def test_answers(typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    row = registry.backend("stems", "demucs")
    assert (
        consent.ask_to_fetch([(row, next(model for model in registry.model_rows() if model.name == "htdemucs_ft"))])
        == agreed
    )
    said = capsys.readouterr()
    assert said.out == ""
    assert "htdemucs_ft: 336 MB, license of the weights: none stated (the page said MIT until 2026;" in said.err
    assert row.gain in said.err


def test_without_a_terminal_the_command_is_printed(server: Files, environment: dict[str, str], track: Path) -> None:
    status, out, error = run(server.url, ["separate", str(track)], environment, None)
    assert (status, fetched(environment)) == (0, set())
    assert "[y/N]" not in out + error
    assert out.count("mirkit doctor") == 1


@pytest.mark.parametrize(
    "words", [["separate", "TRACK", "--model", "tiny_demucs"], ["demucs_sep", "TRACK"]], ids=["by name", "script"]
)
def test_who_names_a_model_has_it_fetched_and_reads_its_license(
    words: list[str], server: Files, environment: dict[str, str], track: Path
) -> None:
    words = [str(track) if word == "TRACK" else word for word in words]
    _, out, error = run(server.url, words, environment, None)
    assert "[y/N]" not in out + error
    assert "license: none stated (the maintainer: for science)" in out
    assert fetched(environment) == {"tiny.th"}


def test_models_fetch_prints_the_license(server: Files, environment: dict[str, str]) -> None:
    status, out, error = run(server.url, ["models", "fetch", "tiny_demucs"], environment, None)
    assert status == 0
    told = (
        "download Demucs tiny: 2 MB, license of the weights: none stated (the maintainer: for science); not for commer"
    )
    assert told in error
    assert out.endswith("tiny.th\n")
    status, out, error = run(server.url, ["models", "fetch", "tiny_adtof", "--commercial-safe"], environment, None)
    assert (status, out) == (1, "")
    assert error == "mirkit: ADTOF tiny: license CC BY-NC-SA 4.0, which --commercial-safe refuses\n"


def test_init_names_the_command(server: Files, environment: dict[str, str], track: Path) -> None:
    status, out, error = run(server.url, ["init", str(track.parent)], environment, None)
    assert status == 0
    assert "stems embedded" in out
    assert (
        f'mirkit models fetch tiny_demucs; then: mirkit init "{track.parent}" --backend stems=demucs --force' in error
    )


@pytest.mark.parametrize(
    "model", [model for model in registry.model_rows() if model.backend in ("demucs", "drumsep")], ids=lambda m: m.name
)
def test_no_weights_of_demucs_have_a_license_for_commercial_use(model: Model) -> None:
    assert not model.commercial
    assert model.short_license == "none stated"
