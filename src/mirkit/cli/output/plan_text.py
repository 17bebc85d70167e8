"""A plan as a user reads it, and as machines do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mirkit.cli.output.run_summary import clock

if TYPE_CHECKING:
    from mirkit.pipeline import RunPlan


def plan(plan: RunPlan, workers: int, url: str = "") -> None:
    """Tracks, methods, what is done already, time and disk; ``url`` is where a data set lies that is not here."""
    from mirkit.models.messages import megabytes
    from mirkit.store import printable

    idle = len(plan.tracks) - len(plan.todo) - len(plan.unreadable)
    methods = ", ".join(f"{job} {name or 'none'}" for job, name in plan.backends.items())
    print(f"tracks   {len(plan.tracks)} in {printable(url or plan.root)}")
    if methods:
        print(f"methods  {methods}")
    for notice in dict.fromkeys(plan.notices):
        print(f"         {printable(notice)}")
    for model in plan.downloads if plan.todo else ():
        hosts = ", ".join(dict.fromkeys(file.url.split("/")[2] for file in model.files))
        print(f"fetch    {model.title}: {megabytes(model.size)} from {hosts}, license: {model.license}")
    sound = "" if url else f", {plan.minutes:.0f} min of sound"
    print(f"to do    {len(plan.todo)} tracks{sound}; {idle} done already")
    for line in _own(plan):
        print(f"yours    {line}")
    for why, count in _whys(plan).most_common(8):
        print(f"         {count} x {printable(why)}")
    if plan.todo and url:  # how much sound it is shows when it is copied
        print(f"needs    {workers} workers")
    elif plan.todo:
        disk = f", {plan.stem_bytes / 1e6:.0f} MB of stems" if plan.stem_bytes else ""
        print(f"needs    about {clock(plan.seconds / workers)} with {workers} worker{'s' * (workers > 1)}{disk}")


def _own(plan: RunPlan) -> list[str]:
    """What becomes of files that the user has put there, and that would be made again."""
    kinds = {"separate": ("stems", "--replace-stems"), "drums": ("drum MIDI", "--replace-midi")}
    lines = []
    for stage, (what, option) in kinds.items():
        if count := plan.own.get(stage):
            has = f"{count} track{'s have' if count > 1 else ' has'} {what} of your own"
            became = "renamed to NAME.replaced-1, and new ones are made"
            lines.append(f"{has}: {became if stage in plan.replaces else f'kept ({option} would replace them)'}")
    return lines


def _whys(plan: RunPlan) -> Counter[str]:
    """Each reason with the stages that it holds for, counted over tracks."""
    counts: Counter[str] = Counter()
    for stages in plan.todo.values():
        by_reason: dict[str, list[str]] = {}
        for name, why in stages.items():
            by_reason.setdefault(why, []).append(name)
        for why, names in by_reason.items():
            listed = ", ".join(names) if len(names) <= 4 else f"{len(names)} stages"
            counts[f"{listed}: {why}"] += 1
    return counts


def as_json(plan: RunPlan, workers: int) -> dict[str, Any]:
    """The same for machines."""
    return {
        "root": str(plan.root),
        "tracks": len(plan.tracks),
        "methods": plan.backends,
        "notices": list(dict.fromkeys(plan.notices)),
        "fetch": [model.name for model in plan.downloads] if plan.todo else [],
        "todo": plan.todo,
        "unreadable": plan.unreadable,
        "own": {"stems": plan.own.get("separate", 0), "midi": plan.own.get("drums", 0)},
        "minutes": plan.minutes,
        "seconds": plan.seconds / workers,
        "stem_bytes": plan.stem_bytes,
    }
