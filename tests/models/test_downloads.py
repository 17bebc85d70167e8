"""Downloads from servers that are busy, need a login, are mirrors, change their files, or are behind a proxy."""

import base64
import email.utils
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mirkit.cli import main
from mirkit.errors import WeightsError
from mirkit.models import download, weights
from mirkit.models.backend import File, Model
from mirkit.models.https import resolved
from mirkit.settings import RunSettings
from models.server import Files, serving

BODY = np.random.default_rng(8).bytes(700_000)
SHA = hashlib.sha256(BODY).hexdigest()
ONLINE = RunSettings()
CERTIFICATE = Path(__file__).with_name("localhost.pem")
HUB = "https://huggingface.co/who/what/resolve/main/net.gguf"


def model(*files: File) -> Model:
    return Model("net", "net", "Net!", files, "MIT")


def of_server(server: Files, *, known: bool = True) -> Model:
    server.content["/net.ckpt"] = BODY
    return model(File("net.ckpt", f"{server.url}/net.ckpt", len(BODY), SHA if known else None))


@pytest.fixture
def hub(server: Files, monkeypatch: pytest.MonkeyPatch) -> Files:
    """A server that answers as huggingface.co does for a large file: a redirect that states the SHA-256."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.content["/cdn/1"] = BODY
    server.redirects["/who/what/resolve/main/net.gguf"] = f"{server.url}/cdn/1"
    server.headers["/who/what/resolve/main/net.gguf"] = {"X-Linked-ETag": f'"{SHA}"', "ETag": ""}
    return server


def of_hub() -> Model:
    return model(File("net.gguf", HUB, len(BODY)))


def refused(row: Model) -> str:
    with pytest.raises(WeightsError) as error:
        weights.fetch(row, ONLINE)
    text = str(error.value)
    assert "\n" not in text
    return text


# --- answers that are not what was asked for


def begun(server: Files, row: Model) -> Path:
    """Leave the first 100 kB of the file of a model."""
    part = weights.place(row, row.files[0]).with_suffix(".ckpt.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:100_000])
    origin = {"url": row.files[0].url, "tag": server.tag, "stated": ""}
    part.with_name(part.name + ".json").write_text(json.dumps(origin))
    return part


@pytest.mark.parametrize("known", [True, False])
def test_another_part_than_the_one_asked_for_is_not_used(server: Files, known: bool) -> None:
    row = of_server(server, known=known)
    begun(server, row)
    server.shifts = [500]
    assert weights.fetch(row, ONLINE).sha256 == SHA
    assert server.asked == [("/net.ckpt", "bytes=100000-"), ("/net.ckpt", None)]


@pytest.mark.parametrize("known", [True, False])
def test_a_server_that_sends_a_part_in_pieces(server: Files, pauses: list[float], known: bool) -> None:
    row = of_server(server, known=known)
    begun(server, row)
    server.piece = 250_000
    assert weights.fetch(row, ONLINE).sha256 == SHA
    assert [start for _, start in server.asked if start] == ["bytes=100000-", "bytes=350000-", "bytes=600000-"]
    assert not pauses


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Content-Encoding": "gzip"}, "the server sent the file in the form gzip"),
        ({}, "the server sent an empty file"),
    ],
)
def test_what_is_not_the_content_of_the_file_is_not_kept(
    server: Files, home: Path, headers: dict[str, str], why: str
) -> None:
    row = of_server(server, known=False)
    server.headers["/net.ckpt"] = headers
    server.content["/net.ckpt"] = b"x" if headers else b""
    assert f"{server.url}/net.ckpt: {why}" in refused(row)
    assert not [path for path in (home / "models" / "net").iterdir() if path.suffix in (".ckpt", ".part")]


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://[::1", "redirects to an address that is not valid"),
        ("https://..de/", "redirects to an address that is not valid"),
        ("http://127.0.0.1:99999/x", "http://127.0.0.1:99999/x: this is not a valid address"),
        ("", "answers 302 without an address"),
        ("https://nowhere.invalid/x", "no connection to nowhere.invalid, where the file is"),
    ],
)
def test_redirects_to_nowhere(server: Files, pauses: list[float], location: str, why: str) -> None:
    row = of_server(server)
    server.redirects["/net.ckpt"] = location
    assert why in refused(row)


def test_a_length_that_is_no_number_of_bytes(server: Files) -> None:
    row = of_server(server, known=False)
    server.headers["/net.ckpt"] = {"Content-Length": "1" * 5000, "Connection": "close"}
    assert weights.fetch(row, ONLINE).sha256 == SHA


@pytest.mark.parametrize("note", ["[" * 100_000, '{"url": "URL", "tag": "a\\nb", "stated": ""}', "[1]", "{}"])
def test_a_damaged_note_about_a_part_is_no_condition(server: Files, note: str) -> None:
    row = of_server(server, known=False)
    part = begun(server, row)
    part.with_name(part.name + ".json").write_text(note.replace("URL", row.files[0].url))
    assert weights.fetch(row, ONLINE).sha256 == SHA


@pytest.mark.parametrize("variable", ["HF_ENDPOINT", "https_proxy"])
@pytest.mark.parametrize("value", ["http://localhost:abc", "http://[::1", "http://localhost:99999"])
def test_an_address_in_the_environment_that_is_none(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, server: Files
) -> None:
    monkeypatch.setenv(variable, value)
    assert ("not a valid address" if variable == "HF_ENDPOINT" else "the proxy is not valid") in refused(of_hub())


# --- busy servers


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522])
def test_a_busy_server_is_asked_again_with_growing_pauses(server: Files, pauses: list[float], status: int) -> None:
    server.failures = [(status, {})] * 4
    assert weights.fetch(of_server(server), ONLINE).sha256 == SHA
    assert pauses == [2, 4, 8, 16]


def test_the_pause_is_the_one_that_the_server_asks_for(server: Files, pauses: list[float]) -> None:
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    rate = '"resolvers";r=0;t=93'
    after = [{"Retry-After": "7"}, {"Retry-After": date}, {"RateLimit": rate}, {"Retry-After": "soon"}]
    server.failures = [(429, headers) for headers in after]
    assert weights.fetch(of_server(server), ONLINE).sha256 == SHA
    assert pauses == [7, pytest.approx(60, abs=5), 93, 16]


def test_a_long_pause_is_left_to_the_user(server: Files, pauses: list[float]) -> None:
    server.failures = [(503, {"Retry-After": "3600"})]
    assert "it answers 503 Service Unavailable; it asks to try again in 60 min" in refused(of_server(server))
    assert pauses == []


def test_a_pause_is_reported(server: Files, pauses: list[float]) -> None:
    server.failures = [(503, {"Retry-After": "5"})]
    seen: list[str] = []
    weights.fetch(of_server(server), ONLINE, lambda name, _done, _total: seen.append(name))
    assert seen[0] == "net.ckpt (it answers 503 Service Unavailable; next attempt in 5 s)"
    assert pauses == [5]


def test_a_late_first_byte_is_waited_for(server: Files, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.2)
    server.delays = [0.5, 0.3, 0.0]
    assert weights.fetch(of_server(server), ONLINE).sha256 == SHA
    assert len(pauses) == 1, "the second attempt waits longer for the server"


def test_after_new_data_there_is_no_pause(server: Files, pauses: list[float]) -> None:
    server.cuts = [200_000, 200_000]
    assert weights.fetch(of_server(server), ONLINE).sha256 == SHA
    assert pauses == [], "after new data, it continues at once"


# --- later commands continue


def interrupted(server: Files, row: Model, after: int) -> None:
    """Fetch a model from a server that breaks off and is then busy for as long as anyone asks."""
    server.cuts = [after, *[0] * download.ATTEMPTS]
    refused(row)
    server.cuts, server.asked[:] = [], []


@pytest.mark.usefixtures("pauses")
def test_a_file_of_the_hub_is_continued_and_checked_without_a_published_checksum(hub: Files, home: Path) -> None:
    interrupted(hub, of_hub(), 300_000)
    assert (home / "models/net/net.gguf.part").stat().st_size == 300_000
    found = weights.fetch(of_hub(), ONLINE)
    assert found.sha256 == SHA
    assert hub.asked[-1] == ("/cdn/1", "bytes=300000-")
    assert {path.name for path in (home / "models/net").iterdir()} == {"net.gguf", "net.gguf.sha256"}
    assert weights.verify(of_hub(), of_hub().files[0])[0] == weights.OK


@pytest.mark.usefixtures("pauses")
def test_a_file_that_the_hub_has_replaced_meanwhile_is_fetched_anew(hub: Files) -> None:
    interrupted(hub, of_hub(), 300_000)
    other = BODY[::-1]
    hub.content["/cdn/1"] = other
    hub.headers["/who/what/resolve/main/net.gguf"]["X-Linked-ETag"] = f'"{hashlib.sha256(other).hexdigest()}"'
    assert weights.fetch(of_hub(), ONLINE).files[0].read_bytes() == other


def test_content_that_is_not_what_the_hub_states_is_refused(hub: Files, home: Path) -> None:
    hub.content["/cdn/1"] = BODY[:-1] + b"?"
    assert f"instead of {SHA[:12]}... and was deleted" in refused(of_hub())
    assert not (home / "models/net/net.gguf.part").exists()


def test_a_small_file_of_the_hub_has_the_checksum_of_git(server: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    body = b'{"proj_num_layer": 5}\n'
    server.content["/who/what/resolve/main/net.gguf"] = body
    server.tag = f'"{hashlib.sha1(b"blob 22" + bytes(1) + body).hexdigest()}"'
    assert weights.fetch(of_hub(), ONLINE).files[0].read_bytes() == body
    weights.remove(of_hub())
    server.content["/who/what/resolve/main/net.gguf"] = body.replace(b"5", b"6")
    assert "was deleted: it was damaged in transit" in refused(of_hub())


@pytest.mark.usefixtures("pauses")
def test_a_file_without_any_checksum_is_continued_by_the_tag_of_the_server(server: Files) -> None:
    row = of_server(server, known=False)
    interrupted(server, row, 300_000)
    assert weights.fetch(row, ONLINE).sha256 == SHA
    assert server.asked == [("/net.ckpt", "bytes=300000-")]
    assert server.heard[-1][1]["If-Range"] == '"1"'


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(("first", "later"), [('"1"', '"2"'), ("", ""), ('W/"1"', 'W/"1"')])
def test_a_file_whose_tag_is_another_or_none_is_fetched_anew(server: Files, first: str, later: str) -> None:
    row = of_server(server, known=False)
    server.tag = first
    interrupted(server, row, 300_000)
    server.content["/net.ckpt"], server.tag = BODY[::-1], later
    assert weights.fetch(row, ONLINE).files[0].read_bytes() == BODY[::-1]


#: A test run that a shell started in the background ignores SIGINT, and so would its children.
FETCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from mirkit.models import weights
from mirkit.models.backend import File, Model
from mirkit.settings import RunSettings
row = Model("net", "net", "Net!", (File("net.ckpt", sys.argv[1], 700_000),), "MIT")
weights.fetch(row, RunSettings())
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_fetch_is_continued(server: Files, home: Path, how: signal.Signals) -> None:
    row = of_server(server, known=False)
    server.pause = 0.2
    process = subprocess.Popen([sys.executable, "-c", FETCH, row.files[0].url], stderr=subprocess.PIPE)
    part = home / "models/net/net.ckpt.part"
    while not (part.is_file() and part.stat().st_size > 100_000):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate()
    have, server.pause = part.stat().st_size, 0
    assert 100_000 < have < len(BODY)
    assert weights.fetch(row, ONLINE).sha256 == SHA
    assert server.asked[-1] == ("/net.ckpt", f"bytes={have}-")


def test_a_pointer_of_git_lfs_is_no_file(server: Files, home: Path) -> None:
    row = of_server(server, known=False)
    server.content["/net.ckpt"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + SHA.encode()
    assert "sent a Git LFS pointer instead of the file" in refused(row)
    assert not list((home / "models/net").iterdir())


# --- several addresses


def test_a_mirror_is_used_if_the_first_server_fails(server: Files) -> None:
    server.content["/mirror"] = BODY
    file = File("net.ckpt", f"{server.url}/gone", len(BODY), SHA, mirrors=(f"{server.url}/mirror",))
    assert weights.fetch(model(file), ONLINE).sha256 == SHA
    assert [path for path, _ in server.asked] == ["/gone", "/mirror"]


def test_a_copy_in_another_format_is_downloaded_if_the_first_fails(server: Files, home: Path) -> None:
    server.content["/old.th"] = BODY
    copy = File("old.th", f"{server.url}/old.th", len(BODY), SHA)
    row = model(File("net.safetensors", f"{server.url}/gone", len(BODY), "0" * 64, copies=(copy,)))
    assert weights.fetch(row, ONLINE).files == (home / "models/net/old.th",)


def test_a_mirror_without_a_checksum_is_not_used(server: Files) -> None:
    server.content["/mirror"] = BODY
    refused(model(File("net.ckpt", f"{server.url}/gone", len(BODY), mirrors=(f"{server.url}/mirror",))))
    assert [path for path, _ in server.asked] == ["/gone"]


def test_each_server_that_failed_is_named(server: Files) -> None:
    file = File("net.ckpt", f"{server.url}/a", len(BODY), SHA, mirrors=(f"{server.url}/b",))
    assert f"{server.url}/a: the server no longer has it" in refused(model(file))
    assert f"; then {server.url}/b: the server no longer has it" in refused(model(file))


# --- logins and refusals


def test_the_address_of_a_mirror_of_hugging_face(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved(HUB) == HUB
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example/")
    assert resolved(HUB) == "https://hub.example/who/what/resolve/main/net.gguf"
    assert resolved("https://essentia.upf.edu/models/a.onnx") == "https://essentia.upf.edu/models/a.onnx"
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    assert "only https is allowed" in refused(of_hub())


@pytest.mark.parametrize("where", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME"])
def test_the_token_is_sent_to_hugging_face_only(
    hub: Files, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("hf_secret\n")
    values = {"HF_TOKEN_PATH": str(tmp_path / "token"), "HF_HOME": str(tmp_path)}
    monkeypatch.setenv(where, values.get(where, "hf_secret"))
    hub.logins["/who"] = "Bearer hf_secret"
    with serving() as cdn:
        cdn.content["/cdn/1"] = BODY
        hub.redirects["/who/what/resolve/main/net.gguf"] = f"{cdn.url}/cdn/1"
        assert weights.fetch(of_hub(), ONLINE).sha256 == SHA
        assert "Authorization" not in cdn.heard[0][1], "the server of the content does not learn the token"
    weights.remove(of_hub())
    with serving() as other:
        weights.fetch(of_server(other), ONLINE)
        assert "Authorization" not in other.heard[0][1]


def test_the_login_of_another_server_is_in_netrc(server: Files, tmp_path: Path) -> None:
    row = of_server(server)
    server.logins["/"] = "Basic " + base64.b64encode(b"me:pass word").decode()
    assert "asks for a login; add one for it to ~/.netrc" in refused(row)
    (tmp_path / "netrc").write_text("machine example.org login other password no\ndefault login any password any\n")
    assert "asks for a login" in refused(row), "the login of another server is not sent"
    (tmp_path / "netrc").write_text('machine 127.0.0.1 login me password "pass word"\n')
    assert weights.fetch(row, ONLINE).sha256 == SHA
    (tmp_path / "netrc").write_text("machine\n")
    weights.remove(row)
    assert "asks for a login" in refused(row)


def test_the_token_is_not_sent_if_the_user_says_so(hub: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    weights.fetch(of_hub(), ONLINE)
    assert all("Authorization" not in headers for _, headers in hub.heard)


PAGE = "/who/what"


@pytest.mark.parametrize(
    ("status", "headers", "token", "says"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, "", "its license has to be accepted; open {}, accept it, and put a token"),
        (403, {"X-Error-Code": "GatedRepo"}, "t", "your account has no access yet; open {}, and accept its license"),
        (
            401,
            {"X-Error-Code": "RepoNotFound"},
            "",
            "was renamed or removed, or it is private and needs a token in HF_TOKEN",
        ),
        (401, {}, "", "was renamed or removed, or it is private and needs a token in HF_TOKEN; open {}"),
        (404, {"X-Error-Code": "RepoNotFound"}, "t", "or the token in HF_TOKEN has no access to it; open {}"),
        (
            401,
            {"X-Error-Message": "Invalid credentials in Authorization header"},
            "t",
            "the token in HF_TOKEN is not val",
        ),
        (404, {"X-Error-Code": "EntryNotFound"}, "", "no longer has this file; open {}/tree/main"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "", "no longer has this revision; open {}/tree/main"),
        (
            403,
            {"X-Error-Message": "Access to this resource is disabled."},
            "",
            "refused (Access to this resource is disa",
        ),
        (403, {}, "", "access is refused; open {}"),
    ],
)
def test_each_refusal_of_hugging_face_is_told_apart(
    hub: Files, status: int, headers: dict[str, str], token: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.failures = [(status, headers)]
    assert says.format(hub.url + PAGE) in refused(of_hub())


def test_a_refusal_by_the_server_of_the_content_is_not_one_of_the_hub(hub: Files) -> None:
    with serving() as cdn:
        cdn.status = 403
        hub.redirects["/who/what/resolve/main/net.gguf"] = f"{cdn.url}/cdn/1"
        assert f"{cdn.url}/cdn/1: the server refuses access" in refused(of_hub())


def test_a_server_that_redirects_to_itself(server: Files) -> None:
    server.redirects["/net.ckpt"] = f"{server.url}/net.ckpt"
    assert "the server redirects to itself" in refused(of_server(server))


# --- proxies and certificates


def test_a_proxy_is_used(server: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    file = File("net.ckpt", "http://localhost:9/net.ckpt", len(BODY), SHA)
    server.content["/net.ckpt"] = BODY
    monkeypatch.setenv("all_proxy", server.url)
    assert weights.fetch(model(file), ONLINE).sha256 == SHA
    assert server.heard[0][1]["Host"] == "localhost:9"
    weights.remove(model(file))
    server.failures = [(407, {})]
    assert "the proxy asks for a login; write it as https_proxy=" in refused(model(file))
    monkeypatch.setenv("no_proxy", "localhost")
    assert "cannot reach localhost" in refused(model(file))
    monkeypatch.setenv("https_proxy", "socks5://localhost:9")
    assert "a SOCKS proxy cannot be used; set https_proxy to the address of an HTTP proxy" in refused(model(file))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_of_an_organization(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving(CERTIFICATE) as server:
        row = of_server(server)
        text = refused(row)
        assert "localhost: its certificate is not trusted (self-signed certificate)" in text
        assert "name its certificates in SSL_CERT_FILE" in text
        monkeypatch.setenv(variable, str(tmp_path / "none.pem"))
        assert f"none.pem ({variable}) cannot be read" in refused(row)
        monkeypatch.setenv(variable, str(CERTIFICATE))
        assert weights.fetch(row, ONLINE).sha256 == SHA


def test_an_unencrypted_server_behind_https(server: Files) -> None:
    file = File("net.ckpt", server.url.replace("http:", "https:") + "/net.ckpt", len(BODY), SHA)
    assert "no secure connection" in refused(model(file))


# --- the disk


def test_the_space_for_all_files_is_checked_before_the_first(server: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    server.content |= {"/a": BODY, "/b": BODY}
    row = model(*(File(name, f"{server.url}/{name}", len(BODY)) for name in "ab"))
    usage = download.shutil.disk_usage
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(path)._replace(free=1_000_000))
    assert "the disk is full: 1.4 MB are needed, 1 MB are free" in refused(row)
    assert server.asked == []


# --- the command


def test_the_command_reports_pauses_and_continues(
    hub: Files, pauses: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fakes import use_models

    row = Model("net", "beat_this", "Net!", (File("net.gguf", HUB, len(BODY)),), "MIT")
    use_models(monkeypatch, row)
    hub.failures = [(429, {"Retry-After": "3"})]
    assert main(["models", "fetch", "net", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == SHA
    assert pauses == [3]
    assert main(["models", "remove", "net"]) == 0
    hub.failures = [(429, {"Retry-After": "3"})]
    capsys.readouterr()
    assert main(["models", "fetch", "net"]) == 0
    assert "download net.gguf (it is busy; next attempt in 3 s)" in capsys.readouterr().err
