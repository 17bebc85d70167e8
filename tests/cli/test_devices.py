"""``--device`` of every command that has it: what is not there, or is none, is one line."""

from pathlib import Path

import pytest

from library import make_track
from mirkit.cli import main
from mirkit.cli.command_table import COMMANDS
from mirkit.cli.parser import parser_of

NAMES = [name for name in COMMANDS if "--device" in parser_of(name).options()]


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_track(tmp_path_factory.mktemp("library") / "Track", seconds=1)


def test_every_command_on_tracks_has_it() -> None:
    assert set(NAMES) == {name for name, command in COMMANDS.items() if command.stages}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_none(name: str, track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for device in ("gpu", "cuda:x", ""):
        assert main([name, str(track), "--device", device, "--dry-run"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("mirkit: --device must be auto, cpu, cuda, cuda:<number> or mps")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("device", ["cuda:99", "amd"])
def test_what_is_not_there(name: str, device: str, track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Embedded methods say that they use the CPU; without their model the others end, in a line as well."""
    status = main([name, str(track), "--device", device, "--dry-run", "--offline"])
    lines = capsys.readouterr().err.splitlines()
    if device == "amd":
        assert lines.pop(0) == "--device amd: PyTorch calls ROCm GPUs cuda, so this run uses --device cuda"
        device = "cuda"
    (line,) = lines
    assert line.startswith(
        "mirkit: " if status else f"--device {device}: this run uses embedded methods only, which run on the CPU"
    )


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
@pytest.mark.parametrize("name", ["beats", "rhythm", "tempo", "extract", "run"])
def test_what_a_model_would_need(
    name: str, device: str, track: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("the device is there")
    (tmp_path / "net.ckpt").write_bytes(b"not even looked at")
    words = [name, str(track), "--beat-model", str(tmp_path / "net.ckpt"), "--device", device, "--quiet"]
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mirkit: --device {device}: this PyTorch (")
    assert line.endswith("; use --device cpu")
    assert {path.name for path in track.rglob("*")} == {"full_mix.flac"}, "nothing is begun"
