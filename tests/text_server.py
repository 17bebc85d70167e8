"""A server of texts that plays a script: what it answers, how, and what it was asked.

``python text_server.py LOG`` runs one in a process of its own, that writes a line for each question into LOG.
"""

import base64
import hashlib
import io
import json
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SAYS = "Warm pads drift over slow drums in a calm dark mood."


@dataclass
class Play:
    """What to do with one question, instead of answering it."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Promise so many bytes more than come.
    missing: int = 0
    #: Seconds before anything comes.
    wait: float = 0.0


def said(text: str = SAYS, finish: str = "stop", **usage: Any) -> Play:
    """A whole answer."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return Play(body=json.dumps({"choices": [choice], **usage}).encode())


def refused(status: int, message: str = "no", **inner: Any) -> Play:
    """An error as such servers give it."""
    return Play(status, json.dumps({"error": {"message": message, **inner}}).encode())


class TextServer:
    """The server. ``asked`` holds the questions (bodies), ``headers`` what came with each, ``requests`` every path."""

    def __init__(self, answer: Callable[[dict[str, Any]], Play] | None = None, owner: str = "stub") -> None:
        self.script: list[Play] = []
        self.answer = answer or (lambda body: said())
        self.owner = owner
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.requests: list[str] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                outer.requests.append(self.path)
                row = {"id": "/models/stub.gguf", "owned_by": outer.owner}
                told = (
                    {"data": [row]} if self.path == "/v1/models" else {"modalities": {"audio": True}, "total_slots": 2}
                )
                self._send(Play(body=json.dumps(told).encode()))

            def do_POST(self) -> None:
                outer.requests.append(self.path)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.asked.append(body)
                    outer.headers.append(dict(self.headers))
                    play = outer.script.pop(0) if outer.script else outer.answer(body)
                time.sleep(play.wait)
                self._send(play)

            def _send(self, play: Play) -> None:
                body = play.body or b""
                try:
                    self.send_response(play.status)
                    for name, value in play.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body) + play.missing))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # nobody waits for it any more

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def text_server(**more: Any) -> Iterator[TextServer]:
    server = TextServer(**more)
    try:
        yield server
    finally:
        server.close()


def asked_for(body: dict[str, Any]) -> tuple[str, str]:
    """What a question is about: a digest of its sound, and its prompt. Fails where it has another shape."""
    (message,) = body["messages"]
    assert message["role"] == "user"
    sound, text = message["content"]
    assert sound["type"] == "input_audio", "the sound comes first"
    assert sound["input_audio"]["format"] == "wav"
    assert text["type"] == "text"
    data = base64.b64decode(sound["input_audio"]["data"], validate=True)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        assert file.getnframes()
    return hashlib.sha256(data).hexdigest()[:12], text["text"]


if __name__ == "__main__":
    with open(sys.argv[1], "a") as log:

        def answer(body: dict[str, Any]) -> Play:
            log.write(json.dumps(asked_for(body)) + "\n")
            log.flush()
            return Play(**(vars(said()) | {"wait": 0.1}))

        server = TextServer(answer)
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        threading.Event().wait()
