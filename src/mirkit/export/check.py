"""``--check``: our own look at a bundle, and the trainer's own code where it is installed."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, MissingInput
from mirkit.export.bundle import read_summary
from mirkit.export.faults import Checked, load_json
from mirkit.export.targets import TARGETS
from mirkit.store import shown

#: Targets that stable-audio-tools trains on.
_REHEARSED = ("sat", "sat-wds", "sat-latents")


def check(target: str, out: Path, *, trainer: bool = True) -> Checked:
    """Check what lies in the folder of a bundle.

    Parameters
    ----------
    target : str
    out : Path
    trainer : bool
        Whether the trainer's own code is asked too, where it is installed.

    Raises
    ------
    MissingInput
        There is no bundle for this target.
    """
    if not out.exists():
        raise MissingInput(f'{shown(out)}: nothing there; make it with: mirkit export {target} "{shown(out)}"')
    if TARGETS[target].folder:
        made_for = (read_summary(out) or {}).get("target", target)
        if made_for != target:
            raise MissingInput(f"{shown(out)}: a bundle for {made_for}, not for {target}")
    look: Callable[[Path, Checked], None] = import_module(f"mirkit.export.{TARGETS[target].room}_check").look
    checked = Checked(target)
    look(out, checked)
    if target in _REHEARSED:
        _rehearse(out, checked, wanted=trainer)
    return checked


def _rehearse(out: Path, checked: Checked, *, wanted: bool) -> None:
    from mirkit.models import stable_audio

    if not wanted:
        checked.trainer = "not asked"
    elif not stable_audio.is_installed():
        checked.trainer = "not installed: pip install stable-audio-tools, and check again"
    elif checked.faults:
        checked.trainer = "not asked: mend the faults first"
    else:
        dataset, config, size = _configs(out)
        try:
            found = stable_audio.rehearse(dataset, config, sample_size=size)
        except MissingExtra as error:
            checked.trainer = str(error)
            return
        checked.faults += [f"trainer: {line}" for line in found.faults]
        losses = ", ".join(f"{loss:.3f}" for loss in found.losses)
        checked.trainer = (
            f"stable-audio-tools found {found.files} files, loaded {found.loaded}; "
            f"{len(found.losses)} training steps, loss {losses or '-'}"
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
