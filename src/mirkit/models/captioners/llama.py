"""A llama.cpp server that this process starts: in-process with the wheel ``xllamacpp``, else as ``llama-server``.

It listens on the loopback interface only, at a free port, and requires a key that only this process knows. For each
track that is processed in parallel, its context has the size that the longest audio needs. A model consists of two GGUF
files: the language model and the audio encoder.
"""

import ctypes
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, ModelError, WeightsError, megabytes, printable
from mirkit.features.types import FloatArray
from mirkit.models import weights
from mirkit.models.backend import Model
from mirkit.models.caches import cache
from mirkit.models.captioners import CaptionerUnavailable, Requirements
from mirkit.models.captioners.backends import LLAMA, is_flamingo, plain
from mirkit.models.captioners.http import ChatSession, HttpClient
from mirkit.models.gguf_header import MAGIC, read_texts
from mirkit.models.safe_load import guess_content
from mirkit.models.weights import missing
from mirkit.store import Settings, digest_of_text

#: Names of the models in the user manual.
NAMES = {row.title.rpartition(" ")[2]: row for row in LLAMA.weights}
DEFAULT = "Q6_K"
#: Last parts of the keys of a GGUF header that name the model, its source or its base model.
_NAMES_IT = ("name", "basename", "finetune", "url", "repo_url", "repository", "doi", "link", "tags", "projector_type")


@dataclass(frozen=True)
class Pair:
    """The files of a model and of its audio encoder; both exist and can be read.

    Attributes
    ----------
    name : str
        Name of the model's file.
    sha256 : str
        SHA-256 of both files.
    size : int
        Size of both files in bytes.
    """

    model: Path
    projector: Path
    name: str
    sha256: str
    size: int
    license: str


def find(settings: Settings) -> Pair:
    """Find the pair that the settings name: one of the manual's models in the cache, or a file.

    Raises
    ------
    WeightsError
        A file is missing, damaged or refused. The message has its name, source and license.
    """
    named = settings.texts.model or DEFAULT
    row = NAMES.get(named) or next((row for row in NAMES.values() if row.name == named), None)
    if row:
        if why := lacking(row, settings):
            raise WeightsError(why)
        found = weights.load_checked(row, settings.run)
        model, projector = found.files
        license = row.license
    else:
        model = Path(named).expanduser()
        if not model.is_file():
            raise WeightsError(
                f"{printable(named)}: there is no such file; --model takes one, or one of {', '.join(NAMES)}"
            )
        projector, license = _beside(model, settings.texts.projector), ""
    for path in (model, projector):
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise WeightsError(
                    f"{printable(path)}: this is not a GGUF file: {guess_content(path)}; download it again, "
                    "or name another"
                )
    if not row:
        license = _stated_license((model, projector), settings)
    sums = [weights.from_path(path).sha256 for path in (model, projector)]
    size = sum(path.stat().st_size for path in (model, projector))
    return Pair(model, projector, model.name, digest_of_text("\n".join(sums)).sha256, size, license)


def lacking(row: Model, settings: Settings) -> str:
    """Return the reason why a model of the user manual cannot be used, or ""."""
    if settings.run.commercial_safe:
        return weights.unavailable_reason(row, settings.run)
    files = missing(row)
    if not files:
        return ""
    # The model and its encoder come from two repositories.
    sources = ", ".join(f"{file.name} ({megabytes(file.size)}) from {file.url.rpartition('/')[0]}" for file in files)
    folder, verb = printable(cache() / row.backend), "is" if len(files) == 1 else "are"
    return (
        f"{row.title} needs {sources}, which {verb} not downloaded; mirkit models fetch {row.name}, "
        f"or put them into {folder}, or use --model FILE (license: {row.license})"
    )


def _stated_license(paths: Sequence[Path], settings: Settings) -> str:
    """Return the license that the headers of the user's files state, or "its own".

    Raises
    ------
    WeightsError
        ``--commercial-safe`` refuses a file, or its header cannot be read.
    """
    stated = "its own"
    for path in paths:
        try:
            header = read_texts(path, ("general.", "clip."))
        except WeightsError:
            if settings.run.commercial_safe:
                raise
            continue  # a damaged header: llama.cpp decides whether the file can be loaded
        license_, flamingo = _license_of(path, header)
        if settings.run.commercial_safe and (flamingo or _excludes_commerce(license_)):
            what = f"{printable(path)} is Music Flamingo" if flamingo else printable(path)
            raise WeightsError(f"{what}: license {license_}, which --commercial-safe refuses")
        if settings.run.commercial_safe and not license_ and path == paths[0]:  # its encoder has the same license
            raise WeightsError(f"{printable(path)} states no license, and --commercial-safe refuses that; name another")
        if license_ and stated == "its own":
            stated = license_
    return stated


def _license_of(path: Path, header: dict[str, str]) -> tuple[str, bool]:
    """Return the license in a GGUF header, and whether the file is Music Flamingo by its header or name."""
    names = [path.name, *(text for key, text in header.items() if key.rpartition(".")[2] in _NAMES_IT)]
    if is_flamingo(names):
        return next(iter(NAMES.values())).license, True
    keys = ("general.license", "general.license.name", "general.license.link")
    return printable(next((header[key] for key in keys if header.get(key) not in (None, "other")), ""))[:80], False


def _excludes_commerce(license_: str) -> bool:
    words = re.sub("[^a-z0-9]+", "-", plain(license_))
    return "noncommercial" in words.replace("-", "") or re.search(r"-nc(-|$)", words) is not None


def _beside(model: Path, named: str | None) -> Path:
    if named is not None:
        path = Path(named).expanduser()
        if not path.is_file():
            raise WeightsError(
                f"{printable(named)}: there is no such file; --projector takes the mmproj file of the model"
            )
        return path
    found = sorted(path for path in model.parent.glob("*.gguf") if "mmproj" in path.name.lower())
    if len(found) != 1:
        what = "there is no mmproj file" if not found else f"there are {len(found)} mmproj files"
        raise WeightsError(f"{printable(model)}: {what} beside it; name the audio encoder with --projector FILE")
    return found[0]


_HOST = "127.0.0.1"
#: Number of layers on the GPU, if there is one: all.
_LAYERS = 999
#: Time limit for loading a model (s).
_LOADING = 1800.0
_PR_SET_PDEATHSIG = 1


class LlamaServer:
    """A llama.cpp server that this process starts and stops.

    Raises
    ------
    WeightsError
        The model has not been downloaded.
    MissingExtra
        Neither the wheel nor the program is installed.
    """

    backend = "llama"
    address = ""
    batched = False
    whole_windows = True
    #: Longest audio (s) of the preview model, the only one with GGUF files.
    max_seconds = 600.0

    def __init__(self, settings: Settings) -> None:
        self._pair = find(settings)
        self.model = self._pair.name
        self.sha256: str | None = self._pair.sha256
        self.size, self.license = self._pair.size, self._pair.license
        self.parallel = settings.texts.parallel
        self._timeout = settings.texts.timeout
        self._cpu_only = settings.run.device == "cpu"
        self._program = program(settings)
        self.on_gpu: bool | None = self._program is None and not self._cpu_only and _has_gpu()
        self._client: HttpClient | None = None

    @contextmanager
    def loaded(self, need: Requirements) -> Iterator[list[str]]:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        key = secrets.token_hex(16)
        owner = _in_process if self._program is None else _as_program
        with owner(self, need.context, key) as url:
            self._client = HttpClient(url, key, self._timeout)
            props = self._client.audio_properties(
                f"{self._pair.projector.name}: llama.cpp finds no audio encoder in it"
            )
            yield [f"llama.cpp {props.get('build_info', '')}".strip()]
        self._client = None

    def session(self, samples: FloatArray, slot: int) -> ChatSession:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        assert self._client is not None, "not started"
        return ChatSession(self._client, self.model, "llama", samples, slot)


def program(settings: Settings) -> Path | None:
    """Find ``llama-server`` if the settings name it or the wheel is not installed; None means the wheel.

    Raises
    ------
    MissingExtra
        Neither is installed.
    """
    named = settings.texts.program
    if named is None and importlib.util.find_spec("xllamacpp") is not None:
        return None
    if found := find_program("llama-server", named):
        return found
    raise MissingExtra(
        "llama.cpp is not installed: pip install 'mirkit[describe]', or use --program /path/to/llama-server"
    )


def _has_gpu() -> bool:
    import xllamacpp

    return any(not str(device["type"]).endswith("_CPU") for device in xllamacpp.get_device_info())


@contextmanager
def _in_process(owner: LlamaServer, context: int, key: str) -> Iterator[str]:
    import xllamacpp

    pair = owner._pair
    wanted = xllamacpp.CommonParams()
    wanted.model.path, wanted.mmproj.path = str(pair.model), str(pair.projector)
    wanted.n_parallel = owner.parallel
    wanted.n_ctx = context * owner.parallel
    wanted.hostnames, wanted.port = [_HOST], 0
    wanted.api_keys = [key]
    wanted.n_gpu_layers = 0 if owner._cpu_only else _LAYERS
    wanted.mmproj_use_gpu = not owner._cpu_only
    if (threads := _threads()) is not None:
        wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = threads
    wanted.warmup = False
    wanted.ui = False
    wanted.verbosity = 0
    wanted.endpoint_slots = True
    try:
        server = xllamacpp.Server(wanted)
    except (RuntimeError, ValueError) as error:
        remedy = "check that it is complete and that there is enough memory; download it again, or name another"
        raise CaptionerUnavailable(f"llama.cpp cannot load {printable(pair.model)}; {remedy}") from error
    try:
        # The queue of the server answers this. A server that is stopped before its queue runs never ends.
        HttpClient(str(server.listening_address), key, owner._timeout).get("/slots")
        yield str(server.listening_address)
    finally:
        del server


@contextmanager
def _as_program(owner: LlamaServer, context: int, key: str) -> Iterator[str]:
    pair = owner._pair
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port = free.getsockname()[1]
    assert owner._program is not None
    threads = _threads()
    command: list[str | Path] = [
        *(owner._program, "-m", pair.model, "--mmproj", pair.projector),
        *("-c", str(context * owner.parallel), "-np", str(owner.parallel)),
        *("--host", _HOST, "--port", str(port), "-ngl", "0" if owner._cpu_only else str(_LAYERS)),
        *(("--no-mmproj-offload",) if owner._cpu_only else ()),
        *(("-t", str(threads)) if threads else ()),
    ]
    with tempfile.TemporaryFile() as log:
        # The key is passed in the environment, because other users can read a command line.
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LLAMA_API_KEY": key},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            _wait(process, HttpClient(f"http://{_HOST}:{port}", key, 5.0), pair.name, log)
            yield f"http://{_HOST}:{port}"
        finally:
            _stop(process)


def _wait(process: "subprocess.Popen[bytes]", client: HttpClient, name: str, log: Any) -> None:
    """Wait until the model is loaded."""
    until = time.monotonic() + _LOADING
    while time.monotonic() < until:
        if process.poll() is not None:
            log.seek(0)
            lines = log.read()[-4000:].decode(errors="replace").strip().splitlines()
            raise CaptionerUnavailable(
                f"llama-server ended with {process.returncode} while it loaded {name}: {lines[-1:]}"
            )
        try:
            client.get("/health", tries=1)
        except ModelError:
            time.sleep(0.1)
        else:
            return
    raise CaptionerUnavailable(f"llama-server did not load {name} within {_LOADING / 60:.0f} min")


def find_program(name: str, named: str | None) -> Path | None:
    """Find a program: the one that the settings name, else the one on the PATH; None if there is none.

    Raises
    ------
    MissingExtra
        The named program does not exist, or is not executable.
    """
    if named is None:
        found = shutil.which(name)
        # Windows searches the working folder first, which may be a data set.
        is_here = found and os.name == "nt" and os.path.samefile(os.path.dirname(os.path.abspath(found)), os.curdir)
        return Path(found) if found and not is_here else None
    path = Path(named).expanduser()
    if path.is_dir():
        path /= name
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise MissingExtra(f"{printable(path)}: no program; --program takes {name}")
    return path


def _threads() -> int | None:
    """Return the number of threads that ``OMP_NUM_THREADS`` allows; None if it is not set."""
    count = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(count) if count.isdecimal() and int(count) > 0 else None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Terminate a program, and kill it if it does not end."""
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    """End this program when mirkit ends, even if mirkit is killed (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
