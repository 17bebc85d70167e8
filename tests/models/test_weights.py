"""Fetching, finding and checking weights, against a server that breaks off, lies, stalls and redirects."""

import hashlib
import multiprocessing
import os
import resource
import socket
import stat
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mirkit.errors import WeightsError
from mirkit.models import download, weights
from mirkit.models.backend import File, Model
from mirkit.models.caches import cache
from mirkit.models.registry import model_rows
from mirkit.settings import RunSettings
from models.server import Files

BODY = np.random.default_rng(7).bytes(700_000)
ONLINE, OFFLINE = RunSettings(), RunSettings(offline=True)


def sha(body: bytes = BODY) -> str:
    return hashlib.sha256(body).hexdigest()


def one(server: Files, body: bytes = BODY, *, known: bool = True, commercial: bool = True) -> Model:
    """Model of one file that the server has."""
    server.content["/net.ckpt"] = body
    file = File("net.ckpt", f"{server.url}/net.ckpt", len(body), sha(body) if known else None, "hub-net.ckpt")
    return Model("net", "net", "Net!", (file,), "MIT", commercial)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def one_line(error: pytest.ExceptionInfo[WeightsError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_fetch_checks_and_keeps(server: Files, home: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    found = weights.fetch(one(server), ONLINE, lambda *step: seen.append(step))
    assert found.files == (home / "models/net/net.ckpt",)
    assert found.sha256 == sha()
    assert found.files[0].read_bytes() == BODY
    assert seen[0] == ("net.ckpt", 0, len(BODY))
    assert seen[-1] == ("net.ckpt", len(BODY), len(BODY))
    assert files_below(home / "models/net") == {"net.ckpt"}, "no lock, no part is left"
    assert len(files_below(home)) == 2, "the file, and its checksum that is remembered"
    assert weights.fetch(one(server), ONLINE) == found
    assert len(server.asked) == 1, "what is here is not fetched again"


def test_a_broken_connection_is_taken_up_where_it_ended(server: Files) -> None:
    server.cuts = [100_000, 1, 250_000]
    assert weights.fetch(one(server), ONLINE).sha256 == sha()
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=100001-", "bytes=350001-"]


def test_a_killed_fetch_is_taken_up(server: Files, home: Path) -> None:
    part = home / "models/net/net.ckpt.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:123_456])
    assert weights.fetch(one(server), ONLINE).sha256 == sha()
    assert server.asked == [("/net.ckpt", "bytes=123456-")]
    assert not part.exists()


def test_a_part_that_is_whole_already(server: Files, home: Path) -> None:
    (home / "models/net").mkdir(parents=True)
    (home / "models/net/net.ckpt.part").write_bytes(BODY)
    assert weights.fetch(one(server), ONLINE).sha256 == sha()


@pytest.mark.parametrize("left", [BODY[::-1][:50_000], BODY + b"more"], ids=["other content", "too long"])
def test_a_part_of_another_file_is_thrown_away(server: Files, home: Path, left: bytes) -> None:
    (home / "models/net").mkdir(parents=True)
    (home / "models/net/net.ckpt.part").write_bytes(left)
    assert weights.fetch(one(server), ONLINE).sha256 == sha()


def test_without_a_checksum_nothing_old_is_taken_up(server: Files, home: Path) -> None:
    (home / "models/net").mkdir(parents=True)
    (home / "models/net/net.ckpt.part").write_bytes(BODY[::-1][:50_000])
    found = weights.fetch(one(server, known=False), ONLINE)
    assert found.files[0].read_bytes() == BODY
    assert found.sha256 == sha()


def test_a_server_without_ranges(server: Files, pauses: list[float]) -> None:
    server.ranges = False
    server.cuts = [300_000, 200_000]
    assert weights.fetch(one(server), ONLINE).sha256 == sha()
    assert pauses == [2], "after the attempt that got no further than the one before"
    server.cuts = [300_000, 200_000, 250_000, 300_000, 299_999, 0]
    other = Model("other", "other", "Other!", one(server).files, "MIT")
    with pytest.raises(WeightsError, match="broke off"):
        weights.fetch(other, ONLINE)


@pytest.mark.usefixtures("pauses")
def test_a_short_body_is_no_file(server: Files, home: Path) -> None:
    server.cuts = [600_000, *[0] * download.ATTEMPTS]
    with pytest.raises(WeightsError, match="100000 bytes are missing") as error:
        weights.fetch(one(server), ONLINE)
    assert "net.ckpt (0.7 MB)" in one_line(error)
    assert files_below(home) == {"models/net/net.ckpt.part"}


def test_corrupt_content_is_thrown_away(server: Files, home: Path) -> None:
    row = one(server)
    server.content["/net.ckpt"] = BODY[:-1] + b"?"
    with pytest.raises(WeightsError, match="checksum") as error:
        weights.fetch(row, ONLINE)
    text = one_line(error)
    assert "Net! needs net.ckpt" in text
    assert "mirkit models fetch net" in text
    assert str(home / "models/net") in text
    assert files_below(home) == set()


def test_a_damaged_file_is_seen_and_replaced(server: Files) -> None:
    row = one(server)
    path = weights.fetch(row, ONLINE).files[0]
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="is damaged; download it again: mirkit models fetch net"):
        weights.load_checked(row, ONLINE)
    with pytest.raises(WeightsError, match="damaged, and downloads are off"):
        weights.fetch(row, OFFLINE)
    assert weights.fetch(row, ONLINE).sha256 == sha()


def test_damage_is_seen_without_a_published_checksum_too(server: Files) -> None:
    row = one(server, known=False)
    path = weights.fetch(row, ONLINE).files[0]
    weights.load_checked(row, OFFLINE)
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="is damaged"):
        weights.load_checked(row, OFFLINE)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (404, "no longer has it"),
        (410, "no longer has it"),
        (401, "asks for a login; add one for it to ~/.netrc"),
        (403, "refuses access"),
        (429, "it is busy, in 5 attempts; try again later"),
        (503, "answers 503 Service Unavailable, in 5 attempts"),
        (418, "answers 418"),
    ],
)
@pytest.mark.usefixtures("pauses")
def test_http_errors(server: Files, status: int, why: str) -> None:
    row = one(server)
    server.status = status
    with pytest.raises(WeightsError, match=why) as error:
        weights.fetch(row, ONLINE)
    one_line(error)


def test_a_login_page_is_no_model(server: Files, home: Path) -> None:
    row = one(server, known=False)
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(WeightsError, match="may need a login"):
        weights.fetch(row, ONLINE)
    assert files_below(home) == set()


def test_redirects_are_followed_where_a_first_request_might_go(server: Files) -> None:
    row = one(server)
    server.content["/elsewhere"] = server.content.pop("/net.ckpt")
    server.redirects["/net.ckpt"] = f"{server.url}/elsewhere"
    assert weights.fetch(row, ONLINE).sha256 == sha()


@pytest.mark.parametrize("target", ["http://example.org/net.ckpt", "ftp://127.0.0.1/net.ckpt", "file:///etc/passwd"])
def test_no_redirect_to_where_nobody_is_sure_of_the_sender(server: Files, target: str) -> None:
    row = one(server)
    server.redirects["/net.ckpt"] = target
    with pytest.raises(WeightsError, match=r"only https|not allowed|HTTP"):
        weights.fetch(row, ONLINE)


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://localhost/x", "file:///etc/passwd"])
def test_only_https(url: str, tmp_path: Path) -> None:
    with pytest.raises(download.DownloadError, match="only https"):
        download.download(url, tmp_path / "part", lambda _done, _total: None)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    file = File("net.ckpt", f"http://127.0.0.1:{port}/net.ckpt")
    with pytest.raises(WeightsError, match="cannot reach 127"):
        weights.fetch(Model("net", "net", "Net!", (file,), "MIT"), ONLINE)


@pytest.mark.usefixtures("pauses")
def test_a_slow_server_is_waited_for_and_a_silent_one_is_not(server: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    row = one(server)
    server.pause = 0.05
    assert weights.fetch(row, ONLINE).sha256 == sha()
    server.silence = 2.0
    other = Model("other", "other", "Other!", row.files, "MIT")
    with pytest.raises(WeightsError, match="broke off"):
        weights.fetch(other, ONLINE)


@pytest.mark.usefixtures("pauses")
def test_a_server_that_accepts_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        file = File("net.ckpt", f"http://127.0.0.1:{mute.getsockname()[1]}/net.ckpt")
        with pytest.raises(WeightsError, match="does not answer"):
            weights.fetch(Model("net", "net", "Net!", (file,), "MIT"), ONLINE)


def test_a_host_name_that_takes_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = threading.Event()

    def hang(*_: object) -> None:
        looked_up.wait(60)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", hang)
    assert not download.reachable("https://example.org/x", 0.1)
    assert not looked_up.is_set(), "it did not wait for the answer"
    looked_up.set()


@contextmanager
def a_small_disk(most: int) -> Iterator[None]:
    """No file may grow beyond ``most`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_disk_fills_up(server: Files) -> None:
    row = one(server)
    with a_small_disk(400_000), pytest.raises(WeightsError, match="the disk is full") as error:
        weights.fetch(row, ONLINE)
    one_line(error)
    assert weights.fetch(row, ONLINE).sha256 == sha(), "with room again, it goes on"
    assert server.asked[-1][1] is not None


def test_too_little_room_is_known_before(server: Files, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: types.SimpleNamespace(free=500_000))
    with pytest.raises(WeightsError, match=r"the disk is full: 0\.7 MB are needed, 0\.5 MB are free"):
        weights.fetch(one(server), ONLINE)
    assert files_below(home) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_cache_that_cannot_be_written(server: Files, home: Path) -> None:
    home.mkdir()
    home.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(WeightsError, match="no permission"):
        weights.fetch(one(server), ONLINE)


def test_a_cache_that_is_a_file(server: Files, home: Path) -> None:
    home.write_text("no folder")
    with pytest.raises(WeightsError, match="cannot write") as error:
        weights.fetch(one(server), ONLINE)
    one_line(error)


def _fetch_in_a_process(row: Model, results: "multiprocessing.Queue[str]") -> None:
    results.put(weights.fetch(row, ONLINE).sha256)


def test_two_processes_fetch_it_once(server: Files) -> None:
    row = one(server)
    server.pause = 0.05
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[str] = context.Queue()
    fetchers = [context.Process(target=_fetch_in_a_process, args=(row, results)) for _ in range(2)]
    for fetcher in fetchers:
        fetcher.start()
    assert [results.get(timeout=30) for _ in fetchers] == [sha(), sha()]
    for fetcher in fetchers:
        fetcher.join(10)
    assert len(server.asked) == 1


def test_a_stuck_other_is_not_waited_for(server: Files, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_STUCK_S", 0.5)
    folder = home / "models/net"
    folder.mkdir(parents=True)
    with weights.lock(folder, name=".net.ckpt.lock"), pytest.raises(WeightsError, match="another process of mirkit"):
        weights.fetch(one(server), ONLINE)
    assert server.asked == []


@pytest.mark.parametrize("variable", ["MIRKIT_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(server: Files, variable: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    row = one(server)
    assert not weights.is_offline(ONLINE)
    monkeypatch.setenv(variable, "0")
    assert not weights.is_offline(ONLINE)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(WeightsError, match="offline") as error:
        weights.fetch(row, ONLINE)
    text = one_line(error)
    assert "net.ckpt (0.7 MB)" in text
    assert "mirkit models fetch net" in text
    assert f"{home}/models/net" in text
    assert server.asked == []
    assert not home.exists()


def test_what_pytorch_has_fetched_is_used(server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    theirs = tmp_path / "torch/hub/checkpoints/hub-net.ckpt"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(BODY)
    row = one(server)
    assert weights.load_checked(row, OFFLINE).files == (theirs,)
    assert files_below(theirs.parent) == {"hub-net.ckpt"}, "nothing is written outside the cache"
    theirs.write_bytes(b"damaged")
    assert weights.fetch(row, ONLINE).files[0] != theirs
    assert theirs.read_bytes() == b"damaged"


def test_what_the_hugging_face_tools_have_fetched_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    pinned = File("a.bin", "https://huggingface.co/who/what/resolve/abc/a.bin")
    moving = File("b.bin", "https://huggingface.co/who/what/resolve/main/b.bin")
    snapshots = tmp_path / "hf/hub/models--who--what/snapshots"
    for place in ("abc/a.bin", "abc/b.bin", "def/a.bin"):
        (snapshots / place).parent.mkdir(parents=True, exist_ok=True)
        (snapshots / place).write_bytes(place.encode())
    row = Model("net", "net", "Net!", (pinned, moving), "MIT")
    found = weights.load_checked(row, OFFLINE)
    assert found.files == (snapshots / "abc/a.bin", snapshots / "abc/b.bin")
    assert found.sha256 not in (sha(b"abc/a.bin"), sha(b"abc/b.bin"))


def test_commercial_safe_refuses(server: Files) -> None:
    row = one(server, commercial=False)
    weights.fetch(row, ONLINE)
    with pytest.raises(WeightsError, match="--commercial-safe refuses"):
        weights.load_checked(row, RunSettings(commercial_safe=True))
    with pytest.raises(WeightsError, match="--commercial-safe refuses"):
        weights.fetch(row, RunSettings(commercial_safe=True))


def test_a_file_of_the_users(tmp_path: Path) -> None:
    path = tmp_path / "mine.ckpt"
    path.write_bytes(BODY)
    assert weights.from_path(path) == weights.Weights(str(path), (path,), sha())
    with pytest.raises(WeightsError, match="gone"):
        weights.from_path(tmp_path / "nothing")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert cache() == home / "models"
    monkeypatch.delenv("MIRKIT_HOME")
    assert cache().name == "models"
    assert "mirkit" in cache().parts


@pytest.mark.parametrize("row", model_rows(), ids=lambda row: row.name)
def test_row_of_the_table(row: Model) -> None:
    assert row.license
    assert row.files
    for file in row.files:
        assert file.url.startswith("https://") or row.name == "musicnn"  # it is in a package of the user's
        assert Path(file.name).name == file.name, "no file of the cache lies outside its folder"
        assert file.sha256 is None or (len(file.sha256) == 64 and int(file.sha256, 16))
        assert file.size > 0
        assert not (file.copies or file.mirrors) or file.sha256, "only a checksum shows that they are the same"
        assert all(copy.sha256 and not copy.copies for copy in file.copies)
    assert len({file.name for file in row.files}) == len(row.files)


def test_files_of_one_backend_do_not_collide() -> None:
    known: dict[tuple[str, str], File] = {}
    for row in model_rows():
        for file in row.files:
            assert known.setdefault((row.backend, file.name), file) == file
    assert len({row.name for row in model_rows()}) == len(model_rows())


def test_real_weights_have_the_checksum_of_the_table(shared_data: Path) -> None:
    path = shared_data.parent / "models/adtof_frame_rnn_pytorch_weights.pth"
    if not path.is_file():
        pytest.skip(f"no weights at {path}")
    (file,) = weights.model("adtof").files
    assert path.stat().st_size == file.size
    assert sha(path.read_bytes()) == file.sha256
