"""A small server on this machine that misbehaves as told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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
    pause : float
        Seconds after each piece of 64 KiB.
    silence : float
        Seconds between the head of an answer and its first byte.
    status : int
        Answer of every request, 0 for the usual.
    kind : str
        Content-Type.
    asked : list of (path, range)
        What was asked for.
    """

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cuts: list[int] = []
        self.ranges = True
        self.pause = 0.0
        self.silence = 0.0
        self.status = 0
        self.kind = "application/octet-stream"
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""


@contextmanager
def serving() -> Iterator[Files]:
    files = Files()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            files.asked.append((self.path, self.headers.get("Range")))
            if files.status:
                return self.send_error(files.status)
            if self.path in files.redirects:
                return self.answer(302, b"", Location=files.redirects[self.path])
            if self.path not in files.content:
                return self.send_error(404)
            body = files.content[self.path]
            wanted = self.headers.get("Range")
            if not wanted or not files.ranges:
                return self.answer(200, body)
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return self.answer(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
            return self.answer(206, body[start:], **{"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"})

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            headers |= {"Content-Length": str(len(body)), "Content-Type": files.kind, "ETag": '"1"'}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
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
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
