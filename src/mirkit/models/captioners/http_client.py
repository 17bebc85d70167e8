"""JSON over HTTP to a caption server: temporary errors are retried, others are raised with a one-line message."""

import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from mirkit import __version__
from mirkit.errors import ModelError
from mirkit.models.captioners import CaptionerUnavailable

#: Attempts per request; pause before the second one (s), which doubles with each attempt; longest pause (s).
TRIES = 4
_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_HOPELESS = {
    401: "wants a key: put it into the environment variable MIRKIT_TEXTS_KEY",
    403: "refuses the key in MIRKIT_TEXTS_KEY, or the model",
    404: "knows no such address or model; see texts.url and texts.model",
}
_MAX_BYTES = 16 * 2**20


def is_loopback(url: str) -> bool:
    """Whether an address is on the loopback interface of this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class TooLongError(ModelError):
    """Audio and question do not fit into the server's context."""

    def __init__(self, needed: int | None, there: int | None) -> None:
        what = f"{needed} tokens into its {there}" if needed and there else "this much sound"
        super().__init__(f"the server cannot take {what}; start it with a larger context, or say --audio-seconds 60")
        self.needed, self.there = needed, there


class HttpClient:
    """A client of a server.

    Parameters
    ----------
    url : str
        Address, without ``/v1``.
    key : str
        Sent as a bearer token unless it is "". It is never logged, and redirects are not followed.
    timeout : float
        Seconds to wait for an answer.
    sleep : callable
        Function that waits between attempts.
    """

    def __init__(self, url: str, key: str, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url, self._timeout, self._sleep = url, timeout, sleep
        self._headers = {"Content-Type": "application/json", "User-Agent": f"mirkit/{__version__}"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if is_loopback(url):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, *, tries: int = TRIES) -> Any:
        """Fetch JSON. Raises as :meth:`post`."""
        return self._request(path, None, tries)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send JSON and return the JSON of the response.

        A request is repeated a few times if the server is busy, fails, closes the connection, is too slow, or returns
        no JSON.

        Raises
        ------
        TooLongError
            The server's context is too small.
        CaptionerUnavailable
            The server cannot be reached, or refuses every request.
        ModelError
            The server refuses this request.
        """
        return self._request(path, json.dumps(body).encode(), TRIES)

    def _request(self, path: str, data: bytes | None, tries: int) -> Any:
        pause = _PAUSE
        for left in reversed(range(tries)):
            try:
                return self._once(path, data)
            except _PassingError as error:
                if not left:
                    raise (CaptionerUnavailable if error.gone else ModelError)(f"{self.url} {error}") from error
                self._sleep(min(max(pause, error.after), _LONGEST_PAUSE))
                pause *= 2
        raise AssertionError("a request is tried at least once")

    def _once(self, path: str, data: bytes | None) -> Any:
        request = urllib.request.Request(self.url + path, data, self._headers)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                content = response.read(_MAX_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from error
        except TimeoutError as error:
            raise _PassingError(f"did not answer within {self._timeout:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, TimeoutError):
                raise _PassingError(f"did not answer within {self._timeout:g} s") from error
            gone = isinstance(cause, ConnectionRefusedError) or not isinstance(
                cause, ConnectionError | http.client.HTTPException
            )
            raise _PassingError(f"cannot be reached or broke off: {cause}", gone=gone) from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise _PassingError("answered with something that is no JSON") from error

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        try:
            reply = json.loads(error.read(_MAX_BYTES))
        except (ValueError, OSError, http.client.HTTPException):
            reply = {}
        inner = reply.get("error", reply) if isinstance(reply, dict) else {}
        inner = inner if isinstance(inner, dict) else {"message": str(inner)}
        message = " ".join(str(inner.get("message") or error.reason).split())[:200]
        if error.code == 400 and (inner.get("type") == "exceed_context_size_error" or "max_model_len" in message):
            return TooLongError(inner.get("n_prompt_tokens"), inner.get("n_ctx"))
        if error.code in _HOPELESS:
            return CaptionerUnavailable(f"{self.url} {_HOPELESS[error.code]}")
        if error.code in _PASSING:
            after = error.headers.get("Retry-After", "")
            return _PassingError(f"answers {error.code}: {message}", after=float(after) if after.isdecimal() else 0.0)
        return ModelError(f"{self.url} answers {error.code}: {message}")


class _PassingError(Exception):
    """A temporary error: the request may succeed if it is repeated."""

    def __init__(self, message: str, *, after: float = 0.0, gone: bool = False) -> None:
        super().__init__(message)
        self.after, self.gone = after, gone


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Rejects redirects, because they would send the key and the audio to another server."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
