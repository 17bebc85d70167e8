"""``mirkit.toml``: the settings of a data set, in its root folder. Flags of a command go before it.

``Settings`` and its sections are what every stage is given; each field says what it means and what it is when the
file is silent. Both the file and the flags pass through :func:`with_values`, so both are checked alike.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mirkit.catalog import BACKENDS, JOBS
from mirkit.errors import InfoError, SettingsError
from mirkit.store import atomic, checks, crop_settings, text_settings
from mirkit.store.crop_settings import Crop
from mirkit.store.drum_settings import Drums
from mirkit.store.mishap import shown
from mirkit.store.sidecar import read_bounded
from mirkit.store.text_settings import Texts

SETTINGS_NAME = "mirkit.toml"

#: What a settings file may weigh (bytes).
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class Backends:
    """``[backends]``: the method for each job, ``auto`` or a name that the catalog lists."""

    stems: str = "auto"
    beats: str = "auto"
    drums: str = "auto"
    classification: str = "auto"
    aesthetics: str = "auto"
    texts: str = "auto"


@dataclass(frozen=True)
class Separation:
    """``[separation]``: how stems are made and kept.

    Attributes
    ----------
    model : str or None
        Name or file of the model; None is the backend's own default.
    format : str
        ``flac``, ``wav``, ``mp3`` or ``ogg``.
    bitrate : int
        Of mp3 and ogg stems, in kbit/s.
    shifts : int or None
        Of a model: random shifts to average over, 0 for none; None is its own, for Demucs 1.
    overlap : float or None
        Of a model: share of a segment that overlaps with the next, from 0 up to 1; None is its own, for Demucs 0.25.
    segment : float or None
        Of a model: length of a segment in seconds; None is its own.
    """

    model: str | None = None
    format: str = "flac"
    bitrate: int = 320
    shifts: int | None = None
    overlap: float | None = None
    segment: float | None = None


@dataclass(frozen=True)
class Rhythm:
    """``[rhythm]``: what steers the beat tracker.

    Attributes
    ----------
    stems : bool
        Whether the drums stem, where there is one, helps to find the beats.
    bpm_range : (float, float) or None
        Lowest and highest tempo to look for, in beats per minute; None is the tracker's own range.
    bpm : float or None
        Tempo known beforehand, in beats per minute: decides the octave.
    model : str or None
        Name or file of the neural tracker's model; None is its default.
    """

    stems: bool = True
    bpm_range: tuple[float, float] | None = None
    bpm: float | None = None
    model: str | None = None


@dataclass(frozen=True)
class Run:
    """``[run]``: what changes no value, only where and how fast it is found.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    jobs : int
        Worker processes; 0 is one a core.
    offline : bool
        Nothing is fetched; what is not here is not used.
    commercial_safe : bool
        Models whose licence excludes commercial use are refused.
    """

    device: str = "auto"
    jobs: int = 0
    offline: bool = False
    commercial_safe: bool = False


@dataclass(frozen=True)
class Settings:
    """All settings of a data set. ``exclude`` holds, in ``[exclude]``, track = "reason" for what is left out."""

    backends: Backends = Backends()
    separation: Separation = Separation()
    rhythm: Rhythm = Rhythm()
    drums: Drums = field(default_factory=Drums)
    crop: Crop = field(default_factory=Crop)
    run: Run = Run()
    texts: Texts = field(default_factory=Texts)
    exclude: Mapping[str, str] = field(default_factory=dict)


def read_settings(root: Path) -> Settings:
    """Read ``mirkit.toml`` in a data set's root; where there is none, everything has its default.

    Raises
    ------
    SettingsError
        It cannot be read, holds an unknown key (the message names the nearest one) or a value that is not allowed.
    """
    path = root / SETTINGS_NAME
    return with_values(Settings(), _flat(_tables(path)), shown(path))


def with_values(settings: Settings, values: Mapping[str, Any], where: str) -> Settings:
    """Give settings with some values replaced, all of them checked.

    Parameters
    ----------
    settings : Settings
        What holds for the rest.
    values : mapping
        ``section.key`` -> value, e.g. ``{"run.jobs": 4}``.
    where : str
        Who says so, for the message: the file, or "command line".

    Raises
    ------
    SettingsError
        Unknown key or value not allowed.
    """
    for name, value in values.items():
        if name in _SECTIONS and name not in _CHECKS:
            raise SettingsError(f"{where}: {name} must be a table, written as [{name}]")
        if name not in _CHECKS:
            near = _same_key(name) or difflib.get_close_matches(name, [*_CHECKS, *_SECTIONS], 1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(_CHECKS))}"
            raise SettingsError(f"{where}: unknown setting {shown(name)}; {hint}")
        try:
            checked = check_value(name, value)
        except ValueError as error:
            raise SettingsError(f"{where}: {name} must be {error}") from error
        section, _, key = name.partition(".")
        new = replace(getattr(settings, section), **{key: checked}) if key else checked
        settings = replace(settings, **{section: new})
    return settings


def check_value(name: str, value: Any) -> Any:
    """Give the value of a known setting as it is kept.

    Raises
    ------
    ValueError
        It is not allowed; the message goes on after "must be".
    """
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise ValueError(f"{error}, not {str(value)[:80]!r}") from error


def write_backends(root: Path, resolved: Mapping[str, str]) -> None:
    """Write the method of each job into ``[backends]``, so that a later run resolves nothing differently.

    A job that has no method ("") is left out. Comments and all other settings stay as they are; the file is made if
    absent.

    Raises
    ------
    SettingsError
        The file, or a backend, is not valid.
    InfoError
        The system refused.
    """
    named = {job: name for job, name in resolved.items() if name}
    with_values(Settings(), {f"backends.{job}": name for job, name in named.items()}, "backends")
    write_table(root, "backends", named)


def write_table(root: Path, table: str, values: Mapping[str, Any]) -> None:
    """Set keys of one table of ``mirkit.toml`` and leave the rest, comments too. A value of None takes the key out.

    Raises as :func:`write_backends`.
    """
    import tomlkit

    path = root / SETTINGS_NAME
    with atomic.lock(root):
        read_settings(root)
        document = tomlkit.parse((read_bounded(path, _MAX_BYTES) or b"").decode("utf-8-sig"))
        section = document.setdefault(table, tomlkit.table())
        for key, value in values.items():
            if value is None:
                section.pop(key, None)
            else:
                section[key] = value
        if not section.as_string().strip("{} \t\r\n"):  # a comment in it keeps it
            document.pop(table)
        text = tomlkit.dumps(document).rstrip()
        text += "\n" if text else ""
        with_values(Settings(), _flat(tomllib.loads(text)), shown(path))
        atomic.write_whole(path, text.encode())


def _tables(path: Path) -> dict[str, Any]:
    try:
        data = read_bounded(path, _MAX_BYTES)
        return {} if data is None else tomllib.loads(data.decode("utf-8-sig"))
    except InfoError as error:
        raise SettingsError(str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{shown(path)}: not readable as TOML: {shown(str(error))}") from error


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Name every value ``section.key``; ``[exclude]`` is free and stays whole."""
    flat: dict[str, Any] = {}
    for section, value in tables.items():
        if isinstance(value, dict) and section not in _CHECKS:
            flat |= (
                {f"{section}.{key}": inner for key, inner in value.items()} if section in _SECTIONS else {section: 0}
            )
        else:
            flat[section] = value
    return flat


def _same_key(name: str) -> list[str]:
    """Find a known setting by its last word: the usual slip is the right key in the wrong table."""
    return [known for known in _CHECKS if "." in known and known.rpartition(".")[2] == name.rpartition(".")[2]]


_CHECKS: dict[str, Callable[[Any], Any]] = {
    **{f"backends.{job}": checks.one_of("auto", *(row.name for row in BACKENDS if row.job == job)) for job in JOBS},
    "separation.model": checks.optional(checks.text),
    "separation.format": checks.one_of("flac", "wav", "mp3", "ogg"),
    "separation.bitrate": checks.whole(32, 512),
    "separation.shifts": checks.optional(checks.whole(0, 100)),
    "separation.overlap": checks.optional(checks.number(0, 0.99)),
    "separation.segment": checks.optional(checks.number(0.1, 3600)),
    "rhythm.stems": checks.flag,
    "rhythm.bpm_range": checks.optional(checks.tempo_range),
    "rhythm.bpm": checks.optional(checks.number(20, 400)),
    "rhythm.model": checks.optional(checks.text),
    "drums.source": checks.one_of("stem", "mix"),
    "drums.quantise": checks.whole(0, 48),
    "drums.model": checks.optional(checks.text),
    "crop.length": crop_settings.length,
    "crop.align": checks.one_of("downbeat", "beat", "free"),
    "crop.overlap": checks.number(0, 0.99),
    "crop.tail": checks.one_of("drop", "pad", "keep"),
    "crop.name": crop_settings.set_name,
    "run.device": checks.device,
    "run.jobs": checks.whole(0, 4096),
    "run.offline": checks.flag,
    "run.commercial_safe": checks.flag,
    **text_settings.CHECKS,
    "exclude": checks.texts,
}
_SECTIONS = tuple(dict.fromkeys(name.partition(".")[0] for name in _CHECKS))
