"""A server with the OpenAI chat API and audio input: llama-server, vLLM, or a hosted service."""

import os
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mirkit.errors import SettingsError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import CaptionerUnavailable, Requirements
from mirkit.models.captioners.chat import ChatSession
from mirkit.models.captioners.http_client import HttpClient, is_loopback
from mirkit.settings import CaptionSettings
from mirkit.store.settings_file import user_settings_path

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
        self._wire = HttpClient(texts.url, os.environ.get(KEY, ""), texts.timeout)
        listed = self._wire.get("/v1/models")
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
            self._look(texts)

    def _look(self, texts: CaptionSettings) -> None:
        """Check that a llama server accepts audio, and limit the number of parallel tracks to that of its slots."""
        props: Any = self._wire.get("/props")
        if not (props.get("modalities") or {}).get("audio"):
            raise CaptionerUnavailable(f"{texts.url} cannot hear: start it with --mmproj and the audio encoder")
        self.parallel = min(texts.parallel, int(props.get("total_slots") or 1))

    @contextmanager
    def loaded(self, need: Requirements) -> Iterator[list[str]]:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        yield []

    def session(self, samples: FloatArray, slot: int) -> ChatSession:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        return ChatSession(self._wire, self._name, self.profile, samples, slot)


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
