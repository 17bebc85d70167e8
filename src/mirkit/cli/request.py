"""What a command on tracks asks for, from its parsed arguments."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli.options import backend_choices, overrides
from mirkit.cli.output import run_summary
from mirkit.cli.parser import TEXT_STAGES, Command

if TYPE_CHECKING:
    from mirkit.pipeline import RunPlan, RunRequest
    from mirkit.store.output import Output


def request_of(command: Command, arguments: argparse.Namespace, path: Path, url: str = "") -> "RunRequest":
    """What a command asks for, of the tracks at a path, which may stand for those at a URL.

    Raises
    ------
    SettingsError
        An option is wrong.
    """
    from mirkit.errors import SettingsError
    from mirkit.pipeline import RunRequest
    from mirkit.track import is_track

    several = (arguments.batch or command.several) and path.is_dir() and not is_track(path)
    if getattr(arguments, "output", None) and several:
        raise SettingsError("--output takes the MIDI of one track; a folder of tracks has one in each")

    values = setting_overrides(arguments)
    fixed = dict(command.fixed) | backend_choices(getattr(arguments, "backend", []))
    for setting, task in (("rhythm.model", "beats"), ("drums.model", "drums")):
        if setting in values:  # a model that is named is used, and therefore its backend
            fixed.setdefault(task, _owner(task, values[setting]))
    if "separate" in command.stages:
        fixed |= _separation(arguments.separation, values)
    stages = command.stages
    if command.stages == TEXT_STAGES:
        if backend := getattr(arguments, "method", None):
            fixed["texts"] = str(backend)
        elif "texts.url" in values:
            fixed["texts"] = "http"
    elif getattr(arguments, "captions", False):
        stages = (*stages, *TEXT_STAGES)
    return RunRequest(
        path=path,
        stages=stages,
        batch=arguments.batch or command.several or bool(url),
        fixed=fixed,
        overrides=values,
        overwrite=arguments.overwrite,
        replaces=_replaces(arguments),
        time_limit=getattr(arguments, "time_limit", None),
        memory=getattr(arguments, "memory", None),
        debug=arguments.debug,
        address=_address(arguments),
        url=url,
        captions=tuple(filter(None, (getattr(arguments, "only", None) or "").split(","))),
    )


def _address(arguments: argparse.Namespace) -> str | None:
    """Address of the Ray cluster; None for this machine."""
    if getattr(arguments, "engine", "local") != "ray" and not getattr(arguments, "address", None):
        return None
    return str(arguments.address or "auto")


def _replaces(arguments: argparse.Namespace) -> frozenset[str]:
    """Stages that may take the place of the user's own files."""
    options = {"separate": "replace_stems", "drums": "replace_midi"}
    return frozenset(stage for stage, option in options.items() if getattr(arguments, option, False))


def _separation(method: str | None, values: dict[str, Any]) -> dict[str, str]:
    """Method that ``--separation`` names, or to which ``--model`` belongs; ``embedded`` is no model's name."""
    from mirkit.errors import SettingsError

    model = values.get("separation.model")
    if model == "embedded":
        del values["separation.model"]
    if method:
        if model == "embedded" != method:
            raise SettingsError(f"--separation {method} and --model embedded exclude each other")
        return {"stems": method}
    if model:
        return {"stems": "embedded" if model == "embedded" else _owner("stems", model)}
    return {}


def _owner(task: str, model: str) -> str:
    """Name of the backend that a model, or a file of the user's, belongs to."""
    from mirkit.models import registry

    return registry.owner_of(task, model).name


def setting_overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings that options have given; ``--device amd`` means ``cuda``, and a note says so."""
    values = overrides(arguments)
    if values.get("run.device") == "amd":
        run_summary.note("--device amd: ROCm cards are called cuda; going on with --device cuda")
        values["run.device"] = "cuda"
    return values


def midi_copy(arguments: argparse.Namespace) -> "Output | None":
    """Where a copy of the MIDI file is wanted, if it may be written there: asked before any work is done."""
    from mirkit.store.midi import is_our_midi
    from mirkit.store.output import Output

    if not getattr(arguments, "output", None):
        return None
    return Output(Path(arguments.output), is_our_midi, arguments.overwrite)


def write_midi_copy(plan: "RunPlan", output: "Output") -> None:
    """Put a copy of the MIDI file of a plan's one track where the user wants it."""
    from mirkit.stages.selection import midi_path

    for track in plan.tracks:
        output.write(midi_path(track, plan.settings).read_bytes())
