"""A small server on this machine that misbehaves as told: a host of models, a mirror, or a proxy."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Files:
    """What the server serves and how.

    Attributes
    ----------
    content : dict of str to bytes
        Path -> content.
    redirects : dict of str to str
        Path -> where to.
    cuts : list of int
        For the next requests in turn: break off after so many bytes.
    ranges : bool
        Whether parts of a file can be asked for.
    piece : int
        Most bytes of a part in one answer; 0 for no limit.
    shifts : list of int
        For the next requests for a part in turn: how many bytes later it begins than asked for.
    pause : float
        Seconds after each piece of 64 KiB.
    silence : float
        Seconds between the head of an answer and its first byte.
    status : int
        Answer of every request, 0 for the usual.
    kind : str
        Content-Type.
    failures : list of (status, headers)
        For the next requests in turn: answer so.
    delays : list of float
        For the next requests in turn: seconds before the head of the answer.
    tag : str
        ETag of every file; "" for none.
    headers : dict of str to dict
        Path -> more headers of its answer.
    logins : dict of str to str
        Beginning of a path -> the ``Authorization`` without which it is refused with 401.
    asked : list of (path, range)
        What was asked for.
    heard : list of (path, headers)
        The same, with all headers.
    """

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cuts: list[int] = []
        self.ranges = True
        self.piece = 0
        self.shifts: list[int] = []
        self.pause = 0.0
        self.silence = 0.0
        self.status = 0
        self.kind = "application/octet-stream"
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.delays: list[float] = []
        self.tag = '"1"'
        self.headers: dict[str, dict[str, str]] = {}
        self.logins: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.heard: list[tuple[str, dict[str, str]]] = []
        self.url = ""


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Files]:
    """Serve at a free port; with a file of a certificate and its key, over TLS."""
    files = Files()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith("http://"):  # it is asked as a proxy
                self.path = "/" + self.path.split("/", 3)[3]
            files.asked.append((self.path, self.headers.get("Range")))
            files.heard.append((self.path, dict(self.headers)))
            time.sleep(files.delays.pop(0) if files.delays else 0)
            if files.failures:
                status, headers = files.failures.pop(0)
                return self.answer(status, b"", **headers)
            if files.status:
                return self.answer(files.status, b"", **files.headers.get(self.path, {}))
            login = next((login for path, login in files.logins.items() if self.path.startswith(path)), None)
            if login and self.headers.get("Authorization") != login:
                return self.answer(401, b"", **files.headers.get(self.path, {}))
            if self.path in files.redirects:
                return self.answer(302, b"", Location=files.redirects[self.path])
            if self.path not in files.content:
                return self.send_error(404)
            body = files.content[self.path]
            wanted = self.headers.get("Range")
            changed = self.headers.get("If-Range") not in (None, files.tag)
            if not wanted or not files.ranges or changed:
                return self.answer(200, body)
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return self.answer(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
            start += files.shifts.pop(0) if files.shifts else 0
            end = min(len(body), start + (files.piece or len(body)))
            return self.answer(206, body[start:end], **{"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"})

        def do_HEAD(self) -> None:
            self.do_GET()

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            headers = {"Content-Length": str(len(body)), "Content-Type": files.kind, "ETag": files.tag} | headers
            headers |= files.headers.get(self.path, {})
            headers = {name: value for name, value in headers.items() if value}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            time.sleep(files.silence)
            cut = files.cuts.pop(0) if files.cuts and status in (200, 206) else len(body)
            for start in range(0, cut, 1 << 16):
                self.wfile.write(body[start : min(start + (1 << 16), cut)])
                time.sleep(files.pause)
            if cut < len(body):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:  # a client that hung up
            pass

    server = Server(("127.0.0.1", 0), Handler)
    files.url = f"http://127.0.0.1:{server.server_port}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        files.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
