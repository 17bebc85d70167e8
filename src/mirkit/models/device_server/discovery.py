"""Where the workers of this machine find the owner of a device, and how it is started."""

import hashlib
import json
import os
import secrets
import stat
import subprocess
import sys
import tempfile
import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

import filelock

import mirkit
from mirkit.errors import ModelError

#: Seconds to wait while another worker starts it.
_PATIENCE = 60.0
#: Seconds in which an owner begins to answer; what does not is another program, or hangs.
_ANSWER = 20.0
#: What decides which card a number means.
_CARDS = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_CODE = """import json, sys; sys.path[:] = json.loads(sys.argv.pop())
from mirkit.models.device_server.server import main; main()"""


def connect(device: str) -> Connection:
    """Connect to the owner of a device, which is started if there is none.

    Raises
    ------
    ModelError
        It cannot be started.
    """
    try:
        note = _folder() / f"{_name(device)}.json"
        with filelock.FileLock(note.with_suffix(".lock"), timeout=_PATIENCE):
            return _found(note) or _started(device, note)
    except (OSError, filelock.Timeout) as error:
        raise ModelError(f"the process that computes on {device} cannot be started: {error}") from error


def _folder() -> Path:
    """Folder that nobody else can write to: what lies there says whom we trust."""
    folder = Path(tempfile.gettempdir()) / f"mirkit-{os.getuid() if hasattr(os, 'getuid') else 'owners'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise ModelError(f"{folder}: must be a folder that is yours alone; remove it, or set TMPDIR")
    return folder


def _name(device: str) -> str:
    """One for each device and each mirkit that could share it."""
    told = (mirkit.__version__, mirkit.__file__, sys.executable, *(os.environ.get(name) for name in _CARDS))
    return f"{device.replace(':', '')}-{hashlib.sha256(repr(told).encode()).hexdigest()[:12]}"


def _found(note: Path) -> Connection | None:
    try:
        told = json.loads(note.read_bytes())
        return _client(told["address"], told["secret"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, AuthenticationError):  # none yet, or it has ended
        return None


def _started(device: str, note: Path) -> Connection:
    secret = secrets.token_hex(16)
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, device, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # it outlives the worker that happens to start it
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        process.stdin.write(f"{secret}\n".encode())
        process.stdin.flush()
        told = process.stdout.readline()
    if not told:
        raise ModelError(f"the process that computes on {device} cannot be started (exit status {process.wait()})")
    # It ends some time after its last link is closed. Until it is waited for, an ended process remains as a zombie.
    threading.Thread(target=process.wait, name=f"reaps {process.pid}", daemon=True).start()
    address = json.loads(told)
    note.unlink(missing_ok=True)
    with open(os.open(note, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        json.dump({"address": address, "secret": secret}, file)
    return _client(address, secret)


def _client(address: Any, secret: str) -> Connection:
    connection = Client(tuple(address) if isinstance(address, list) else address)
    if not connection.poll(_ANSWER):
        raise TimeoutError("it does not answer")
    answer_challenge(connection, bytes.fromhex(secret))
    deliver_challenge(connection, bytes.fromhex(secret))
    return connection
