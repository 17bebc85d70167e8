"""One declaration per setting: a field whose metadata holds the check, the help text and the option."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from mirkit.settings.validators import Check, optional


class Kind(Enum):
    """The kind of thing that a setting can name. A data set may contain only values, words and names of models."""

    VALUE = "a number, a switch, one of a closed set of names, or a plain name that becomes part of a file's"
    WORDS = "words that are printed or sent, and never opened"
    MODEL = "a model: a data set may hold its name, but not a path"
    ADDRESS = "a program, a file or a server: never in a data set"


@dataclass(frozen=True)
class Setting:
    """One setting, as ``--help``, ``mirkit.toml``, the environment and the manual use it.

    Attributes
    ----------
    check : Check
    help : str
        Description of the setting: a phrase for ``--help`` and for the manual.
    default : object
    option : str
        Option on the command line, e.g. ``"--shifts"``; "" if there is none.
    aliases : tuple of str
        Other spellings of the option; those that begin with two hyphens are accepted and not listed.
    units : mapping
        Options that replace ``option``: option -> unit of its number, e.g. ``{"--bars": "bars"}``.
    kind : Kind
    names : str
        The thing that the value of a model or an address names, e.g. ``"a program"``.
    restricts : bool
        For a switch, whether a data set cannot switch it off if it is on in the user's own settings.
    name : str
        ``section.key``; filled in by :func:`declared`.
    """

    check: Check
    help: str
    default: Any = None
    option: str = ""
    aliases: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = Kind.VALUE
    names: str = ""
    restricts: bool = False
    name: str = ""

    @property
    def is_switch(self) -> bool:
        """Whether the option takes no value."""
        return isinstance(self.default, bool)

    @property
    def variable(self) -> str:
        """Environment variable, e.g. ``MIRKIT_TEXTS_URL``; "" unless the setting names a model or an address."""
        named = self.option and self.kind in (Kind.MODEL, Kind.ADDRESS)
        return f"MIRKIT_{self.name.replace('.', '_').upper()}" if named else ""

    @property
    def default_text(self) -> str:
        """The default as a user writes it; "" if there is none."""
        if self.is_switch:
            return "true" if self.default else ""
        return "" if self.default in (None, "", (), {}) else self.check.write(self.default)


def setting(default: Any, check: Check, help: str, option: str = "", **declared: Any) -> Any:
    """Declare a field of a dataclass as a setting; None is allowed if it is the default.

    ``declared`` contains further attributes of ``Setting``.
    """
    metadata = {"setting": Setting(optional(check) if default is None else check, help, default, option, **declared)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def declared(schema: type, prefix: str = "") -> dict[str, Setting]:
    """Return all settings that a dataclass and the dataclasses in its fields declare, as ``section.key`` -> setting."""
    settings: dict[str, Setting] = {}
    for row in fields(schema):
        name = f"{prefix}{row.name}"
        if "setting" in row.metadata:
            settings[name] = replace(row.metadata["setting"], name=name)
        elif isinstance(row.type, type) and is_dataclass(row.type):
            settings |= declared(row.type, f"{name}.")
    return settings
