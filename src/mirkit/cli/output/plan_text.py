"""A plan as a user reads it, and as machines do."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from mirkit.cli.output.run_summary import clock

if TYPE_CHECKING:
    from mirkit.pipeline import RunPlan
    from mirkit.pipeline.captioning import CaptionPlan


def plan(plan: RunPlan, workers: int, url: str = "") -> None:
    """Tracks, methods, what is done already, time and disk; ``url`` is where a data set lies that is not here."""
    from mirkit.store import printable

    captions = plan.captions
    methods = ", ".join(f"{job} {name or 'none'}" for job, name in plan.backends.items())
    print(f"tracks   {len(plan.tracks)} in {printable(url or plan.root)}")
    if methods:
        print(f"methods  {methods}")
    if captions is not None:
        _model(captions)
    for notice in dict.fromkeys((*plan.notices, *(captions.notices if captions else ()))):
        print(f"         {printable(notice)}")
    if captions is None or plan.backends:
        _tracks(plan, workers, url)
    if captions is not None:
        _captions(captions)


def _tracks(plan: RunPlan, workers: int, url: str) -> None:
    """What workers will do with the tracks."""
    from mirkit.models.messages import megabytes
    from mirkit.store import printable

    idle = len(plan.tracks) - len(plan.waiting)
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


def _model(captions: CaptionPlan) -> None:
    """The model that writes captions, and where audio is sent."""
    captioner = captions.captioner
    print(f"model    {captioner.model} by {captioner.backend} (license: {captioner.license})")
    if captioner.address and captions.todo:
        key = ", with the key in MIRKIT_TEXTS_KEY" if os.environ.get("MIRKIT_TEXTS_KEY") else ""
        print(f"server   audio of {len(captions.todo)} tracks is sent to {captioner.address}{key}")


def _captions(captions: CaptionPlan) -> None:
    """Captions that will be asked for, and how long that takes."""
    audio = f", {captions.audio_seconds / 60:.1f} min of audio to encode" if captions.prompts else ""
    print(
        f"to do    {captions.prompts} texts for {len(captions.todo)} tracks{audio}; {captions.stored} texts are there"
    )
    for why, count in captions.reasons.most_common():
        print(f"         {count} x {why}")
    if captions.prompts:
        parallel = captions.captioner.parallel
        tracks = "a track" if parallel == 1 else f"{parallel} tracks"
        about = f"about {clock(captions.seconds)}: " if captions.seconds is not None else ""
        work = f"{captions.tokens} tokens to read, at most {captions.max_new_tokens} to write, {tracks} at a time"
        print(f"needs    {about}{work}")


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
    } | ({"captions": _captions_as_json(plan.captions)} if plan.captions else {})


def _captions_as_json(captions: CaptionPlan) -> dict[str, Any]:
    return {
        "model": captions.captioner.model,
        "backend": captions.captioner.backend,
        "tracks": len(captions.todo),
        "prompts": captions.prompts,
        "stored": captions.stored,
        "reasons": dict(captions.reasons),
        "seconds": captions.seconds,
    }
