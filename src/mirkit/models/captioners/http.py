"""A server with the OpenAI chat API and audio input: llama-server, vLLM, or a hosted service.

Temporary errors of a server are retried; others are raised with a message of one line.
"""

import base64
import http.client
import io
import ipaddress
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mirkit import __version__
from mirkit.captions.excerpt import RATE
from mirkit.errors import ModelError, SettingsError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import Answer, CaptionerUnavailable, Prompt, Requirements
from mirkit.settings import CaptionSettings
from mirkit.store.settings_file import user_settings_path

#: Attempts per request; pause before the second one (s), which doubles with each attempt; longest pause (s).
TRIES = 4
_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_PERMANENT = {
    401: "requires an API key; put it into the environment variable MIRKIT_TEXTS_KEY",
    403: "refuses the key in MIRKIT_TEXTS_KEY, or the model",
    404: "has no such address or model; check texts.url and texts.model",
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
        super().__init__(f"the server cannot take {what}; start it with a larger context, or use --audio-seconds 60")
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

    def audio_properties(self, problem: str) -> dict[str, Any]:
        """Return the properties of a llama server; raise CaptionerUnavailable(problem) if it does not accept audio."""
        props: dict[str, Any] = self.get("/props")
        if not (props.get("modalities") or {}).get("audio"):
            raise CaptionerUnavailable(problem)
        return props

    def _request(self, path: str, data: bytes | None, tries: int) -> Any:
        pause = _PAUSE
        for left in reversed(range(tries)):
            try:
                return self._once(path, data)
            except _TemporaryError as error:
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
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, TimeoutError):
                raise _TemporaryError(f"did not answer within {self._timeout:g} s") from error
            gone = isinstance(cause, ConnectionRefusedError) or not isinstance(
                cause, ConnectionError | http.client.HTTPException
            )
            raise _TemporaryError(f"cannot be reached or broke off: {cause}", gone=gone) from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise _TemporaryError("did not answer with JSON") from error

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
        if error.code in _PERMANENT:
            return CaptionerUnavailable(f"{self.url} {_PERMANENT[error.code]}")
        if error.code in _TEMPORARY:
            after = error.headers.get("Retry-After", "")
            return _TemporaryError(f"answers {error.code}: {message}", after=float(after) if after.isdecimal() else 0.0)
        return ModelError(f"{self.url} answers {error.code}: {message}")


class _TemporaryError(Exception):
    """A temporary error: the request may succeed if it is repeated."""

    def __init__(self, message: str, *, after: float = 0.0, gone: bool = False) -> None:
        super().__init__(message)
        self.after, self.gone = after, gone


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Rejects redirects, because they would send the key and the audio to another server."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


#: Characters that a model may write: ASCII characters known to T5, without quotes, which would end a JSON string.
_CHARACTERS = "A-Za-z0-9 .,;:'()%/+&#!?-"


def wav(samples: FloatArray) -> bytes:
    """Encode mono audio at 16 kHz as a WAV file with 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def grammar(characters: tuple[int, int]) -> str:
    """Return a GBNF grammar: ASCII of limited length that begins with a capital or digit and ends with a period."""
    least, most = characters
    return f"root ::= [A-Z0-9] [{_CHARACTERS}]{{{least - 2},{most - 2}}} [.!?]"


def schema(prompt: Prompt) -> dict[str, Any]:
    """JSON schema of an object with the requested texts."""
    text = {"type": "string", "minLength": prompt.characters[0], "maxLength": prompt.characters[1]}
    return {
        "type": "object",
        "properties": dict.fromkeys(prompt.fields, text),
        "required": list(prompt.fields),
        "additionalProperties": False,
    }


class ChatSession:
    """One track on a server: the audio first and the question last, so that all questions share the encoded audio.

    Parameters
    ----------
    client : HttpClient
    model : str
        Name of the model on the server.
    profile : str
        ``llama``, ``vllm`` or ``openai``.
    samples : array, shape=(n,)
    slot : int
        Slot of a llama server. All questions about a track use one slot, which caches the encoded audio.
    """

    def __init__(self, client: HttpClient, model: str, profile: str, samples: FloatArray, slot: int) -> None:
        self._client, self._model, self._profile, self._slot = client, model, profile, slot
        data = base64.b64encode(wav(samples)).decode()
        self._audio = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Yield the answers, one request after the other."""
        for index, prompt in enumerate(prompts):
            yield index, _answer(self._client.post("/v1/chat/completions", self._body(prompt)), prompt)

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": [self._audio, {"type": "text", "text": prompt.prompt}]}],
            "max_tokens": prompt.tokens,
            "temperature": prompt.temperature,
            "seed": prompt.seed,
        }
        if prompt.fields:
            shape = {"name": "texts", "strict": True, "schema": schema(prompt)}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        if self._profile == "llama":
            body |= {"cache_prompt": True, "id_slot": self._slot}
            if not prompt.fields:
                body["grammar"] = grammar(prompt.characters)
        elif self._profile == "vllm" and not prompt.fields:
            least, most = prompt.characters
            body["structured_outputs"] = {"regex": f"[A-Z0-9][{_CHARACTERS}]{{{least - 2},{most - 2}}}[.!?]"}
        return body


def _answer(reply: Any, prompt: Prompt) -> Answer:
    try:
        choice = reply["choices"][0]
        text = choice["message"]["content"] or ""
        usage = reply.get("usage") or {}
        timings = reply.get("timings") or {}
        cached = timings.get("cache_n", (usage.get("prompt_tokens_details") or {}).get("cached_tokens"))
        finish = "length" if choice.get("finish_reason") == "length" else "stop"
        if not prompt.fields and len(text) >= prompt.characters[1]:
            finish, text = "length", text[:-1]  # the grammar forced a period in the middle of a sentence
        return Answer(
            str(text), finish, int(usage.get("prompt_tokens") or 0), cached, int(usage.get("completion_tokens") or 0)
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError("the server answered with JSON that holds no text") from error


#: Environment variable with the API key of the server, if it requires one.
KEY = "MIRKIT_TEXTS_KEY"
_OWNERS = {"llamacpp": "llama", "vllm": "vllm"}


class Server:
    """A server that mirkit does not start.

    Raises
    ------
    SettingsError
        The settings contain no address, or one without encryption that the user has not allowed.
    CaptionerUnavailable
        The server cannot be reached, does not have the model, or does not accept audio.
    """

    backend = "http"
    sha256: str | None = None
    license = "the server's"
    size = 0
    on_gpu: bool | None = None
    batched = False
    max_seconds = 600.0

    def __init__(self, texts: CaptionSettings) -> None:
        if not texts.url:
            raise SettingsError("the backend http needs the address of a server: --url http://127.0.0.1:8080")
        _check_encrypted(texts)
        self.address = _origin(texts.url)
        self.parallel = texts.parallel
        # The address never comes from a data set, so the key is sent only to a server that the user chose.
        self._client = HttpClient(texts.url, os.environ.get(KEY, ""), texts.timeout)
        listed = self._client.get("/v1/models")
        rows = listed.get("data") if isinstance(listed, dict) else None
        known = {str(row.get("id")): row for row in rows or [] if isinstance(row, dict)}
        if not known:
            raise CaptionerUnavailable(f"{texts.url} lists no model")
        if texts.model is not None and texts.model not in known:
            raise CaptionerUnavailable(f"{texts.url} has no model {texts.model}; it has {', '.join(known)}")
        self._name = texts.model or next(iter(known))
        self.model = os.path.basename(self._name) or self._name
        self.profile = texts.profile
        if self.profile == "auto":
            self.profile = _OWNERS.get(str(known[self._name].get("owned_by")), "openai")
        self.whole_windows = self.profile == "llama"
        if self.whole_windows:
            props = self._client.audio_properties(
                f"{texts.url} does not accept audio; start it with --mmproj and the file of the audio encoder"
            )
            self.parallel = min(texts.parallel, int(props.get("total_slots") or 1))

    @contextmanager
    def loaded(self, need: Requirements) -> Iterator[list[str]]:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        yield []

    def session(self, samples: FloatArray, slot: int) -> ChatSession:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        return ChatSession(self._client, self._name, self.profile, samples, slot)


def _origin(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urllib.parse.urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _check_encrypted(texts: CaptionSettings) -> None:
    """Refuse to send audio and a key without encryption, unless the user has allowed it for this host.

    Raises
    ------
    SettingsError
        The connection is not encrypted, and the host is neither this machine nor allowed.
    """
    url = texts.url or ""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" or is_loopback(url) or parts.hostname in texts.allow_http:
        return
    raise SettingsError(
        f"{_origin(url)}: not encrypted, so the network could read the sound and the key; use https, or allow this "
        f'host in your own settings, {user_settings_path()}, under [texts]: allow_http = ["{parts.hostname}"]'
    )
