"""How long work takes on this machine, remembered in the user's cache folder for the estimates of later plans.

The file holds names of stages and methods with times, and nothing about the user's files.
"""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from mirkit.engines.resources import cores, cpu_name
from mirkit.store.user_cache import remember, remembered

_NAME = "timings.json"
_FORMAT = 1
#: Audio that counts (min): what was measured before weighs no more than this.
_MOST_MINUTES = 60.0
#: Machines that are remembered, as several may share a cache folder.
_MOST_MACHINES = 8


@dataclass
class Timings:
    """Times of this machine.

    Attributes
    ----------
    rates : dict
        Name of the work -> seconds of a worker, and minutes of audio in which they were measured.
    compiling : float or None
        Seconds for which the workers of a run compiled kernels; None if that was not measured.
    """

    rates: dict[str, tuple[float, float]] = field(default_factory=dict)
    compiling: float | None = None

    def seconds_per_minute(self, name: str) -> float | None:
        """Return the seconds per minute of audio of a kind of work; None if it was not measured here."""
        seconds, minutes = self.rates.get(name, (0.0, 0.0))
        return seconds / minutes if minutes > 0 else None

    def add(self, name: str, seconds: float, minutes: float) -> None:
        """Add a measurement."""
        before, of = self.rates.get(name, (0.0, 0.0))
        kept = min(1.0, _MOST_MINUTES / of) if of > 0 else 0.0
        self.rates[name] = (before * kept + seconds, of * kept + minutes)


def read_timings() -> Timings:
    """Return what is remembered of this machine; entries that are not times are left out."""
    content = remembered(_NAME)
    machines = content.get("machines") if content.get("format") == _FORMAT else None
    entry = machines.get(_machine()) if isinstance(machines, dict) else None
    if not isinstance(entry, dict):
        return Timings()
    rates = entry.get("rates")
    found = {
        str(name): (float(pair[0]), float(pair[1]))
        for name, pair in (rates.items() if isinstance(rates, dict) else ())
        if isinstance(pair, list) and len(pair) == 2 and all(map(_is_time, pair))
    }
    compiling: Any = entry.get("compiling")
    return Timings(found, float(compiling) if _is_time(compiling) else None)


def write_timings(timings: Timings) -> None:
    """Remember times of this machine."""
    content = remembered(_NAME)
    machines: Any = content.get("machines") if content.get("format") == _FORMAT else None
    others = (
        {name: entry for name, entry in machines.items() if name != _machine()} if isinstance(machines, dict) else {}
    )
    rates = {name: [round(value, 3) for value in pair] for name, pair in timings.rates.items()}
    compiling = None if timings.compiling is None else round(timings.compiling, 1)
    kept = dict(list(others.items())[1 - _MOST_MACHINES :])
    remember(_NAME, {"format": _FORMAT, "machines": kept | {_machine(): {"rates": rates, "compiling": compiling}}})


def _machine() -> str:
    return f"{cpu_name()}, {cores()} cores"


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
