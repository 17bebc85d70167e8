"""All backends: those of mirkit, and those of other installed packages.

A package adds a backend by an entry point in the group ``mirkit.backends`` that names its
:class:`~mirkit.models.backend.Backend` object. Entry points are read from the environment that Python runs in, when a
backend is first looked up. They are never read from the working folder or from a data set, which another person may
have made.
"""

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.catalog import STAGES, TASKS
from mirkit.errors import SettingsError, printable
from mirkit.models import adtof, audiobox, basic_pitch, beat_this, demucs, essentia, musicnn, roformer, swift_f0
from mirkit.models.backend import EMBEDDED, Backend, File, Model
from mirkit.models.caches import search_path
from mirkit.models.captioners import backends as captioners
from mirkit.settings import DrumSettings, SeparationSettings

if TYPE_CHECKING:
    from importlib import metadata

__all__ = ["Backend", "File", "Model", "backend", "backends", "backends_of", "model_rows", "problems"]

#: Entry point group.
GROUP = "mirkit.backends"


def _stem_parameters(section: SeparationSettings) -> dict[str, Any]:
    """Return the parameters of ``[separation]``, without shifts, overlap and segment, which only networks use."""
    return {"format": section.format} | ({"bitrate": section.bitrate} if section.format == "mp3" else {})


def _drum_parameters(section: DrumSettings) -> dict[str, Any]:
    """Return the parameters of ``[drums]``, without the model, because there is only one."""
    return {"source": section.source, "quantize": section.quantize}


#: Changes with the network, so that stems that an older one made are stale.
_SEPARATOR = "drums-1"


def _embedded_parameters(section: SeparationSettings) -> dict[str, Any]:
    return _stem_parameters(section) | {"network": _SEPARATOR}


_STEMS = Backend(
    "stems",
    EMBEDDED,
    "signal processing with a small network",
    EMBEDDED,
    seconds_per_minute=6.0,
    weights_license="Apache-2.0 (trained on sounds under CC0, CC BY and MIT: NOTICE)",
    parameters=_embedded_parameters,
)
_STEMS_DSP = Backend(
    "stems",
    "embedded-dsp",
    "signal processing alone, as before the network",
    EMBEDDED,
    seconds_per_minute=4.0,
    parameters=_stem_parameters,
)
_BEATS = Backend("beats", EMBEDDED, "multi-band onsets, tempogram, decoder", EMBEDDED)
_DRUMS = Backend(
    "drums",
    EMBEDDED,
    "small network on band levels, fitted on rendered music",
    EMBEDDED,
    loader="mirkit.drums.embedded:LevelExtractor",
    source="drums",
    feature_kind="drum_levels",
    parameters=_drum_parameters,
)
_CLASSIFICATION = Backend("classification", EMBEDDED, "detrended fluctuation, key clarity", EMBEDDED)
_F0 = Backend("f0", EMBEDDED, "probabilistic YIN", EMBEDDED)
_TAGS = Backend("tags", EMBEDDED, "instruments from the levels of stems", EMBEDDED)
#: The backends of mirkit, in the order in which ``auto`` tries them. Backends of other packages follow.
_BUILT_IN = (
    demucs.BACKEND,
    _STEMS,
    roformer.BACKEND,
    _STEMS_DSP,
    beat_this.BACKEND,
    _BEATS,
    adtof.BACKEND,
    _DRUMS,
    demucs.DRUMSEP,
    essentia.BACKEND,
    _CLASSIFICATION,
    audiobox.BACKEND,
    basic_pitch.BACKEND,
    _F0,
    swift_f0.BACKEND,
    _TAGS,
    musicnn.BACKEND,
    captioners.LLAMA,
    captioners.TRANSFORMERS,
    captioners.HTTP,
)
#: Kind of result of a stream backend, for the tasks whose result is not a dict of key -> value.
_KINDS = {"beats": "activations", "drums": "drum_hits"}


def backends() -> tuple[Backend, ...]:
    """Return all backends; those of a task are in the order in which ``auto`` tries them."""
    return _BUILT_IN + _installed()[0]


def built_in() -> tuple[Backend, ...]:
    """Return the backends of mirkit itself."""
    return _BUILT_IN


def backends_of(task: str) -> list[Backend]:
    """Return the backends of a task, the preferred one first."""
    return [row for row in backends() if row.task == task]


def backend(task: str, name: str) -> Backend:
    """Return a backend of a task by its name.

    Raises
    ------
    SettingsError
        There is none.
    """
    for row in backends():
        if (row.task, row.name) == (task, name):
            return row
    names = ", ".join(row.name for row in backends_of(task))
    why = "".join(f"; {problem}" for problem in problems())
    raise SettingsError(f"there is no backend {printable(name)} for {printable(task)}; there are: {names}{why}")


def network(name: str) -> Backend:
    """Return a neural backend by its name, for any task.

    Raises
    ------
    SettingsError
        There is none.
    """
    for row in backends():
        if row.name == name and row.is_network:
            return row
    raise SettingsError(f"there is no backend {printable(name)} with a network")


def model_rows() -> tuple[Model, ...]:
    """Return the published weights of all backends."""
    return tuple(model for row in backends() for model in row.weights)


def owner_of(task: str, model: str) -> Backend:
    """Return the backend of a model, by its name or by the file or folder that the user has given."""
    rows = [row for row in backends_of(task) if row.is_network]
    for row in rows:
        if any(known.name == model for known in row.weights):
            return row
    return next((row for row in rows if row.recognizes and row.recognizes(Path(model))), rows[0])


def problems() -> tuple[str, ...]:
    """Return one line for each entry point that cannot be used, with the reason."""
    return _installed()[1]


@functools.cache
def _installed() -> tuple[tuple[Backend, ...], tuple[str, ...]]:
    """Return the backends of other packages, and a line for each one that cannot be used."""
    rows: list[Backend] = []
    wrong: list[str] = []
    for package, point in _entry_points():
        what = f"{point.name} of the package {package}"
        try:
            row = point.load()
        except Exception as error:  # noqa: BLE001 (an error in another package must not stop mirkit)
            wrong.append(f"the backend {what} cannot be imported: {type(error).__name__}: {printable(str(error))}")
            continue
        if why := _fault(row, (*_BUILT_IN, *rows)):
            wrong.append(f"the backend {what} is left out: {why}")
        else:
            rows.append(row)
    return tuple(rows), tuple(wrong)


def _entry_points() -> list[tuple[str, "metadata.EntryPoint"]]:
    """Return (package, entry point) pairs by name; of a package that is installed twice, the first one on the path."""
    folders = search_path()
    if not any(_may_name_backends(folder) for folder in folders):
        return []
    from importlib import metadata

    packages: dict[str, list[metadata.EntryPoint]] = {}
    for distribution in metadata.distributions(path=folders):
        points = distribution.entry_points.select(group=GROUP)
        packages.setdefault(distribution.name or "", list(points))
    return [(name, point) for name in sorted(packages) for point in sorted(packages[name])]


def _may_name_backends(folder: str) -> bool:
    """Return whether a folder of packages, or a zip file of them, may hold an entry point of a backend.

    To read the entry points by ``importlib.metadata`` takes as long as the rest of ``mirkit run --help``, because it
    parses the metadata of every installed package.
    """
    if not os.path.isdir(folder):
        return os.path.isfile(folder)
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            try:
                text = Path(folder, name, "entry_points.txt").read_bytes()
            except OSError:  # most packages have none
                continue
            if GROUP.encode() in text:
                return True
        elif name.endswith(".egg"):
            return True
    return False


def _fault(row: object, others: tuple[Backend, ...]) -> str:
    """Return the reason why an object that a package registers cannot be used, or ""."""
    if not isinstance(row, Backend):
        return f"it is a {type(row).__name__}, not a mirkit.models.backend.Backend"
    if row.task not in TASKS:
        return f"its task is {row.task!r}; there are {', '.join(TASKS)}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", row.name) or row.name in ("auto", EMBEDDED):
        return f"{row.name!r} is no name for a backend"
    if any(row.name == other.name for other in others):
        return f"another backend is called {row.name}"
    known = {model.name for other in others for model in other.weights}
    if taken := next((model.name for model in row.weights if model.name in known or model.backend != row.name), ""):
        return f"its model {taken} has the name of another model, or names another backend"
    if not row.is_network or not row.loader:
        return "a backend of another package needs an interface other than 'embedded', and a loader"
    if row.interface == "captioner" or row.task in ("f0", "notes", "tags"):
        return "backends of other packages cannot do this task yet"
    return _kind_fault(row, others)


def _kind_fault(row: Backend, others: tuple[Backend, ...]) -> str:
    if row.interface != "stream":
        return "" if row.task in ("stems", "drums") else f"a backend for {row.task} needs the interface 'stream'"
    if row.task == "stems":
        return "a backend for stems needs the interface 'separator'"
    if expected := _KINDS.get(row.task, ""):
        return "" if row.feature_kind == expected else f"a backend for {row.task} needs the feature_kind {expected!r}"
    taken = {kind for stage in STAGES for _, kind in stage.series} | {other.feature_kind for other in others}
    if not row.feature_kind or row.feature_kind in taken:
        return f"its feature_kind {row.feature_kind!r} is empty or in use already; it needs one of its own"
    return ""
