"""The gain of every clip, before anything is written: numbers and ranges depend on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirkit import engines
from mirkit.errors import AudioError, InfoError
from mirkit.export.audio import gain_of
from mirkit.export.items import Item


@dataclass(frozen=True)
class _Asked:
    name: str
    source: Path
    seconds: float
    lufs: float | None
    loudness: float


def find_gains(
    items: Sequence[Item], problems: list[str], *, loudness: float, jobs: int, advance: Callable[[str], None]
) -> Mapping[str, tuple[float, bool]]:
    """Item's name -> decibels, and whether its true peak allows no more. An item that fails gets a line instead."""
    asked = [_Asked(item.name, item.mix, item.seconds, item.numbers.get("lufs"), loudness) for item in items]
    found: dict[str, tuple[float, bool]] = {}
    for done in engines.run(_gain, asked, jobs=jobs or engines.cores()):
        if isinstance(done.result, tuple):
            found[done.item.name] = done.result
        else:
            problems.append(f"{done.item.name}: {done.result or done.error}")
        advance(done.item.name)
    return found


def planned_gains(items: Sequence[Item], loudness: float) -> Mapping[str, tuple[float, bool]]:
    """The same without a look at true peaks, for a dry run."""
    lufs = {item.name: item.numbers.get("lufs") for item in items}
    return {name: (0.0 if now is None else loudness - now, False) for name, now in lufs.items()}


def _gain(asked: _Asked) -> tuple[float, bool] | str:
    try:
        return gain_of(asked.source, asked.seconds, asked.lufs, asked.loudness)
    except (AudioError, InfoError) as error:
        return str(error)
