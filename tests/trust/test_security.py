"""A data set may come from a stranger: nothing in it is run, nothing outside it is touched, no secret gets into it."""

import ast
import io
import json
import os
import pickle
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import make_track, write
from mirkit import engines
from mirkit.cli import main
from mirkit.engines import serial
from mirkit.store import read_info

SRC = Path(__file__).resolve().parents[2] / "src" / "mirkit"
POSIX = pytest.mark.skipif(os.name == "nt", reason="links and pipes as POSIX systems have them")

#: What runs whatever it is given, and the files that may use it: on their own processes and their own cache alone,
#: on llama.cpp's programs and the trainer's code (lists of words, no shell), with a YAML loader of plain values,
#: and on arrays that hold no objects.
FORBIDDEN = {
    "eval": (),
    "exec": (),
    "compile": (),
    "__import__": (),
    "os.system": (),
    "os.popen": (),
    "marshal.loads": (),
    "pickle.load": (),
    "pickle.loads": ("engines/wire.py",),
    "pickle.Unpickler": (),
    "shelve.open": (),
    "subprocess.Popen": ("engines/crew.py", "models/owner/place.py", "models/texts/programs.py"),
    "subprocess.run": ("export/sat_check.py", "models/stable_audio.py", "models/texts/mtmd.py"),
    "subprocess.check_output": (),
    "yaml.load": ("models/safe.py",),
    "shutil.unpack_archive": (),
    "np.load": ("export/sat_latents.py", "export/sat_latents_check.py"),
    "numpy.load": (),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(engines, "run", lambda work, items, **_: serial.run(work, items))
    return lambda *words: main(list(map(str, words)))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    make_track(tmp_path / "library" / "A", seconds=2.0)
    return tmp_path / "library"


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Every node of the package's syntax trees, with its file."""
    files = {path.relative_to(SRC).as_posix(): path.read_text(encoding="utf-8") for path in SRC.rglob("*.py")}
    return [(file, node) for file, text in sorted(files.items()) for node in ast.walk(ast.parse(text))]


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Every call in the package: file, name, node."""
    return [(file, ast.unparse(node.func), node) for file, node in nodes() if isinstance(node, ast.Call)]


def test_nothing_runs_what_it_is_given() -> None:
    found = [(file, name) for file, name, _ in calls() if file not in FORBIDDEN.get(name, (file,))]
    assert not found


def test_no_shell_no_pickles_no_weights_that_are_code() -> None:
    for file, name, call in calls():
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert given.get("shell", "False") == "False", f"{file}: {name}"
        assert given.get("allow_pickle", "False") == "False", f"{file}: {name}"
        if name == "torch.load":
            assert given.get("weights_only") == "True", file


#: Calls that name the address by a constant.
LOOPBACK = {("models/texts/llama.py", "free.bind")}


def test_servers_listen_on_this_machine_only() -> None:
    from mirkit.models.texts import llama

    assert llama._HOST == "127.0.0.1"
    for file, node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert node.value not in ("0.0.0.0", "::"), file
    for file, name, call in calls():
        if name.rpartition(".")[2] in ("bind", "HTTPServer", "TCPServer", "ThreadingHTTPServer", "create_server"):
            assert "127.0.0.1" in ast.unparse(call) or (file, name) in LOOPBACK, f"{file}: {name}"


HOSTILE_TAGS = (
    "..",
    "../../escape",
    "/etc/cron.d/x",
    "..\\..\\x",
    "C:\\x",
    "CON",
    "~/.ssh/x",
    "<script>alert(1)</script>",
)


def test_tags_name_nothing_but_a_folder(tmp_path: Path, run: Callable[..., int]) -> None:
    import av

    root = tmp_path / "outer" / "library"
    root.mkdir(parents=True)
    for number, title in enumerate(HOSTILE_TAGS):
        with av.open(str(root / f"{number}.flac"), "w") as out:
            out.metadata.update({"title": title, "artist": title, "album": title})
            stream = out.add_stream("flac", rate=44100, layout="mono", format="s16")
            frame = av.AudioFrame.from_ndarray(np.full((1, 4410), number, np.int16), format="s16", layout="mono")
            frame.sample_rate = 44100
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    assert run("organize", root) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["outer"]
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["library"]
    mixes = list(root.rglob("full_mix.flac"))
    assert len(mixes) == len(HOSTILE_TAGS)
    assert {mix.parent.parent for mix in mixes} == {root}
    assert not any(set(mix.parent.name) & set('/\\<>:"|?*') for mix in mixes)


@POSIX
def test_links_are_not_written_through(library: Path, tmp_path: Path, run: Callable[..., int]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    track = library / "A"
    for name in ("A.INFO", "A.BEATS_GRID", "A.ONSETS", "A.CURVES.npz", "A.PROVENANCE", "drums.flac", "bass.flac"):
        victim = outside / name
        shutil.copy(track / "full_mix.flac", victim) if name.endswith("flac") else victim.write_text("{}")
        (track / name).symlink_to(victim)
    (library / "mirkit.toml").symlink_to(outside / "mirkit.toml")
    (outside / "mirkit.toml").write_text("")
    before = {path: path.read_bytes() for path in outside.iterdir()}
    assert run("run", library, "--overwrite") == 0
    assert {path: path.read_bytes() for path in outside.iterdir()} == before
    assert "lufs" in read_info(track / "A.INFO")


@POSIX
@pytest.mark.parametrize("what", ["crops", "crops/A_001"])
def test_clips_are_not_cut_where_a_link_leads(
    what: str, library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (library / "A" / what).parent.mkdir(exist_ok=True)
    (library / "A" / what).symlink_to(outside)
    assert run("crop", library / "A", "--seconds", "0.5", "--align", "free") == 1
    assert f"{library / 'A' / what}: a link, and clips stay with their track; remove it" in capsys.readouterr().err
    assert not list(outside.iterdir())


@POSIX
def test_logs_are_not_written_where_a_link_leads(
    library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for number in range(30):
        (outside / f"{number}.jsonl").touch()
    (library / ".mirkit").mkdir()
    (library / ".mirkit" / "log").symlink_to(outside)
    assert run("loudness", library, "--batch") == 0
    assert "leads out of the data set" in capsys.readouterr().err
    assert len(list(outside.iterdir())) == 30


@POSIX
@pytest.mark.parametrize("name", ["A.INFO", "A.PROVENANCE", "A.CURVES.npz", "A.BEATS_GRID"])
@pytest.mark.parametrize("kind", ["pipe", "endless device"])
def test_what_stands_in_for_a_sidecar_holds_nothing_up(
    name: str, kind: str, library: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "pipe":
        os.mkfifo(library / "A" / name)
    else:
        (library / "A" / name).symlink_to("/dev/zero")
    assert run("rhythm", library / "A") in (0, 1)
    assert run("verify", library) == 1
    assert "a bug" not in capsys.readouterr().err


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def npz(path: Path, array: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("full_mix/loudness/energy.npy", array)


def object_array(trace: Path) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Bomb(trace)]), allow_pickle=True)
    return file.getvalue()


def bomb(path: Path) -> None:
    """An archive whose table of contents says what would come out: a gigabyte."""
    npz(path, bytes(1000))
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 1000), struct.pack("<I", 2**30)))


def claiming(gigabytes: int) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({gigabytes * 2**27},), }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n"


CURVES: dict[str, Callable[[Path, Path], object]] = {
    "a pickle": lambda path, trace: path.write_bytes(pickle.dumps(Bomb(trace))),
    "pickles in an archive": lambda path, trace: npz(path, object_array(trace)),
    "an array of a terabyte": lambda path, trace: npz(path, claiming(1024)),
    "a gigabyte of nothing": lambda path, trace: bomb(path),
}


@pytest.mark.parametrize("kind", CURVES)
def test_curves_of_a_stranger_are_measured_anew(
    kind: str, library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = library / "A" / "A.CURVES.npz"
    CURVES[kind](path, tmp_path / "trace")
    hostile = path.read_bytes()
    assert run("loudness", library / "A") == 0
    assert "measured anew" in capsys.readouterr().err
    assert read_info(library / "A" / "A.INFO")["lufs"] is not None
    assert path.with_name("A.CURVES.npz.unreadable-1").read_bytes() == hostile
    assert not (tmp_path / "trace").exists()


@pytest.mark.slow
def test_settings_of_a_stranger_run_no_code(library: Path, tmp_path: Path, run: Callable[..., int]) -> None:
    (library / "weights.ckpt").write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
    settings = f'[backends]\nbeats = "beat_this"\n[rhythm]\nmodel = {json.dumps(str(library / "weights.ckpt"))}\n'
    (library / "mirkit.toml").write_text(settings)
    assert run("beats", library / "A") == 1
    assert not (tmp_path / "trace").exists()


def test_a_file_that_claims_weeks_costs_nothing(
    tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "library" / "A" / "full_mix.flac", np.zeros((1, 44100), np.float32))
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the number of samples: 36 bits
    content[22:26] = b"\xff" * 4
    path.write_bytes(content)
    began = time.process_time()
    assert run("run", tmp_path / "library") == 1
    assert "claims 432.9 h of sound, the limit is 24 h" in capsys.readouterr().err
    assert time.process_time() - began < 5
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 100_000


def test_secrets_stay_where_they_are(
    library: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "s3cr3t-0b5cur3"
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "GITHUB_TOKEN", "MY_PASSWORD"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{secret}@127.0.0.1:9")
    (library / "A" / "vocals.mp3").write_text("no sound")
    assert run("run", library, "--debug") == 1
    run("status", library)
    run("verify", library)
    run("doctor")
    said = capsys.readouterr()
    assert secret not in said.out + said.err
    for path in library.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
