"""Tars of samples, shuffled by seed: a reader takes them in their order."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirkit.export.bundle import Advance, clear_stale, write_json, write_sounds
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.split import TRAIN, VAL
from mirkit.staleness import is_mark_current, mark_of
from mirkit.store import atomic_file, make_folder, remove_file

#: What each shard holds, so that a second run writes only what has changed.
SHARDS = "mirkit_shards.json"
_WORK = ".sounds"

#: Suffix -> content of the files beside the sound.
Beside = Callable[[Sample], Mapping[str, bytes]]


def write_shards(plan: ExportPlan, beside: Beside, advance: Advance) -> None:
    """Write ``train/00000.tar`` and so on: a flac a sample and what goes with it, no dots in names.

    A sample that fails costs only itself. The same samples give the same bytes.
    """
    out = plan.options.out
    before: dict[str, Any] = _read(out / SHARDS)
    marks: dict[str, Any] = {}
    for split in (TRAIN, VAL):
        for number, shard in enumerate(_shards(plan, split)):
            path = out / split / f"{number:05d}.tar"
            make_folder(path.parent)
            name = path.relative_to(out).as_posix()
            mark = _mark(shard, beside)
            if is_mark_current(path, before.get(name, {}).get("mark"), mark):
                marks[name] = before[name]
                for sample in shard:
                    advance(sample.item.name)
                continue
            kept = _write(plan, shard, path, beside, advance)
            marks[name] = {"mark": _mark(kept, beside), "samples": len(kept), "bytes": path.stat().st_size}
    write_json(out / SHARDS, marks)
    clear_stale(out, {out / name for name in marks})
    shutil.rmtree(out / _WORK, ignore_errors=True)


def _shards(plan: ExportPlan, split: str) -> Iterator[list[Sample]]:
    """Samples of each shard, by the size of their sources."""
    shard: list[Sample] = []
    size = 0
    for sample in plan.shuffled(split):
        if shard and size + sample.item.sound.size > plan.options.shard_bytes:
            yield shard
            shard, size = [], 0
        shard.append(sample)
        size += sample.item.sound.size
    if shard:
        yield shard


def _mark(shard: Sequence[Sample], beside: Beside) -> str:
    def parts() -> Iterator[bytes]:
        for sample in shard:
            yield sample.name.encode()
            for suffix, content in beside(sample).items():
                yield suffix.encode() + content

    return mark_of(parts(), 16)


def _write(plan: ExportPlan, shard: list[Sample], path: Path, beside: Beside, advance: Advance) -> list[Sample]:
    work = plan.options.out / _WORK
    made = write_sounds(plan, shard, work, ".flac", advance)
    kept = [sample for sample in shard if sample.name in made]
    with atomic_file(path) as temp, tarfile.open(temp, "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in kept:
            sound = work / f"{sample.name}.flac"
            with open(sound, "rb") as file:
                tar.addfile(_entry(sound.name, sound.stat().st_size), file)
            for suffix, content in beside(sample).items():
                tar.addfile(_entry(f"{sample.name}{suffix}", len(content)), io.BytesIO(content))
            remove_file(sound)
    return kept


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
