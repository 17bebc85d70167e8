"""A caption server with scripted answers, which records the requests.

``python text_server.py LOG`` runs it in a separate process that writes a line for each request into LOG.
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

CAPTION = "Warm pads drift over slow drums in a calm dark mood."


@dataclass
class Response:
    """One scripted response."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Number of bytes by which Content-Length exceeds the body.
    missing: int = 0
    #: Seconds before the response is sent.
    wait: float = 0.0


def completion(text: str = CAPTION, finish: str = "stop", **usage: Any) -> Response:
    """A complete answer, as a chat completion."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return Response(body=json.dumps({"choices": [choice], **usage}).encode())


def error_response(status: int, message: str = "no", **inner: Any) -> Response:
    """An error response in the form of an OpenAI-compatible server."""
    return Response(status, json.dumps({"error": {"message": message, **inner}}).encode())


class TextServer:
    """The server. ``asked`` holds the bodies of chat requests, ``headers`` their headers, ``requests`` all paths."""

    def __init__(self, answer: Callable[[dict[str, Any]], Response] | None = None, owner: str = "stub") -> None:
        self.script: list[Response] = []
        self.answer = answer or (lambda body: completion())
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
                content = (
                    {"data": [row]} if self.path == "/v1/models" else {"modalities": {"audio": True}, "total_slots": 2}
                )
                self._send(Response(body=json.dumps(content).encode()))

            def do_POST(self) -> None:
                outer.requests.append(self.path)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.asked.append(body)
                    outer.headers.append(dict(self.headers))
                    response = outer.script.pop(0) if outer.script else outer.answer(body)
                time.sleep(response.wait)
                self._send(response)

            def _send(self, response: Response) -> None:
                body = response.body or b""
                try:
                    self.send_response(response.status)
                    for name, value in response.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body) + response.missing))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the client has closed the connection

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


def audio_and_prompt(body: dict[str, Any]) -> tuple[str, str]:
    """Digest of the audio, and prompt, of a request. Fails if the request has another form."""
    (message,) = body["messages"]
    assert message["role"] == "user"
    audio, text = message["content"]
    assert audio["type"] == "input_audio", "the audio comes first"
    assert audio["input_audio"]["format"] == "wav"
    assert text["type"] == "text"
    data = base64.b64decode(audio["input_audio"]["data"], validate=True)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        assert file.getnframes()
    return hashlib.sha256(data).hexdigest()[:12], text["text"]


if __name__ == "__main__":
    with open(sys.argv[1], "a") as log:

        def answer(body: dict[str, Any]) -> Response:
            log.write(json.dumps(audio_and_prompt(body)) + "\n")
            log.flush()
            return Response(**(vars(completion()) | {"wait": 0.1}))

        server = TextServer(answer)
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        threading.Event().wait()
