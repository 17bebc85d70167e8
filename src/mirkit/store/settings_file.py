"""``mirkit.toml``: the settings of a data set, in its root folder, and those of the user, in the user's own folder.

The order of precedence is: command line, environment, file of the data set, file of the user. A data set may come from
anyone, so its file may contain numbers, switches, methods and names of models, but it may not name a program, a file or
a server. The ``kind`` of each setting declares which of these it can name. Files, environment and options all pass
through :func:`with_values` and have the same checks.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirkit.errors import InfoError, SettingsError, printable
from mirkit.settings import SETTINGS, Kind, Settings, validators
from mirkit.store import atomic
from mirkit.store.sidecars import SETTINGS_NAME, read_bounded, write_sidecar

#: Environment variable with the path of the user's own settings file, if it is not in the platform's folder.
CONFIG = "MIRKIT_CONFIG"

#: Largest settings file that is read (bytes).
_MAX_BYTES = 2**20
_SECTIONS = tuple(dict.fromkeys(name.partition(".")[0] for name in SETTINGS))


def read_settings(root: Path | None, *, own: bool = True) -> Settings:
    """Read the settings of a data set; settings that are in no file have their defaults.

    Parameters
    ----------
    root : Path or None
        The data set's root; None for audio that belongs to no data set.
    own : bool
        Whether to apply the user's own settings and the environment, too, and not only the data set's file.

    Raises
    ------
    SettingsError
        A file cannot be read, or contains an unknown key (the message names the nearest one) or an invalid value, or
        the file of a data set contains a value that only the user may set (the message names the place for it).
    """
    path = (root or Path()) / SETTINGS_NAME
    values = _flat(_tables(path)) if root else {}
    _refuse_addresses(values, path)
    if not own:
        return with_values(Settings(), values, printable(path))
    own_settings = _users_settings()
    settings = with_values(own_settings, values, printable(path))
    for name, setting in SETTINGS.items():
        if setting.restricts and value_of(own_settings, name):
            settings = with_values(settings, {name: True}, printable(path))
        if setting.variable and (text := os.environ.get(setting.variable)):
            settings = with_values(settings, {name: text}, setting.variable)
    return settings


def user_settings_path() -> Path:
    """Return the path of the user's own settings file, which need not exist.

    Raises
    ------
    SettingsError
        This user has no home folder, and no environment variable names the file.
    """
    if named := os.environ.get(CONFIG):
        return Path(os.path.abspath(os.path.expanduser(named)))
    import platformdirs

    no_home = SettingsError(f"there is no home folder for your own settings; name their file in {CONFIG}")
    try:
        path = platformdirs.user_config_path("mirkit", appauthor=False) / SETTINGS_NAME
    except RuntimeError as error:
        raise no_home from error
    if not path.is_absolute():  # a file in the working folder is not read, because that may be a data set
        raise no_home
    return path


def value_of(settings: Settings, name: str) -> Any:
    """Return the value of ``section.key``."""
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key) if key else getattr(settings, section)


def where_to_put(name: str) -> str:
    """Return the places for a setting that a data set may not contain."""
    try:
        places = [f"into your own settings, {printable(user_settings_path())}"]
    except SettingsError:
        places = [f"into a settings file of your own that {CONFIG} names"]
    if variable := SETTINGS[name].variable:
        places += [f"into the environment as {variable}", f"or give {SETTINGS[name].option}"]
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
    """Refuse values by which a data set would choose a program, a file or a server."""
    for name, value in values.items():
        setting = SETTINGS.get(name)
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
    """Return settings with some values replaced; all new values are checked.

    Parameters
    ----------
    settings : Settings
        Settings with the other values.
    values : mapping
        ``section.key`` -> value, e.g. ``{"run.jobs": 4}``.
    where : str
        Source of the values, for the message: the file, or "command line".

    Raises
    ------
    SettingsError
        A key is unknown, or a value is not allowed.
    """
    for name, value in values.items():
        if name in _SECTIONS and name not in SETTINGS:
            raise SettingsError(f"{where}: {name} must be a table, written as [{name}]")
        if name not in SETTINGS:
            near = _same_key(name) or difflib.get_close_matches(name, [*SETTINGS, *_SECTIONS], 1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(SETTINGS))}"
            raise SettingsError(f"{where}: unknown setting {printable(name)}; {hint}")
        try:
            checked = SETTINGS[name].check(value)
        except ValueError as error:
            raise SettingsError(f"{where}: {name} must be {error}") from error
        section, _, key = name.partition(".")
        new = replace(getattr(settings, section), **{key: checked}) if key else checked
        settings = replace(settings, **{section: new})
    return settings


def write_backends(root: Path, resolved: Mapping[str, str]) -> None:
    """Write the backend of each task into ``[backends]``, so that later runs use the same ones.

    A task without a backend ("") is left out. Comments and all other settings are kept. The file is created if it does
    not exist.

    Raises
    ------
    SettingsError
        The file, or a backend, is not valid.
    InfoError
        The system refused.
    """
    named = {task: name for task, name in resolved.items() if name}
    with_values(Settings(), {f"backends.{task}": name for task, name in named.items()}, "backends")
    write_table(root, "backends", named)


def write_table(root: Path, table: str, values: Mapping[str, Any]) -> None:
    """Set keys of one table of ``mirkit.toml`` and keep the rest, including comments. A value of None removes the key.

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
        if not section.as_string().strip("{} \t\r\n"):  # a table with a comment is kept
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
        raise SettingsError(f"{printable(path)}: the file cannot be read as TOML: {printable(str(error))}") from error


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``section.key`` -> value; ``[exclude]``, whose keys are free, stays one table."""
    flat: dict[str, Any] = {}
    for section, value in tables.items():
        if isinstance(value, dict) and section not in SETTINGS:
            flat |= (
                {f"{section}.{key}": inner for key, inner in value.items()} if section in _SECTIONS else {section: 0}
            )
        else:
            flat[section] = value
    return flat


def _same_key(name: str) -> list[str]:
    """Return the known settings with the same key, because a common mistake is a key in the wrong table."""
    return [known for known in SETTINGS if "." in known and known.rpartition(".")[2] == name.rpartition(".")[2]]
