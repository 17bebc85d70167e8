"""How long a run will take, as far as that is known before: CPU seconds a minute of sound, on one core of 2020."""

from collections.abc import Mapping
from pathlib import Path

from mirkit import models
from mirkit.models.registry import Model
from mirkit.store import Settings

_EMBEDDED = {"separate": 4.0, "measure": 4.0}
#: What a model takes beside that.
_NEURAL = {"beat_this": 8.0, "audiobox": 12.0, "essentia": 1.5, "adtof": 2.0, "drumsep": 85.0}
#: One separating network; htdemucs_ft has four.
_NETWORK = {"demucs": 85.0, "roformer": 2200.0}


def seconds_per_minute(backends: Mapping[str, str], settings: Settings) -> dict[str, float]:
    """Cost of separating and of measuring a minute of sound by some methods, on the CPU."""
    return {
        "separate": _separation(backends.get("stems", ""), settings),
        "measure": _EMBEDDED["measure"] + sum(_NEURAL.get(name, 0.0) for name in backends.values()),
    }


def slow_warning(backends: Mapping[str, str], settings: Settings) -> str:
    """Say what it means to separate by a model here, and what is faster; "" where none does."""
    method = backends.get("stems", "")
    if method not in _NETWORK:
        return ""
    chosen = models.resolve_weights(models.backend("stems", method), settings)
    name = chosen.name if isinstance(chosen, Model | Path) else method
    if models.uses_card("stems", method, settings.run.device):
        return f"{name} on a card takes less than the time below, which is the CPU's"
    cost = _separation(method, settings)
    others = {"htdemucs": _NETWORK["demucs"], "embedded": _EMBEDDED["separate"]}
    faster = [f"--model {other} {seconds:.0f} s" for other, seconds in others.items() if seconds < cost]
    return f"{name} takes about {cost:.0f} s of CPU a minute of sound; {', '.join(faster)}"


def _separation(method: str, settings: Settings) -> float:
    if method not in _NETWORK:
        return _EMBEDDED["separate"]
    return _NETWORK[method] * models.networks("stems", settings) * max(1, settings.separation.shifts or 1)
