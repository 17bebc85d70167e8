"""A check of bundles with stable-audio-tools' own loader and two training steps, in the interpreter that has it."""

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

from mirkit.errors import MissingExtra, SettingsError, printable


@dataclass(frozen=True)
class TrainerReport:
    """Result of running the trainer's own code on a bundle.

    Attributes
    ----------
    trainer : str
        Versions of the trainer, of torch and of Python.
    files : int
        Samples that the trainer's loader found.
    loaded : int
        Number of requested samples that were loaded correctly, with a prompt and the key of every conditioner.
    losses : tuple of float
        Loss of each training step.
    faults : tuple of str
        One line for each fault.
    """

    trainer: str
    files: int
    loaded: int
    losses: tuple[float, ...]
    faults: tuple[str, ...]


def is_installed() -> bool:
    """Return whether the trainer is installed in mirkit's environment."""
    return all(find_spec(name) for name in ("stable_audio_tools", "torch", "pytorch_lightning"))


def find_interpreter(name: str) -> Path:
    """Find the Python interpreter that the user named by a path or a command.

    Raises
    ------
    SettingsError
        It is not an executable file.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        program = "Scripts\\python.exe" if os.name == "nt" else "bin/python"
        raise SettingsError(f"{printable(name)} is a folder; name the Python interpreter in it, such as {program}")
    found = shutil.which(path)
    if found is None:
        raise SettingsError(f"{printable(name)}: there is no program of this name that can be run")
    return Path(found).absolute()  # links are not resolved, because the path identifies a virtual environment


def load_and_train(
    python: Path | None, dataset: Mapping[str, Any], config: Mapping[str, Any], *, sample_size: int
) -> TrainerReport:
    """Load a bundle with the trainer's own code and train a tiny model with the bundle's conditioners on it.

    Parameters
    ----------
    python : Path or None
        Interpreter in which the trainer is installed; None for the one that runs mirkit.
    dataset : mapping
        Content of ``dataset.json``, with absolute paths.
    config : mapping
        The model's config, or the patch for one.
    sample_size : int
        Number of samples in a training example.

    Raises
    ------
    MissingExtra
        The interpreter cannot be run, or cannot import the trainer.
    """
    script = files("mirkit.models").joinpath("stable_audio_script.py").read_text(encoding="utf-8")
    command = [str(python or sys.executable), "-B", "-X", "utf8", "-c", script]  # -B: no __pycache__ in the bundle
    request = json.dumps({"dataset": dataset, "config": config, "sample_size": sample_size})
    # Python searches the working folder for modules first, so it must be empty.
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
    return TrainerReport(**answer | {"losses": tuple(answer["losses"]), "faults": tuple(answer["faults"])})


def _environment() -> dict[str, str]:
    """Return the environment variables for another folder and another interpreter."""
    environment = dict(os.environ)
    environment.pop("__PYVENV_LAUNCHER__", None)  # macOS: it would redirect any other Python to this one
    if given := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(p) for p in given.split(os.pathsep) if p)
    return environment


def _reason(done: "subprocess.CompletedProcess[str]") -> str:
    """Return why a run ended without an answer."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    return lines[-1].strip()[:200] if lines else f"exit status {done.returncode}"
