"""``--check``: our own look at a bundle, and the trainer's own code in the interpreter where it is installed."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, MissingInput
from mirkit.export.bundle import read_summary
from mirkit.export.targets import TARGETS
from mirkit.export.validation import CheckResult, load_json
from mirkit.store import printable

#: Targets that stable-audio-tools trains on.
WITH_TRAINER = ("sat", "sat-wds", "sat-latents")
_NOT_ASKED = "the trainer itself was not asked"
_HOW = "use --trainer-python PATH, the Python interpreter where it is installed"


def check(target: str, out: Path, *, trainer: bool = True, python: Path | None = None) -> CheckResult:
    """Check what lies in the folder of a bundle.

    Parameters
    ----------
    target : str
    out : Path
    trainer : bool
        Whether the trainer's own code is asked too: by ``python``, or where it is installed beside mirkit.
    python : Path, optional
        The interpreter where the trainer is installed. That it cannot be asked there is then a fault.

    Raises
    ------
    MissingInput
        There is no bundle for this target.
    """
    if not out.exists():
        raise MissingInput(f'{printable(out)}: nothing there; make it with: mirkit export {target} "{printable(out)}"')
    if TARGETS[target].folder:
        made_for = (read_summary(out) or {}).get("target", target)
        if made_for != target:
            raise MissingInput(f"{printable(out)}: a bundle for {made_for}, not for {target}")
    look: Callable[[Path, CheckResult], None] = import_module(f"mirkit.export.{TARGETS[target].room}_check").look
    checked = CheckResult(target)
    look(out, checked)
    if target in WITH_TRAINER:
        _ask_trainer(out, checked, wanted=trainer, python=python)
    elif target == "sa3":
        checked.trainer = f"{_NOT_ASKED}: no part of this check runs the code of Stable Audio 3"
    return checked


def _ask_trainer(out: Path, checked: CheckResult, *, wanted: bool, python: Path | None) -> None:
    from mirkit.models import stable_audio

    if not wanted:
        checked.trainer = f"{_NOT_ASKED}: --no-trainer"
    elif not python and not stable_audio.is_installed():
        checked.trainer = f"{_NOT_ASKED}: stable-audio-tools is not installed beside mirkit; {_HOW}"
    elif checked.faults:
        checked.trainer = f"{_NOT_ASKED}: repair the faults first"
    else:
        dataset, config, size = _configs(out)
        try:
            asked = stable_audio.ask(python, dataset, config, sample_size=size)
        except MissingExtra as error:
            if python:
                checked.faults.append(f"trainer: {error}")
            checked.trainer = f"{_NOT_ASKED}: {error}" if python else f"{_NOT_ASKED}: {error}; {_HOW}"
            return
        checked.faults += [f"trainer: {line}" for line in asked.faults]
        losses = ", ".join(f"{loss:.3f}" for loss in asked.losses)
        checked.trainer = (
            f"{asked.trainer} found {asked.files} files, loaded {asked.loaded}; "
            f"{len(asked.losses)} training steps, loss {losses or '-'}"
        )


def _configs(out: Path) -> tuple[Mapping[str, Any], Mapping[str, Any], int]:
    faults: list[str] = []
    model = "model_config.json" if (out / "model_config.json").exists() else "model_config_patch.json"
    dataset, config = (load_json(out / name, faults) for name in ("dataset.json", model))
    return _here(dataset, out), config, int(config["sample_size"])


def _here(dataset: Mapping[str, Any], out: Path) -> Mapping[str, Any]:
    """The same data set where it lies now, whatever place it was written for."""
    rows = []
    for row in dataset["datasets"]:
        moved = dict(row)
        for name in ("path", "custom_metadata_module"):
            if name in row:
                inside = out / Path(row[name]).name
                moved[name] = (inside if inside.exists() else out).resolve().as_posix()
        rows.append(moved)
    return dict(dataset) | {"datasets": rows}
