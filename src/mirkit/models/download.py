"""Download of one file over HTTPS into a part file, which survives busy servers, breaks, and the end of the process."""

import email.utils
import errno
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from mirkit.errors import InfoError, megabytes, printable
from mirkit.models.https import Connection, DownloadError, check_allowed, proxies, refusal, resolved
from mirkit.store import atomic_write

#: Seconds without new data after which a connection is given up; the next attempts wait longer.
TIMEOUT_S = 20.0
_LONGEST_TIMEOUT_S = 60.0
#: Seconds in which a host has to accept a connection before the first request.
_REACH_S = 10.0
#: Number of attempts, one after the other, that may bring no new data.
ATTEMPTS = 5
#: Seconds before the second attempt; each later pause is twice as long.
_FIRST_PAUSE_S = 2.0
#: Longest pause that a server may ask for.
MAX_PAUSE_S = 120.0
#: Answers of a server that is busy or being restarted; 52x are those of a proxy in front of it.
_BUSY = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_CHUNK = 1 << 18
_pause = time.sleep

#: Receives the number of bytes so far and the total (None if not known).
Progress = Callable[[int, int | None], None]


class DiskFullError(DownloadError):
    """The disk is full, so other servers need not be tried."""


class _Temporary(Exception):  # noqa: N818 (a signal between two functions)
    """The connection failed, but another attempt may succeed; ``pause`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class Origin:
    """Where a part file comes from; kept beside it, so that a later command can continue the download.

    Attributes
    ----------
    url : str
    tag : str
        Entity tag (or date) that the server gave the file, which shows whether it has changed since; "" if there is
        none.
    stated : str
        Checksum that the server stated, or "".
    """

    url: str
    tag: str = ""
    stated: str = ""


def download(
    url: str, part: Path, progress: Progress, *, sha256: str | None = None, waiting: Callable[[str], None] | None = None
) -> str:
    """Download ``url`` into ``part``; return the checksum that the server stated, or "".

    A part file of an earlier command is continued if a checksum, or an entity tag of the server, can show that both
    parts belong to the same file. A server that is busy, answers late or breaks off is asked again, with pauses that it
    names or that become longer.

    Parameters
    ----------
    url : str
        ``https``; ``http`` only on this machine.
    part : Path
        File to write; its folder exists.
    progress : callable
    sha256 : str, optional
        Published checksum of the file. The caller compares it.
    waiting : callable, optional
        Receives the reason before each pause, as one clause.

    Raises
    ------
    DownloadError
        The file cannot be downloaded. The received part stays in ``part``.
    """
    url = resolved(url)
    check_allowed(url)
    host = urllib.parse.urlsplit(url).hostname
    if not reachable(url, _REACH_S):
        raise DownloadError(f"cannot reach {host}")
    longest, failures = _size(part), 0
    while True:
        timeout = min(TIMEOUT_S * (failures + 1), _LONGEST_TIMEOUT_S)
        try:
            origin = _receive(_continued(url, part, sha256), part, progress, timeout, known=bool(sha256))
        except _Temporary as error:
            size = _size(part)
            failures = 0 if size > longest else failures + 1
            longest = max(size, longest)
            if failures == ATTEMPTS:
                raise DownloadError(f"{host}: {error}, in {ATTEMPTS} attempts; try again later") from error
            _wait(error, failures, host, waiting)
        else:
            return origin.stated


def _continued(url: str, part: Path, sha256: str | None) -> Origin:
    """Return the origin of a part file; a part that nothing shows to belong to the file at the URL is deleted."""
    origin = _read_origin(part)
    if origin.url == url and (origin.tag or origin.stated):
        return origin
    if not sha256:
        part.unlink(missing_ok=True)
    return Origin(url)


def origin_file(part: Path) -> Path:
    """Return the file with the :class:`Origin` of a part file."""
    return part.with_name(part.name + ".json")


def reachable(url: str, seconds: float) -> bool:
    """Return whether the host of a URL, or its proxy, accepts a connection within ``seconds``."""
    parts = urllib.parse.urlsplit(url)
    proxy = proxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    answered = []

    def connect() -> None:
        try:
            socket.create_connection(address, seconds).close()
        except (OSError, ValueError):  # a host name may be none, too
            return
        answered.append(True)

    # In a thread, because a DNS lookup can take half a minute and has no time limit.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answered)


def _wait(error: _Temporary, failures: int, host: str | None, waiting: Callable[[str], None] | None) -> None:
    """Pause before the next attempt; after new data, there is no pause unless the server asks for one."""
    if error.pause is not None and error.pause > MAX_PAUSE_S:
        raise DownloadError(f"{host}: {error}; it asks to try again in {_clock(error.pause)}") from error
    pause = error.pause if error.pause is not None else _FIRST_PAUSE_S * 2 ** (failures - 1) if failures else 0.0
    if pause:
        if waiting:
            waiting(f"{error}; next attempt in {pause:.0f} s")
        _pause(pause)


def _receive(origin: Origin, part: Path, progress: Progress, timeout: float, *, known: bool) -> Origin:
    """Download the missing part over one connection."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if not known and not origin.stated:
            headers["If-Range"] = origin.tag
    connection = Connection(origin.url)
    try:
        response = connection.open(headers, timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:
                if error.headers.get("Content-Range", "").endswith(f"/{have}"):
                    return origin  # the file was complete already
                return _restart(origin, part, progress, timeout, known=known)
            if error.code in _BUSY:
                busy = "it is busy" if error.code == 429 else f"it answers {error.code} {error.reason}"
                raise _Temporary(busy, _requested_pause(error.headers)) from error
            raise DownloadError(refusal(error, origin.url)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _failure(error, origin.url, connection.asked) from error
    except ValueError as error:
        raise DownloadError(f"{origin.url}: the server redirects to an address that is not valid") from error
    with response:
        if response.headers.get_content_type() == "text/html":
            raise DownloadError(
                f"{origin.url}: the server sent a web page instead of the file; the network may need a login"
            )
        encoding = response.headers.get("Content-Encoding") or "identity"
        if encoding != "identity":
            raise DownloadError(f"{origin.url}: the server sent the file in the form {printable(encoding)[:40]}")
        start, end = _sent_range(response.headers) if response.status == 206 else (0, None)
        if have and start != have:
            if response.status == 206:  # another part of the file
                return _restart(origin, part, progress, timeout, known=known)
            have = 0  # the server sends the whole file again
        if have and origin.stated and connection.stated not in ("", origin.stated):
            return _restart(origin, part, progress, timeout, known=known)  # the server has another file now
        origin = Origin(origin.url, _strong_tag(response.headers), connection.stated)
        total = end if end is not None else _total(response.headers, have)
        _check_space(part, total, have)
        try:
            if not known:
                atomic_write(origin_file(part), json.dumps(asdict(origin)).encode())
            with open(part, "ab" if have else "wb") as file:
                _copy(response, file, have, total, progress)
                file.flush()
                os.fsync(file.fileno())
        except InfoError as error:
            raise DownloadError(str(error)) from error
        except OSError as error:
            raise _unwritable(error) from error
    if not _size(part):
        part.unlink()
        raise DownloadError(f"{origin.url}: the server sent an empty file")
    return origin


def _restart(origin: Origin, part: Path, progress: Progress, timeout: float, *, known: bool) -> Origin:
    part.unlink()
    return _receive(Origin(origin.url), part, progress, timeout, known=known)


def _copy(response: Any, file: IO[bytes], have: int, total: int | None, progress: Progress) -> None:
    progress(have, total)
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
            raise _Temporary(f"the connection broke off ({error or type(error).__name__})") from error
        if not chunk:
            break
        file.write(chunk)
        have += len(chunk)
        progress(have, total)
    if total is not None and have < total:
        raise _Temporary(f"the connection broke off ({total - have} bytes are missing)")


def _total(headers: Message, have: int) -> int | None:
    """Return the size that a file will have, or None if the server does not state it."""
    length = headers.get("Content-Length") or ""
    return have + int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None


def _sent_range(headers: Message) -> tuple[int | None, int | None]:
    """Return the first byte of a part of a file, and the size of the whole file; None for what is not stated."""
    found = re.match(r"bytes (\d{1,18})-\d+/(\d{1,18})?", headers.get("Content-Range") or "", re.ASCII)
    return (int(found[1]), int(found[2]) if found[2] else None) if found else (None, None)


def _strong_tag(headers: Message) -> str:
    """Return what ``If-Range`` accepts: a strong entity tag, else the date of the last change, else ""."""
    tag = headers.get("ETag") or ""
    return tag if tag.startswith('"') else headers.get("Last-Modified") or ""


def _requested_pause(headers: Message) -> float | None:
    """Return the pause (s) that a busy server asks for, in ``Retry-After`` or, as Hugging Face, in ``RateLimit``."""
    after = (headers.get("Retry-After") or "").strip()
    if after.isdecimal():
        return float(after)
    if after:
        try:
            return max(email.utils.parsedate_to_datetime(after).timestamp() - time.time(), 0.0)
        except ValueError:  # neither seconds nor a date
            pass
    seconds = re.search(r";\s*t=(\d+)", headers.get("RateLimit") or "")
    return float(seconds[1]) if seconds else None


def _clock(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _read_origin(part: Path) -> Origin:
    try:
        content = json.loads(origin_file(part).read_bytes())
        tag = str(content["tag"])
        tag = tag if tag.isprintable() and tag.encode("latin-1") else ""
        return Origin(str(content["url"]), tag, str(content["stated"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # none was written, or a disk error damaged it
        return Origin("")


def _check_space(part: Path, total: int | None, have: int) -> None:
    if total is not None:
        check_space(part.parent, total - have)


def check_space(folder: Path, needed: int) -> None:
    """Raise ``DownloadError`` if a disk has less than ``needed`` bytes of free space."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(f"the disk is full: {megabytes(needed)} are needed, {megabytes(free)} are free")


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _unwritable(error: OSError) -> DownloadError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFullError("the disk is full")
    return DownloadError(f"cannot write: {error.strerror or error}")


def _failure(error: Exception, url: str, asked: str) -> Exception:
    """Return the error of a connection that did not reach an answer; ``asked`` is where ``url`` has redirected to."""
    cause = getattr(error, "reason", error)
    host = urllib.parse.urlsplit(asked).hostname
    other = "" if host == urllib.parse.urlsplit(url).hostname else f" to {printable(host or asked)}, where the file is"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return DownloadError(
            f"{host}: its certificate is not trusted ({cause.verify_message}); if your organization inspects "
            "connections, name its certificates in SSL_CERT_FILE"
        )
    if isinstance(cause, ssl.SSLError):
        return DownloadError(f"{host}: no secure connection ({cause.reason or cause})")
    if isinstance(cause, TimeoutError):
        return _Temporary(f"no answer from{other.removeprefix(' to')}" if other else "it does not answer")
    if "407" in str(cause):
        return DownloadError("the proxy asks for a login; write it as https_proxy=http://USER:PASSWORD@HOST:PORT")
    return _Temporary(f"no connection{other} ({cause or type(cause).__name__})")
