"""Estimate of the time of a run, from what was measured on this machine, or else from defaults.

The defaults are CPU seconds per minute of audio on one core of a 2020 processor.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mirkit import models
from mirkit.catalog import stage
from mirkit.models import registry
from mirkit.models.backend import EMBEDDED, Backend, Model
from mirkit.pipeline.task import COMPILING, FILES, MEASURE, TrackOutcome
from mirkit.store import Settings
from mirkit.store.compiled import compiled_share
from mirkit.store.timings import Timings, read_timings, write_timings

#: Cost of all features with the embedded backends.
_MEASURE = 4.0
#: Seconds to compile all kernels of a run.
_COMPILE = 20.0
#: The start of the worker processes (s).
START = 1.5


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated time of the stages of a run.

    Attributes
    ----------
    seconds : float
        Time of one worker for all tracks, without compiling (s).
    compiling : float
        Time for which the run compiles kernels (s); 0 if they are compiled.
    basis : str
        ``measured`` on this machine; ``other`` work was, but not this; or ``default``.
    """

    seconds: float = 0.0
    compiling: float = 0.0
    basis: str = "default"


def estimate(
    todo: Mapping[str, Mapping[str, str]], minutes: float, backends: Mapping[str, str], settings: Settings
) -> TimeEstimate:
    """Estimate the time of a run.

    Parameters
    ----------
    todo : mapping
        Track -> stage -> reason, as in the plan.
    minutes : float
        Duration of these tracks.
    backends : mapping
        Task -> backend.
    settings : Settings
    """
    timings, default = read_timings(), seconds_per_minute(backends, settings)
    total, known = 0.0, True
    for stages, count in Counter(tuple(stages.items()) for stages in todo.values()).items():
        rates = {name: timings.seconds_per_minute(name) for name in _kinds_of_work(dict(stages), backends, settings)}
        cost = rates.pop(FILES) or 0.0
        for kind, parts in _by_kind(rates).items():
            if any(rate is None for name, rate in parts.items() if name.startswith(f"{kind} ")):
                known, cost = False, cost + default[kind]
            else:
                cost += sum(rate or 0.0 for rate in parts.values())
        total += cost * minutes * count / len(todo)
    measures = any(stages.keys() != {"separate"} for stages in todo.values())
    compiling = (timings.compiling or _COMPILE) * (1 - compiled_share()) if measures else 0.0
    basis = "measured" if known and todo else "other" if timings.rates else "default"
    return TimeEstimate(total, compiling, basis)


def wall_seconds(seconds: float, tracks: int, workers: int) -> float:
    """Return the time of workers for what takes one of them ``seconds``, if the tracks are of similar length."""
    return START + seconds * math.ceil(tracks / workers) / tracks


class Recorder:
    """Collects the times of a run, to remember them of this machine.

    Parameters
    ----------
    backends : mapping
        Task -> backend.
    settings : Settings
    workers : int
        Number of worker processes.
    """

    def __init__(self, backends: Mapping[str, str], settings: Settings, workers: int) -> None:
        self._backends, self._settings, self._workers = backends, settings, workers
        self._compiling = 0.0
        self._found = Timings()
        self._names: dict[tuple[tuple[str, str], ...], tuple[str, ...]] = {}

    def add(self, outcome: TrackOutcome, stages: Mapping[str, str]) -> None:
        """Add the outcome of a track with these planned stages and their reasons."""
        self._compiling += outcome.seconds.get(COMPILING, 0.0)
        if outcome.failures or not outcome.duration or set(outcome.done) != stages.keys():
            return
        planned = tuple(stages.items())
        if planned not in self._names:
            self._names[planned] = _kinds_of_work(stages, self._backends, self._settings)
        for name in self._names[planned]:
            if (seconds := outcome.seconds.get(name.split()[0])) is not None:
                self._found.add(name, seconds, outcome.duration / 60)

    def save(self) -> None:
        """Write the times to the user's cache folder."""
        timings = read_timings()
        for name, (seconds, minutes) in self._found.rates.items():
            timings.add(name, seconds, minutes)
        if self._compiling >= _LEAST_COMPILED and compiled_share() == 1:
            timings.compiling = self._compiling / self._workers
        elif not self._found.rates:
            return
        write_timings(timings)


def _by_kind(rates: Mapping[str, float | None]) -> dict[str, dict[str, float | None]]:
    """Divide the kinds of work of a track into separation, if there is any, and what is measured, if anything is."""
    separation = {name: rate for name, rate in rates.items() if name.startswith("separate ")}
    others = {name: rate for name, rate in rates.items() if name not in separation}
    return {kind: parts for kind, parts in (("separate", separation), (MEASURE, others)) if parts}


#: A run that compiled for a shorter time found most of its kernels compiled (s).
_LEAST_COMPILED = 5.0


def _kinds_of_work(stages: Mapping[str, str], backends: Mapping[str, str], settings: Settings) -> tuple[str, ...]:
    """Name what a track takes time for; the first word of each is its name in the outcome."""
    names = []
    for name in stages:
        task = stage(name).task
        method = backends.get(task) or "" if task else ""
        names.append(" ".join(filter(None, (name, _method(task, method, settings)))) if method else name)
    # With --overwrite, as for a new track, nothing that is stored is used.
    reasons = {name: "new" if why == "overwrite" else why for name, why in stages.items()}
    measured = sorted(f"{name}: {why}" for name, why in reasons.items() if name != "separate")
    if measured:
        # What the pass over the audio computes depends on all stages, and on whether some of it is stored.
        names.append(f"{MEASURE} {sha256(' '.join((*names, *measured)).encode()).hexdigest()[:12]}")
    return (*names, FILES)


def _method(task: str, name: str, settings: Settings) -> str:
    """Name a method with what its time depends on."""
    row = registry.backend(task, name)
    if not row.is_network:
        return name
    count = models.networks(task, settings) * max(1, settings.separation.shifts or 1) if task == "stems" else 1
    return f"{name} x{count} {settings.run.device}"


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
