"""The trainer stable-audio-tools, asked in the interpreter where it is installed: its loader, two training steps."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, SettingsError
from mirkit.store import printable


@dataclass(frozen=True)
class Asked:
    """What the trainer's own code did with a bundle.

    Attributes
    ----------
    trainer : str
        Its release, and those of torch and Python.
    files : int
        Samples that the trainer's loader found.
    loaded : int
        How many of those that were asked for came back as themselves, with a prompt and every conditioner's key.
    losses : tuple of float
        Of each training step.
    faults : tuple of str
        What went wrong: a line each.
    """

    trainer: str
    files: int
    loaded: int
    losses: tuple[float, ...]
    faults: tuple[str, ...]


def is_installed() -> bool:
    """Whether the trainer is installed beside mirkit."""
    return all(find_spec(name) for name in ("stable_audio_tools", "torch", "pytorch_lightning"))


def find_interpreter(name: str) -> Path:
    """Find the Python interpreter that a user named: a path, or a command.

    Raises
    ------
    SettingsError
        It is no file that can be run.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        program = "Scripts\\python.exe" if os.name == "nt" else "bin/python"
        raise SettingsError(f"{printable(name)} is a folder; name the Python interpreter in it, such as {program}")
    found = shutil.which(path)
    if found is None:
        raise SettingsError(f"{printable(name)}: there is no program of this name that can be run")
    return Path(found).absolute()  # links are kept: that of a virtual environment says which environment it is


def ask(python: Path | None, dataset: Mapping[str, Any], config: Mapping[str, Any], *, sample_size: int) -> Asked:
    """Load a bundle with the trainer's own code and train a tiny model with the bundle's conditioners on it.

    Parameters
    ----------
    python : Path or None
        The interpreter where the trainer is installed; None: the one that runs mirkit.
    dataset : mapping
        Content of ``dataset.json``, with absolute paths.
    config : mapping
        The model's config, or the patch for one.
    sample_size : int
        Samples that the trainer takes at a time.

    Raises
    ------
    MissingExtra
        The interpreter cannot be run, or the trainer cannot be loaded there.
    """
    script = files("mirkit.models").joinpath("stable_audio_script.py").read_text(encoding="utf-8")
    command = [str(python or sys.executable), "-B", "-X", "utf8", "-c", script]  # -B: no __pycache__ in the bundle
    request = json.dumps({"dataset": dataset, "config": config, "sample_size": sample_size})
    # The folder in which it runs is the first place where Python looks for modules: it must be empty.
    with tempfile.TemporaryDirectory(prefix="mirkit-trainer-") as folder:
        try:
            done = subprocess.run(
                command,
                input=request,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                cwd=folder,
                env=_environment(),
                check=False,
            )
        except OSError as error:
            raise MissingExtra(f"{printable(command[0])} cannot be run ({error.strerror or error})") from error
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        why = answer.pop("error")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise MissingExtra(f"{printable(command[0])} gave no answer ({printable(_reason(done))})") from error
    if why:
        raise MissingExtra(f"stable-audio-tools cannot be loaded by {printable(command[0])} ({printable(why)})")
    return Asked(**answer | {"losses": tuple(answer["losses"]), "faults": tuple(answer["faults"])})


def _environment() -> dict[str, str]:
    """The environment, for another folder and another interpreter."""
    environment = dict(os.environ)
    environment.pop("__PYVENV_LAUNCHER__", None)  # macOS: would make any Python take itself for this one
    if given := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(p) for p in given.split(os.pathsep) if p)
    return environment


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    """Why a run ended without an answer."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    return lines[-1].strip()[:200] if lines else f"exit status {done.returncode}"
