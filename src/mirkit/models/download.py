"""Download of one file over HTTPS into a part file, with resuming, timeouts and checked redirects."""

import errno
import http.client
import os
import shutil
import socket
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from mirkit import __version__

#: Seconds without new data after which a connection is given up.
TIMEOUT_S = 10.0
#: Number of connections that may break off, each after it received new data.
_BREAKS = 20
_CHUNK = 1 << 18
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HTTP_REASONS = {
    401: "the server asks for a login",
    403: "access is refused; its license may have to be accepted there first",
    404: "the server no longer has it",
    410: "the server no longer has it",
    429: "too many requests; try again later",
}

#: Receives the number of bytes so far and the total (None if not known).
Progress = Callable[[int, int | None], None]


class DownloadError(Exception):
    """A file could not be downloaded. The message is the reason, as one clause."""


class _Broken(Exception):  # noqa: N818 (a signal between two functions)
    """The connection ended before the file did."""


def download(url: str, part: Path, progress: Progress, *, resume: bool) -> None:
    """Download ``url`` into ``part``.

    If the connection breaks off, the download is resumed, as long as each connection receives new data.

    Parameters
    ----------
    url : str
        ``https``; ``http`` only on this machine.
    part : Path
        File to write; its folder exists.
    progress : callable
    resume : bool
        Whether to continue a partial download in ``part``. Only for files with a known checksum, because nothing else
        shows whether both halves belong to the same file.

    Raises
    ------
    DownloadError
        The file cannot be downloaded. The received part stays in ``part``.
    """
    _allowed(url)
    host = urllib.parse.urlsplit(url).hostname
    if not reachable(url, TIMEOUT_S):
        raise DownloadError(f"cannot reach {host}")
    if not resume:
        part.unlink(missing_ok=True)
    tag = ""
    for _ in range(_BREAKS):
        have = _size(part)
        try:
            tag = _connection(url, part, have, tag, progress)
        except _Broken as broken:
            if _size(part) <= have:
                raise DownloadError(f"the connection to {host} broke off: {broken}") from broken
        else:
            return
    raise DownloadError(f"the connection to {host} broke off {_BREAKS} times")


def reachable(url: str, seconds: float) -> bool:
    """Return whether the host of a URL, or its proxy, accepts a connection within ``seconds``."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    answered = []

    def connect() -> None:
        try:
            socket.create_connection(address, seconds).close()
        except OSError:
            return
        answered.append(True)

    # In a thread, because a DNS lookup can take half a minute and has no time limit.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answered)


def _connection(url: str, part: Path, have: int, tag: str, progress: Progress) -> str:
    """Download the missing part over one connection; return the server's entity tag of the file."""
    headers = {"User-Agent": f"mirkit/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag:
            headers["If-Range"] = tag
    try:
        opener = urllib.request.build_opener(_Redirects)
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:
                if error.headers.get("Content-Range", "").endswith(f"/{have}"):
                    return tag  # the file was complete already
                part.unlink()
                return _connection(url, part, 0, "", progress)
            why = _HTTP_REASONS.get(error.code, f"the server answers {error.code} {error.reason}")
            raise DownloadError(f"{url}: {why}") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(_reason(error, url)) from error
    with response:
        if response.headers.get_content_type() == "text/html":
            raise DownloadError(f"{url}: the server sent a web page instead of the file; the network may need a login")
        if have and response.headers.get("Content-Range", "").partition("-")[0] != f"bytes {have}":
            have = 0  # the server sends the whole file again
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        _check_space(part, total, have)
        try:
            with open(part, "ab" if have else "wb") as file:
                _copy(response, file, have, total, progress)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DownloadError(_refused(error)) from error
        return str(response.headers.get("ETag", ""))


def _copy(response: Any, file: IO[bytes], have: int, total: int | None, progress: Progress) -> None:
    progress(have, total)
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
            raise _Broken(str(error) or type(error).__name__) from error
        if not chunk:
            break
        file.write(chunk)
        have += len(chunk)
        progress(have, total)
    if total is not None and have < total:
        raise _Broken(f"{total - have} bytes are missing")


def _check_space(part: Path, total: int | None, have: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - have > free:
        raise DownloadError(f"the disk is full: {(total - have) / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB free")


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _refused(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full"
    return f"cannot write: {error.strerror or error}"


def _reason(error: Exception, url: str) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, DownloadError):
        return str(cause)
    host = urllib.parse.urlsplit(url).hostname
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{host}: its certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, TimeoutError):
        return f"{host} does not answer"
    return f"{host}: {cause}"


def _allowed(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise DownloadError(f"{url}: only https is allowed")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to a URL that would be allowed as the first one."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _allowed(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
