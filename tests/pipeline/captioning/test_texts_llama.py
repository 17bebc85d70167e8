"""The whole way with the real llama.cpp and Transformers: loose tracks, kills, each text stored once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from library import beat_music, write
from mirkit.catalog import TEXT_KEYS
from mirkit.cli import main
from mirkit.store import read_info, read_provenance
from tiny_flamingo import SENTENCE, write_checkpoint, write_gguf

pytestmark = pytest.mark.slow
TRACKS = 4


@pytest.fixture
def music(tmp_path: Path) -> Path:
    mix = sum(beat_music(2.0).values())
    for i in range(TRACKS):
        write(tmp_path / "music" / f"song {i}.flac", mix * (0.5 + 0.1 * i))
    return tmp_path / "music"


def texts(music: Path) -> list[str]:
    return [str(text) for path in sorted(music.glob("*.INFO")) for text in read_info(path).values()]


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program, and kill -9")
def test_llama_killed_twice(music: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    slots, kills = 2, 2
    model = write_gguf(tmp_path / "model")
    program = tmp_path / "llama-server"
    stand_in = Path(__file__).resolve().parents[2] / "counting_llama_server.py"
    program.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(stand_in)!r}, run_name='__main__')\n")
    program.chmod(0o755)
    log = tmp_path / "asked"
    log.touch()
    environment = os.environ | {"MIRKIT_TEST_ASKED": str(log), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mirkit", "music_flamingo", str(music), "--batch", "--model", str(model)]
    command += ["--program", str(program), "--slots", str(slots)]
    for kill in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        until = time.monotonic() + 120
        while (
            len(log.read_text().splitlines()) < 6 * (kill + 1) and process.poll() is None and time.monotonic() < until
        ):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    asked = Counter(log.read_text().splitlines())
    assert len(asked) == TRACKS * len(TEXT_KEYS)
    assert asked.total() - len(asked) <= kills * slots
    assert texts(music) == [SENTENCE] * (TRACKS * len(TEXT_KEYS))


@pytest.mark.parametrize("architecture", ["MusicFlamingo", "AudioFlamingo3"])
def test_transformers_end_to_end(music: Path, tmp_path: Path, architecture: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers", minversion="5.8")
    torch.set_num_threads(1)
    folder = write_checkpoint(tmp_path / "model", architecture)
    command = ["music_flamingo_transformers", str(music), "--batch", "--flash-attention", "--model", str(folder)]
    assert main([*command, "--device", "cpu"]) == 0
    assert texts(music) == [SENTENCE] * (TRACKS * len(TEXT_KEYS))
    entry = read_provenance(music / "song 0.PROVENANCE").stages["describe/full"]
    assert (entry.backend, entry.model) == ("transformers", "model")


def test_llama_in_process(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("xllamacpp")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = write_gguf(tmp_path / "model")
    assert main(["music_flamingo", str(music / "song 2.flac"), "--model", str(model)]) == 0
    assert texts(music) == [SENTENCE] * len(TEXT_KEYS)
    details = dict(read_provenance(music / "song 2.PROVENANCE").stages["describe/structure"].details)
    assert int(str(details["cached"])) >= 750
