"""How mirkit, huggingface_hub and pooch download one file from a server that plays the cases of docs/decisions/0011.

Run it with ``PYTHONPATH=src:tests python benchmarks/downloads.py``; it needs ``pip install huggingface_hub pooch``. It
prints a table: for each case, what each of the three did, and the number of requests for content.
"""

import hashlib
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.server import Files, serving

BODY = np.random.default_rng(0).bytes(24_000_000)
SHA = hashlib.sha256(BODY).hexdigest()
PATH = "/who/what/resolve/main/net.gguf"


def by_mirkit(server: Files, folder: Path) -> Path:
    from mirkit.models import weights
    from mirkit.models.backend import File, Model
    from mirkit.settings import RunSettings

    os.environ["MIRKIT_HOME"] = str(folder)
    file = File("net.gguf", f"https://huggingface.co{PATH}", len(BODY))  # without a published checksum
    return weights.fetch(Model("net", "net", "net", (file,), "MIT"), RunSettings()).files[0]


def by_hub(server: Files, folder: Path) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download("who/what", "net.gguf", cache_dir=folder, endpoint=server.url, etag_timeout=10))


def by_pooch(server: Files, folder: Path) -> Path:
    import pooch

    fetch = pooch.HTTPDownloader(timeout=10)
    return Path(pooch.retrieve(server.url + PATH, f"sha256:{SHA}", path=folder, downloader=fetch))


def _half(server: Files) -> None:
    server.cuts = [22_000_000]


def _stop(server: Files) -> None:
    server.cuts = [22_000_000, *[0] * 20]


def _twice(server: Files) -> None:
    server.failures = [(503, {"Retry-After": "1"})] * 2


def _changed(server: Files) -> None:
    server.content["/cdn/1"] = BODY[:-1] + b"?"


#: Case -> what it does to the server before the request for the content.
CASES: dict[str, Callable[[Files], None]] = {
    "nothing unusual": lambda server: None,
    "503 twice, Retry-After: 1": _twice,
    "429 once": lambda server: server.failures.append((429, {})),
    "the connection breaks off in the middle": _half,
    "no connection brings more, then the command is started again": _stop,
    "content that is not what the server states": _changed,
    "gated (401)": lambda server: server.failures.append((401, {"X-Error-Code": "GatedRepo"})),
    "renamed (401)": lambda server: server.failures.append((401, {"X-Error-Code": "RepoNotFound"})),
}


def outcome(fetch: Callable[[Files, Path], Path], server: Files, folder: Path) -> str:
    begin = time.perf_counter()
    try:
        good = fetch(server, folder).read_bytes() == BODY
        result = "done" if good else "DONE, WITH WRONG CONTENT"
    except Exception as error:  # noqa: BLE001 (the comparison shows every error)
        result = f"{type(error).__name__}: {' '.join(str(error).split())[:230]}"
    asked = sum(path == "/cdn/1" for path, _ in server.asked)
    return f"{result} ({asked} requests, {time.perf_counter() - begin:.1f} s)"


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    for case, prepare in CASES.items():
        print(case)
        for fetch in (by_mirkit, by_hub, by_pooch):
            with serving() as server, tempfile.TemporaryDirectory() as folder:
                os.environ["HF_ENDPOINT"] = server.url
                server.content["/cdn/1"] = BODY
                server.redirects[PATH] = f"{server.url.replace('127.0.0.1', 'localhost')}/cdn/1"
                server.headers[PATH] = {
                    "X-Linked-ETag": f'"{SHA}"', "X-Linked-Size": str(len(BODY)), "X-Repo-Commit": "1" * 40,
                }  # fmt: skip
                prepare(server)
                print(f"  {fetch.__name__.removeprefix('by_'):8} {outcome(fetch, server, Path(folder))}")
                if prepare is _stop:
                    server.cuts = []
                    again = outcome(fetch, server, Path(folder))
                    print(f"  {'':8} again: {again}; ranges {[ask for path, ask in server.asked if path == '/cdn/1']}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
