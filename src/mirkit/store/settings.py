"""``mirkit.toml``: the settings of a data set, in its root folder, and those of the user, in the user's own folder.

The command line goes before the environment, that before the data set's file, and that before the user's file. A data
set may come from a stranger, so its file may hold numbers, switches, methods and names of models. It may not name a
program, a file or a server: each setting declares in ``_CHECKS`` what it can reach.

``Settings`` and its sections are what every stage is given; each field says what it means and what it is when the
files are silent. Files, environment and flags all pass through :func:`with_values`, so all are checked alike.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mirkit.catalog import BACKENDS, JOBS
from mirkit.errors import InfoError, SettingsError
from mirkit.store import atomic, caption_settings, clip_settings, validators
from mirkit.store.caption_settings import CaptionSettings
from mirkit.store.clip_settings import ClipSettings
from mirkit.store.dataset_root import SETTINGS_NAME
from mirkit.store.drum_settings import DrumSettings
from mirkit.store.json_files import read_bounded, write_sidecar
from mirkit.store.os_errors import printable
from mirkit.store.validators import Kind, Setting

#: Environment variable that names the user's own settings file, where it is not in the platform's folder.
CONFIG = "MIRKIT_CONFIG"

#: What a settings file may weigh (bytes).
_MAX_BYTES = 2**20


@dataclass(frozen=True)
class BackendSettings:
    """``[backends]``: the method for each job, ``auto`` or a name that the catalog lists."""

    stems: str = "auto"
    beats: str = "auto"
    drums: str = "auto"
    classification: str = "auto"
    aesthetics: str = "auto"
    texts: str = "auto"


@dataclass(frozen=True)
class SeparationSettings:
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
class RhythmSettings:
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
class RunSettings:
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
        Models whose license excludes commercial use are refused.
    """

    device: str = "auto"
    jobs: int = 0
    offline: bool = False
    commercial_safe: bool = False


@dataclass(frozen=True)
class Settings:
    """All settings of a data set. ``exclude`` holds, in ``[exclude]``, track = "reason" for what is left out."""

    backends: BackendSettings = BackendSettings()
    separation: SeparationSettings = SeparationSettings()
    rhythm: RhythmSettings = RhythmSettings()
    drums: DrumSettings = field(default_factory=DrumSettings)
    crop: ClipSettings = field(default_factory=ClipSettings)
    run: RunSettings = RunSettings()
    texts: CaptionSettings = field(default_factory=CaptionSettings)
    exclude: Mapping[str, str] = field(default_factory=dict)


def read_settings(root: Path, *, own: bool = True) -> Settings:
    """Read the settings that hold for a data set; where no file says otherwise, everything has its default.

    Parameters
    ----------
    root : Path
        The data set's root.
    own : bool
        Whether the user's own settings and the environment count too, and not the data set's file alone.

    Raises
    ------
    SettingsError
        A file cannot be read, holds an unknown key (the message names the nearest one), a value that is not allowed,
        or, in a data set, a value that only the user may set (the message says where).
    """
    path = root / SETTINGS_NAME
    values = _flat(_tables(path))
    _refuse_addresses(values, path)
    if not own:
        return with_values(Settings(), values, printable(path))
    mine = _users_settings()
    settings = with_values(mine, values, printable(path))
    for name, setting in _CHECKS.items():
        if setting.restricts and value_of(mine, name):
            settings = with_values(settings, {name: True}, printable(path))
        if (value := os.environ.get(environment_variable(name), "")) and setting.option:
            settings = with_values(settings, {name: value}, environment_variable(name))
    return settings


def user_settings_path() -> Path:
    """Path of the user's own settings file, there or not.

    Raises
    ------
    SettingsError
        This user has no home folder, and no environment variable names the file.
    """
    if named := os.environ.get(CONFIG):
        return Path(os.path.abspath(os.path.expanduser(named)))
    import platformdirs

    path = platformdirs.user_config_path("mirkit", appauthor=False) / SETTINGS_NAME
    if not path.is_absolute():  # never one in the working folder, which may be a data set
        raise SettingsError(f"there is no home folder for your own settings; name their file in {CONFIG}")
    return path


def environment_variable(name: str) -> str:
    """Environment variable for a setting that names a model or an address, e.g. ``MIRKIT_TEXTS_URL``."""
    return f"MIRKIT_{name.replace('.', '_').upper()}"


def value_of(settings: Settings, name: str) -> Any:
    """Give the value of ``section.key``."""
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key) if key else getattr(settings, section)


def where_to_put(name: str) -> str:
    """Say where a setting belongs that a data set may not hold."""
    try:
        places = [f"into your own settings, {printable(user_settings_path())}"]
    except SettingsError:
        places = [f"into a settings file of your own that {CONFIG} names"]
    if option := _CHECKS[name].option:
        places += [f"into the environment as {environment_variable(name)}", f"or give {option}"]
    return ", ".join(places)


def _users_settings() -> Settings:
    try:
        path = user_settings_path()
    except SettingsError:
        return Settings()
    values = _flat(_tables(path, follow=True))
    if "exclude" in values:
        raise SettingsError(
            f"{printable(path)}: [exclude] names tracks of one data set; write it into its {SETTINGS_NAME}"
        )
    return with_values(Settings(), values, printable(path))


def _refuse_addresses(values: Mapping[str, Any], path: Path) -> None:
    """Refuse what would let a stranger's data set choose a program, a file or a server."""
    for name, value in values.items():
        setting = _CHECKS.get(name)
        if setting is None or setting.kind in (Kind.VALUE, Kind.WORDS):
            continue
        if setting.kind is Kind.ADDRESS:
            why = f"a data set may not name {setting.names}"
        elif validators.names_a_file(value, path.parent, Path()):
            why = f"a data set may name a model that `mirkit models` lists, and not {setting.names}"
        else:
            continue
        raise SettingsError(
            f"{printable(path)}: {name} = {printable(str(value))[:80]}: {why}; put it {where_to_put(name)}"
        )


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
            raise SettingsError(f"{where}: unknown setting {printable(name)}; {hint}")
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
        return _CHECKS[name].check(value)
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
        read_settings(root, own=False)
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
        flat = _flat(tomllib.loads(text))
        _refuse_addresses(flat, path)
        with_values(Settings(), flat, printable(path))
        write_sidecar(path, text.encode())


def _tables(path: Path, *, follow: bool = False) -> dict[str, Any]:
    try:
        data = read_bounded(path, _MAX_BYTES, follow=follow)
        return {} if data is None else tomllib.loads(data.decode("utf-8-sig"))
    except InfoError as error:
        raise SettingsError(str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{printable(path)}: not readable as TOML: {printable(str(error))}") from error


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


_CHECKS: dict[str, Setting] = {
    **{
        f"backends.{job}": Setting(
            validators.one_of("auto", *(row.name for row in BACKENDS if row.job == job)), Kind.VALUE
        )
        for job in JOBS
    },
    "separation.model": Setting(validators.optional(validators.text), Kind.MODEL, "a file or folder", "--model"),
    "separation.format": Setting(validators.one_of("flac", "wav", "mp3", "ogg"), Kind.VALUE),
    "separation.bitrate": Setting(validators.whole(32, 512), Kind.VALUE),
    "separation.shifts": Setting(validators.optional(validators.whole(0, 100)), Kind.VALUE),
    "separation.overlap": Setting(validators.optional(validators.number(0, 0.99)), Kind.VALUE),
    "separation.segment": Setting(validators.optional(validators.number(0.1, 3600)), Kind.VALUE),
    "rhythm.stems": Setting(validators.flag, Kind.VALUE),
    "rhythm.bpm_range": Setting(validators.optional(validators.tempo_range), Kind.VALUE),
    "rhythm.bpm": Setting(validators.optional(validators.number(20, 400)), Kind.VALUE),
    "rhythm.model": Setting(validators.optional(validators.text), Kind.MODEL, "a file", "--beat-model"),
    "drums.source": Setting(validators.one_of("stem", "mix"), Kind.VALUE),
    "drums.quantize": Setting(validators.whole(0, 48), Kind.VALUE),
    "drums.model": Setting(validators.optional(validators.text), Kind.MODEL, "a file", "--drum-model"),
    "crop.length": Setting(clip_settings.length, Kind.VALUE),
    "crop.align": Setting(validators.one_of("downbeat", "beat", "free"), Kind.VALUE),
    "crop.overlap": Setting(validators.number(0, 0.99), Kind.VALUE),
    "crop.tail": Setting(validators.one_of("drop", "pad", "keep"), Kind.VALUE),
    "crop.name": Setting(clip_settings.set_name, Kind.VALUE),
    "run.device": Setting(validators.device, Kind.VALUE),
    "run.jobs": Setting(validators.whole(0, 4096), Kind.VALUE),
    "run.offline": Setting(validators.flag, Kind.VALUE, restricts=True),
    "run.commercial_safe": Setting(validators.flag, Kind.VALUE, restricts=True),
    **caption_settings.CHECKS,
    "exclude": Setting(validators.texts, Kind.WORDS),
}
_SECTIONS = tuple(dict.fromkeys(name.partition(".")[0] for name in _CHECKS))
