"""``mirkit doctor --report``: a Markdown block for a bug report, without the names of the user's files."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mirkit.errors import ISSUES, MirkitError, counted

#: Failures of the last run that are listed.
_MOST_FAILURES = 10
_GB = 1e9
#: From this length on, a name of letters only is not taken for a word.
_LONG = 12
#: Suffixes of names that are replaced: those of audio, of results and of other files that messages name.
_SUFFIXES = r"(?:[A-Z]{4,}|\w{2,4}\d?|flac|opus|aiff|safetensors|jsonl|sqlite|CURVES\.npz)"


class Redactor:
    """Replaces the names of the user's files and folders in messages.

    Parameters
    ----------
    tracks : list of str
        Paths of tracks within their data set.
    folders : mapping
        Path of a folder -> what it is replaced by.
    """

    def __init__(self, tracks: list[str], folders: dict[str, str]) -> None:
        self._known: dict[str, str] = {}
        # A name that may be a word of a sentence is replaced only where it is part of a path or quoted.
        self._words: dict[str, str] = {}
        for number, track in enumerate(tracks, 1):
            for name in (track, os.path.splitext(track)[0], *Path(track).parts):
                names = self._words if name.isalpha() and len(name) < _LONG else self._known
                names.setdefault(name, f"<track {number}>")
        self._folders = folders

    def __call__(self, text: str) -> str:
        """Return a message without names, on one line."""
        for name in sorted(self._known, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", self._known[name], text)
        for name in sorted(self._words, key=len, reverse=True):
            word = re.escape(name)
            part = rf"(?<=[\"'/\\]){word}(?!\w)|(?<!\w){word}(?=[/\\\"']|\.\w)"
            text = re.sub(part, self._words[name], text)
        for folder in sorted(self._folders, key=len, reverse=True):
            text = text.replace(folder, self._folders[folder])
        # A path ends where the sentence goes on, at a colon or a quote; what is in quotes may be a name, too.
        text = re.sub(r"(?:[A-Za-z]:\\|(?<![\w>])[~/\\]|https?://)[^:\"'<>|\n;,]*[/\\.][^:\"'<>|\n;,]*", "<path>", text)
        text = re.sub(rf"[^:;,\"'\n<>]*\w\)?\.{_SUFFIXES}(?=[:;,\"'\s)]|$)", _kept_name, text)
        text = re.sub(r"([\"'])(?![<{])[^\"'\n]{25,}\1", "<text>", text)
        return " ".join(text.split())


#: Names of mirkit's own files, which tell nothing about the user's.
_OWN = re.compile(r"\s*(?:full_mix|drums|bass|other|vocals|no_vocals|mirkit|library|drums_adtof)\.[\w.]+")


def _kept_name(found: "re.Match[str]") -> str:
    return found[0] if _OWN.fullmatch(found[0]) else " <file>" if found[0].startswith(" ") else "<file>"


def print_report(health: dict[str, Any], place: Path, models: list[str], versions: dict[str, str | None]) -> None:
    """Print the block.

    Parameters
    ----------
    health : dict
        What ``mirkit doctor --json`` prints.
    place : Path
        The data set whose settings and last run are reported, or any folder.
    models : list of str
        Models on this machine.
    versions : dict
        Further packages -> version, None if one is not installed.
    """
    print(
        f"This report was not sent anywhere. Read it, then paste it with what you did and what happened at\n{ISSUES}\n",
        file=sys.stderr,
    )
    print("### mirkit doctor --report\n")
    for title, lines in (
        ("Versions", lambda: _versions(health, versions)),
        ("Machine", lambda: _machine(health)),
        ("Methods", lambda: _methods(health, models)),
        ("Settings", lambda: _settings(place)),
        ("Last unexpected error", _last_error),
        ("Last run", lambda: _last_run(place)),
    ):
        print(f"**{title}**\n")
        for line in _listed(lines):
            print(f"- {line}")
        print()


def _listed(lines: Callable[[], Iterator[str]]) -> list[str]:
    """Return lines, or why there are none: an incomplete installation is what the report may be about."""
    try:
        return list(lines()) or ["none"]
    except ImportError as error:
        return [f"not known: {error}"]
    except (MirkitError, OSError) as error:
        return [f"not known: {_redactor()(str(error))}"]


def _redactor(tracks: list[str] | None = None, place: Path | None = None) -> Redactor:
    folders = {str(Path.cwd()): "<working folder>", os.path.abspath(sys.prefix): "<Python>"}
    with suppress(RuntimeError):
        folders[str(Path.home())] = "~"
    if place is not None:
        folders[os.path.abspath(place)] = "<data set>"
    return Redactor(tracks or [], {path: name for path, name in folders.items() if len(path) > 1})


def _versions(health: dict[str, Any], more: dict[str, str | None]) -> Iterator[str]:
    yield f"mirkit {health['mirkit']}, Python {health['python']}, {health['platform']}"
    installed = {**health["packages"], **health["optional"], **more, **_ffmpeg()}
    yield ", ".join(f"{name} {version}" for name, version in installed.items() if version)
    if missing := [name for name, version in installed.items() if not version]:
        yield f"not installed: {', '.join(missing)}"
    if health["problem"]:
        yield f"problem: {_redactor()(health['problem'])}"
    names = sorted(name for name in os.environ if name.startswith("MIRKIT_"))
    yield f"environment: {', '.join(names)} (values not shown)" if names else "environment: no variables of mirkit"
    yield f"encodings: {sys.getfilesystemencoding()} for names, {getattr(sys.stdout, 'encoding', None)} for output"


def _ffmpeg() -> dict[str, str]:
    with suppress(ImportError, AttributeError):
        import av

        return {"FFmpeg": str(av.ffmpeg_version_info)}
    return {}


def _machine(health: dict[str, Any]) -> Iterator[str]:
    from mirkit.engines.resources import cores, cpu_name

    yield f"{cpu_name()}, {counted(cores(), 'core')} of {health['cores']}"
    with suppress(ImportError):
        import psutil

        memory = psutil.virtual_memory()
        yield f"memory {memory.total / _GB:.1f} GB, {memory.available / _GB:.1f} GB free"
    yield f"disk {health['free_disk_bytes'] / _GB:.0f} GB free in the working folder"
    import shutil

    from mirkit.store.user_cache import user_cache

    folder = user_cache()
    while folder is not None and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if folder is not None:
        yield f"disk {shutil.disk_usage(folder).free / _GB:.0f} GB free where models and compiled code are kept"


def _methods(health: dict[str, Any], models: list[str]) -> Iterator[str]:
    yield ", ".join(f"{task} {state['used'] or 'none'}" for task, state in health["methods"].items())
    yield f"models on this machine: {', '.join(models) or 'none'}"


def _settings(place: Path) -> Iterator[str]:
    from mirkit.settings import SETTINGS, Kind, Settings
    from mirkit.store import find_root, read_settings
    from mirkit.store.settings_file import value_of

    root = find_root(place, batch=True) if place.is_dir() else None
    settings, hide = read_settings(root), _redactor()
    for name, setting in SETTINGS.items():
        value = value_of(settings, name)
        if name != "exclude" and value != value_of(Settings(), name):
            shown = "set (not shown)" if setting.kind is Kind.ADDRESS else hide(str(value))
            yield f"{name} = {shown}"
    if settings.exclude:
        yield f"{counted(len(settings.exclude), 'entry')} in [exclude]"


def _last_error() -> Iterator[str]:
    from mirkit.store.last_error import last_error

    if found := last_error():
        yield f"{found.get('when')}, mirkit {found.get('mirkit')}: {_redactor()(str(found.get('error')))}"
        for line in found["lines"]:
            yield f"`{line}`"


def _last_run(place: Path) -> Iterator[str]:
    from mirkit.dataset.status import status
    from mirkit.errors import MissingInput

    try:
        state = status(place)
    except MissingInput:
        yield "none in this folder; name a data set for that of its last run: mirkit doctor --report FOLDER"
        return
    hide = _redactor(list(state.failures), Path(state.root))
    for run in state.runs:
        ended = f"{run.done} of {run.todo} done, {run.failed} failed, {run.workers} workers, {run.seconds:.0f} s"
        yield f"mirkit {run.mirkit}, {hide(run.state)}: {ended}"
    listed = [(track, *item) for track, failures in state.failures.items() for item in failures.items()]
    numbers = {track: number for number, track in enumerate(state.failures, 1)}
    for track, where, why in listed[:_MOST_FAILURES]:
        yield f"<track {numbers[track]}>: {where}: {hide(why)}"
    if len(listed) > _MOST_FAILURES:
        yield f"and {len(listed) - _MOST_FAILURES} more failures"
