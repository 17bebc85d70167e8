"""Requests over HTTPS: which address is asked, with which login, proxy and certificates, and what a refusal means.

As in the Hugging Face tools, ``HF_ENDPOINT`` names a mirror of huggingface.co, and ``HF_TOKEN`` or the file that ``hf
auth login`` writes is the login there. As in curl and requests, ``~/.netrc`` has the logins of other servers,
``https_proxy``, ``all_proxy`` and ``no_proxy`` name proxies, and ``SSL_CERT_FILE``, ``REQUESTS_CA_BUNDLE`` or
``CURL_CA_BUNDLE`` the certificates of an organization.
"""

import base64
import netrc
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any

from mirkit import __version__
from mirkit.errors import printable
from mirkit.models.caches import HUB, hugging_face_home
from mirkit.models.checksums import is_checksum

#: The only hosts to which a connection may be unencrypted.
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_REASONS = {
    401: "the server asks for a login; add one for it to ~/.netrc",
    403: "the server refuses access; open the address in a browser to see why",
    404: "the server no longer has it; a newer version of mirkit may know where it is now",
    407: "the proxy asks for a login; write it as https_proxy=http://USER:PASSWORD@HOST:PORT",
    410: "the server no longer has it; a newer version of mirkit may know where it is now",
    451: "the server may not offer it in your country",
}


class DownloadError(Exception):
    """A file could not be downloaded. The message is the reason, as one clause."""


def resolved(url: str) -> str:
    """Return the URL to ask for: that of the mirror in ``HF_ENDPOINT`` instead of one at huggingface.co."""
    origin = f"https://{HUB}/"
    return f"{_endpoint()}/{url.removeprefix(origin)}" if url.startswith(origin) else url


def check_allowed(url: str) -> None:
    """Raise ``DownloadError`` if a URL is not HTTPS; HTTP is allowed on this machine only."""
    parts = _parts(url)
    if parts is None:
        raise DownloadError(f"{printable(url)}: this is not a valid address")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise DownloadError(f"{printable(url)}: only https is allowed")


def proxies() -> dict[str, str]:
    """Return the proxy of each scheme.

    Raises
    ------
    DownloadError
        Only a SOCKS proxy is named.
    """
    found = urllib.request.getproxies()
    general = found.pop("all", "")
    found = {scheme: found.get(scheme) or general for scheme in ("http", "https")}
    if any(address.startswith("socks") for address in found.values()):
        raise DownloadError("a SOCKS proxy cannot be used; set https_proxy to the address of an HTTP proxy")
    for address in found.values():
        if address and _parts(address if "//" in address else f"//{address}") is None:
            raise DownloadError("the address of the proxy is not valid; write it as https_proxy=http://HOST:PORT")
    return {scheme: address for scheme, address in found.items() if address}


def _parts(url: str) -> urllib.parse.SplitResult | None:
    """Return the parts of a URL, or None if it is not valid, for instance because its port is no number."""
    try:
        parts = urllib.parse.urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def is_hub(url: str) -> bool:
    """Return whether a URL is at huggingface.co or its mirror."""
    return url.startswith((f"https://{HUB}/", f"{_endpoint()}/"))


def stated_checksum(headers: Message, url: str) -> str:
    """Return the checksum of a file that Hugging Face states in the headers of an answer, or "".

    It is the SHA-256 of a large file, in ``X-Linked-ETag`` of the redirect to the server of the file, or Git's SHA-1 of
    a small one, in ``ETag``.
    """
    names = ("X-Linked-ETag", "ETag") if is_hub(url) else ("X-Linked-ETag",)
    tags = (str(headers.get(name) or "").removeprefix("W/").strip('"').lower() for name in names)
    return next((tag for tag in tags if is_checksum(tag)), "")


class Connection:
    """One request for a file, which follows redirects.

    Attributes
    ----------
    stated : str
        Checksum that an answer on the way to the file stated, or "".
    asked : str
        URL of the last request, after redirects.
    """

    def __init__(self, url: str) -> None:
        self.url, self.asked, self.stated = url, url, ""

    def open(self, headers: Mapping[str, str], timeout: float) -> Any:
        """Send the request and return the answer.

        Raises
        ------
        DownloadError
            The request is not allowed, or the certificates cannot be read.
        OSError, HTTPException
            As :func:`urllib.request.urlopen`.
        """
        opener = urllib.request.build_opener(
            _Redirects(self), urllib.request.HTTPSHandler(context=_context()), urllib.request.ProxyHandler(proxies())
        )
        request = urllib.request.Request(self.url, headers={"User-Agent": f"mirkit/{__version__}", **headers})
        _log_in(request)
        answer = opener.open(request, timeout=timeout)
        self.stated = self.stated or stated_checksum(answer.headers, answer.url)
        return answer


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to a URL that would be allowed as the first one; no login goes to another server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_allowed(newurl)
        self._connection.asked = newurl
        self._connection.stated = self._connection.stated or stated_checksum(headers, req.full_url)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request:
            _log_in(request)
        return request


def refusal(error: urllib.error.HTTPError, url: str) -> str:
    """Return what an answer that is an error means, and what to do, as one clause."""
    if error.code == 407:
        return _REASONS[407]
    if is_hub(url) and is_hub(error.url or url):
        return f"{url}: {_hub_refusal(error, url)}"
    if 300 <= error.code < 400:
        return f"{url}: the server {_bad_redirect(error)}"
    reason = _REASONS.get(error.code, f"the server answers {error.code} {printable(str(error.reason))}")
    return f"{error.url or url}: {reason}"


def _bad_redirect(error: urllib.error.HTTPError) -> str:
    if "not allowed" in str(error.reason):
        return "redirects to an address that is not allowed"
    return "redirects to itself" if error.headers.get("Location") else f"answers {error.code} without an address"


def _hub_refusal(error: urllib.error.HTTPError, url: str) -> str:
    """Return what a refusal of Hugging Face means; for anonymous requests, its status 401 has several meanings."""
    code, message = (error.headers.get(name, "") for name in ("X-Error-Code", "X-Error-Message"))
    token, where = _token()
    page = url.partition("/resolve/")[0]
    if error.code == 401 and token and "credentials" in message:
        return f"the token in {where} is not valid; make a new one at {_endpoint()}/settings/tokens, or remove it"
    if code == "GatedRepo":
        if token:
            return f"your account has no access yet; open {page}, and accept its license or wait for the answer"
        return f"its license has to be accepted; open {page}, accept it, and put a token of your account into HF_TOKEN"
    if code in ("EntryNotFound", "RevisionNotFound"):
        what = "this file" if code == "EntryNotFound" else "this revision"
        return f"the repository no longer has {what}; open {page}/tree/main to see what it has"
    if code == "RepoNotFound" or error.code in (401, 404):
        login = f"the token in {where} has no access to it" if token else "it is private and needs a token in HF_TOKEN"
        return f"the repository was renamed or removed, or {login}; open {page}"
    if error.code == 403:
        return f"access is refused{f' ({printable(message)[:100]})' if message else ''}; open {page}"
    return _REASONS.get(error.code, f"the server answers {error.code} {printable(str(error.reason))}")


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT", "").strip() or f"https://{HUB}").rstrip("/")


def _log_in(request: urllib.request.Request) -> None:
    """Add the login of the server to a request; it is not part of what a redirect sends on."""
    url = request.full_url
    token = _token()[0] if is_hub(url) else ""
    if value := f"Bearer {token}" if token else _netrc_login(urllib.parse.urlsplit(url).hostname or ""):
        request.add_unredirected_header("Authorization", value)


def _token() -> tuple[str, str]:
    """Return the user's token for Hugging Face and where it is; "" if there is none."""
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in ("1", "on", "yes", "true"):
        return "", ""
    for name in _TOKENS:
        if value := os.environ.get(name, "").strip():
            return value, name
    path = Path(os.environ.get("HF_TOKEN_PATH") or hugging_face_home() / "token")
    try:
        return path.read_text(encoding="ascii").strip(), printable(path)
    except (OSError, ValueError):  # nobody has logged in
        return "", ""


def _netrc_login(host: str) -> str:
    """Return the header with the login of a host in ``~/.netrc``, or ""."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/_netrc" if os.name == "nt" else "~/.netrc")
    try:
        entry = netrc.netrc(path).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):  # then the server's answer says that it needs a login
        return ""
    if not entry:
        return ""
    login, _, password = entry
    return "Basic " + base64.b64encode(f"{login}:{password or ''}".encode()).decode("ascii")


def _context() -> ssl.SSLContext:
    name = next((name for name in _CERTIFICATES if os.environ.get(name)), "")
    path = os.environ.get(name) or None
    try:
        if path and os.path.isdir(path):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise DownloadError(f"the certificates in {printable(str(path))} ({name}) cannot be read") from error
