"""Estimate of the time of a run: CPU seconds per minute of audio, on one core of a 2020 processor."""

from collections.abc import Mapping
from pathlib import Path

from mirkit import models
from mirkit.models import registry
from mirkit.models.backend import EMBEDDED, Backend, Model
from mirkit.store import Settings

#: Cost of all features with the embedded backends.
_MEASURE = 4.0


def seconds_per_minute(backends: Mapping[str, str], settings: Settings) -> dict[str, float]:
    """Return the cost of separating and of measuring a minute of audio with the backends, on the CPU."""
    others = (registry.backend(task, name) for task, name in backends.items() if name and task != "stems")
    return {
        "separate": _separation(_separator(backends), settings),
        "measure": _MEASURE + sum(row.seconds_per_minute for row in others),
    }


def slow_warning(backends: Mapping[str, str], settings: Settings) -> str:
    """Return a warning that separation by a network is slow here, with a faster choice; "" if no network separates."""
    row = _separator(backends)
    if not row.is_network:
        return ""
    chosen = models.resolve_weights(row, settings)
    name = chosen.name if isinstance(chosen, Model | Path) else row.name
    if models.uses_gpu("stems", row.name, settings.run.device):
        return f"{name} on a GPU takes less than the time below, which is the CPU's"
    cost = _separation(row, settings)
    others = {
        "htdemucs": registry.backend("stems", "demucs").seconds_per_minute,
        EMBEDDED: registry.backend("stems", EMBEDDED).seconds_per_minute,
    }
    faster = [f"--model {other} {seconds:.0f} s" for other, seconds in others.items() if seconds < cost]
    return f"{name} takes about {cost:.0f} s of CPU time per minute of audio; {', '.join(faster)}"


def _separator(backends: Mapping[str, str]) -> Backend:
    return registry.backend("stems", backends.get("stems") or EMBEDDED)


def _separation(row: Backend, settings: Settings) -> float:
    if not row.is_network:
        return row.seconds_per_minute
    return row.seconds_per_minute * models.networks("stems", settings) * max(1, settings.separation.shifts or 1)
