"""What a command on tracks asks for, from its parsed arguments."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli.output import run_summary
from mirkit.cli.parser import CLIP_UNITS, Command, backend_choices

if TYPE_CHECKING:
    from mirkit.pipeline import RunPlan, RunRequest
    from mirkit.store.output import Output

#: Options that are not called as the setting that they stand for.
_OPTIONS = {
    "rhythm.model": "beat-model",
    "drums.source": "drum-source",
    "drums.model": "drum-model",
    "texts.parallel": "slots",
}


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

    if arguments.device == "amd":
        run_summary.note("--device amd: ROCm cards are called cuda; going on with --device cuda")
        arguments.device = "cuda"
    given = {
        "run.device": arguments.device,
        "run.offline": arguments.offline or None,
        "run.commercial_safe": arguments.commercial_safe or None,
        "rhythm.model": getattr(arguments, "beat_model", None),
        "rhythm.bpm": getattr(arguments, "bpm", None),
        "rhythm.bpm_range": _range(getattr(arguments, "bpm_range", None)),
        "drums.source": getattr(arguments, "drum_source", None),
        "drums.model": getattr(arguments, "drum_model", None),
        "drums.quantize": getattr(arguments, "quantize", None),
        "crop.length": _length(arguments),
        "crop.align": getattr(arguments, "align", None),
        "crop.overlap": getattr(arguments, "clip_overlap", None),
        "crop.tail": getattr(arguments, "tail", None),
        "crop.name": getattr(arguments, "name", None),
        "separation.format": getattr(arguments, "format", None),
        "separation.bitrate": getattr(arguments, "bitrate", None),
        "separation.shifts": getattr(arguments, "shifts", None),
        "separation.overlap": getattr(arguments, "overlap", None),
        "separation.segment": getattr(arguments, "segment", None),
    }
    fixed = dict(command.fixed) | backend_choices(getattr(arguments, "backend", []))
    for option, job, method in (("beat_model", "beats", "beat_this"), ("drum_model", "drums", "adtof")):
        if getattr(arguments, option, None):  # a model that is named is used: its method with it
            fixed.setdefault(job, method)
    if "separate" in command.stages:
        fixed |= _separation(arguments)
        given["separation.model"] = None if arguments.model == "embedded" else arguments.model
    return RunRequest(
        path=path,
        stages=command.stages,
        batch=arguments.batch or command.several or bool(url),
        fixed=fixed,
        overrides=checked(given),
        overwrite=arguments.overwrite,
        replaces=_replaces(arguments),
        jobs=arguments.jobs,
        time_limit=arguments.time_limit,
        memory=arguments.memory,
        debug=arguments.debug,
        address=arguments.address or ("auto" if arguments.engine == "ray" else None),
        url=url,
    )


def _replaces(arguments: argparse.Namespace) -> frozenset[str]:
    """Stages that may take the place of the user's own files."""
    options = {"separate": "replace_stems", "drums": "replace_midi"}
    return frozenset(stage for stage, option in options.items() if getattr(arguments, option, False))


def _separation(arguments: argparse.Namespace) -> dict[str, str]:
    """Method that --separation names, or that a --model belongs to."""
    from mirkit.errors import SettingsError

    if arguments.separation:
        if arguments.model == "embedded" != arguments.separation:
            raise SettingsError(f"--separation {arguments.separation} and --model embedded exclude each other")
        return {"stems": arguments.separation}
    if arguments.model:
        return {"stems": "embedded" if arguments.model == "embedded" else "demucs"}
    return {}


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that options stand for, without those that were not given: ``section.key`` -> value.

    Raises
    ------
    SettingsError
        A value is not allowed; the option is named, not the setting.
    """
    from mirkit.errors import SettingsError
    from mirkit.store.settings import check_value

    overrides = {name: value for name, value in given.items() if value is not None}
    for name, value in overrides.items():
        try:
            check_value(name, value)
        except ValueError as error:
            option = _OPTIONS.get(name, name.partition(".")[2].replace("_", "-"))
            raise SettingsError(f"--{option} must be {error}") from error
    return overrides


def _length(arguments: argparse.Namespace) -> str | None:
    """The length of a clip, as the settings write it."""
    from mirkit.errors import SettingsError
    from mirkit.store.clip_settings import LIMITS

    for option, unit in CLIP_UNITS:
        amount = getattr(arguments, option, None)
        if amount is None:
            continue
        low, high = LIMITS[unit]
        if not low <= amount <= high:
            raise SettingsError(f"--{option} must be from {low:.10g} to {high:.10g}, not {amount:.10g}")
        return f"{amount:.10g} {unit}"
    return None


def _range(text: str | None) -> tuple[float, float] | None:
    from mirkit.errors import SettingsError

    if text is None:
        return None
    low, _, high = text.partition("-")
    try:
        return float(low), float(high)
    except ValueError as error:
        raise SettingsError(f"--bpm-range {text}: expected LOW-HIGH, e.g. 120-160") from error


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
